"""What is public and what is told apart: an event is cut and put together again, and nothing else fits."""

import hashlib
import itertools
import json
from typing import Any

import pytest
from build import event_of
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError, ValidationError
from trace.ledger.canonical import canonical
from trace.ledger.disclosure import (
    EPC_LISTS,
    PUBLIC_MEMBERS,
    QUANTITY_LISTS,
    Access,
    Disclosure,
    item_uris,
    pointers,
    rebuild,
    split,
)
from trace.ledger.encoding import b64u, from_b64u

SALT = bytes(16)
LOT = "https://id.gs1.org/01/09520000000028/10/LOT7"
CLASS = "https://id.gs1.org/01/09520000000028"


def told(pointer: str, value: Any) -> Disclosure:
    return Disclosure.make(pointer, value, SALT)


# ---- events that hypothesis makes up ----------------------------------------------------------------

VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)
NAME = st.text(alphabet="ab/~0é:", max_size=4)
ELEMENT = st.fixed_dictionaries(
    {}, optional={"epcClass": st.sampled_from([LOT, CLASS, 7]), "quantity": st.integers(1, 9), "uom": st.just("KGM")}
)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "parentID": VALUE,
    "ilmd": VALUE | st.dictionaries(NAME, VALUE, max_size=3),
    "readPoint": VALUE,
    "suyuan:scan": VALUE,
    "a/b~c": VALUE,
    **{name: VALUE | st.lists(st.text(max_size=3), max_size=12) for name in EPC_LISTS},
    **{name: VALUE | st.lists(ELEMENT | NAME, max_size=4) for name in QUANTITY_LISTS},
    **dict.fromkeys(PUBLIC_MEMBERS, VALUE),
}
EVENTS = st.fixed_dictionaries({}, optional=MEMBERS)


@given(EVENTS)
def test_an_event_that_is_cut_is_put_together_again(event: dict[str, Any]) -> None:
    parts = split(event)
    read = [Disclosure.parse(each.text) for each in parts.disclosures]
    assert read == list(parts.disclosures)
    assert rebuild(parts.public, reversed(read)) == event
    assert set(parts.public) <= set(PUBLIC_MEMBERS)


@given(EVENTS)
def test_cuts_are_where_pointers_says(event: dict[str, Any]) -> None:
    parts = split(event)
    keys, others = pointers(event)
    assert tuple(each.pointer for each in parts.disclosures) == (*keys, *others)
    assert parts.items == tuple(each.digest for each in parts.disclosures[: len(keys)])
    assert list(parts.sd) == sorted(each.digest for each in parts.disclosures[len(keys) :])
    assert len({*keys, *others}) == len(keys) + len(others)


@given(EVENTS, st.data())
def test_without_some_disclosures_less_is_told_and_nothing_else(event: dict[str, Any], data: st.DataObject) -> None:
    parts = split(event)
    kept = [each for each in parts.disclosures if data.draw(st.booleans())]
    try:
        less = rebuild(parts.public, kept)
    except ParseError as error:
        # A list cannot be told without its beginning.
        assert "the list has" in str(error)
        return
    assert set(less) <= set(event)


# ---- one by one -------------------------------------------------------------------------------------


def test_items_come_in_the_order_of_the_format() -> None:
    event = {
        "outputQuantityList": [{"epcClass": LOT + "o", "quantity": 1}],
        "quantityList": [{"epcClass": CLASS}, {"epcClass": LOT, "quantity": 5, "uom": "KGM"}],
        "outputEPCList": ["urn:o"],
        "inputEPCList": ["urn:i"],
        "childEPCs": ["urn:c"],
        "epcList": [f"urn:{n}" for n in range(11)],
        "parentID": "urn:p",
    }
    keys, others = pointers(event)
    assert keys == (
        "/parentID",
        *(f"/epcList/{n}" for n in range(11)),
        "/childEPCs/0",
        "/inputEPCList/0",
        "/outputEPCList/0",
        "/quantityList/1/epcClass",
        "/outputQuantityList/0/epcClass",
    )
    assert others == (
        "/outputQuantityList/0/quantity",
        "/quantityList/0/epcClass",
        "/quantityList/1/quantity",
        "/quantityList/1/uom",
    )
    assert item_uris(event)[-2:] == (LOT, LOT + "o")


def test_a_digest_is_that_of_sd_jwt() -> None:
    """RFC 9901, section 4.2.3: SHA-256 over the ASCII of the disclosure."""
    each = told("/readPoint", {"id": "x"})
    assert each.text == b64u(canonical([b64u(SALT), "/readPoint", {"id": "x"}]))
    assert each.digest == b64u(hashlib.sha256(each.text.encode()).digest())


def test_each_disclosure_has_a_salt_of_its_own() -> None:
    salts = (n.to_bytes(16) for n in itertools.count())
    parts = split(event_of(["urn:a", "urn:b"]), lambda: next(salts))
    told_salts = [json.loads(from_b64u(each.text, "disclosure"))[0] for each in parts.disclosures]
    assert len(set(told_salts)) == len(parts.disclosures) == 3


