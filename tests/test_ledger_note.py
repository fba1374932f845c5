"""Signed notes: every published case of Go's package, the rules of c2sp.org/signed-note, cosignatures."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError, SignatureError, TraceError
from trace.ledger.cosignature import Cosignature, cosign, cosignatures, verify_cosignature
from trace.ledger.encoding import b64
from trace.ledger.keys import PrivateKey
from trace.ledger.note import (
    Note,
    Signature,
    SignatureType,
    VerifierKey,
    cosigner_key,
    ed25519_key,
    open_note,
    sign_note,
)

KEY, OTHER = PrivateKey(bytes(range(32))), PrivateKey(bytes(32))
NAME = "trace.example"
MINE = ed25519_key(NAME, KEY.public)


def published(shared_data: Path) -> dict[str, Any]:
    """golang.org/x/mod/sumdb/note, note_test.go."""
    cases: dict[str, Any] = json.loads((shared_data / "ledger" / "note" / "go_signed_note.json").read_text())
    return cases


def test_published_notes_open_or_do_not_as_published(shared_data: Path) -> None:
    cases = published(shared_data)["open"]
    for case in cases:
        keys = [VerifierKey.parse(text) for text in case["vkeys"]]
        try:
            note, signed = open_note(bytes.fromhex(case["msg_hex"]), keys)
        except TraceError:
            assert not case["ok"], case["desc"]
            continue
        assert case["ok"], case["desc"]
        assert len(signed) == case["verified"]
        unknown = {(line.name, line.key_id) for line in note.signatures if not any(line.by(key) for key in keys)}
        assert len(unknown) == case.get("unverified", len(unknown))
    assert sum(case["ok"] for case in cases) >= 3


def test_a_published_note_is_signed_again_with_the_same_bytes(shared_data: Path) -> None:
    case = published(shared_data)["sign"]
    *_, name, _, blob = case["skey"].split("+", 4)
    seed = base64.b64decode(blob)[1:]
    assert str(sign_note(case["text"], name, PrivateKey(seed))) == case["want"]


def test_published_bad_verifier_keys_are_refused(shared_data: Path) -> None:
    for text in published(shared_data)["bad_vkeys"]:
        with pytest.raises(ParseError):
            VerifierKey.parse(text)


def test_no_part_and_no_twist_of_a_published_verifier_key_passes(shared_data: Path) -> None:
    """The sentence `also` of the published cases."""
    text = published(shared_data)["open"][0]["vkeys"][0]
    assert str(VerifierKey.parse(text)) == text
    parts = {text[start:end] for start in range(len(text)) for end in range(start, len(text) + 1)} - {text}
    twisted = {text[:at] + chr(ord(text[at]) + 1) + text[at + 1 :] for at in range(len(text))}
    for bad in parts | twisted:
        with pytest.raises(ParseError):
            VerifierKey.parse(bad)


def other_key(kind: int, material: bytes, name: str = "w.example") -> str:
    key_id = VerifierKey(name, SignatureType(kind), material).key_id
    return f"{name}+{key_id.hex()}+{b64(bytes([kind]) + material)}"


def test_keys_of_types_that_are_not_checked_here_are_read_and_kept() -> None:
    for kind, material in ((0x06, bytes(1312)), (0xFF, b"some.example/scheme key")):
        key = VerifierKey.parse(other_key(kind, material))
        assert (key.kind, key.material, key.checkable) == (kind, material, False)
        assert str(key) == other_key(kind, material)
        with pytest.raises(ValueError):
            sign_note("text\n", NAME, KEY).signed_by(key)
    assert VerifierKey.parse(str(cosigner_key("w.example", KEY.public))).checkable


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (other_key(0x06, bytes(32)), "verifier key 'BgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA': "),
        ("a b+00000000+AQAA", "key name 'a b': expected one without spaces and plus"),
        ("a\u3000b+00000000+AQAA", "key name 'a\\u3000b': expected one without spaces and plus"),
        ("+00000000+AQAA", "key name '': expected one without spaces and plus"),
        ("a+00000000+", "verifier key a: algorithm missing: expected 1 (Ed25519), 4 (cosignature)"),
        # The neutral point: its signatures fit any text.
        (other_key(0x01, b"\x01" + bytes(31)), "Ed25519 public key 0100"),
    ],
)
def test_a_verifier_key_that_is_none_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        VerifierKey.parse(text)
    assert str(refused.value).startswith(message)


def test_a_note_is_split_at_its_last_blank_line() -> None:
    note = sign_note("one\n\ntwo\n", NAME, KEY)
    assert Note.parse(str(note)) == note
    assert note.text == "one\n\ntwo\n"


SIGNED = str(sign_note("text\n", NAME, KEY))
LINE = SIGNED.splitlines()[-1]


@pytest.mark.parametrize(
    ("note", "error", "message"),
    [
        (SIGNED.replace("text", "te\txt"), ParseError, "note: expected no control characters but LF"),
        (SIGNED.replace("text", "te\rxt"), ParseError, "note: expected no control characters but LF"),
        ("text\n\n", ParseError, "note: expected text, a blank line and signature lines that end with LF"),
        (
            SIGNED.replace("\u2014", "-"),
            ParseError,
            f"note: line {LINE.replace(chr(0x2014), '-')[:80]!r}: expected '\u2014 <name> <base64>'",
        ),
        (
            f"text\n\n\u2014 {NAME}\n",
            ParseError,
            "note: line '\u2014 trace.example': expected '\u2014 <name> <base64>'",
        ),
        (
            f"text\n\n\u2014 {NAME} AAAA====\n",
            ParseError,
            "note: signature of trace.example 'AAAA====': expected base64 with padding",
        ),
        (
            f"text\n\n\u2014 {NAME} AAAAAA==\n",
            ParseError,
            "note: signature of trace.example: expected 5 bytes or more, got 4",
        ),
        (
            f"text\n\n\u2014 a+b {b64(bytes(68))}\n",
            ParseError,
            "key name 'a+b': expected one without spaces and plus",
        ),
        (SIGNED + 100 * f"{LINE}\n", LimitError, "note: 101 signature lines, at most 100 are read"),
        ("a" * 1_000_001, LimitError, "note: 1000001 characters, at most 1000000 are read"),
    ],
)
def test_what_is_no_note_is_refused_with_a_reason(note: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        Note.parse(note)
    assert str(refused.value) == message


def test_a_hundred_signatures_are_read() -> None:
    assert Note.parse(SIGNED + 99 * f"{LINE}\n").signed_by(MINE)


def test_lines_that_share_name_or_id_but_not_both_are_ignored() -> None:
    lines = [Signature("b.example", MINE.key_id, bytes(64)), Signature(NAME, bytes(4), bytes(64))]
    note = Note("text\n", (*lines, *sign_note("text\n", NAME, KEY).signatures))
    assert note.signed_by(MINE)
    assert not Note("text\n", tuple(lines)).signed_by(MINE)


def test_one_bad_line_of_a_known_key_spoils_the_note() -> None:
    good = sign_note("text\n", NAME, KEY)
    spoilt = Note("text\n", (*good.signatures, Signature(NAME, MINE.key_id, bytes(64))))
    with pytest.raises(SignatureError):
        open_note(str(spoilt).encode(), [MINE])


def test_a_text_without_line_end_is_not_signed() -> None:
    with pytest.raises(ValueError):
        sign_note("text", NAME, KEY)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = Note.from_bytes(data)
    except TraceError:
        return
    assert Note.parse(str(note)) == note


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
def test_what_is_signed_opens_and_no_other_text_does(text: str) -> None:
    note = sign_note(text + "\n", NAME, KEY)
    assert open_note(str(note).encode(), [MINE]) == (note, (MINE,))
    with pytest.raises(SignatureError):
        Note(text + "x\n", note.signatures).signed_by(MINE)


# ---- cosignatures -------------------------------------------------------------------------------

TEXT = f"{NAME}\n7\n{b64(bytes(32))}\nextension\n"
WITNESS = cosigner_key("w.example", OTHER.public)


def test_the_published_cosignatures_of_a_witness_verify(shared_data: Path) -> None:
    """Sunlight's test data: checkpoints that its witnesses and its mirror cosigned, with their verifier keys."""
    root = shared_data / "ledger" / "tiles" / "sunlight" / "cmd" / "skylight" / "testdata"
    times = []
    for folder, told in (("witness", "witness"), ("witness2", "witness"), ("witness/mirror", "mirror")):
        (text,) = json.loads((root / folder / f"{told}.v0.json").read_text())["verifier_keys"]
        for file in (root / folder).glob("*/checkpoint"):
            if file.parent.name == "mirror":
                continue  # a decoy
            key = VerifierKey.parse(text)
            (found,) = cosignatures(Note.from_bytes(file.read_bytes()), [key, WITNESS])
            assert found.key == key
            times.append(found.time_s)
    assert times == [1767139200] * 3


