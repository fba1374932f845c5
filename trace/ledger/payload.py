"""The signed JSON: hop and statement (docs/formats.md, section 2).

Built by the side that signs, parsed by the side that records. Parsing checks form only: whether the key is registered,
the sequence fits and the log is meant is for the sequencer, which knows the state.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trace.errors import LimitError, ParseError
from trace.ledger.canonical import JsonObject, canonical, parse_canonical
from trace.ledger.disclosure import PUBLIC_MEMBERS, Split
from trace.ledger.encoding import b64u, from_b64u, from_hex
from trace.ledger.envelope import HOP_TYPE, STATEMENT_TYPE, Envelope, Parcel, pae
from trace.ledger.keys import ROLES, PublicKey, SigningKey
from trace.times import format_utc, parse_instant

MAX_PAYLOAD_BYTES = 262_144
MAX_ITEMS = 500
"""Keys of one device parcel; devices split before signing."""

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_STATEMENTS = {"keyreg": "key", "keyrev": "revoke"}


@dataclass(frozen=True)
class Seen:
    """The newest checkpoint that the signer knows."""

    size: int
    root: bytes

    def to_dict(self) -> JsonObject:
        return {"size": self.size, "root": b64u(self.root)}


@dataclass(frozen=True)
class Attested:
    """The platform signed for a party that has no device."""

    party: str
    """Pseudonym of the party."""
    received: str
    """Digest of the disclosure that holds the received bytes."""


@dataclass(frozen=True)
class Head:
    """What every payload says of itself."""

    kind: str
    """`hop`, `keyreg`, `keyrev`."""
    issuer: str
    device: str
    """Key id."""
    seq: int
    prev: bytes | None
    audience: str
    seen: Seen | None
    signed_at: datetime
    sd: frozenset[str]


@dataclass(frozen=True)
class Hop:
    """A parsed hop payload."""

    head: Head
    event: JsonObject
    items: tuple[str, ...]
    attests: Attested | None


@dataclass(frozen=True)
class KeyRegistration:
    """A parsed `keyreg` statement."""

    head: Head
    key: PublicKey
    issuer: str
    role: str


@dataclass(frozen=True)
class KeyRevocation:
    """A parsed `keyrev` statement."""

    head: Head
    key_id: str
    compromised_from: int | None


Statement = KeyRegistration | KeyRevocation


def digests(payload: Hop | Statement) -> tuple[str, ...]:
    """All disclosures that a payload commits to, by digest: `items`, then `_sd`, then what was received."""
    items = payload.items if isinstance(payload, Hop) else ()
    received = (payload.attests.received,) if isinstance(payload, Hop) and payload.attests is not None else ()
    return (*items, *sorted(payload.head.sd), *received)


class Signer:
    """A private key and its own chain: `seq` and `prev` move with each signature. Owns no file and no clock."""

    def __init__(
        self,
        key: SigningKey,
        issuer: str,
        origin: str,
        seq: int = 0,
        prev: bytes | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`seq` is the last one used, 0 for none; `prev` the SHA-256 of the payload that carried it."""
        if (seq == 0) != (prev is None):
            raise ValueError(f"seq {seq} and prev {prev!r} do not belong together")
        _pseudonym(issuer, "issuer")
        self.key_id = key.key_id
        self.issuer = issuer
        self.origin = origin
        self.seq = seq
        self.prev = prev
        self.random = random
        self._key = key

    def hop(self, split: Split, at: datetime, seen: Seen | None = None, attests: Attested | None = None) -> Parcel:
        """A signed hop. Raises: LimitError when it is over what one parcel may hold."""
        if len(split.items) > MAX_ITEMS:
            raise LimitError(f"{len(split.items)} keys in one event, at most {MAX_ITEMS}: split it before signing")
        body: JsonObject = {"event": split.public, "items": list(split.items), "_sd": list(split.sd)}
        if attests is not None:
            body["attests"] = {"for": attests.party, "received": attests.received}
        return self._sign(HOP_TYPE, "hop", body, at, seen, tuple(d.text for d in split.disclosures))

    def statement(self, kind: str, body: JsonObject, split: Split, at: datetime) -> Parcel:
        """A signed statement; `body` is its `key` or `revoke` member."""
        members = {_STATEMENTS[kind]: body, "_sd": list(split.sd)}
        return self._sign(STATEMENT_TYPE, kind, members, at, None, tuple(d.text for d in split.disclosures))

    def _sign(
        self,
        payload_type: str,
        kind: str,
        body: JsonObject,
        at: datetime,
        seen: Seen | None,
        disclosures: tuple[str, ...],
    ) -> Parcel:
        payload = canonical(
            {
                "type": kind,
                "iss": self.issuer,
                "dev": self.key_id,
                "seq": self.seq + 1,
                "prev": None if self.prev is None else b64u(self.prev),
                "aud": self.origin,
                "nonce": b64u(self.random(16)),
                "seen": None if seen is None else seen.to_dict(),
                "signedAt": format_utc(at),
                **body,
            }
        )
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise LimitError(f"payload of {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}")
        envelope = Envelope(payload_type, payload, self.key_id, self._key.sign(pae(payload_type, payload)))
        self.seq += 1
        self.prev = envelope.payload_hash
        return Parcel(envelope, disclosures)


