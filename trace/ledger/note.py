"""Signed notes: text that is signed by one or more keys (c2sp.org/signed-note).

    text, ends with LF
    (blank line)
    — <key name> <b64 (key id, 4 bytes ‖ signature)>        one line a signature

A reader knows some keys; lines of all others are kept and ignored, so that a log can be cosigned by witnesses that its
readers have never heard of. A line that names a known key and does not verify spoils the whole note. What a signature
of type 0x04 signs is in `cosignature.py`. No SQL, no clock, no network.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from trace.errors import LimitError, ParseError, SignatureError
from trace.ledger.encoding import b64, from_b64
from trace.ledger.keys import Algorithm, PublicKey, SigningKey

MAX_SIGNATURES = 100
"""Signature lines of a note, as in Go's reference implementation; the specification asks for at least 16."""
MAX_NOTE_BYTES = 1_000_000

_DASH = "\u2014"
_BASE64 = re.compile("[0-9A-Za-z+/]+={0,2}")


class SignatureType(IntEnum):
    """The byte in front of a public key (c2sp.org/signed-note, "Signature types"), as far as a key is read here."""

    ED25519 = 0x01
    """Over the text of the note."""
    COSIGNATURE = 0x04
    """Ed25519 with a time, over a text of its own: c2sp.org/tlog-cosignature."""
    ML_DSA_44 = 0x06
    """Read, never checked here."""
    OTHER = 0xFF
    """Read, never checked here."""


@dataclass(frozen=True)
class VerifierKey:
    """A key that signatures of notes are checked by, and the name that it signs under."""

    name: str
    kind: SignatureType
    material: bytes
    """Of the Ed25519 types the public key, 32 bytes."""

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """`<name>+<hex key id>+<b64 (type ‖ key)>`.

        Raises: ParseError when it is not of this form, its type is unknown, or its parts do not agree.
        """
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise ParseError(f"verifier key {text[:80]!r}: expected <name>+<key hash>+<key>")
        name, stated, blob = parts
        _check_name(name)
        data = from_b64(blob, "verifier key")
        try:
            kind = SignatureType(data[0] if data else 0)
        except ValueError as error:
            raise ParseError(
                f"verifier key {name}: algorithm {data[0] if data else 'missing'}: expected 1 (Ed25519), "
                "4 (cosignature), 6 (ML-DSA-44) or 255"
            ) from error
        key = cls(name, kind, data[1:])
        if kind in (SignatureType.ED25519, SignatureType.COSIGNATURE):
            if len(data) != 33:
                raise ParseError(f"verifier key {blob[:60]!r}: expected 33 bytes, got {len(data)}")
            PublicKey.parse(Algorithm.ED25519, key.material)
        elif kind is SignatureType.ML_DSA_44 and len(data) != 1313:
            raise ParseError(f"verifier key {blob[:60]!r}: expected 1313 bytes, got {len(data)}")
        if stated != key.key_id.hex():
            raise ParseError(f"verifier key {name}: key hash {stated[:16]}: expected {key.key_id.hex()}")
        return key

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name LF type ‖ key): finds the right line of a note, proves nothing."""
        return hashlib.sha256(self.name.encode("utf-8") + b"\n" + bytes([self.kind]) + self.material).digest()[:4]

    @property
    def public(self) -> PublicKey:
        """Requires: an Ed25519 type."""
        return PublicKey(Algorithm.ED25519, self.material)

    @property
    def checkable(self) -> bool:
        """Whether a signature of this key can be checked here."""
        return self.kind in (SignatureType.ED25519, SignatureType.COSIGNATURE)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.kind]) + self.material)}"


@dataclass(frozen=True)
class Signature:
    """One signature line of a note."""

    name: str
    key_id: bytes
    """Four bytes."""
    data: bytes
    """What is behind the key id: the signature, or of a cosignature its time and signature."""

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """Raises: ParseError when the line is not `— <name> <base64 of five bytes or more>`."""
        dash, _, rest = line.partition(" ")
        name, _, blob = rest.partition(" ")
        if dash != _DASH or not blob:
            raise ParseError(f"note: line {line[:80]!r}: expected '{_DASH} <name> <base64>'")
        _check_name(name)
        if _BASE64.fullmatch(blob) is None or len(blob) % 4 != 0:
            raise ParseError(f"note: signature of {name[:80]} {blob[:60]!r}: expected base64 with padding")
        # Unlike everywhere else, spare bits may be set: the standard does not forbid them and Go reads them.
        data = base64.b64decode(blob)
        if len(data) < 5:
            raise ParseError(f"note: signature of {name[:80]}: expected 5 bytes or more, got {len(data)}")
        return cls(name, data[:4], data[4:])

    def by(self, key: VerifierKey) -> bool:
        """Whether the line says that it is this key's."""
        return (self.name, self.key_id) == (key.name, key.key_id)

    def __str__(self) -> str:
        return f"{_DASH} {self.name} {b64(self.key_id + self.data)}"


