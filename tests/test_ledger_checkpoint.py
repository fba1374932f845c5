"""Signed tree heads: Go's published notes, and every note that is no checkpoint of ours."""

import json
from pathlib import Path

import pytest

from trace.errors import ParseError, SignatureError
from trace.ledger.checkpoint import (
    Checkpoint,
    key_hash,
    open_checkpoint,
    parse_verifier_key,
    sign_checkpoint,
    verifier_key,
)
from trace.ledger.encoding import b64, from_b64
from trace.ledger.keys import PrivateKey
from trace.ledger.note import cosigner_key

ORIGIN = "trace.example"
KEY = PrivateKey(bytes(range(32)))
OTHER = PrivateKey(bytes(32))
SIGNED = sign_checkpoint(ORIGIN, 7, bytes(32), KEY)


def signed(body: str, key: PrivateKey = KEY, name: str = ORIGIN) -> str:
    blob = key_hash(name, key.public.raw) + key.sign(body.encode())
    return f"{body}\n\u2014 {name} {b64(blob)}\n"


def test_published_verifier_keys_are_read_and_written(shared_data: Path) -> None:
    """golang.org/x/mod/sumdb/note, note_test.go."""
    for case in json.loads((shared_data / "ledger" / "note" / "go_signed_note.json").read_text())["open"]:
        for text in case["vkeys"]:
            name, public = parse_verifier_key(text)
            assert verifier_key(name, public) == text


def test_a_published_note_is_signed_by_its_key(shared_data: Path) -> None:
    case = json.loads((shared_data / "ledger" / "note" / "go_signed_note.json").read_text())["open"][0]
    name, public = parse_verifier_key(case["vkeys"][0])
    body, _, lines = bytes.fromhex(case["msg_hex"]).decode().rpartition("\n\n")
    (blob,) = [line.split(" ")[2] for line in lines.splitlines() if line.split(" ")[1] == name]
    assert from_b64(blob, "sig")[:4] == key_hash(name, public.raw)
    public.verify(from_b64(blob, "sig")[4:], (body + "\n").encode())


def test_a_checkpoint_comes_back_from_its_note() -> None:
    assert Checkpoint(ORIGIN, 7, bytes(32), SIGNED.note) == SIGNED
    assert open_checkpoint(SIGNED.note, ORIGIN, KEY.public) == SIGNED


def test_lines_of_witnesses_and_extensions_are_passed_over() -> None:
    note = SIGNED.note + f"\u2014 witness.example {b64(bytes(76))}\n"
    assert open_checkpoint(note, ORIGIN, KEY.public).size == 7
    extended = signed(f"{ORIGIN}\n7\n{b64(bytes(32))}\nextension\n")
    assert open_checkpoint(extended, ORIGIN, KEY.public) == Checkpoint(ORIGIN, 7, bytes(32), extended)


ROOT = b64(bytes(32))
WANTED = key_hash(ORIGIN, KEY.public.raw).hex()


@pytest.mark.parametrize(
    ("note", "error", "message"),
    [
        ("", ParseError, "note: expected text, a blank line and signature lines that end with LF"),
        (SIGNED.note[:-1], ParseError, "note: expected text, a blank line and signature lines that end with LF"),
        (
            signed(f"{ORIGIN}\n7\n{ROOT}\n\nextension behind an empty line\n"),
            ParseError,
            "checkpoint: expected origin, size, root, a blank line and signatures",
        ),
        (
            signed(f"{ORIGIN}\n{2**63}\n{ROOT}\n"),
            ParseError,
            "checkpoint: size '9223372036854775808': expected a decimal number",
        ),
        (signed(f"{ORIGIN}\n7\n"), ParseError, "checkpoint: expected origin, size, root, a blank line and signatures"),
        (signed(f"b.example\n7\n{ROOT}\n"), ParseError, "checkpoint: origin 'b.example', expected 'trace.example'"),
        (signed(f"{ORIGIN}\n07\n{ROOT}\n"), ParseError, "checkpoint: size '07': expected a decimal number"),
        (signed(f"{ORIGIN}\n-7\n{ROOT}\n"), ParseError, "checkpoint: size '-7': expected a decimal number"),
        (signed(f"{ORIGIN}\n\u0667\n{ROOT}\n"), ParseError, "checkpoint: size '\u0667': expected a decimal number"),
        (
            signed(f"{ORIGIN}\n{'7' * 5000}\n{ROOT}\n"),
            ParseError,
            f"checkpoint: size '{'7' * 20}': expected a decimal number",
        ),
        (signed(f"{ORIGIN}\n7\nAAAA\n"), ParseError, "checkpoint root 'AAAA': expected 32 bytes, got 3"),
        (
            signed(f"{ORIGIN}\n7\n{ROOT}\n", OTHER),
            SignatureError,
            f"checkpoint: no signature by the log key {WANTED} of trace.example",
        ),
        (
            signed(f"{ORIGIN}\n7\n{ROOT}\n", KEY, "b.example"),
            SignatureError,
            f"checkpoint: no signature by the log key {WANTED} of trace.example",
        ),
        (
            SIGNED.note.replace("\n7\n", "\n8\n"),
            SignatureError,
            f"signature does not belong to these bytes and key {KEY.key_id[:16]}…",
        ),
    ],
)
def test_what_the_log_did_not_sign_is_refused(note: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        open_checkpoint(note, ORIGIN, KEY.public)
    assert str(refused.value) == message


def test_the_log_key_must_not_be_named_by_its_hash_alone() -> None:
    forged = SIGNED.note.replace(SIGNED.note.split(" ")[-1], b64(key_hash(ORIGIN, KEY.public.raw) + bytes(64)) + "\n")
    with pytest.raises(SignatureError):
        open_checkpoint(forged, ORIGIN, KEY.public)


HASH = key_hash(ORIGIN, KEY.public.raw).hex()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trace.example", "verifier key 'trace.example': expected <name>+<key hash>+<key>"),
        (
            f"{ORIGIN}+00000000+{b64(bytes([1]) + KEY.public.raw)}",
            f"verifier key trace.example: key hash 00000000: expected {HASH}",
        ),
        (
            f"{ORIGIN}+{HASH}+{b64(bytes([2]) + KEY.public.raw)}",
            "verifier key trace.example: algorithm 2: expected 1 (Ed25519), 4 (cosignature), 6 (ML-DSA-44) or 255",
        ),
        (
            str(cosigner_key(ORIGIN, KEY.public)),
            "verifier key trace.example: algorithm 4: expected 1, Ed25519",
        ),
        (f"{ORIGIN}+{HASH}+AQAA", "verifier key 'AQAA': expected 33 bytes, got 3"),
    ],
)
def test_a_verifier_key_whose_parts_disagree_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_verifier_key(text)
    assert str(refused.value) == message
