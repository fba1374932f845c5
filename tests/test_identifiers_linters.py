"""The linters of the GS1 Barcode Syntax Dictionary: fault, place and words."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trace.errors import UnavailableError
from trace.identifiers.ai_table import AI_TABLE
from trace.identifiers.check_digits import gs1_check_digit, gs1_check_pair
from trace.identifiers.company_prefixes import Allocated, company_prefix_fault
from trace.identifiers.coupons import coupon_fault
from trace.identifiers.faults import Fault
from trace.identifiers.iso_3166 import ALPHA_2_OF, NUMERIC_OF
from trace.identifiers.linters import LINTERS

LINTER = "epcis/gs1-syntax-engine/linter.jsonl"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    # Only a line feed ends a record; some hold other line breaks as data.
    for line in path.read_bytes().decode().split("\n"):
        if line.startswith("{"):
            yield json.loads(line)


def marked(text: str, fault: Fault | None) -> str | None:
    if fault is None:
        return None
    end = fault.at + fault.length
    return f"{text[: fault.at]}*{text[fault.at : end]}*{text[end:]}"


def asks_a_prefix_list(row: dict[str, Any]) -> bool:
    """Whether the engine was built with a list of company prefixes, and one that objects, for this case."""
    marks = row["highlight"] or ""
    longer = marks.count("*") == 2 and len(marks.split("*")[1]) > 1
    return row["err"] == "GS1_LINTER_GCP_DATASOURCE_OFFLINE" or (
        row["err"] == "GS1_LINTER_INVALID_GCP_PREFIX" and longer
    )


@pytest.mark.parametrize("name", sorted(LINTERS))
def test_a_linter_finds_the_fault_that_the_syntax_engine_finds_where_it_finds_it(shared_data: Path, name: str) -> None:
    for row in rows(shared_data / LINTER):
        if row["linter"] == name and not asks_a_prefix_list(row):
            fault = LINTERS[name](row["data"])
            assert (fault and fault.code, marked(row["data"], fault)) == (row["err"], row["highlight"]), row


def test_a_list_of_company_prefixes_objects_where_it_does_in_the_syntax_engine(shared_data: Path) -> None:
    asked = 0
    for row in filter(asks_a_prefix_list, rows(shared_data / LINTER)):
        asked += 1
        text, wrong_at = row["data"], row["highlight"].index("*")
        allocated = prefixes(offline="OFFLINE" in row["err"], from_call=0 if wrong_at <= 1 else 1)
        fault = (
            coupon_fault(text, allocated) if row["linter"] == "couponcode" else company_prefix_fault(text, allocated)
        )
        assert (fault and fault.code, marked(text, fault)) == (row["err"], row["highlight"]), row
    assert asked == 6


def prefixes(*, offline: bool, from_call: int) -> Allocated:
    """A list that knows the first prefixes it is asked for and then none, or cannot be asked any more."""
    calls: list[str] = []

    def allocated(text: str) -> bool:
        calls.append(text)
        if len(calls) <= from_call:
            return True
        if offline:
            raise UnavailableError("the list is not here")
        return False

    return allocated


def test_every_case_is_asked_by_some_test(shared_data: Path) -> None:
    text = (shared_data / LINTER).read_bytes().decode()
    names = [row["linter"] for row in rows(shared_data / LINTER)]
    # `_stubs` are names that the dictionary has withdrawn: they let everything pass, and we have none.
    assert {name for name in names if name not in LINTERS} == {"_stubs"}
    # Two records were torn by a line break of their own when the set was divided; four pieces without data are left.
    assert (len(names), text.count("\n") - len(names)) == (2032, 4)


def test_every_linter_that_the_table_names_is_there() -> None:
    named = {name for found in AI_TABLE.values() for each in found.components for name in each.linter_names}
    assert named <= LINTERS.keys()
    assert LINTERS.keys() - named == {"cset39", "cset64", "cset82", "csetnumeric", "yyyymmd0"}


def test_check_digits_are_those_of_the_syntax_engine(shared_data: Path) -> None:
    for row in json.loads((shared_data / "epcis/gs1-syntax-engine/gtin_parity.json").read_text()):
        assert (gs1_check_digit(row["value"][:-1]) == row["value"][-1]) == row["valid"], row


def test_the_check_pair_of_the_general_specifications() -> None:
    assert gs1_check_pair("1987654Ad4X4bL5ttr2310c") == "2K"
    assert gs1_check_pair("") == "22"


def test_each_country_has_one_code_of_each_form() -> None:
    assert len(NUMERIC_OF) == len(ALPHA_2_OF) == 249
    assert (NUMERIC_OF["CN"], ALPHA_2_OF["158"]) == ("156", "TW")


@pytest.mark.parametrize(
    ("ai", "value", "at", "message"),
    [
        ("01", "06901234567891", 13, "check digit is 1, computed 2"),
        ("8013", "1987654Ad4X4bL5ttr2310c2L", 23, "check characters are 2L, computed 2K"),
        ("8013", "A", 0, "expected two check characters at the end, got 1 characters"),
        ("401", "12A4", 2, "'A' in the company prefix, expected digits"),
        ("402", "1234567890123456A", 16, "'A' at 17, expected digits"),
        ("17", "261301", 2, "month is 13, expected 01 to 12"),
        ("4326", "260200", 4, "day is 00, expected 01 to 28"),
        ("7251", "202602292359", 6, "day is 29, expected 01 to 28"),
        ("4324", "2611242460", 6, "hour is 24, expected 00 to 23"),
        ("8008", "261124236060", 8, "minute is 60, expected 00 to 59"),
        ("421", "888100000", 0, "country is '888', expected three digits of ISO 3166-1"),
        ("7030", "888X", 0, "country is '888', expected three digits of ISO 3166-1, or 999 for several countries"),
        ("4307", "ZZ", 0, "country is 'ZZ', expected two letters of ISO 3166-1"),
        ("3912", "000123", 0, "currency is '000', expected three digits of ISO 4217"),
        ("7241", "11", 0, "AIDC media type is '11', expected 01 to 10 or 80 to 99"),
        ("7041", "QZ", 0, "package type is 'QZ', expected a code of PackageTypeCode"),
        ("7040", "1AB+", 3, "importer index is '+', expected a letter, a digit, '-' or '_'"),
        ("8001", "00001234512301", 0, "value is 0000, expected more than 0"),
        ("8001", "12341234512321", 12, "winding direction is '2', expected 0, 1 or 9"),
        ("8003", "19501234567890", 0, "value is 1, expected 0"),
        ("8011", "01", 0, "number is 01, expected no leading 0"),
        ("8014", "1234567890MK", 10, "check characters are MK, computed 4L"),
        ("4330", "001234+", 6, "sign is '+', expected '-'"),
        ("4321", "2", 0, "flag is '2', expected 0 or 1"),
        ("7252", "5", 0, "sex is '5', expected 0, 1, 2 or 9 (ISO/IEC 5218)"),
        ("8006", "123456789012310302", 14, "piece is 03, expected at most the total, 02"),
        ("7258", "3/2", 0, "position is 3, expected at most the last one, 2"),
        ("8007", "BE71096123456760", 2, "check digits of the IBAN are 71, which do not belong to BE and 096123456760"),
        ("8007", "AB12345678901234", 0, "country of the IBAN is 'AB', expected two letters of ISO 3166-1"),
        ("4300", "ABC%0g", 3, "'%0g' at 4, expected '%' and two hexadecimal digits"),
        ("4309", "18000000010000000000", 0, "latitude is 1800000001, expected at most 1800000000"),
        ("8030", "123=", 3, "1 '=' at the end, expected none, or 1 or 2 that fill up to a multiple of 3"),
        ("8110", "0123456123", 7, "coupon: offer code is cut off, expected 6 digits, got 3"),
        ("8110", "71234567", 0, "coupon: length of company prefix is 7, expected one of 0, 1, 2, 3, 4, 5, 6"),
        ("8112", "0", 0, "coupon: length of funder is missing"),
    ],
)
def test_a_fault_names_the_value_what_was_expected_and_what_came(ai: str, value: str, at: int, message: str) -> None:
    fault = AI_TABLE[ai].fault(value)
    assert fault is not None
    assert (fault.at, fault.message) == (at, f"({ai}) {value!r}: {message}.")