def parse_payload(envelope: Envelope) -> Hop | Statement:
    """The payload of an envelope, form checked.

    Raises: ParseError, LimitError naming the member.
    """
    if envelope.payload_type not in (HOP_TYPE, STATEMENT_TYPE):
        raise ParseError(f"payload type {envelope.payload_type[:80]!r}: expected {HOP_TYPE} or {STATEMENT_TYPE}")
    value = parse_canonical(envelope.payload, "payload", max_bytes=MAX_PAYLOAD_BYTES)
    kind = value.get("type")
    if (envelope.payload_type == HOP_TYPE) != (kind == "hop"):
        raise ParseError(f"payload type {envelope.payload_type} carries a {str(kind)[:20]!r}")
    if kind == "hop":
        return _hop(value, envelope.key_id)
    if isinstance(kind, str) and kind in _STATEMENTS:
        return _statement(value, envelope.key_id)
    raise ParseError(f"payload: type {str(kind)[:40]!r}: expected hop, {', '.join(_STATEMENTS)}")


def _hop(value: JsonObject, key_id: str) -> Hop:
    optional = {"attests"} & set(value)
    head = _head(value, key_id, {"event", "items"} | optional)
    event = _typed(value, "event", dict)
    for name in event:
        if name not in PUBLIC_MEMBERS:
            raise ParseError(f"payload: event member {name[:40]!r} is not public, expected it among the disclosures")
    items = _digests(value, "items")
    if len(items) > MAX_ITEMS:
        raise LimitError(f"payload: {len(items)} items, at most {MAX_ITEMS} in one parcel")
    attests = None
    if optional:
        told = _typed(value, "attests", dict)
        if set(told) != {"for", "received"}:
            raise ParseError(f"payload: attests: expected for and received, got {str(sorted(told))[:120]}")
        attests = Attested(_pseudonym(told["for"], "attests.for"), _digest(told["received"], "attests.received"))
    return Hop(head, event, items, attests)


def _statement(value: JsonObject, key_id: str) -> Statement:
    kind = value["type"]
    member = _STATEMENTS[kind]
    head = _head(value, key_id, {member})
    body = _typed(value, member, dict)
    if kind == "keyreg":
        if set(body) != {"alg", "public", "issuer", "role"}:
            raise ParseError(f"payload: key: expected alg, public, issuer, role, got {str(sorted(body))[:120]}")
        if body["role"] not in ROLES:
            raise ParseError(f"payload: key role {str(body['role'])[:20]!r}: expected one of {', '.join(ROLES)}")
        if type(body["alg"]) is not int:
            raise ParseError("payload: key alg: expected a number")
        public = PublicKey.parse(body["alg"], from_b64u(str(body["public"]), "key public"))
        return KeyRegistration(head, public, _pseudonym(body["issuer"], "key issuer"), body["role"])
    if set(body) != {"key", "compromisedFrom"}:
        raise ParseError(f"payload: revoke: expected key, compromisedFrom, got {str(sorted(body))[:120]}")
    since = body["compromisedFrom"]
    if since is not None and (type(since) is not int or since < 0):
        raise ParseError(f"payload: compromisedFrom {since!r}: expected a leaf index or null")
    from_hex(str(body["key"]), "revoked key id", 32)
    return KeyRevocation(head, body["key"], since)


def _head(value: JsonObject, key_id: str, more: set[str]) -> Head:
    names = {"type", "iss", "dev", "seq", "prev", "aud", "nonce", "seen", "signedAt", "_sd"} | more
    if set(value) != names:
        missing, extra = sorted(names - set(value)), sorted(set(value) - names)
        raise ParseError(f"payload: missing members {missing}, unexpected members {str(extra)[:120]}")
    if value["dev"] != key_id:
        raise ParseError(f"payload: dev {str(value['dev'])[:16]}…: expected the envelope's key id {key_id[:16]}…")
    seq, prev = value["seq"], value["prev"]
    if type(seq) is not int or seq < 1:
        raise ParseError(f"payload: seq {seq!r}: expected a number from 1")
    if (seq == 1) != (prev is None):
        raise ParseError(f"payload: seq {seq} with prev {prev!r}: prev is null at seq 1 and only there")
    from_b64u(_typed(value, "nonce", str), "nonce", 16)
    seen = value["seen"]
    if seen is not None:
        if not isinstance(seen, dict) or set(seen) != {"size", "root"} or type(seen["size"]) is not int:
            raise ParseError("payload: seen: expected null or an object with size and root")
        seen = Seen(seen["size"], from_b64u(str(seen["root"]), "seen root", 32))
    return Head(
        kind=value["type"],
        issuer=_pseudonym(value["iss"], "iss"),
        device=key_id,
        seq=seq,
        prev=None if prev is None else from_b64u(str(prev), "prev", 32),
        audience=_typed(value, "aud", str),
        seen=seen,
        signed_at=parse_instant(_typed(value, "signedAt", str), "signedAt"),
        sd=frozenset(_digests(value, "_sd")),
    )


def _digests(value: JsonObject, name: str) -> tuple[str, ...]:
    found = tuple(_digest(each, name) for each in _typed(value, name, list))
    if len(set(found)) != len(found):
        raise ParseError(f"payload: {name}: a digest stands twice")
    if name == "_sd" and list(found) != sorted(found):
        raise ParseError("payload: _sd: expected sorted digests")
    return found


def _digest(value: Any, name: str) -> str:
    from_b64u(str(value), f"{name} digest", 32)
    return str(value)


def _typed(value: JsonObject, name: str, kind: type) -> Any:
    if type(value[name]) is not kind:
        raise ParseError(f"payload: {name}: expected {kind.__name__}, got {type(value[name]).__name__}")
    return value[name]


def _pseudonym(value: Any, what: str) -> str:
    if not isinstance(value, str) or _PSEUDONYM.fullmatch(value) is None:
        raise ParseError(f"{what} {str(value)[:40]!r}: expected a pseudonym of 32 lower-case hex digits")
    return value
