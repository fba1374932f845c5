"""Element strings, the AI table behind them, dates, and which AIs belong together."""

import json
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.make_ai_table import main as make_ai_table
from tests.fuzzing import HOSTILE
from trace.errors import LimitError, ParseError
from trace.identifiers.ai_table import AI_LENGTH, AI_TABLE, RELEASE, unallocated
from trace.identifiers.associations import conflicts, disagreement, first_matching, missing
from trace.identifiers.element_string import FNC1, ElementString, Examined, examine
from trace.identifiers.faults import Fault
from trace.identifiers.gs1_dates import to_date
from trace.identifiers.hri import hri_lines

ENGINE = "epcis/gs1-syntax-engine"
DICTIONARY = "epcis/gs1-syntax-dictionary"
ASSOCIATIONS = ("required_ai", "excluded_ai", "repeated_ai", "serial_missing")


def rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").split("\n"):
        # A few records of linter.jsonl hold a line break of their own and lie there in pieces.
        if line.startswith("{"):
            yield json.loads(line)


def refusal(text: str) -> str:
    with pytest.raises((ParseError, LimitError)) as caught:
        ElementString.parse_bracketed(text) if text.startswith("(") else ElementString.parse(text)
    return str(caught.value)


def read(text: str, *, permit_unknown: bool = False) -> Examined:
    """What the elements are, whether they belong together or not."""
    examined = examine(text, permit_unknown=permit_unknown)
    assert examined.fault is None or examined.fault.code in ASSOCIATIONS, examined.fault
    return examined


# ---- table ------------------------------------------------------------------------------------


def test_the_table_in_the_project_is_what_the_script_makes(shared_data: Path, tmp_path: Path) -> None:
    made = tmp_path / "ai_table.json"
    make_ai_table([str(shared_data / DICTIONARY / "gs1-syntax-dictionary.txt"), str(made)])
    kept = Path(__file__).resolve().parents[1] / "trace/identifiers/ai_table.json"
    assert made.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")


def test_the_table_holds_the_facts_of_all_541_identifiers(shared_data: Path) -> None:
    expanded = json.loads((shared_data / DICTIONARY / "ai_table_expanded.json").read_text(encoding="utf-8"))
    assert len(AI_TABLE) == 541
    assert [row["ai"] for row in expanded] == list(AI_TABLE)
    for row in expanded:
        ours = AI_TABLE[row["ai"]]
        assert (ours.title, ours.predefined_length, ours.dl_attribute) == (
            row["title"],
            row["predefinedLength"],
            row["dlAttribute"],
        )
        # The expansion has lost optional components of digits (423, 7007, 8008 ...); the dictionary has them.
        assert [(each.least, each.most, list(each.linter_names)) for each in ours.components if not each.optional] == [
            (each["min"], each["max"], each["linters"]) for each in row["components"] if not each["optional"]
        ]


def test_two_digits_tell_the_length_of_an_identifier(shared_data: Path) -> None:
    official = json.loads((shared_data / ENGINE / "ai_length_by_prefix.json").read_text(encoding="utf-8"))
    assert {prefix: AI_LENGTH[prefix] for prefix in official} == official
    assert all(AI_LENGTH[ai[:2]] == len(ai) for ai in AI_TABLE)


# ---- element strings --------------------------------------------------------------------------


def test_raw_element_strings_are_cut_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "processAIdata.jsonl"):
        raw = row["unbracketed"].replace("^", FNC1)
        if row["valid"]:
            assert ElementString.parse(raw).raw() == raw.strip(FNC1).replace(f"1231{FNC1}99", "123199")
        else:
            refusal(raw)


def test_bracketed_element_strings_are_read_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "parseAIdata.jsonl"):
        if row["valid"]:
            assert FNC1 + ElementString.parse_bracketed(row["bracketed"]).raw() == row["unbracketed"].replace("^", FNC1)
        else:
            refusal(row["bracketed"])


def test_each_linter_speaks_through_an_identifier_that_has_it(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "linterOnAI.jsonl"):
        examined = examine(row["bracketed"])
        if row["valid"]:
            assert examined.fault is None
        else:
            assert examined.fault is not None and examined.fault.code == row["err"], row


def test_the_component_at_fault_is_marked(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "errMarkup.jsonl"):
        fault = examine(row["bracketed"]).fault
        assert fault is not None and fault.markup == row["errMarkup"]


