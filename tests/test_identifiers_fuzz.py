"""No text that comes in crashes a reader or keeps it busy."""

import json
import time
from pathlib import Path

import pytest

from tests.fuzzing import HOSTILE, fuzz
from trace.identifiers.decoded import decode_epc, decode_text
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.dl_compression import compress
from trace.identifiers.element_string import FNC1, ElementString, examine
from trace.identifiers.identify import identify
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


def every_form(shared_data: Path) -> list[str]:
    """What a line may begin with, some of each."""
    oracle = (shared_data / "epcis/gs1-syntax-engine/oracle_engine_1.4.1.jsonl").read_text(encoding="utf-8")
    links = [row["input"] for row in map(json.loads, oracle.splitlines()) if row["input"].startswith("http")]
    return [
        *links,
        compress(DigitalLink.parse("https://id.gs1.org/01/09520000000035/10/LOT7/21/7?17=291231&a=b")),
        "https://id.gs1.org/01/09520000000035/DQ",
        "urn:epc:id:sgtin:9520000.000003.7",
        "urn:epc:id:giai:9520000.A%2F1",
        "urn:epc:class:lgtin:9520000.000003.L1",
        "urn:epc:idpat:sgtin:9520000.000003.*",
        "urn:epc:pat:sgtin-96:3.9520000.[3-9].*",
        "urn:epc:tag:[att=x01]:sgtin-96:3.9520000.000003.7",
        "urn:epc:raw:96.x3056450E000000C000001B59",
        "urn:epc:raw:240.x41.x00FF",
        "6901234567892",
        "81234567890123456789",
        "国药准字H20000001",
        "91110000600037341L",
        "SC11234567890125",
        "]Q1https://id.gs1.org/01/09520000000035",
    ]


def tell_in_every_way(text: str) -> None:
    for told in (decode_text(text), decode_epc(text)):
        fault = told.to_dict()["error"]
        assert told.ok == (fault is None)
        assert fault is None or fault["at"] is None or 0 <= fault["at"] <= len(text)
    identify(text)


def test_changed_codes_of_every_form_are_told_without_a_crash(shared_data: Path) -> None:
    fuzz(tell_in_every_way, every_form(shared_data), of="trace/identifiers", rounds=1_000, alphabet=ALPHABET)


@pytest.mark.long
def test_many_changed_codes_of_every_form_are_told_without_a_crash(shared_data: Path) -> None:
    fuzz(tell_in_every_way, every_form(shared_data), of="trace/identifiers", rounds=100_000, alphabet=ALPHABET, seed=13)


def test_changed_tags_are_told_without_a_crash() -> None:
    tags = ["3056450E000000C000001B59", "f780952000000003501710642ce4fb173b9f", "3100", "E2801160600002"]
    fuzz(lambda text: decode_epc(text), tags, of="trace/identifiers", rounds=2_000, alphabet="0123456789abcdefABCDEF ")


def test_changed_vectors_are_read_without_a_crash(shared_data: Path) -> None:
    fuzz(read_in_every_way, seeds(shared_data), of="trace/identifiers", rounds=1_000, alphabet=ALPHABET)


@pytest.mark.long
def test_many_changed_vectors_are_read_without_a_crash(shared_data: Path) -> None:
    fuzz(read_in_every_way, seeds(shared_data), of="trace/identifiers", rounds=200_000, alphabet=ALPHABET, seed=11)


BEGINNINGS = ("", "]Q1", "]d2", "http://a/", "https://id.gs1.org/01/09520000000035?10=", "urn:epc:id:sgtin:")
TDS_BEGINNINGS = (
    "urn:epc:tag:sgtin-96:",
    "urn:epc:pat:sgtin-96:",
    "urn:epc:idpat:",
    "urn:epc:raw:96.x",
    "urn:epc:id:giai:9520000.",
)


@pytest.mark.long
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("beginning", (*BEGINNINGS, *TDS_BEGINNINGS))
def test_100_kb_of_any_form_take_less_than_50_ms(beginning: str, text: str) -> None:
    for tell in (decode_text, identify, decode_epc):
        taken = []
        for _ in range(3):
            begin = time.process_time()
            tell(beginning + text)
            taken.append(time.process_time() - begin)
        assert min(taken) < 0.05, tell.__name__


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