def test_a_cosignature_is_over_header_time_and_the_whole_text() -> None:
    line = cosign(TEXT, 1_679_315_147, "w.example", OTHER)
    assert line.data[:8] == (1_679_315_147).to_bytes(8, "big")
    OTHER.public.verify(line.data[8:], f"cosignature/v1\ntime 1679315147\n{TEXT}".encode())
    assert verify_cosignature(TEXT, line, WITNESS) == Cosignature(WITNESS, 1_679_315_147, str(line))
    assert Signature.parse(str(line)) == line


def test_the_newest_cosignature_of_each_known_witness_counts_and_no_other_line() -> None:
    lines = [cosign(TEXT, time_s, "w.example", OTHER) for time_s in (5, 9, 7)]
    note = Note(TEXT, (*sign_note(TEXT, NAME, KEY).signatures, *lines, cosign(TEXT, 5, "x.example", KEY)))
    (found,) = cosignatures(note, [WITNESS, MINE])
    assert (found.key, found.time_s) == (WITNESS, 9)
    assert note.signed_by(MINE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (bytes(71), "cosignature of w.example: expected 72 bytes, got 71"),
        (b"\x80" + bytes(71), f"cosignature of w.example: time {2**63}: expected at most 2^63 - 1"),
        (bytes(72), f"signature does not belong to these bytes and key {OTHER.key_id[:16]}…"),
        (
            (6).to_bytes(8, "big") + cosign(TEXT, 5, "w.example", OTHER).data[8:],
            f"signature does not belong to these bytes and key {OTHER.key_id[:16]}…",
        ),
    ],
)
def test_a_line_of_a_known_witness_that_does_not_verify_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(SignatureError) as refused:
        cosignatures(Note(TEXT, (Signature("w.example", WITNESS.key_id, data),)), [WITNESS])
    assert str(refused.value) == message


def test_a_cosignature_is_no_signature_of_the_log_and_the_other_way_round() -> None:
    as_log = ed25519_key("w.example", OTHER.public)
    note = Note(TEXT, (Signature("w.example", as_log.key_id, cosign(TEXT, 5, "w.example", OTHER).data[8:]),))
    with pytest.raises(SignatureError):
        note.signed_by(as_log)
    with pytest.raises(ValueError):
        verify_cosignature(TEXT, sign_note(TEXT, "w.example", OTHER).signatures[0], as_log)


def test_a_time_before_the_epoch_is_not_signed() -> None:
    with pytest.raises(ValueError):
        cosign(TEXT, -1, "w.example", OTHER)
