"""The one door: what a scan, a photo or a typed text identifies, and what it says when it identifies nothing."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.identifiers.aim import Reading, symbology
from trace.identifiers.drug_codes import DrugApprovalNumber, DrugTraceCode
from trace.identifiers.element_string import FNC1
from trace.identifiers.enterprise_codes import FoodOperationLicence, FoodProductionLicence, Uscc
from trace.identifiers.gs1_keys import Gln, Gtin, Lgtin, Sgln, Sgtin, Sscc
from trace.identifiers.identify import Identified, identify
from trace.identifiers.meat_codes import MeatRetailCode
from trace.identifiers.national import NationalCode
from trace.identifiers.prefix_registry import DrugPack, PrefixRegistry

GTIN = Gtin("06901234567892")
ITEM, LOT = Sgtin(GTIN, "A7"), Lgtin(GTIN, "LOT7")
THIRTEEN = "{!r} is read as a GTIN; typed digits may be a GLN or the end of a longer number too."
UNMARKED = "read as GS1 data, though no reader said so."


def test_a_gs1_datamatrix_of_an_item_says_everything_at_once() -> None:
    assert identify(f"]d20106901234567892112611201726113010LOT7{FNC1}21A7") == Identified(
        carrier="GS1 DataMatrix",
        key=ITEM,
        keys=(ITEM, LOT, GTIN),
        lot="LOT7",
        expiry=date(2026, 11, 30),
        produced=date(2026, 11, 20),
        elements=(("01", "06901234567892"), ("11", "261120"), ("17", "261130"), ("10", "LOT7"), ("21", "A7")),
    )


@pytest.mark.parametrize(
    ("raw", "link"),
    [
        ("]d2010690123456789210A\x1d21A/7", "https://id.gs1.org/01/06901234567892/21/A%2F7"),
        ("6901234567892", "https://id.gs1.org/01/06901234567892"),
        ("urn:epc:id:sscc:9520000.0000000001", "https://id.gs1.org/00/095200000000000011"),
        ("81234567890123456789", None),
        ("good morning", None),
    ],
)
def test_what_gs1_owns_has_one_canonical_link_whatever_carried_it(raw: str, link: str | None) -> None:
    assert identify(raw).digital_link == link


def test_digits_as_printed_are_read_and_what_was_changed_is_told() -> None:
    assert identify("６９０１２３４５６７８９２").warnings == (
        "'６９０１２３４５６７８９２' was read with full-width characters as narrow ones.",
        THIRTEEN.format("6901234567892"),
    )
    spaced = identify("6 901234 567892")
    assert (spaced.key, spaced.warnings) == (
        GTIN,
        ("'6 901234 567892' was read with its spaces and hyphens left out.", THIRTEEN.format("6901234567892")),
    )


def test_thirteen_digits_that_no_symbol_vouches_for_are_a_gtin_with_a_doubt() -> None:
    typed = identify("6924561884074")
    assert (typed.key, typed.keys, typed.warnings) == (
        Gtin("06924561884074"),
        (Gtin("06924561884074"),),
        (THIRTEEN.format("6924561884074"),),
    )
    assert identify("]E06924561884074").warnings == ()
    # A shop's own number is none of the three.
    assert len(identify("2112345678900").warnings) == 1


def test_a_tag_uri_and_the_pattern_of_one_class_name_their_thing() -> None:
    assert identify("urn:epc:tag:sgtin-96:1.6901234.056789.7").key == Sgtin(GTIN, "7")
    assert identify("urn:epc:idpat:sgtin:6901234.056789.*").key == GTIN
    assert identify("urn:epc:idpat:sgtin:*.*.*").error == "EPC pattern 'urn:epc:idpat:sgtin:*.*.*': names no one class."


def test_a_driver_may_give_the_symbology_apart() -> None:
    raw = f"010690123456789210LOT7{FNC1}21A7"
    assert identify(raw, symbology="]C1") == identify("]C1" + raw)
    assert identify("]C1" + raw, symbology="]C1") == identify("]C1" + raw)


@pytest.mark.parametrize(
    ("raw", "carrier", "keys"),
    [
        ("]E06924561884074", "EAN-13, UPC-A or UPC-E", (Gtin("06924561884074"),)),
        ("]E00012345678905", "EAN-13, UPC-A or UPC-E", (Gtin("00012345678905"),)),
        ("]E496385074", "EAN-8", (Gtin("00000096385074"),)),
        ("]I116901234567899", "ITF-14", (Gtin("16901234567899"),)),
        ("]C100106141412345678908", "GS1-128", (Sscc("106141412345678908"),)),
        ("]J10106901234567892", "GS1 DotCode", (GTIN,)),
        ("]Q1https://brand.cn/01/06901234567892/21/A7", "QR Code", (ITEM, GTIN)),
        ("]d1https://id.gs1.org/414/9520000000011", "Data Matrix", (Gln("9520000000011"),)),
        ("106141412345678908", "digits", (Sscc("106141412345678908"),)),
        ("96385074", "digits", (Gtin("00000096385074"),)),
        ("(01)06901234567892(10)LOT7", "element string", (LOT, GTIN)),
        ("(414)9520000000011(254)D3", "element string", (Sgln(Gln("9520000000011"), "D3"), Gln("9520000000011"))),
        (f"010690123456789210LOT7{FNC1}21A7", "element string", (ITEM, LOT, GTIN)),
        ("urn:epc:id:sgtin:69012345.06789.A7", "EPC URN", (ITEM, GTIN)),
        ("urn:epc:class:lgtin:69012345.06789.LOT7", "EPC URN", (LOT, GTIN)),
        ("91990102MADEM1057K", "national code", (Uscc("91990102MADEM1057K"),)),
        ("JY23506230105266", "national code", (FoodOperationLicence("JY23506230105266"),)),
        ("国药准字Z45021428", "national code", (DrugApprovalNumber("Z45021428"),)),
        (
            "https://trace.example.cn/id/cn-drug/83857930000879766660",
            "national code",
            (DrugTraceCode("83857930000879766660"),),
        ),
    ],
)
def test_each_form_is_told_from_the_others(raw: str, carrier: str, keys: tuple[Any, ...]) -> None:
    found = identify(raw)
    assert (found.carrier, found.key, found.keys, found.warnings, found.error) == (carrier, keys[0], keys, (), None)


def test_an_unmarked_element_string_is_read_with_a_warning() -> None:
    found = identify("010690123456789210LOT7")
    assert (found.key, found.lot, found.warnings) == (LOT, "LOT7", (UNMARKED,))


def test_twenty_digits_are_a_drug_code_unless_a_check_digit_says_sscc() -> None:
    assert identify("00106141412345678908").key == Sscc("106141412345678908")
    assert identify("00106141412345678908").warnings == (UNMARKED,)
    assert identify("00106141412345678907").key == DrugTraceCode("00106141412345678907")


def test_a_price_or_weight_code_of_a_shop_is_no_gtin() -> None:
    assert identify("]E02112345678900") == Identified(
        carrier="EAN-13, UPC-A or UPC-E",
        key=NationalCode("in-store", "2112345678900"),
        keys=(NationalCode("in-store", "2112345678900"),),
        warnings=(
            "'2112345678900' is numbered inside a shop or company (price or weight may be part of it): no GTIN.",
        ),
    )


def test_a_digital_link_against_the_standard_is_read_with_a_warning() -> None:
    found = identify("https://brand.cn/gtin/6901234567892?10=LOT7&17=260200")
    assert (found.key, found.lot, found.expiry) == (LOT, "LOT7", date(2026, 2, 28))
    assert found.warnings == (
        "not to the standard: Digital Link 'https://brand.cn/gtin/6901234567892?10=LOT7&17=260200': "
        "no GS1 key in the path.",
    )


def test_the_year_of_an_expiry_depends_on_the_day_of_reading() -> None:
    raw = "(01)06901234567892(17)770630"
    assert identify(raw).expiry == date(2077, 6, 30)
    assert identify(raw, today=date(2026, 11, 24)).expiry == date(1977, 6, 30)


def test_dates_with_a_time_of_day_give_their_day() -> None:
    found = identify("(01)06901234567892(7003)2611301200(8008)26112008")
    assert (found.expiry, found.produced) == (date(2026, 11, 30), date(2026, 11, 20))


def test_a_missing_companion_warns_where_the_thing_is_known_all_the_same() -> None:
    found = identify("(00)106141412345678908(37)5")
    assert found.key == Sscc("106141412345678908")
    assert found.warnings == ("(37) needs (00)(02) or (00)(8026), which is not there.",)


def test_an_unknown_symbology_is_named_and_its_text_still_read() -> None:
    assert symbology("]X0").reading is Reading.UNKNOWN
    found = identify("]X06924561884074")
    assert (found.carrier, found.key) == ("unknown symbology", Gtin("06924561884074"))
    assert found.warnings == ("symbology ']X0' is unknown.", THIRTEEN.format("6924561884074"))


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("]E06924561884075", "GTIN '6924561884075': check digit is 5, computed 4."),
        ("]E01234ABC890123", "GTIN '1234ABC890123': expected digits only."),
        ("]d2", "text '': nothing was read."),
        ("", "text '': nothing was read."),
        (
            "]d20106901234567892172613",
            "element string '0106901234567892172613', character 17: (17) '2613': expected 6 characters, got 4.",
        ),
        (
            "01069012345678911726113010LOT7",
            "element string '01069012345678911726113010LOT7', character 1: "
            "(01) '06901234567891': check digit is 1, computed 2.",
        ),
        ("(21)A7", "(21) needs (01) or (03) or (8006), which is not there."),
        ("(90)X", "(90) identify nothing that is recorded here."),
        ("(01)06901234567892(37)5", "(01) must not stand with (37)."),
        ("SC12345678901234", "food production licence 'SC12345678901234': check digit is 4, computed 2."),
        (
            "8021761000001412585",
            "digits '8021761000001412585': expected 8, 12, 13 or 14 (GTIN), 18 (SSCC, social credit code) "
            "or 20 (drug code), got 19.",
        ),
        (
            "106141412345678909",
            "SSCC '106141412345678909': check digit is 9, computed 8. unified social credit code "
            "'106141412345678909': check character is 9, computed Q.",
        ),
        ("https://www.example.cn/news", "Digital Link 'https://www.example.cn/news': no GS1 key in the path."),
        (
            "]X0hello",
            "symbology ']X0' is unknown. text 'hello': expected a GS1 element string, a Digital Link, an EPC URN, "
            "a GTIN, an SSCC or a national code.",
        ),
        ("1" * 8193, "text of 8193 characters: expected at most 8192."),
    ],
)
def test_what_identifies_nothing_says_why(raw: str, error: str) -> None:
    found = identify(raw)
    assert found.error == error
    assert (found.key, found.keys) == (None, ())


def test_a_contradicting_element_string_keeps_its_elements() -> None:
    assert identify("(01)06901234567892(37)5").elements == (("01", "06901234567892"), ("37", "5"))


def test_scan_data_is_taken_or_refused_as_the_syntax_engine_does(shared_data: Path) -> None:
    text = (shared_data / "epcis/gs1-syntax-engine/processScanData.jsonl").read_text(encoding="utf-8")
    for row in map(json.loads, text.splitlines()):
        found = identify(row["scanData"])
        if not row["valid"]:
            assert found.key is None, row
        elif "01" in row["data"] or row["symbology"] == "EAN8":
            assert found.key is not None, row


def test_what_the_syntax_engine_answers_for_scans_is_what_we_read(shared_data: Path) -> None:
    text = (shared_data / "epcis/gs1-syntax-engine/oracle_engine_1.4.1.jsonl").read_text(encoding="utf-8")
    read = 0
    for row in map(json.loads, text.splitlines()):
        if row["form"] != "scan" or not row["ok"] or not row.get("bracketed"):
            continue
        found = identify(row["input"])
        if found.elements:
            assert "".join(f"({ai}){value}" for ai, value in found.elements) == row["bracketed"]
            read += 1
    assert read >= 4


# ---- any text -----------------------------------------------------------------------------------

STARTS = st.sampled_from(
    ["", "]d2", "]C1", "]Q1", "]E0", "]E3", "]Z6", "(01)", "https://a/", "urn:epc:id:sgtin:", "SC", "01"]
)
WORDS = "01 06901234567892 21 10 17 261130 ( ) / ? = & % %2F \\ . : https://a/01/ id/ cn-drug/ ８ 国药准字 ] - |]e0 甲"
PIECES = st.sampled_from([*WORDS.split(" "), FNC1, " ", "\x00", "\ud800"])


@given(STARTS, st.lists(PIECES | st.text(max_size=5), max_size=12), st.none() | st.text(max_size=4))
def test_no_text_is_an_exception(start: str, pieces: list[str], given_symbology: str | None) -> None:
    found = identify(start + "".join(pieces), symbology=given_symbology, today=date(2060, 6, 1))
    assert (found.key is None) == (found.error is not None)
    assert found.keys[:1] == (() if found.key is None else (found.key,))


@pytest.mark.parametrize("piece", ["(", "\\(", "%", "/01/", "(01)", FNC1, "01", "/21/a", "&99=a", "]d2", "٣", "."])
def test_long_and_monotonous_text_is_answered(piece: str) -> None:
    for start in ("", "]d2", "https://a/01/06901234567892", "(01)06901234567892", "urn:epc:id:sgtin:"):
        assert identify((start + piece * 8192)[:8192]).key in (None, GTIN)


DIGITS = "83857930000879766660"
EITHER = (DrugTraceCode(DIGITS), MeatRetailCode(DIGITS))
DOUBT = f"'{DIGITS}' may be cn-drug or cn-meat."


@pytest.mark.parametrize(
    ("raw", "carrier", "more"),
    [
        (f"]C0{DIGITS}", "Code 128", 0),
        (f"{DIGITS}\r\n", "national code", 0),
        ("8385793-0000 8797 66660", "national code", 1),
        ("８３８５７９３００００８７９７６６６６０", "national code", 1),
    ],
)
def test_twenty_digits_are_a_drug_or_a_sale_of_meat_and_a_registry_decides(raw: str, carrier: str, more: int) -> None:
    found = identify(raw)
    assert (found.carrier, found.key, found.keys, found.error) == (carrier, EITHER[0], EITHER, None)
    assert found.warnings[-1] == DOUBT
    assert len(found.warnings) == 1 + more, "what was folded is told"
    known = identify(raw, registry=PrefixRegistry({"8385793": DrugPack("06924561884074", 1)}))
    assert known.keys == EITHER[:1]


def test_a_licence_in_small_letters_is_read_and_told() -> None:
    found = identify("sc10741018302531")
    assert found.key == FoodProductionLicence("SC10741018302531")
    assert found.warnings == ("'sc10741018302531' was read with small letters as capitals.",)