@pytest.mark.parametrize(
    ("pointer", "access"),
    [
        ("/readPoint", Access.PUBLIC),
        ("/bizLocation", Access.PUBLIC),
        ("/ilmd/cbvmda:lotNumber", Access.PUBLIC),
        ("/sensorElementList", Access.PUBLIC),
        ("/name", Access.PUBLIC),
        ("/uscc", Access.PUBLIC),
        ("/quantityList/0/quantity", Access.PARTNER),
        ("/bizTransactionList", Access.PARTNER),
        ("/suyuan:scan", Access.PARTNER),
        ("/nameOfTheDriver", Access.REGULATOR),
        ("/readPointOfNobody", Access.REGULATOR),
        ("/certificationInfo", Access.REGULATOR),
        ("attests/received", Access.PERSONAL),
    ],
)
def test_who_may_be_told(pointer: str, access: Access) -> None:
    each = told(pointer, "x")
    assert each.access(frozenset()) is access
    assert each.access({each.digest}) is Access.ITEM


@pytest.mark.parametrize(
    ("disclosures", "message"),
    [
        ([told("/type", 1)], "disclosure pointer '/type': type is a public member"),
        ([told("/a", 1), told("/a", 2)], "disclosure pointer '/a' is disclosed twice"),
        ([told("/epcList/1", 1)], "disclosure pointer '/epcList/1': the list has 0 elements"),
        ([told("/epcList/0", 1), told("/epcList/2", 1)], "disclosure pointer '/epcList/2': the list has 1 elements"),
        ([told("/epcList/0", 1), told("/epcList/0", 2)], "disclosure pointer '/epcList/0' is disclosed twice"),
        ([told("/epcList/00", 1)], "disclosure pointer '/epcList/00': no member that is disclosed in parts"),
        ([told("/epcList/-", 1)], "disclosure pointer '/epcList/-': no member that is disclosed in parts"),
        ([told("/epcList/-1", 1)], "disclosure pointer '/epcList/-1': no member that is disclosed in parts"),
        ([told("/epcList/\u0660", 1)], "disclosure pointer '/epcList/\u0660': no member that is disclosed in parts"),
        ([told("/epcList/99999", 1)], "disclosure pointer '/epcList/99999': the list has 0 elements"),
        ([told("/epcList/0/x", 1)], "disclosure pointer '/epcList/0/x': too many levels"),
        ([told("/quantityList/0/x/y", 1)], "disclosure pointer '/quantityList/0/x/y': too many levels"),
        (
            [told("/quantityList/0/x", 1), told("/quantityList/0/x", 1)],
            "disclosure pointer '/quantityList/0/x' is disclosed twice",
        ),
        ([told("/ilmd/a/b", 1)], "disclosure pointer '/ilmd/a/b': no member that is disclosed in parts"),
        ([told("/readPoint/id", 1)], "disclosure pointer '/readPoint/id': no member that is disclosed in parts"),
        (
            [told("/ilmd/a", 1), told("/ilmd", {})],
            "disclosure pointer '/ilmd/a': /ilmd is disclosed as a whole too",
        ),
        (
            [told("/epcList/0", 1), told("/epcList", [])],
            "disclosure pointer '/epcList/0': /epcList is disclosed as a whole too",
        ),
        (
            [told("/quantityList/0/uom", "KGM"), told("/quantityList", [{"quantity": 5}])],
            "disclosure pointer '/quantityList/0/uom': /quantityList is disclosed as a whole too",
        ),
        (
            [told("/quantityList/0/uom", "KGM"), told("/quantityList/0", {"quantity": 5})],
            "disclosure pointer '/quantityList/0/uom': /quantityList/0 is disclosed as a whole too",
        ),
    ],
)
def test_disclosures_that_do_not_fit_together_are_refused(disclosures: list[Disclosure], message: str) -> None:
    with pytest.raises(ParseError) as refused:
        rebuild({}, disclosures)
    assert str(refused.value) == message


def test_a_list_of_ten_thousand_is_put_together_and_no_longer_one() -> None:
    many = [told(f"/epcList/{n}", n) for n in range(10_001)]
    assert rebuild({}, many[:-1])["epcList"] == list(range(10_000))
    with pytest.raises(ParseError, match=r"'/epcList/10000': the list has 10000 elements$"):
        rebuild({}, many)


def test_putting_together_changes_no_disclosure() -> None:
    given_value: list[Any] = []
    each = told("/epcList", given_value)
    rebuild({}, [each])["epcList"].append("x")
    rebuilt = rebuild({}, [each, told("/a", 1)])
    assert rebuilt["a"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e30", "disclosure: expected [salt, pointer, value]"),
        (b64u(b'["AA","/a"]'), "disclosure: expected [salt, pointer, value]"),
        (b64u(b'["AA",1,2]'), "disclosure: expected [salt, pointer, value]"),
        (b64u(b'["AA","/a",2]'), "disclosure salt 'AA': expected 16 bytes, got 1"),
        (b64u(b'["AA","/a",NaN]'), "NaN is not JSON"),
        ("e30=", "disclosure 'e30=': not the canonical spelling, expected 'e30'"),
        ("é", "disclosure 'é': expected base64url without padding"),
        ("", "disclosure: not JSON at character 0: Expecting value"),
    ],
)
def test_what_is_no_disclosure_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        Disclosure.parse(text)
    assert str(refused.value) == message


def test_a_disclosure_of_a_megabyte_is_refused() -> None:
    with pytest.raises(LimitError, match=r"^disclosure: \d+ bytes, at most 65536 are taken$"):
        Disclosure.parse(told("/a", "x" * 1_000_000).text)


def test_a_key_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        item_uris({"epcList": ["urn:a", 7]})
    assert str(refused.value) == "/epcList/1: expected a URI, got int"