# What the engine's words mean in ours. Where it says nothing exact, either of ours may be exact.
ENGINE_WORDS = {
    "Required AIs for": {"required_ai"},
    "It is invalid to pair": {"excluded_ai"},
    "Multiple instances of": {"repeated_ai"},
    "Serial component must be present": {"serial_missing"},
    "Unrecognised AI": {"ai_unknown"},
    "No known AI is a prefix": {"ai_unknown"},
    "data is empty": {"value_empty", "no_data"},
    "incorrect length": {"value_length"},
    "too short": {"value_length", "value_empty"},
    "too long": {"value_length"},
    "Too many AIs": {"too_many_elements"},
    "Failed to parse": {"syntax", "value_empty"},
}


def test_the_official_engine_gives_the_same_answers(shared_data: Path) -> None:
    """Accepted or not, the first fault, its place, and the elements: 109 answers of the engine 1.4.1."""
    asked = 0
    for row in rows(shared_data / ENGINE / "oracle_engine_1.4.1.jsonl"):
        if row["form"] == "scan" or row["input"].lower().startswith("http"):
            continue  # test_identifiers_scan_data, test_identifiers_links
        asked += 1
        examined = examine(row["input"].replace("^", FNC1))
        assert (examined.fault is None) == row["ok"], row
        if examined.fault is None:
            assert examined.bracketed() == row["bracketed"]
            assert list(hri_lines(examined.elements)) == row["hri"]
            again = FNC1 + ElementString(examined.elements).raw()
            # As given, the engine keeps separators that nobody needs.
            given = row["unbracketed"].replace("^", FNC1).removesuffix(FNC1)
            assert again == given or again == given.replace(f"1231{FNC1}99", "123199")
        else:
            assert examined.fault.markup == row["markup"], row
            if row["markup"]:
                assert examined.fault.code.startswith("GS1_LINTER_")
            else:
                (codes,) = [ours for theirs, ours in ENGINE_WORDS.items() if theirs in row["error"]]
                assert examined.fault.code in codes, (row, examined.fault)
    assert asked == 109


def test_an_element_string_keeps_order_and_values() -> None:
    read = ElementString.parse(f"]d2010690123456789211261120172611301010LOT7{FNC1}21A7")
    assert read == ElementString(
        (("01", "06901234567892"), ("11", "261120"), ("17", "261130"), ("10", "10LOT7"), ("21", "A7"))
    )
    assert read.bracketed() == "(01)06901234567892(11)261120(17)261130(10)10LOT7(21)A7"
    assert read.raw() == f"010690123456789211261120172611301010LOT7{FNC1}21A7"
    assert (read.get("21"), read.get("15")) == ("A7", None)


def test_a_leading_and_a_trailing_separator_are_allowed() -> None:
    plain = ElementString.parse("0106901234567892")
    assert ElementString.parse(f"{FNC1}0106901234567892") == plain
    assert ElementString.parse(f"0106901234567892{FNC1}") == plain


def test_an_opening_bracket_in_a_value_is_escaped() -> None:
    odd = ElementString((("10", "A(21)B"),))
    assert odd.bracketed() == "(10)A\\(21)B"
    assert ElementString.parse_bracketed(odd.bracketed()) == odd


def test_a_refused_element_string_names_the_character_and_the_fault() -> None:
    assert (
        refusal("0106901234567892172613")
        == "element string '0106901234567892172613', character 17: (17) '2613': expected 6 characters, got 4."
    )
    assert (
        refusal("]d20106901234567891")
        == "element string ']d20106901234567891', character 4: (01) '06901234567891': check digit is 1, computed 2."
    )
    assert (
        refusal("010690123456789217261301")
        == "element string '010690123456789217261301', character 17: (17) '261301': month is 13, expected 01 to 12."
    )
    assert refusal("89X") == "element string '89X', character 1: AI '89X': no such application identifier."
    assert (
        refusal("10LOT 7")
        == "element string '10LOT 7', character 1: (10) 'LOT 7': ' ' at 4, expected GS1 AI character set 82."
    )
    assert refusal("]Q1https://a") == "element string ']Q1https://a': ]Q1 is QR Code, not GS1 data."
    assert refusal("") == "element string '': expected an application identifier, got nothing."
    assert refusal("(01)06901234567892(1") == (
        "element string '(01)06901234567892(1', character 19: "
        "expected an application identifier of 2 to 4 digits in brackets."
    )


def test_a_lost_separator_is_guessed_at_but_never_repaired() -> None:
    assert refusal("010690123456789210LOT20261120ABCDEF21A7").endswith(
        "(10) 'LOT20261120ABCDEF21A7': expected 1 to 20 characters, got 21. Is a separator (FNC1) missing?"
    )


