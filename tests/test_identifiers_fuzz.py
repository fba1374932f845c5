"""No text that comes in crashes a reader or keeps it busy."""

import json
import time
from pathlib import Path

import pytest

from tests.fuzzing import HOSTILE, fuzz
from trace.identifiers.element_string import FNC1, ElementString, examine
from trace.identifiers.scan_data import read_scan_data

ALPHABET = "0123456789()[]|\\^%=/-+ABCXYZabz~ é中\0" + FNC1


def seeds(shared_data: Path) -> list[str]:
    oracle = shared_data / "epcis/gs1-syntax-engine/oracle_engine_1.4.1.jsonl"
    rows = map(json.loads, oracle.read_text(encoding="utf-8").splitlines())
    return [row["input"].replace("^", FNC1) for row in rows if not row["input"].startswith("http")]


def read_in_every_way(text: str) -> None:
    for examined in (examine(text), examine(text, permit_unknown=True)):
        assert examined.fault is None or 0 <= examined.fault.at <= len(text)
        again = ElementString(examined.elements)
        if examined.fault is None and examined.linear is None:
            assert examine(again.bracketed(), permit_unknown=True).elements == examined.elements
    scan = read_scan_data(text)
    assert scan.fault is None or 0 <= scan.fault.at <= len(text)


def test_changed_vectors_are_read_without_a_crash(shared_data: Path) -> None:
    fuzz(read_in_every_way, seeds(shared_data), of="trace/identifiers", rounds=1_000, alphabet=ALPHABET)


@pytest.mark.long
def test_many_changed_vectors_are_read_without_a_crash(shared_data: Path) -> None:
    fuzz(read_in_every_way, seeds(shared_data), of="trace/identifiers", rounds=200_000, alphabet=ALPHABET, seed=11)


@pytest.mark.long
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_100_kb_take_less_than_50_ms(text: str) -> None:
    for form in (text, "]d2" + text, "]E0" + text):
        taken = []
        for _ in range(3):
            begin = time.process_time()
            read_scan_data(form) if form[0] == "]" else examine(form)
            taken.append(time.process_time() - begin)
        assert min(taken) < 0.05, form[:20]
