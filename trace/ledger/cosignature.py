"""Cosignatures: a witness says that it saw this checkpoint at this time, and none that contradicts it.

A line of type 0x04 in the note of a checkpoint (c2sp.org/tlog-cosignature, "Ed25519 signed message"). Behind the key id
stand eight bytes of POSIX time, big-endian, and 64 of signature over

    cosignature/v1
    time <seconds>
    <text of the checkpoint, its extension lines included>

No SQL, no clock, no network.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from trace.errors import SignatureError
from trace.ledger.keys import SigningKey
from trace.ledger.note import Note, Signature, SignatureType, VerifierKey, cosigner_key

_MAX_TIME_S = 2**63 - 1


@dataclass(frozen=True)
class Cosignature:
    """A cosignature that verifies."""

    key: VerifierKey
    time_s: int
    """POSIX seconds, as the witness says."""
    line: str
    """The signature line, without LF."""


def cosign(text: str, time_s: int, name: str, key: SigningKey) -> Signature:
    """The signature line of a witness on a checkpoint's text. The caller has checked that it may be cosigned."""
    if not 0 <= time_s <= _MAX_TIME_S:
        raise ValueError(f"time {time_s}: expected POSIX seconds")
    signature = key.sign(_message(text, time_s))
    return Signature(name, cosigner_key(name, key.public).key_id, time_s.to_bytes(8) + signature)


def verify_cosignature(text: str, signature: Signature, key: VerifierKey) -> Cosignature:
    """Requires: a line that names this key, and a key of type 0x04.

    Raises: SignatureError unless the key cosigned exactly this text.
    """
    what = f"cosignature of {key.name}"
    if key.kind is not SignatureType.COSIGNATURE or not signature.by(key):
        raise ValueError(f"{what}: line or key of another kind")
    if len(signature.data) != 72:
        raise SignatureError(f"{what}: expected 72 bytes, got {len(signature.data)}")
    time_s = int.from_bytes(signature.data[:8])
    if time_s > _MAX_TIME_S:
        raise SignatureError(f"{what}: time {time_s}: expected at most 2^63 - 1")
    key.public.verify(signature.data[8:], _message(text, time_s))
    return Cosignature(key, time_s, str(signature))


def cosignatures(note: Note, keys: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """The newest valid cosignature of each known witness on this note; lines of others are ignored.

    Raises: SignatureError when a line of a known witness does not verify.
    """
    found = []
    for key in keys:
        if key.kind is SignatureType.COSIGNATURE:
            lines = [verify_cosignature(note.text, line, key) for line in note.signatures if line.by(key)]
            found += sorted(lines, key=lambda line: line.time_s)[-1:]
    return tuple(found)


def _message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()
