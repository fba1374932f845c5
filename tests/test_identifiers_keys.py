"""GS1 keys and national codes: check digits, lengths, characters, and the messages people read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.drug_codes import DrugApprovalNumber, DrugTraceCode
from trace.identifiers.enterprise_codes import FoodOperationLicence, FoodProductionLicence, Uscc
from trace.identifiers.gs1_keys import Gln, Gtin, Lgtin, Sgln, Sgtin, Sscc
from trace.identifiers.national import NationalCode

GTIN = Gtin("06901234567892")

CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"


def refusal(parse: Callable[[str], object], text: str) -> str:
    with pytest.raises(ParseError) as caught:
        parse(text)
    return str(caught.value)


# ---- GS1 keys ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("6924561884074", "06924561884074"),
        ("6951181105326", "06951181105326"),
        ("06901234567892", "06901234567892"),
        ("86904879000126", "86904879000126"),
        ("416000336108", "00416000336108"),
        ("02345680", "00000002345680"),
    ],
)
def test_a_gtin_of_any_length_is_held_as_14_digits(text: str, digits: str) -> None:
    assert Gtin.parse(text) == Gtin(digits)
    assert str(Gtin.parse(text)) == digits


def test_gtins_with_a_wrong_check_digit_are_refused_as_the_syntax_engine_does(shared_data: Path) -> None:
    for row in json.loads((shared_data / "epcis/gs1-syntax-engine/gtin_parity.json").read_text(encoding="utf-8")):
        if row["valid"]:
            assert Gtin.parse(row["value"]).digits == row["value"].zfill(14)
        else:
            refusal(Gtin.parse, row["value"])


def test_a_refused_gtin_says_value_expected_and_got() -> None:
    assert refusal(Gtin.parse, "06901234567891") == "GTIN '06901234567891': check digit is 1, computed 2."
    assert refusal(Gtin.parse, "690123456789") == "GTIN '690123456789': check digit is 9, computed 7."
    assert refusal(Gtin.parse, "69012345678") == "GTIN '69012345678': expected 8 or 12 or 13 or 14 digits, got 11."
    assert refusal(Gtin.parse, "69012345678٢2") == "GTIN '69012345678٢2': expected digits only."
    assert refusal(Gtin, "6924561884074") == "GTIN '6924561884074': expected 14 digits, got 13."
    assert refusal(Sscc.parse, "106141412345678909") == "SSCC '106141412345678909': check digit is 9, computed 8."
    assert refusal(Gln.parse, "9520000000012") == "GLN '9520000000012': check digit is 2, computed 1."


def test_serial_and_lot_hold_1_to_20_characters_of_set_82() -> None:
    assert Sgtin(GTIN, CSET_82[:20]).serial == CSET_82[:20]
    assert refusal(lambda text: Sgtin(GTIN, text), "") == "serial number '': expected 1 to 20 characters, got 0."
    assert (
        refusal(lambda text: Lgtin(GTIN, text), "A" * 21)
        == "lot number 'AAAAAAAAAAAAAAAAAAAAA': expected 1 to 20 characters, got 21."
    )
    assert (
        refusal(lambda text: Sgtin(GTIN, text), "A B")
        == "serial number 'A B': ' ' at 2, expected GS1 AI character set 82."
    )
    assert (
        refusal(lambda text: Sgln(Gln("9520000000011"), text), "门1")
        == "GLN extension '门1': '门' at 1, expected GS1 AI character set 82."
    )


@given(st.text(CSET_82, min_size=1, max_size=20))
def test_composite_keys_round_trip_through_their_text(text: str) -> None:
    # Brackets inside a serial number must not be taken for those of an AI.
    for key in (Sgtin(GTIN, text), Lgtin(GTIN, text), Sgln(Gln("9520000000011"), text)):
        assert type(key).parse(str(key)) == key


def test_composite_keys_are_written_as_bracketed_element_strings() -> None:
    assert str(Sgtin(GTIN, "A7")) == "(01)06901234567892(21)A7"
    assert str(Lgtin(GTIN, "LOT7")) == "(01)06901234567892(10)LOT7"
    assert (
        refusal(Sgtin.parse, "(01)06901234567892(10)A7")
        == "SGTIN '(01)06901234567892(10)A7': expected (01)14 digits(21)text."
    )


@given(st.text("0123456789", min_size=17, max_size=17))
def test_one_wrong_digit_of_an_sscc_is_always_found(digits: str) -> None:
    check = gs1_check_digit(digits)
    assert Sscc(digits + check).digits == digits + check
    wrong = str((int(digits[5]) + 1) % 10)
    refusal(Sscc, digits[:5] + wrong + digits[6:] + check)


@pytest.mark.parametrize(
    ("text", "restricted"),
    [
        ("2112345678900", True),
        ("2912345678906", True),
        ("0212345678903", True),  # prefix 02
        ("21123459", True),
        ("6924561884074", False),
        ("9520000000011", False),
        ("416000336108", True),
    ],
)
def test_numbers_of_a_shop_are_told_from_global_ones(text: str, restricted: bool) -> None:
    assert Gtin.parse(text[:-1] + gs1_check_digit(text[:-1])).is_restricted is restricted


# ---- national codes (reference: china, section 3) -----------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "91110108551385082Q",
        "91350100M000100Y43",
        "91440300MA5H0HLK5U",
        "91133100MA0D8N1J7G",
        "91330100799655058B",
        "9144030071526726XG",
        "914403001922038216",
        "91110000802100433B",
        "91990102MADEM1057K",
    ],
)
def test_social_credit_codes_pass_both_checks(code: str) -> None:
    assert Uscc.parse(code).value == code
    assert Uscc.parse(code).warnings == ()


def test_a_social_credit_code_is_read_as_people_type_it() -> None:
    assert Uscc.parse(" 911101 08 551385082q") == Uscc("91110108551385082Q")
    assert Uscc.parse("９１１１０１０８５５１３８５０８２Ｑ") == Uscc("91110108551385082Q")


def test_a_refused_social_credit_code_says_why() -> None:
    assert (
        refusal(Uscc.parse, "91110108551385082R")
        == "unified social credit code '91110108551385082R': check character is R, computed Q."
    )
    assert (
        refusal(Uscc.parse, "91350100M000100Y4Z")
        == "unified social credit code '91350100M000100Y4Z': 'Z' at 18 is not used (no I, O, S, V, Z)."
    )
    assert refusal(Uscc.parse, "9111") == "unified social credit code '9111': expected 18 characters, got 4."


def test_a_wrong_organisation_code_inside_is_a_warning_only() -> None:
    # The outer check is right for these 17 characters.
    code = Uscc.parse("91110108551385091N")
    assert code.warnings == ("organisation code '551385091': check character is 1, computed 0.",)


def test_food_production_licences_found_on_labels_are_valid() -> None:
    numbers = (
        "SC11464010500015 SC11333019700024 SC11837048101233 SC11834020305037 SC12636098200051 SC11532139200465 "
        "SC12434017430075 SC11432010400101 SC11351090100010 SC12336098200173 SC10744030704994 SC10741018302531"
    )
    for number in numbers.split():
        assert FoodProductionLicence.parse(number).value == number


def test_placeholder_and_misread_licences_are_refused() -> None:
    assert (
        refusal(FoodProductionLicence.parse, "SC12345678901234")
        == "food production licence 'SC12345678901234': check digit is 4, computed 2."
    )
    refusal(FoodProductionLicence.parse, "SC10600000000000")
    assert (
        refusal(FoodProductionLicence.parse, "SC1153213920046")
        == "food production licence 'SC1153213920046': expected SC and 14 digits, got 15 characters."
    )
    assert FoodOperationLicence.parse("jy 2350 6230 105266") == FoodOperationLicence("JY23506230105266")
    assert (
        refusal(FoodOperationLicence.parse, "JY15101000000000")
        == "food operation licence 'JY15101000000000': check digit is 0, computed 8."
    )


def test_every_code_of_the_demo_city_is_valid(shared_data: Path) -> None:
    city = json.loads((shared_data / "demo_city.json").read_text(encoding="utf-8"))
    for enterprise in city["enterprises"]:
        Gln.parse(enterprise["gln"])
        assert Uscc.parse(enterprise["uscc"]).warnings == ()
        if (licence := enterprise["licence"]) is not None:
            (FoodProductionLicence if licence.startswith("SC") else FoodOperationLicence).parse(licence)


def test_drug_traceability_codes_of_the_shared_cases(shared_data: Path) -> None:
    for line in (shared_data / "epcis/cn-drugtrace/tracecode20.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["valid"]:
            code = DrugTraceCode(row["code"])
            assert DrugTraceCode.parse(row["code"]) == code
            assert (code.identification, code.serial) == (row["drug_id"], row["serial"])
        else:
            # Full-width digits are refused as stored, and folded where people type.
            refusal(DrugTraceCode, row["code"])


@pytest.mark.parametrize(
    "printed",
    [
        "8385793 0000879766660",
        "8385793-0000879766660",
        "８３８５７９３－００００８７９７６６６６０",
        "8385 7930 0008 7976 6660",
    ],
)
def test_a_drug_code_is_read_as_it_is_printed(printed: str) -> None:
    assert DrugTraceCode.parse(printed).value == "83857930000879766660"


def test_a_refused_drug_code_says_what_came() -> None:
    assert (
        refusal(DrugTraceCode.parse, "8021761000001412585")
        == "drug traceability code '8021761000001412585': expected 20 digits, got 19 digits."
    )
    assert (
        refusal(DrugTraceCode.parse, "8021761000001412585X")
        == "drug traceability code '8021761000001412585X': expected 20 digits, got 20 characters, not all digits."
    )


def test_a_drug_approval_number_is_stored_short_and_printed_in_full() -> None:
    number = DrugApprovalNumber.parse("国药准字Z45021428")
    assert number == DrugApprovalNumber("Z45021428")
    assert number.printed == "国药准字Z45021428"
    assert (
        refusal(DrugApprovalNumber.parse, "国药准字X45021428")
        == "drug approval number 'X45021428': expected one of HZSBTFJ (HZS with C or J) and 8 digits."
    )


def test_a_national_code_needs_a_scheme_and_printable_text() -> None:
    assert NationalCode("in-store", "2112345678900").value == "2112345678900"
    assert (
        refusal(lambda text: NationalCode(text, "1"), "In Store")
        == "scheme 'In Store': expected lower-case letters, digits and hyphens."
    )
    assert refusal(lambda text: NationalCode("farm", text), "a\x00b") == "farm 'a\\x00b': expected printable text."
    assert refusal(lambda text: NationalCode("farm", text), "..") == "farm '..': expected printable text."
    assert refusal(lambda text: NationalCode("farm", text), "") == "farm '': expected 1 to 100 characters."