def test_more_than_64_elements_are_refused() -> None:
    assert len(ElementString.parse(FNC1.join(["99XY"] * 64)).elements) == 64
    assert refusal(FNC1.join(["99XY"] * 65)).endswith("more than 64 elements.")


CHARACTERS = {
    "digits": "0123456789",
    "GS1 AI character set 82": "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz",
    "GS1 AI character set 39": "#-/0123456789ABCXYZ",
    "base64url": "ABCxyz-_0123456789",
}
UNLINTED = [ai for ai, found in AI_TABLE.items() if not any(each.linters for each in found.components)]


@st.composite
def elements(draw: st.DrawFn, ais: Sequence[str] = UNLINTED) -> tuple[str, str]:
    ai = draw(st.sampled_from(ais))
    value = ""
    for each in AI_TABLE[ai].components:
        if each.optional and draw(st.booleans()):
            break
        value += draw(st.text(CHARACTERS[each.charset.name], min_size=each.least, max_size=each.most))
    return ai, value


@given(st.lists(elements(), min_size=1, max_size=8))
def test_element_strings_round_trip(found: list[tuple[str, str]]) -> None:
    string = ElementString(tuple(found))
    assert ElementString.parse(string.raw()) == string
    assert ElementString.parse_bracketed(string.bracketed()) == string


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_text_of_100_kb_is_answered_with_a_short_message(text: str) -> None:
    fault = examine(text).fault
    assert fault is not None
    assert len(fault.message) < 400


@given(st.text(st.sampled_from("0123456789()AB" + FNC1), max_size=60))
def test_what_is_read_from_any_text_is_read_again_the_same(text: str) -> None:
    try:
        string = ElementString.parse(text)
    except (ParseError, LimitError):
        return
    assert ElementString.parse(string.raw()) == string


@given(st.text(st.sampled_from("0123456789()|\\AB" + FNC1), max_size=60))
def test_examining_agrees_with_parsing_and_places_its_fault_in_the_text(text: str) -> None:
    examined = examine(text)
    assert examined.fault is None or 0 <= examined.fault.at <= len(text)
    if "|" in text or text.startswith("]") or (examined.fault and examined.fault.code in ASSOCIATIONS):
        return
    parse = ElementString.parse_bracketed if text.startswith("(") else ElementString.parse
    if examined.fault is None:
        assert parse(text).elements == examined.elements
    else:
        with pytest.raises((ParseError, LimitError)):
            parse(text)


def looks_agree(ai: str, value: str) -> bool:
    identifier = AI_TABLE[ai]
    exact = identifier.length_fault(value) or identifier.component_fault(value)
    return identifier.passes(value) == (exact is None) and identifier.fault(value) == exact


@given(st.sampled_from(sorted(AI_TABLE)), st.text("0123456789=ABCabc-+%/ é", max_size=40))
def test_the_quick_look_and_the_exact_one_agree(ai: str, value: str) -> None:
    assert looks_agree(ai, value)


@given(elements(sorted(AI_TABLE)))
def test_the_quick_look_and_the_exact_one_agree_on_values_of_the_right_shape(element: tuple[str, str]) -> None:
    assert looks_agree(*element)


def test_in_brackets_a_wrong_identifier_goes_before_a_wrong_value_and_no_wrong_value_is_kept() -> None:
    examined = examine("(99)X(01)06901234567891(10)LOT7(89)A")
    assert examined.elements == (("99", "X"),)
    assert examined.fault is not None and examined.fault.code == "ai_unknown"


def test_what_was_read_before_the_fault_is_kept() -> None:
    examined = examine("01069012345678921726113010LOT 7")
    assert examined.elements == (("01", "06901234567892"), ("17", "261130"))
    assert examined.fault == Fault(
        "GS1_LINTER_INVALID_CSET82_CHARACTER",
        "(10) 'LOT 7': ' ' at 4, expected GS1 AI character set 82.",
        29,
        1,
        "(10)LOT| |7",
    )


def test_a_fault_behind_an_escaped_bracket_is_placed_in_the_text() -> None:
    fault = examine("(01)06901234567892(10)A\\(B~").fault
    assert fault is not None
    assert (fault.at, fault.markup) == (26, "(10)A(B|~|")


def test_a_missing_companion_keeps_all_elements_and_names_the_identifier_that_wants_it() -> None:
    examined = examine("(99)X(10)LOT7")
    assert examined.elements == (("99", "X"), ("10", "LOT7"))
    assert examined.fault == Fault(
        "required_ai", "(10) needs (01) or (02) or (03) or (8006) or (8026), which is not there.", 5
    )