@dataclass(frozen=True)
class Note:
    """A text and its signature lines, none of them checked."""

    text: str
    """Ends with LF."""
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> "Note":
        """Raises: ParseError when it is no signed note; LimitError when it is too large."""
        if len(note) > MAX_NOTE_BYTES:
            raise LimitError(f"note: {len(note)} characters, at most {MAX_NOTE_BYTES} are read")
        if any(char < " " and char != "\n" for char in note):
            raise ParseError("note: expected no control characters but LF")
        body, blank, signatures = note.rpartition("\n\n")
        if not blank or not signatures.endswith("\n"):
            raise ParseError("note: expected text, a blank line and signature lines that end with LF")
        lines = signatures[:-1].split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise LimitError(f"note: {len(lines)} signature lines, at most {MAX_SIGNATURES} are read")
        return cls(body + "\n", tuple(Signature.parse(line) for line in lines))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Note":
        """Raises: ParseError, LimitError as `parse`, and when the bytes are not UTF-8."""
        try:
            return cls.parse(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ParseError(f"note: byte {error.start}: expected UTF-8") from error

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{signature}\n" for signature in self.signatures)

    def signed_by(self, key: VerifierKey) -> bool:
        """Whether this key of type 0x01 signed the text; False when there is no line of it.

        Raises: SignatureError when a line of it is no signature over this text.
        """
        if key.kind is not SignatureType.ED25519:
            raise ValueError(f"key of {key.name}: type {key.kind:#04x} does not sign the text of a note")
        lines = [signature for signature in self.signatures if signature.by(key)]
        for line in lines:
            key.public.verify(line.data, self.text.encode("utf-8"))
        return bool(lines)


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> tuple[Note, tuple[VerifierKey, ...]]:
    """A note and those of the keys (type 0x01) that signed it, one at least.

    Raises: ParseError, LimitError; SignatureError when none of them signed, or a line of one of them does not verify.
    """
    note = Note.from_bytes(data)
    signed = tuple(key for key in keys if note.signed_by(key))
    if not signed:
        raise SignatureError("note: no signature by a known key")
    return note, signed


def sign_note(text: str, name: str, key: SigningKey) -> Note:
    """The text signed by one key of type 0x01. Requires: a text that ends with LF."""
    if not text.endswith("\n"):
        raise ValueError(f"note text {text[-20:]!r}: expected LF at its end")
    return Note(text, (Signature(name, ed25519_key(name, key.public).key_id, key.sign(text.encode("utf-8"))),))


def ed25519_key(name: str, public: PublicKey) -> VerifierKey:
    """The verifier key of type 0x01 that an Ed25519 key has under this name."""
    return _named(name, SignatureType.ED25519, public)


def cosigner_key(name: str, public: PublicKey) -> VerifierKey:
    """The verifier key of type 0x04 that an Ed25519 key has under this name (c2sp.org/tlog-cosignature, "Format")."""
    return _named(name, SignatureType.COSIGNATURE, public)


def _named(name: str, kind: SignatureType, public: PublicKey) -> VerifierKey:
    _check_name(name)
    return VerifierKey(name, kind, public.raw)


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise ParseError(f"key name {name[:80]!r}: expected one without spaces and plus")
