"""DSSE envelope and parcel (docs/formats.md, section 3).

The signature is over the exact payload bytes, and those bytes are what is stored and verified: nothing is ever
re-serialised between signing and checking (docs/decisions/0002).
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trace.errors import LimitError, ParseError
from trace.ledger.canonical import canonical, parse_json
from trace.ledger.encoding import b64, from_b64, from_hex

HOP_TYPE = "application/vnd.suyuan.hop.v1+json"
STATEMENT_TYPE = "application/vnd.suyuan.statement.v1+json"
PARCEL_MEDIA_TYPE = "application/vnd.suyuan.parcel+json"

MAX_PARCEL_BYTES = 1_500_000
"""A 256 KB payload in base64 and its disclosures."""
MAX_DISCLOSURES = 4_096


def pae(payload_type: str, payload: bytes) -> bytes:
    """Pre-authentication encoding, what is signed (DSSE v1, protocol.md)."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True)
class Envelope:
    """One signed payload."""

    payload_type: str
    payload: bytes
    key_id: str
    signature: bytes

    @cached_property
    def payload_hash(self) -> bytes:
        """SHA-256 of the payload bytes: `prev` of the device's next payload, and the replay key."""
        return hashlib.sha256(self.payload).digest()

    @cached_property
    def env_hash(self) -> bytes:
        """What the leaf commits to (docs/formats.md, section 4).

        Raises: ParseError when the key id is none; a stored envelope may be damaged.
        """
        key_id = from_hex(self.key_id, "keyid", 32)
        return hashlib.sha256(self.payload + b"\x00" + key_id + b"\x00" + self.signature).digest()

    def to_dict(self) -> dict[str, Any]:
        return {
            "payload": b64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": self.key_id, "sig": b64(self.signature)}],
        }

    @classmethod
    def from_dict(cls, value: Any) -> "Envelope":
        """Raises: ParseError when it is no DSSE envelope with exactly one signature."""
        members = _members(value, "envelope", {"payload", "payloadType", "signatures"})
        signatures = members["signatures"]
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise ParseError("envelope: expected exactly one signature")
        signature = _members(signatures[0], "envelope signature", {"keyid", "sig"})
        key_id = _text(signature["keyid"], "keyid")
        from_hex(key_id, "keyid", 32)
        return cls(
            payload_type=_text(members["payloadType"], "payloadType"),
            payload=from_b64(_text(members["payload"], "payload"), "payload"),
            key_id=key_id,
            signature=from_b64(_text(signature["sig"], "sig"), "signature"),
        )


@dataclass(frozen=True)
class Parcel:
    """Envelope and disclosures: the unit on the wire, in the outbox and at `POST /capture`."""

    envelope: Envelope
    disclosures: tuple[str, ...]

    @property
    def payload_hash(self) -> bytes:
        return self.envelope.payload_hash

    def to_bytes(self) -> bytes:
        return canonical({"envelope": self.envelope.to_dict(), "disclosures": list(self.disclosures)})

    @classmethod
    def from_bytes(cls, data: bytes) -> "Parcel":
        """Raises: LimitError, ParseError when it is no parcel."""
        members = _members(
            parse_json(data, "parcel", max_bytes=MAX_PARCEL_BYTES), "parcel", {"envelope", "disclosures"}
        )
        disclosures = members["disclosures"]
        if not isinstance(disclosures, list):
            raise ParseError("parcel: disclosures: expected a list of strings")
        if len(disclosures) > MAX_DISCLOSURES:
            raise LimitError(f"parcel: {len(disclosures)} disclosures, at most {MAX_DISCLOSURES} are taken")
        return cls(
            Envelope.from_dict(members["envelope"]),
            tuple(_text(each, "disclosure") for each in disclosures),
        )


def _members(value: Any, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        got = str(sorted(value)) if isinstance(value, dict) else type(value).__name__
        raise ParseError(f"{what}: expected an object with {sorted(names)}, got {got[:120]}")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ParseError(f"{what}: expected a string, got {type(value).__name__}")
    return value
