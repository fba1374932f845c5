"""The signed tree head: c2sp.org/tlog-checkpoint in a c2sp.org/signed-note (docs/formats.md, section 6)."""

import re
from dataclasses import dataclass

from trace.errors import ParseError, SignatureError
from trace.ledger.encoding import b64, from_b64
from trace.ledger.keys import PublicKey, SigningKey
from trace.ledger.note import Note, SignatureType, VerifierKey, ed25519_key, sign_note

_SIZE = re.compile(r"0|[1-9]\d{0,18}", re.ASCII)
MAX_SIZE = 2**63 - 1
"""Leaves: what a database column holds."""


@dataclass(frozen=True)
class Checkpoint:
    """A tree head and the note that carries it."""

    origin: str
    size: int
    root: bytes
    note: str
    """The whole signed note."""


@dataclass(frozen=True)
class Head:
    """What the text of a checkpoint says."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Origin, size, root, then extension lines that are passed over, each line with its LF.

        Raises: ParseError.
        """
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] != "" or not all(lines[:-1]):
            raise ParseError("checkpoint: expected origin, size, root, a blank line and signatures")
        if _SIZE.fullmatch(lines[1]) is None or int(lines[1]) > MAX_SIZE:
            raise ParseError(f"checkpoint: size {lines[1][:20]!r}: expected a decimal number")
        return cls(lines[0], int(lines[1]), from_b64(lines[2], "checkpoint root", 32))

    def to_text(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"


def key_hash(name: str, public: bytes) -> bytes:
    """The key id of an Ed25519 key under this name, four bytes."""
    return VerifierKey(name, SignatureType.ED25519, public).key_id


def verifier_key(name: str, public: PublicKey) -> str:
    """`<name>+<hex key hash>+<b64 (01 + key)>`, as signed-note writes it."""
    return str(ed25519_key(name, public))


def parse_verifier_key(text: str) -> tuple[str, PublicKey]:
    """Name and key of a log. Raises: ParseError when the three parts do not agree, or it is no Ed25519 key."""
    key = VerifierKey.parse(text)
    if key.kind is not SignatureType.ED25519:
        raise ParseError(f"verifier key {key.name}: algorithm {key.kind}: expected 1, Ed25519")
    return key.name, key.public


def sign_checkpoint(origin: str, size: int, root: bytes, key: SigningKey) -> Checkpoint:
    """A checkpoint signed by the log key. The caller has re-read and re-hashed what it signs."""
    return Checkpoint(origin, size, root, str(sign_note(Head(origin, size, root).to_text(), origin, key)))


def open_checkpoint(note: str, origin: str, public: PublicKey) -> Checkpoint:
    """The checkpoint of a note, its signature checked; extension lines and lines of witnesses are passed over.

    Raises: ParseError when it is no checkpoint of this origin; SignatureError when the log key did not sign it.
    """
    read = Note.parse(note)
    head = Head.parse(read.text)
    if head.origin != origin:
        raise ParseError(f"checkpoint: origin {head.origin[:80]!r}, expected {origin!r}")
    key = ed25519_key(origin, public)
    if not read.signed_by(key):
        raise SignatureError(f"checkpoint: no signature by the log key {key.key_id.hex()} of {origin}")
    return Checkpoint(origin, head.size, head.root, note)
