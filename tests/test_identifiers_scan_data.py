"""What readers transmit: AIM identifiers, GTINs, composite symbols; both ways."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ValidationError
from trace.identifiers.aim import Symbology
from trace.identifiers.element_string import FNC1, ElementString
from trace.identifiers.hri import hri_lines
from trace.identifiers.scan_data import ScanData, Symbol, read_scan_data, write_scan_data

CHECK_DIGIT, MONTH = "GS1_LINTER_INCORRECT_CHECK_DIGIT", "GS1_LINTER_ILLEGAL_MONTH"

ENGINE = "epcis/gs1-syntax-engine"

# The symbol that the engine names first for an identifier.
SYMBOLS = {"]Q": "QR", "]d": "DM", "]J": "DotCode", "]e": "DataBarExpanded", "]C": "GS1_128_CCA"}


def rows(path: Path) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def in_engine_notation(scan: ScanData) -> str:
    """`^` for FNC1, so plain data that begins with it is escaped, its backslashes with it."""
    if scan.gtin is not None:
        return scan.gtin + ("|^" + ElementString(scan.elements).raw().replace(FNC1, "^") if scan.elements else "")
    if scan.elements:
        return "^" + scan.data.replace(FNC1, "^")
    return ("\\" if scan.data.lstrip("\\").startswith("^") else "") + scan.data


def from_engine_notation(symbol: str, data: str) -> tuple[ElementString | str, ElementString | None]:
    linear, bar, component = data.partition("|")
    if data[:1] != "^" and symbol in ("QR", "DM", "DotCode"):
        linear, bar = data, ""
        linear = linear[1:] if linear.lstrip("\\").startswith("^") else linear
    content = ElementString.parse(linear.replace("^", FNC1)) if linear.startswith("^") else linear
    return content, ElementString.parse(component.replace("^", FNC1)) if bar else None


def test_transmissions_are_read_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "processScanData.jsonl"):
        scan = read_scan_data(row["scanData"])
        assert (scan.fault is None) == row["valid"], row
        if scan.fault is None:
            assert scan.symbology is not None
            identifier = scan.symbology.identifier
            symbol = {"]E0": "EAN13", "]E4": "EAN8"}.get(identifier) or SYMBOLS[identifier[:2]]
            assert (symbol, in_engine_notation(scan)) == (row["symbology"], row["data"])


def test_transmissions_are_written_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "generateScanData.jsonl"):
        if row["symbology"] == "NONE":
            assert row["scanData"] is None and row["symbology"] not in set(Symbol)
            continue
        content, component = from_engine_notation(row["symbology"], row["data"])
        # The row of 12 digits was made with the option to add the check digit.
        complete = row["data"] == "211234567890"
        symbol = Symbol(row["symbology"])
        if row["scanData"] is None:
            with pytest.raises(ValidationError):
                write_scan_data(symbol, content, component, add_check_digit=complete)
        else:
            assert write_scan_data(symbol, content, component, add_check_digit=complete) == row["scanData"], row


def test_the_official_engine_gives_the_same_answers(shared_data: Path) -> None:
    asked = 0
    for row in rows(shared_data / ENGINE / "oracle_engine_1.4.1.jsonl"):
        if row["form"] == "scan":
            asked += 1
            scan = read_scan_data(row["input"])
            assert (scan.fault is None) == row["ok"], row
            # What a Digital Link in plain data says is another module's.
            if scan.fault is None and "://" not in scan.data:
                assert in_engine_notation(scan) == row["unbracketed"]
                assert list(hri_lines(scan.elements)) == row["hri"]
    assert asked == 19


def test_a_gtin_is_kept_as_the_symbol_has_it_and_given_as_an_element() -> None:
    scan = read_scan_data("]E06901234567892")
    assert (scan.gtin, scan.elements, scan.all_elements) == ("6901234567892", (), (("01", "06901234567892"),))
    assert read_scan_data("]E402345673").all_elements == (("01", "00000002345673"),)
    assert read_scan_data("]I116901234567899").gtin == "16901234567899"
    assert read_scan_data("]E3978710008823705").gtin == "9787100088237"


def test_a_component_may_rely_on_the_gtin_below_it() -> None:
    scan = read_scan_data("]E06901234567892|]e010LOT7")
    assert scan.fault is None
    assert scan.all_elements == (("01", "06901234567892"), ("10", "LOT7"))


@pytest.mark.parametrize(
    ("raw", "code", "at", "message"),
    [
        ("ABC", "no_symbology", 0, "expected ']' and an AIM symbology identifier."),
        ("]XX", "symbology_unknown", 0, "']XX': no symbology identifier that we know."),
        ("]d2", "no_data", 3, "expected an application identifier, got nothing."),
        ("]E0690", "gtin_length", 3, "GTIN '690': expected 13 digits, got 3."),
        ("]E069012345678921", "gtin_length", 16, "GTIN '69012345678921': expected 13 digits, got 14 characters."),
        (
            "]E06901234567891",
            CHECK_DIGIT,
            15,
            "GTIN '6901234567891': check digit is 1, computed 2.",
        ),
        ("]E4123A5678", "GS1_LINTER_NON_DIGIT_CHARACTER", 6, "GTIN '123A5678': 'A', expected digits."),
        (
            "]d20106901234567891",
            CHECK_DIGIT,
            18,
            "(01) '06901234567891': check digit is 1, computed 2.",
        ),
        (
            "]E06901234567892|]e017261301",
            MONTH,
            24,
            "(17) '261301': month is 13, expected 01 to 12.",
        ),
    ],
)
def test_what_is_wrong_is_said_and_where(raw: str, code: str, at: int, message: str) -> None:
    fault = read_scan_data(raw).fault
    assert fault is not None
    assert (fault.code, fault.at, fault.message) == (code, at, message)


def test_a_symbol_refuses_what_it_cannot_carry() -> None:
    gtin = ElementString((("01", "16901234567899"),))
    lot = ElementString((("10", "LOT7"),))
    for symbol, content, component, message in (
        (Symbol.QR_CODE, gtin, lot, "QR: expected a linear symbol below a 2D component."),
        (Symbol.EAN_13, gtin, None, "EAN13: GTIN '16901234567899': expected 13 digits, got 14."),
        (Symbol.EAN_13, lot, None, "EAN13: expected AI (01) alone, got (10)LOT7."),
        (Symbol.GS1_128_CCA, "TEXT", None, "GS1_128_CCA: expected an element string, got text."),
        (
            Symbol.DATABAR_LIMITED,
            "24012345678905",
            None,
            "DataBarLimited '24012345678905': expected at most 19999999999999.",
        ),
    ):
        with pytest.raises(ValidationError) as refused:
            write_scan_data(symbol, content, component)
        assert str(refused.value) == message


def test_a_component_follows_an_open_value_behind_a_separator() -> None:
    lot, gtin = ElementString((("01", "06901234567892"), ("10", "L"))), ElementString((("01", "06901234567892"),))
    component = ElementString((("99", "X"),))
    assert write_scan_data(Symbol.GS1_128_CCC, lot, component) == f"]e0010690123456789210L{FNC1}99X"
    assert write_scan_data(Symbol.DATABAR_EXPANDED, gtin, component) == "]e0010690123456789299X"


def test_an_upc_is_transmitted_as_13_digits() -> None:
    assert write_scan_data(Symbol.UPC_A, ElementString((("01", "00416000336108"),))) == "]E00416000336108"
    assert write_scan_data(Symbol.UPC_E, "001234000057") == "]E00001234000057"


@given(st.text(st.sampled_from("]dEeQC0123456789()|\\^AB" + FNC1), max_size=60))
def test_no_transmission_is_an_exception(raw: str) -> None:
    scan = read_scan_data(raw)
    assert isinstance(scan.symbology, Symbology | None)
    assert scan.fault is None or 0 <= scan.fault.at <= len(raw)
