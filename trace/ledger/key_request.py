"""A request to register a key: proof that who asks holds the private half (docs/formats.md, section 1.1).

A DSSE envelope of a payload type of its own, signed by the key that shall be registered; the registering side reads
it, checks it, and makes the `keyreg` statement. It is no leaf and no parcel, and no hop can be taken for one.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trace.errors import ParseError, ValidationError
from trace.ledger.canonical import JsonObject, canonical, parse_canonical
from trace.ledger.encoding import b64u, from_b64u, from_hex
from trace.ledger.envelope import Envelope, pae
from trace.ledger.keys import PublicKey, SigningKey

REQUEST_TYPE = "application/vnd.suyuan.keyrequest.v1+json"
MAX_REQUEST_BYTES = 4_096
REQUESTED_ROLES = ("enterprise", "device")
"""The platform makes its own keys itself."""


@dataclass(frozen=True)
class KeyRequest:
    """A request whose signature holds."""

    key: PublicKey
    origin: str
    """The log that may register it."""
    issuer: str | None
    """Pseudonym that the key shall belong to; None when the party has none yet."""
    role: str
    nonce: bytes

    @classmethod
    def parse(cls, data: bytes) -> "KeyRequest":
        """Raises: ParseError, LimitError; SignatureError when the key that is named did not sign it."""
        envelope = Envelope.from_dict(parse_canonical(data.strip(), "key request", max_bytes=MAX_REQUEST_BYTES))
        if envelope.payload_type != REQUEST_TYPE:
            raise ParseError(f"payload type {envelope.payload_type[:80]!r}: expected {REQUEST_TYPE}")
        said = parse_canonical(envelope.payload, "key request", max_bytes=MAX_REQUEST_BYTES)
        names = {"type", "alg", "public", "aud", "issuer", "role", "nonce"}
        if set(said) != names or said["type"] != "keyrequest":
            raise ParseError(
                f"key request: expected type keyrequest and {sorted(names)}, got {str(sorted(said))[:120]}"
            )
        if type(said["alg"]) is not int:
            raise ParseError("key request: alg: expected a number")
        key = PublicKey.parse(said["alg"], from_b64u(_text(said, "public"), "public key"))
        if envelope.key_id != key.key_id:
            raise ParseError(f"key request: signed by {envelope.key_id[:16]}…, asks for {key.key_id[:16]}…")
        key.verify(envelope.signature, pae(REQUEST_TYPE, envelope.payload))
        if said["role"] not in REQUESTED_ROLES:
            raise ParseError(f"key request: role {str(said['role'])[:20]!r}: expected {' or '.join(REQUESTED_ROLES)}")
        issuer = said["issuer"]
        if issuer is not None:
            from_hex(_text(said, "issuer"), "key request: issuer", 16)
        nonce = from_b64u(_text(said, "nonce"), "key request: nonce", 16)
        return cls(key, _text(said, "aud"), issuer, said["role"], nonce)

    def body(self, issuer: str) -> JsonObject:
        """The `key` member of the statement that registers it under this pseudonym.

        Raises: ValidationError when it asks for another.
        """
        if self.issuer not in (None, issuer):
            raise ValidationError(f"key request: asks for issuer {self.issuer}, got {issuer}")
        return {"alg": int(self.key.algorithm), "public": b64u(self.key.raw), "issuer": issuer, "role": self.role}


def make_request(
    key: SigningKey, origin: str, issuer: str | None, role: str, random: Callable[[int], bytes] = os.urandom
) -> bytes:
    """The file: canonical JSON and a line end."""
    public = key.public
    payload = canonical(
        {
            "type": "keyrequest",
            "alg": int(public.algorithm),
            "public": b64u(public.raw),
            "aud": origin,
            "issuer": issuer,
            "role": role,
            "nonce": b64u(random(16)),
        }
    )
    envelope = Envelope(REQUEST_TYPE, payload, key.key_id, key.sign(pae(REQUEST_TYPE, payload)))
    return canonical(envelope.to_dict()) + b"\n"


def _text(said: dict[str, Any], name: str) -> str:
    if not isinstance(said[name], str):
        raise ParseError(f"key request: {name}: expected a string, got {type(said[name]).__name__}")
    return str(said[name])
