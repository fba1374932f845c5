"""Canonical URIs: one key, one spelling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, TraceError
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.drug_codes import DrugApprovalNumber, DrugTraceCode
from trace.identifiers.enterprise_codes import FoodProductionLicence, Uscc
from trace.identifiers.gs1_keys import Gln, Gtin, Lgtin, Sgln, Sgtin, Sscc
from trace.identifiers.national import NationalCode
from trace.identifiers.uris import gtin_of, key_from_uri, keys_of, lot_of, path_of, uri_of

HOST = "trace.example.cn"
GTIN = Gtin("09520000000035")
CSET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"


@pytest.mark.parametrize(
    ("key", "uri"),
    [
        (GTIN, "https://id.gs1.org/01/09520000000035"),
        (Sgtin(GTIN, "A7"), "https://id.gs1.org/01/09520000000035/21/A7"),
        (Sgtin(GTIN, "a/b%"), "https://id.gs1.org/01/09520000000035/21/a%2Fb%25"),
        (Lgtin(GTIN, "PIG-20261120-01"), "https://id.gs1.org/01/09520000000035/10/PIG-20261120-01"),
        (Lgtin(GTIN, "A(1)+B"), "https://id.gs1.org/01/09520000000035/10/A%281%29%2BB"),
        (Sscc("106141412345678908"), "https://id.gs1.org/00/106141412345678908"),
        (Gln("9520000000011"), "https://id.gs1.org/414/9520000000011"),
        (Sgln(Gln("9520000000011"), "DOCK.3"), "https://id.gs1.org/414/9520000000011/254/DOCK.3"),
        (DrugTraceCode("99000039000000000001"), "https://trace.example.cn/id/cn-drug/99000039000000000001"),
        (DrugApprovalNumber("H20999001"), "https://trace.example.cn/id/cn-drug-approval/H20999001"),
        (Uscc("91990102MADEM1057K"), "https://trace.example.cn/id/cn-uscc/91990102MADEM1057K"),
        (FoodProductionLicence("SC11532139200465"), "https://trace.example.cn/id/cn-sc/SC11532139200465"),
        (NationalCode("ear-tag", "猪 1/2"), "https://trace.example.cn/id/ear-tag/%E7%8C%AA%201%2F2"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_key_has_one_uri(key: Any, uri: str) -> None:
    assert uri_of(key, HOST) == uri
    assert key_from_uri(uri, HOST) == key
    assert uri.endswith(path_of(uri)) and path_of(uri).startswith(("/01/", "/00/", "/414/", "/id/"))


@pytest.mark.parametrize(
    ("uri", "canonical"),
    [
        ("http://id.gs1.org/01/09520000000035", "https://id.gs1.org/01/09520000000035"),
        ("https://brand.cn/01/09520000000035/21/A7", "https://id.gs1.org/01/09520000000035/21/A7"),
        ("https://id.gs1.org/01/09520000000035/21/A%37", "https://id.gs1.org/01/09520000000035/21/A7"),
        ("https://id.gs1.org/01/09520000000035/21/a%2fb", "https://id.gs1.org/01/09520000000035/21/a%2Fb"),
        ("https://id.gs1.org/01/09520000000035/21/A7?17=261130", "https://id.gs1.org/01/09520000000035/21/A7"),
        ("https://id.gs1.org/01/09520000000035/21/A+7", "https://id.gs1.org/01/09520000000035/21/A%2B7"),
    ],
)
def test_another_spelling_is_refused(uri: str, canonical: str) -> None:
    with pytest.raises(ParseError) as caught:
        key_from_uri(uri, HOST)
    assert str(caught.value) == f"URI {uri!r}: expected the canonical spelling {canonical!r}."


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        (
            "https://id.gs1.org/01/09520000000035/10/L/21/A",
            "(01)(10)(21): expected the AIs of one GS1 key, such as (01)(21), (00), (414)(254) or (8003).",
        ),
        (
            "https://trace.example.cn/id/cn-drug/123",
            "drug traceability code '123': expected 20 digits, got 3 digits.",
        ),
        (
            "https://other.example.cn/id/cn-drug/99000039000000000001",
            "Digital Link 'https://other.example.cn/id/cn-drug/99000039000000000001': no GS1 key in the path.",
        ),
    ],
)
def test_a_uri_without_a_key_of_ours_is_refused(uri: str, why: str) -> None:
    with pytest.raises(ParseError) as caught:
        key_from_uri(uri, HOST)
    assert str(caught.value) == why


def test_a_key_says_its_trade_item_and_lot_where_it_can() -> None:
    assert [gtin_of(key) for key in (GTIN, Sgtin(GTIN, "A"), Lgtin(GTIN, "L"))] == [GTIN] * 3
    assert gtin_of(Sscc("106141412345678908")) is None
    assert lot_of(Lgtin(GTIN, "L")) == "L"
    assert lot_of(Sgtin(GTIN, "A")) is None


def test_elements_name_their_keys_most_specific_first() -> None:
    pallet = (("00", "106141412345678908"), ("02", "09520000000035"), ("37", "24"), ("10", "L"))
    assert keys_of(pallet) == (Sscc("106141412345678908"),)
    item = (("01", "09520000000035"), ("10", "L"), ("21", "A"))
    assert keys_of(item) == (Sgtin(GTIN, "A"), Lgtin(GTIN, "L"), GTIN)
    assert keys_of((("10", "L"),)) == ()


def digits(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length).map(lambda text: text + gs1_check_digit(text))


TEXT = st.text(CSET_82, min_size=1, max_size=20)
GTINS = st.builds(Gtin, digits(13))
GLNS = st.builds(Gln, digits(12))
PRINTABLE = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=100).filter(
    lambda text: text.strip(".")
)
KEYS = st.one_of(
    GTINS,
    st.builds(Sgtin, GTINS, TEXT),
    st.builds(Lgtin, GTINS, TEXT),
    st.builds(Sscc, digits(17)),
    GLNS,
    st.builds(Sgln, GLNS, TEXT),
    st.builds(DrugTraceCode, st.text("0123456789", min_size=20, max_size=20)),
    st.builds(NationalCode, st.just("ear-tag"), PRINTABLE),
)


@given(KEYS)
def test_keys_round_trip_through_their_uri(key: Any) -> None:
    uri = uri_of(key, HOST)
    assert uri.isascii()
    assert key_from_uri(uri, HOST) == key


@given(st.text(max_size=80) | st.text("01/2495%AF.", max_size=40).map("https://id.gs1.org/".__add__))
def test_any_text_is_a_canonical_uri_or_refused(text: str) -> None:
    try:
        key = key_from_uri(text, HOST)
    except TraceError:
        return
    assert uri_of(key, HOST) == text
