"""The signed tree head: c2sp.org/tlog-checkpoint in a c2sp.org/signed-note (docs/formats.md, section 6)."""

import hashlib
import re
from dataclasses import dataclass

from trace.errors import ParseError, SignatureError
from trace.ledger.encoding import b64, from_b64
from trace.ledger.keys import Algorithm, PublicKey, SigningKey

_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """A tree head and the note that carries it."""

    origin: str
    size: int
    root: bytes
    note: str
    """The whole signed note."""


def key_hash(name: str, public: bytes) -> bytes:
    """First four bytes of SHA-256(name LF 01 public key): finds the right line of a note, proves nothing."""
    return hashlib.sha256(name.encode("utf-8") + b"\n" + _ED25519 + public).digest()[:4]


def verifier_key(name: str, public: PublicKey) -> str:
    """`<name>+<hex key hash>+<b64 (01 + key)>`, as signed-note writes it."""
    return f"{name}+{key_hash(name, public.raw).hex()}+{b64(_ED25519 + public.raw)}"


def parse_verifier_key(text: str) -> tuple[str, PublicKey]:
    """Name and key. Raises: ParseError when the three parts do not agree."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise ParseError(f"verifier key {text[:80]!r}: expected <name>+<key hash>+<key>")
    name, hash_, key = parts
    raw = from_b64(key, "verifier key", 33)
    if raw[:1] != _ED25519:
        raise ParseError(f"verifier key {name}: algorithm {raw[0]}: expected 1, Ed25519")
    public = PublicKey.parse(Algorithm.ED25519, raw[1:])
    if hash_ != key_hash(name, public.raw).hex():
        raise ParseError(f"verifier key {name}: key hash {hash_[:16]}: expected {key_hash(name, public.raw).hex()}")
    return name, public


def sign_checkpoint(origin: str, size: int, root: bytes, key: SigningKey) -> Checkpoint:
    """A checkpoint signed by the log key. The caller has re-read and re-hashed what it signs."""
    body = f"{origin}\n{size}\n{b64(root)}\n"
    signature = key_hash(origin, key.public.raw) + key.sign(body.encode("utf-8"))
    return Checkpoint(origin, size, root, f"{body}\n\u2014 {origin} {b64(signature)}\n")


def open_checkpoint(note: str, origin: str, public: PublicKey) -> Checkpoint:
    """The checkpoint of a note, its signature checked.

    Raises: ParseError when it is no checkpoint of this origin; SignatureError when the log key did not sign it.
    """
    body, found, signatures = note.rpartition("\n\n")
    lines = (body + "\n").split("\n")
    if not found or len(lines) < 4 or not note.endswith("\n"):
        raise ParseError("checkpoint: expected origin, size, root, a blank line and signatures")
    if lines[0] != origin:
        raise ParseError(f"checkpoint: origin {lines[0][:80]!r}, expected {origin!r}")
    if _SIZE.fullmatch(lines[1]) is None:
        raise ParseError(f"checkpoint: size {lines[1][:20]!r}: expected a decimal number")
    root = from_b64(lines[2], "checkpoint root", 32)
    wanted = key_hash(origin, public.raw)
    for line in signatures.splitlines():
        dash, name, blob = (*line.split(" "), "", "", "")[:3]
        if dash != "\u2014" or name != origin:
            continue
        data = from_b64(blob, "note signature")
        if data[:4] == wanted:
            public.verify(data[4:], (body + "\n").encode("utf-8"))
            return Checkpoint(origin, int(lines[1]), root, note)
    raise SignatureError(f"checkpoint: no signature by the log key {wanted.hex()} of {origin}")
