"""The leaf record: one spelling, read back exactly or refused."""

import hashlib
import hmac
from dataclasses import replace

import pytest
from build import ORIGIN, private_key, pseudonym
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError, TraceError
from trace.ledger.encoding import b64
from trace.ledger.leaf import (
    CorrectLine,
    EraseLine,
    ItemLine,
    KeyLine,
    Leaf,
    RevokeLine,
    RotateLine,
    TreeLine,
    item_key,
    record_hash,
)

ISSUER = pseudonym("firm")
KEY = private_key("device").public
HASH = st.binary(min_size=32, max_size=32)
NUMBER = st.integers(2, 10**16 - 1)
POSITIONS = st.sets(st.integers(0, 10_000), min_size=1, max_size=4).map(lambda found: tuple(sorted(found)))


@st.composite
def item_lines(draw: st.DrawFn) -> ItemLine:
    key = b"\x01" + draw(HASH)
    if draw(st.booleans()):
        return ItemLine(key, 1, None, None)
    return ItemLine(key, draw(NUMBER), draw(st.integers(0, 10**16 - 1)), draw(HASH))


@st.composite
def leaves(draw: st.DrawFn) -> Leaf:
    kind, body = draw(
        st.one_of(
            st.tuples(st.just("hop"), st.lists(item_lines(), max_size=4).map(tuple)),
            st.tuples(st.just("correct"), st.lists(item_lines(), max_size=2).map(tuple)),
            st.tuples(st.sampled_from(["recall", "blacklist", "decision"]), item_lines().map(lambda line: (line,))),
            st.tuples(st.just("keyrot"), st.just(RotateLine(KEY))),
            st.tuples(st.just("erase"), st.builds(EraseLine, NUMBER, POSITIONS)),
            *(
                st.tuples(st.just(word), st.builds(TreeLine, st.just(word), st.just("b.example"), NUMBER, HASH))
                for word in ("import", "anchor")
            ),
            st.tuples(st.just("keyreg"), st.just(KeyLine(KEY, ISSUER, "device"))),
            st.tuples(
                st.just("keyrev"), st.builds(RevokeLine, HASH.map(bytes.hex), st.none() | st.integers(0, 10**16 - 1))
            ),
        )
    )
    first = draw(st.booleans())
    parts = draw(st.integers(1, 20))
    return Leaf(
        origin=draw(st.sampled_from([ORIGIN, "a.example/log/v1"])),
        kind=kind,
        issuer=ISSUER,
        device=KEY.key_id,
        seq=1 if first else draw(NUMBER),
        prev=None if first else draw(HASH),
        rcv_ms=draw(st.integers(0, 10**15)),
        env_hash=draw(HASH),
        body=body,
        part=draw(st.integers(1, parts)),
        parts=parts,
        corrects=CorrectLine(draw(NUMBER), draw(HASH)) if kind == "correct" else None,
    )


@given(leaves())
def test_a_record_is_a_round_trip(leaf: Leaf) -> None:
    assert Leaf.parse(leaf.record()) == leaf
    assert leaf.leaf_hash() == record_hash(leaf.record())


@given(leaves(), st.data())
def test_a_record_with_one_character_changed_is_refused_or_another_leaf(leaf: Leaf, data: st.DataObject) -> None:
    record = leaf.record()
    at = data.draw(st.integers(0, len(record) - 1))
    other = (
        record[:at] + data.draw(st.sampled_from("0123456789-/ \nAz+=é")) + record[at + data.draw(st.integers(0, 1)) :]
    )
    try:
        read = Leaf.parse(other)
    except TraceError:
        return
    assert read.record() == other
    assert (read == leaf) == (other == record)


PLAIN = Leaf(ORIGIN, "hop", ISSUER, KEY.key_id, 1, None, 5, bytes(32), (ItemLine(b"\x01" + bytes(32), 1, None, None),))
REG = Leaf(ORIGIN, "keyreg", ISSUER, KEY.key_id, 1, None, 5, bytes(32), KeyLine(KEY, ISSUER, "device"))
REV = Leaf(ORIGIN, "keyrev", ISSUER, KEY.key_id, 1, None, 5, bytes(32), RevokeLine(KEY.key_id, None))
NULL = b64(bytes(32))
ROT = replace(REG, kind="keyrot", body=RotateLine(KEY))
ERASE = replace(REG, kind="erase", body=EraseLine(3, (2, 5)))
ANCHOR = replace(REG, kind="anchor", body=TreeLine("anchor", "b.example", 9, bytes(32)))
CASE = replace(PLAIN, kind="recall")
CORRECT = replace(PLAIN, kind="correct", corrects=CorrectLine(3, bytes(32)))
ITEM = b64(b"\x01" + bytes(32))


