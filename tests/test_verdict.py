"""The verdict: one reason first, in a fixed order, and what else holds."""

import itertools
from datetime import date, timedelta
from typing import Any

import pytest

from trace.supervision.verdict import CLASS_OF, Facts, Verdict, VerdictClass, VerdictCode, judge

TODAY = date(2026, 11, 24)
REASONS: dict[VerdictCode, dict[str, Any]] = {
    VerdictCode.RECALLED: {"recalled": True},
    VerdictCode.HALTED: {"halted": True},
    VerdictCode.FAILED: {"failed_test": True},
    VerdictCode.COLD: {"cold_breach": 31.5},
    VerdictCode.EXPIRED: {"expiry": TODAY - timedelta(days=1)},
    VerdictCode.SOLD_TWICE: {"sales": 2},
    VerdictCode.SOLD: {"sales": 1},
    VerdictCode.GAP: {"has_origin": False},
}


@pytest.mark.parametrize(("code", "fact"), list(REASONS.items()))
def test_each_reason_alone_is_the_verdict(code: VerdictCode, fact: dict[str, Any]) -> None:
    verdict = judge(Facts(steps=3, **fact), TODAY)
    assert (verdict.code, verdict.others) == (code, ())


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(REASONS, 2)))
def test_of_two_reasons_the_more_serious_comes_first(first: VerdictCode, second: VerdictCode) -> None:
    if {first, second} == {VerdictCode.SOLD, VerdictCode.SOLD_TWICE}:
        return  # one number of sales
    verdict = judge(Facts(steps=3, **REASONS[first] | REASONS[second]), TODAY)
    assert (verdict.code, verdict.others) == (first, (second,))


def test_in_order_is_what_is_left() -> None:
    facts = Facts(steps=7, expiry=TODAY)
    assert judge(facts, TODAY) == Verdict(
        VerdictCode.NORMAL, {"steps": 7, "sales": 0, "expiry": "2026-11-24", "days": 0}, ()
    )


def test_the_last_day_is_a_good_day_and_the_next_is_not() -> None:
    facts = Facts(steps=1, expiry=TODAY)
    assert judge(facts, TODAY).code is VerdictCode.NORMAL
    assert judge(facts, TODAY + timedelta(days=1)).code is VerdictCode.EXPIRED


def test_nothing_recorded_is_unknown_whatever_else() -> None:
    assert judge(Facts(steps=0, recalled=True), TODAY) == Verdict(VerdictCode.NOT_FOUND)


def test_every_reason_has_a_form() -> None:
    assert set(CLASS_OF) == set(VerdictCode)
    assert judge(Facts(steps=1, sales=1), TODAY).form is VerdictClass.INFO
    assert judge(Facts(steps=1, cold_breach=31.5), TODAY).params["celsius"] == 31.5
