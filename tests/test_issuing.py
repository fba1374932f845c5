"""Issued codes as values: serial numbers, SSCCs, lots, and links that show a forger."""

import math
from collections import Counter
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError, TraceError, ValidationError
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.gs1_keys import Gtin, Sgtin, Sscc
from trace.issuing import (
    MOST_SERIALS,
    SERIAL_ALPHABET,
    SERIAL_LENGTH,
    LinkMark,
    check_link,
    lot_of,
    new_serial,
    require_company_prefix,
    sign_link,
    sscc_of,
)

KEY, OLD_KEY = bytes(range(32)), bytes(32)
LINK = "https://brand.cn/01/09520000000028/21/7XK3MQ2WTR9ACD?17=281130"


def refusal(error: type[TraceError], call: object) -> str:
    assert callable(call)
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


# ---- serial numbers -----------------------------------------------------------------------------


def test_a_serial_number_holds_more_than_64_bits() -> None:
    assert SERIAL_LENGTH * math.log2(len(SERIAL_ALPHABET)) > 64
    assert len(set(SERIAL_ALPHABET)) == len(SERIAL_ALPHABET)


def test_at_most_one_guess_in_a_thousand_million_is_a_number_that_was_issued() -> None:
    assert MOST_SERIALS == 64_509_974_703
    assert MOST_SERIALS / len(SERIAL_ALPHABET) ** SERIAL_LENGTH <= 1e-9


def test_no_two_characters_of_a_serial_number_look_alike() -> None:
    for alike in ("0O", "1IL", "2Z", "5S", "8B"):
        assert len(set(alike) & set(SERIAL_ALPHABET)) <= 1


def test_a_serial_number_is_one_of_gs1() -> None:
    assert Sgtin(Gtin("09520000000028"), new_serial()).serial.isalnum()


def test_every_character_is_drawn_from_the_whole_alphabet() -> None:
    asked = Counter[int]()

    def draw(most: int) -> int:
        asked[most] += 1
        return most - 1

    assert new_serial(draw) == SERIAL_ALPHABET[-1] * SERIAL_LENGTH
    assert asked == {len(SERIAL_ALPHABET): SERIAL_LENGTH}


# ---- SSCC and lots ------------------------------------------------------------------------------


def test_the_extension_digit_moves_last() -> None:
    assert sscc_of("9520000", 0) == Sscc("095200000000000004")
    assert sscc_of("9520000", 1) == Sscc("095200000000000011")
    assert str(sscc_of("9520000", 10**9)).startswith("19520000000000000")


@given(st.integers(4, 12).flatmap(lambda n: st.tuples(st.text("0123456789", min_size=n, max_size=n), st.integers(0))))
def test_two_counts_never_give_one_sscc(case: tuple[str, int]) -> None:
    prefix, number = case
    number %= 10 ** (17 - len(prefix)) - 1
    assert sscc_of(prefix, number) != sscc_of(prefix, number + 1)


def test_a_prefix_that_is_used_up_says_so() -> None:
    assert refusal(LimitError, lambda: sscc_of("952000012345", 100_000)) == (
        "SSCC of prefix 952000012345: it has 100000 numbers, count 100000 is not among them."
    )
    assert refusal(ParseError, lambda: require_company_prefix("95X")) == (
        "GS1 Company Prefix '95X': expected 4 to 12 digits."
    )


def test_a_lot_names_day_line_and_count() -> None:
    day = date(2026, 11, 24)
    assert lot_of(day, "A", 7) == "261124A007"
    assert refusal(ParseError, lambda: lot_of(day, "O", 1)) == (
        "production line 'O': expected one capital letter, not I or O."
    )
    assert refusal(LimitError, lambda: lot_of(day, "A", 1000)) == (
        "lots of line A on 2026-11-24: expected at most 999, got 1000."
    )


# ---- links --------------------------------------------------------------------------------------


def test_a_signed_link_is_the_same_link_with_a_parameter_more() -> None:
    signed = sign_link(LINK, KEY)
    assert signed.startswith(f"{LINK}&s=")
    assert len(signed) == len(LINK) + len("&s=") + 8
    assert DigitalLink.parse(signed).uri() == DigitalLink.parse(LINK).uri()
    assert check_link(signed, [OLD_KEY, KEY]) is LinkMark.ISSUED


def test_the_form_of_the_mark_does_not_drift() -> None:
    assert sign_link("https://id.gs1.org/01/09520000000028/21/A7", KEY) == (
        "https://id.gs1.org/01/09520000000028/21/A7?s=hS4KiuVX"
    )


def test_domain_order_and_foreign_parameters_do_not_matter() -> None:
    mark = sign_link(LINK, KEY).rpartition("=")[2]
    other = f"https://id.gs1.org/x/01/09520000000028/21/7XK3MQ2WTR9ACD?linkType=gs1:pip&s={mark}&17=281130#top"
    assert check_link(other, [KEY]) is LinkMark.ISSUED


@pytest.mark.parametrize(
    "change",
    [("7XK3", "7XK4"), ("0028/", "0035/"), ("281130", "291130"), ("&s=", "&15=281130&s="), ("?17=281130&", "?")],
)
def test_a_changed_link_was_never_issued(change: tuple[str, str]) -> None:
    assert check_link(sign_link(LINK, KEY).replace(*change), [KEY]) is LinkMark.FALSE


def test_a_mark_of_another_key_or_none_or_two_marks_are_told_apart() -> None:
    signed = sign_link(LINK, KEY)
    assert check_link(signed, [OLD_KEY]) is LinkMark.FALSE
    assert check_link(signed, []) is LinkMark.FALSE
    assert check_link(LINK, [KEY]) is LinkMark.NONE
    assert check_link(f"{LINK}&s=", [KEY]) is LinkMark.FALSE
    assert check_link(f"{signed}&s=AAAAAAAA", [KEY]) is LinkMark.FALSE


def test_what_cannot_be_signed_is_refused() -> None:
    signed = sign_link(LINK, KEY)
    assert refusal(ValidationError, lambda: sign_link(signed, KEY)) == (
        f"Digital Link {signed[:80]!r}: expected no 's' and no '#' yet."
    )
    assert refusal(ValidationError, lambda: sign_link(LINK, b"short")) == "link key of 5 bytes: expected 32."
    assert refusal(ParseError, lambda: sign_link("https://brand.cn/about", KEY)) == (
        "Digital Link 'https://brand.cn/about': no GS1 key in the path."
    )