@pytest.mark.parametrize(
    ("leaf", "old", "new", "message"),
    [
        (
            PLAIN,
            "/hop/v1",
            "/hop/v2",
            "leaf: first line 'trace.example/hop/v2': expected <origin>/<kind>/v1",
        ),
        (PLAIN, "/hop/", "/hip/", "leaf: first line 'trace.example/hip/v1': expected <origin>/<kind>/v1"),
        (PLAIN, ORIGIN, "", "leaf: first line '/hop/v1': expected <origin>/<kind>/v1"),
        (PLAIN, f"{ORIGIN}/hop/v1", "v1", "leaf: first line 'v1': expected <origin>/<kind>/v1"),
        (
            PLAIN,
            "issuer ",
            "issuer  ",
            f"leaf: line 'issuer  {ISSUER} {KEY.key_id[:39]}': expected 'issuer' and 4 fields",
        ),
        (PLAIN, ISSUER, ISSUER.upper(), f"issuer {ISSUER.upper()!r}: expected 32 lower-case hex digits"),
        (PLAIN, KEY.key_id, "ab", "key id 'ab': expected 64 lower-case hex digits"),
        (PLAIN, " 1 -\nrcv", " 0 -\nrcv", "leaf: seq 0 with prev -: prev is - at seq 1 and only there"),
        (PLAIN, " 1 -\nrcv", " 2 -\nrcv", "leaf: seq 2 with prev -: prev is - at seq 1 and only there"),
        (PLAIN, " 1 -\nrcv", f" 1 {NULL}\nrcv", f"leaf: seq 1 with prev {NULL}: prev is - at seq 1 and only there"),
        (PLAIN, " 1 -\nrcv", " 1 AA\nrcv", "prev 'AA': expected base64 with padding"),
        (PLAIN, "rcv 5", "rcv 05", "leaf: rcv '05': expected a decimal number"),
        (PLAIN, "rcv 5", "rcv -5", "leaf: rcv '-5': expected a decimal number"),
        (PLAIN, "rcv 5", "rcv 5 ", "leaf: line 'rcv 5 ': expected 'rcv' and 1 fields"),
        (PLAIN, "rcv 5", "rcv \u0665", "leaf: rcv '\u0665': expected a decimal number"),
        (PLAIN, " 1/1", " 2/1", "leaf: part '2/1': expected <part>/<parts>, counted from 1"),
        (PLAIN, " 1/1", " 0/1", "leaf: part '0/1': expected <part>/<parts>, counted from 1"),
        (PLAIN, " 1/1", " 1", "leaf: not the canonical spelling of its fields"),
        (PLAIN, " 1/1", " 1/1/1", "leaf: not the canonical spelling of its fields"),
        (PLAIN, ITEM, b64(b"\x02" + bytes(32)), "leaf: item key version 2: expected 1"),
        (PLAIN, ITEM, NULL, f"item key {NULL!r}: expected 33 bytes, got 32"),
        (
            PLAIN,
            " 1 - -\n",
            f" 1 3 {NULL}\n",
            "leaf: ord 1 after leaf 3: the previous leaf is - - at ord 1 and only there",
        ),
        (PLAIN, " 1 - -\n", " 2 - -\n", "leaf: ord 2 after leaf -: the previous leaf is - - at ord 1 and only there"),
        (
            PLAIN,
            " 1 - -\n",
            f" 2 - {NULL}\n",
            "leaf: ord 2 after leaf -: the previous leaf is - - at ord 1 and only there",
        ),
        (PLAIN, " 1 - -\n", " 0 - -\n", "leaf: ord 0 after leaf -: the previous leaf is - - at ord 1 and only there"),
        (PLAIN, " 1 - -\n", " 1 - -\r\n", "previous leaf hash '-\\r': expected base64 with padding"),
        (PLAIN, " 1 - -\n", " 1 - -", "leaf: expected a kind, issuer, rcv and env line, each ended by LF"),
        (PLAIN, " 1 - -\n", " 1 - -\n\n", "leaf: line '': expected 'item' and 4 fields"),
        (
            REG,
            " device\n",
            " chef\n",
            "leaf: key role 'chef': expected one of authority, enterprise, device, attestation",
        ),
        (REG, f" {ISSUER} device", " me device", "key issuer 'me': expected 32 lower-case hex digits"),
        (
            REG,
            "key " + KEY.key_id,
            "key " + "0" * 64,
            f"leaf: key id {'0' * 16}…: expected {KEY.key_id[:16]}… for this key",
        ),
        (
            REG,
            f"key {KEY.key_id} 1 ",
            f"key {KEY.key_id} 9 ",
            "algorithm byte 9: expected one of 1 (ED25519), 2 (ECDSA_P256_SHA256)",
        ),
        (REG, " device\n", " device\n" * 2, "leaf: a keyreg has one body line, got 2"),
        (REV, f"revoke {KEY.key_id} -", "revoke x -", "revoked key id 'x': expected 64 lower-case hex digits"),
        (
            REV,
            f"revoke {KEY.key_id} -",
            f"revoke {KEY.key_id} 01",
            "leaf: compromised from '01': expected a decimal number",
        ),
        (
            ROT,
            "rotate ",
            "key ",
            f"leaf: line 'key {KEY.key_id} 1 {b64(KEY.raw)[:9]}': expected 'rotate' and 3 fields",
        ),
        (
            ROT,
            f"rotate {KEY.key_id}",
            f"rotate {'0' * 64}",
            f"leaf: key id {'0' * 16}…: expected {KEY.key_id[:16]}… for this key",
        ),
        (ERASE, " 2,5", " 5,2", "leaf: erased positions '5,2': expected rising numbers"),
        (ERASE, " 2,5", " 2,,5", "leaf: erased position '': expected a decimal number"),
        (ANCHOR, "anchor b.", "import b.", f"leaf: line 'import b.example 9 {NULL}': expected 'anchor' and 3 fields"),
        (ANCHOR, "b.example", "b.é", "leaf: origin 'b.é': expected printable ASCII without spaces"),
        (ANCHOR, f" 9 {NULL}", " 9 AA", "root 'AA': expected base64 with padding"),
        (CASE, f"item {ITEM} 1 - -\n", "", "leaf: a recall has one item line, that of its case, got 0"),
        (CORRECT, f"correct 3 {NULL}\n", "", f"leaf: line 'item {ITEM} 1 - -': expected 'correct' and 2 fields"),
        (CORRECT, f"correct 3 {NULL}\nitem {ITEM} 1 - -\n", "", "leaf: line '': expected 'correct' and 2 fields"),
    ],
)
def test_another_spelling_is_refused(leaf: Leaf, old: str, new: str, message: str) -> None:
    record = leaf.record()
    assert old in record
    with pytest.raises(ParseError) as refused:
        Leaf.parse(record.replace(old, new, 1))
    assert str(refused.value) == message


def test_a_record_over_the_size_of_a_tile_entry_is_refused() -> None:
    with pytest.raises(ParseError) as refused:
        Leaf.parse(PLAIN.record() * 300)
    assert str(refused.value) == "leaf: longer than 65535 bytes"


def test_five_hundred_items_fit_into_a_record() -> None:
    line = ItemLine(b"\x01" + bytes(32), 10**15, 10**15, bytes(32))
    leaf = Leaf(ORIGIN, "hop", ISSUER, KEY.key_id, 2, bytes(32), 10**13, bytes(32), (line,) * 500)
    assert Leaf.parse(leaf.record()) == leaf


def test_an_item_key_is_keyed_by_the_secret_of_the_log() -> None:
    uri = "https://id.gs1.org/01/09520000000028/21/é"
    wanted = b"\x01" + hmac.new(b"secret", b"\x01" + uri.encode(), hashlib.sha256).digest()
    assert item_key(b"secret", uri) == wanted
    assert item_key(b"other", uri) != wanted
