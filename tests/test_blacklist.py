"""The serious violations list: what an entry must say, and its status on a day."""

from dataclasses import replace
from datetime import date

import pytest

from trace.errors import ValidationError
from trace.supervision.blacklist import BlacklistEntry, State, Status, listing

ENTRY = BlacklistEntry(
    entry_id=7,
    name="示例云桥某粮油行",
    uscc="92990103MADEM1137G",
    category="食品经营",
    region="990103",
    ground="销售以工业原料加工的食用油",
    basis="《市场监督管理严重违法失信名单管理办法》第五条",
    decision_number="云市监罚〔2026〕18号",
    authority="云桥市市场监督管理局",
    listed_on=date(2026, 9, 14),
    until=date(2029, 9, 13),
    state=State.LISTED,
)
LISTING = "blacklist entry 7: a listing needs decision number, date of listing and end of period"


@pytest.mark.parametrize(
    ("today", "status"),
    [
        (date(2026, 9, 14), Status.PUBLISHED),
        (date(2029, 9, 13), Status.PUBLISHED),
        (date(2029, 9, 14), Status.EXPIRED),
    ],
)
def test_an_entry_is_published_to_the_last_day_of_its_period(today: date, status: Status) -> None:
    assert listing(ENTRY, today).status is status


def test_a_hearing_needs_no_decision_yet() -> None:
    hearing = replace(ENTRY, state=State.HEARING, decision_number=None, listed_on=None, until=None)
    assert listing(hearing, date(2040, 1, 1)).status is Status.HEARING


def test_a_repaired_entry_stays_repaired_after_its_period() -> None:
    repaired = replace(ENTRY, state=State.REPAIRED, removed_on=date(2027, 1, 1), removal_reason="已履行义务")
    assert listing(repaired, date(2040, 1, 1)).status is Status.REPAIRED


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: ""}, f"blacklist entry 7: {name} is missing")
            for name in ("name", "uscc", "category", "region", "ground", "basis", "authority")
        ),
        ({"state": State.HEARING, "ground": ""}, "blacklist entry 7: ground is missing"),
        ({"decision_number": None}, LISTING),
        ({"decision_number": ""}, LISTING),
        ({"listed_on": None}, LISTING),
        ({"until": None}, LISTING),
        ({"until": date(2026, 9, 14)}, "blacklist entry 7: ends 2026-09-14, expected after its listing on 2026-09-14"),
        ({"state": State.REPAIRED}, "blacklist entry 7: a removal needs its date and reason"),
        (
            {"state": State.REPAIRED, "removed_on": date(2027, 1, 1), "removal_reason": ""},
            "blacklist entry 7: a removal needs its date and reason",
        ),
    ],
)
def test_what_the_law_asks_for_cannot_be_missing(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        replace(ENTRY, **changes)
    assert str(refused.value) == message