def test_elements_of_a_composite_count_together() -> None:
    examined = examine("(01)06901234567892|(10)LOT7")
    assert (examined.fault, examined.linear) == (None, 1)
    assert examined.bracketed() == "(01)06901234567892|(10)LOT7"
    assert examine(f"0106901234567892|{FNC1}10LOT7") == examined


def test_an_identifier_that_is_not_allocated_passes_where_it_is_let_and_its_length_is_known() -> None:
    for text, elements in (
        ("(89)ABC", (("89", "ABC"),)),
        ("419123456789012399X", (("419", "1234567890123"), ("99", "X"))),
    ):
        assert examine(text, permit_unknown=True).elements == elements
        assert examine(text).fault is not None
    # Two digits fix the length of an identifier: 3 behind 23, 4 behind 39 and 80; behind 89 it is not known.
    assert [ai for ai in ("236", "3999", "89", "23", "2367", "800", "8", "12345", "A1") if unallocated(ai)] == [
        "236",
        "3999",
        "89",
    ]
    assert examine("89ABC", permit_unknown=True).fault is not None


def test_the_table_says_which_release_it_is() -> None:
    assert RELEASE == "UNSET, (c) 2025 GS1, SHA-256 1ea02f4e3b81d309"


# ---- dates ------------------------------------------------------------------------------------


def test_day_00_is_the_last_day_of_the_month() -> None:
    assert to_date("260200") == date(2026, 2, 28)
    assert to_date("280200") == date(2028, 2, 29)
    assert to_date("261100") == date(2026, 11, 30)


@pytest.mark.parametrize(
    ("text", "year"), [("760101", 2076), ("770101", 1977), ("000101", 2000), ("990101", 1999), ("260101", 2026)]
)
def test_the_century_is_the_one_within_fifty_years(text: str, year: int) -> None:
    assert to_date(text, today=date(2026, 11, 24)).year == year


def test_the_century_rule_looks_ahead_over_the_turn() -> None:
    assert to_date("010101", today=date(2096, 1, 1)).year == 2101
    assert to_date("960101", today=date(2101, 1, 1)).year == 2096


def test_without_a_reference_day_years_are_of_this_century() -> None:
    assert to_date("990101") == date(2099, 1, 1)


def test_no_such_day_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^date '260230': day is 30, expected 00 to 28\.$"):
        to_date("260230")
    with pytest.raises(ParseError, match=r"^date '000229': day is 29, expected 01 to 28\.$"):
        to_date("000229", today=date(2090, 1, 1))


# ---- associations -----------------------------------------------------------------------------


def test_associations_are_judged_as_the_syntax_engine_does(shared_data: Path) -> None:
    codes = {
        "mutex": "excluded_ai",
        "repeats": "repeated_ai",
        "requisites": "required_ai",
        "other": "serial_missing",
    }
    for row in rows(shared_data / ENGINE / "validateAIs.jsonl"):
        elements = read(row["bracketed"], permit_unknown=row["permitUnknownAIs"]).elements
        faults = conflicts(elements) if row["rule"] in ("mutex", "repeats") else missing(elements)
        assert (faults == ()) == row["valid"], row
        broken = disagreement(elements)
        if not row["valid"]:
            assert broken is not None and broken.code == codes[row["rule"]], row


def test_an_identifier_is_found_by_a_pattern_as_in_the_syntax_engine(shared_data: Path) -> None:
    for row in rows(shared_data / ENGINE / "existsInAIdata.jsonl"):
        ais = [ai for ai, _ in read(row["data"]).elements]
        assert first_matching(ais, row["needle"], row["ignore"]) == row["expect"], row


def test_a_missing_companion_is_named() -> None:
    assert missing((("21", "A7"),)) == ("(21) needs (01) or (03) or (8006), which is not there.",)
    assert missing((("01", "06901234567892"), ("250", "X"))) == (
        "(250) needs (01)(21) or (03)(21) or (8006)(21), which is not there.",
    )


def test_a_contradiction_is_named() -> None:
    assert conflicts((("01", "06901234567892"), ("37", "5"))) == ("(01) must not stand with (37).",)
    assert conflicts((("10", "A"), ("10", "B"))) == ("(10) has two values, 'A' and 'B'.",)
    assert conflicts((("3100", "000001"), ("3101", "000001"))) == (
        "(3100) must not stand with (3101).",
        "(3101) must not stand with (3100).",
    )
