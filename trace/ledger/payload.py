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
from trace.ledger.leaf import CASE_KINDS, CorrectLine, EraseLine, KeyLine, RevokeLine, RotateLine, TreeLine
from trace.times import format_utc, parse_instant

MAX_PAYLOAD_BYTES = 262_144
MAX_ITEMS = 500
"""Keys of one device parcel; devices split before signing. And of one leaf."""
MAX_ATTESTED_BYTES = 2 * 2**20
MAX_ATTESTED_ITEMS = 10_000
"""What the platform signs for somebody is never split: its envelope gets several leaves."""
POSSESSION_TYPE = "application/vnd.suyuan.possession.v1"
"""Payload type under which a new key signs who it is to follow, so that nobody enters a key that he does not hold."""

_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_STATEMENTS = {
    "keyreg": "key", "keyrot": "rotate", "keyrev": "revoke", "erase": "erase", "import": "tree", "anchor": "tree",
    **dict.fromkeys(CASE_KINDS, "case"),
}  # fmt: skip
"""The member that says what a statement states."""
ACTS = ("open", "notify", "hear", "decide", "publish", "amend", "withdraw", "repair", "expire", "close")
"""What is done to a case in one statement."""


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
    """`hop`, `correct`, or that of a statement."""
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
    corrects: CorrectLine | None = None
    """The hop that is declared to be an error, of kind `correct`."""


@dataclass(frozen=True)
class KeyRegistration:
    """A parsed `keyreg` statement."""

    head: Head
    key: PublicKey
    issuer: str
    role: str

    def line(self) -> KeyLine:
        return KeyLine(self.key, self.issuer, self.role)


@dataclass(frozen=True)
class KeyRotation:
    """A parsed `keyrot` statement, signed by the key that ends: another takes its place, issuer and role."""

    head: Head
    key: PublicKey

    def line(self) -> RotateLine:
        return RotateLine(self.key)


@dataclass(frozen=True)
class KeyRevocation:
    """A parsed `keyrev` statement."""

    head: Head
    key_id: str
    compromised_from: int | None

    def line(self) -> RevokeLine:
        return RevokeLine(self.key_id, self.compromised_from)


@dataclass(frozen=True)
class Erasure:
    """A parsed `erase` statement: these disclosures are deleted, with their salts."""

    head: Head
    leaf_index: int
    positions: tuple[int, ...]
    basis: str
    """The legal ground, in words of the law: `PIPL 47`."""

    def line(self) -> EraseLine:
        return EraseLine(self.leaf_index, self.positions)


@dataclass(frozen=True)
class OtherTree:
    """A parsed `import` or `anchor` statement: the head of another log."""

    head: Head
    origin: str
    size: int
    root: bytes

    def line(self) -> TreeLine:
        return TreeLine(self.head.kind, self.origin, self.size, self.root)


@dataclass(frozen=True)
class CaseStep:
    """A parsed `recall`, `blacklist` or `decision` statement: one act in a case. What it says is disclosed."""

    head: Head
    items: tuple[str, ...]
    """One digest: of the case's URI. So a case has a chain like a thing has, and no step of it can be hidden."""
    act: str
    """One of ACTS."""
    approved_by: tuple[str, ...]
    """Pseudonyms of the people who decided, each once."""


Statement = KeyRegistration | KeyRotation | KeyRevocation | Erasure | OtherTree | CaseStep


def items_of(payload: Hop | Statement) -> tuple[str, ...]:
    """Digests of the keys that have a line in the leaf."""
    return payload.items if isinstance(payload, Hop | CaseStep) else ()


def parts_of(payload: Hop | Statement) -> int:
    """How many leaves its envelope gets."""
    return max(1, -(-len(items_of(payload)) // MAX_ITEMS))


def digests(payload: Hop | Statement) -> tuple[str, ...]:
    """All disclosures that a payload commits to, by digest: `items`, then `_sd`, then what was received."""
    items = items_of(payload)
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

    def hop(
        self,
        split: Split,
        at: datetime,
        seen: Seen | None = None,
        attests: Attested | None = None,
        corrects: CorrectLine | None = None,
    ) -> Parcel:
        """A signed hop, or the declaration that the hop of leaf `corrects` was an error: `split` is the same event with
        its `errorDeclaration`.

        Raises: LimitError when it is over what one parcel may hold.
        """
        at_most = MAX_ITEMS if attests is None else MAX_ATTESTED_ITEMS
        if len(split.items) > at_most:
            raise LimitError(f"{len(split.items)} keys in one event, at most {at_most}: split it before signing")
        body: JsonObject = {"event": split.public, "items": list(split.items), "_sd": list(split.sd)}
        if attests is not None:
            body["attests"] = {"for": attests.party, "received": attests.received}
        if corrects is not None:
            body["corrects"] = {"leaf": corrects.leaf_index, "hash": b64u(corrects.leaf_hash)}
        kind = "hop" if corrects is None else "correct"
        return self._sign(HOP_TYPE, kind, body, at, seen, tuple(d.text for d in split.disclosures))

    def statement(self, kind: str, body: JsonObject, split: Split, at: datetime) -> Parcel:
        """A signed statement; `body` is the member of `_STATEMENTS`."""
        members: JsonObject = {_STATEMENTS[kind]: body, "_sd": list(split.sd)}
        if kind in CASE_KINDS:
            members["items"] = list(split.items)
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
        at_most = MAX_ATTESTED_BYTES if "attests" in body else MAX_PAYLOAD_BYTES
        if len(payload) > at_most:
            raise LimitError(f"payload of {len(payload)} bytes, at most {at_most}")
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
    value = parse_canonical(envelope.payload, "payload", max_bytes=MAX_ATTESTED_BYTES)
    if "attests" not in value and len(envelope.payload) > MAX_PAYLOAD_BYTES:
        raise LimitError(f"payload of {len(envelope.payload)} bytes, at most {MAX_PAYLOAD_BYTES}")
    kind = value.get("type")
    if (envelope.payload_type == HOP_TYPE) != (kind in ("hop", "correct")):
        raise ParseError(f"payload type {envelope.payload_type} carries a {str(kind)[:20]!r}")
    if kind in ("hop", "correct"):
        return _hop(value, envelope.key_id)
    if isinstance(kind, str) and kind in _STATEMENTS:
        return _statement(value, envelope.key_id)
    raise ParseError(f"payload: type {str(kind)[:40]!r}: expected hop, correct, {', '.join(_STATEMENTS)}")


def possession_body(origin: str, old_key_id: str, new: PublicKey) -> bytes:
    """What the new key of a rotation signs, under POSSESSION_TYPE."""
    return f"{origin}\n{old_key_id}\n{new.key_id}\n".encode("ascii")


def _hop(value: JsonObject, key_id: str) -> Hop:
    optional = {"attests"} & set(value)
    corrected = {"corrects"} if value["type"] == "correct" else set[str]()
    head = _head(value, key_id, {"event", "items"} | optional | corrected)
    event = _typed(value, "event", dict)
    for name in event:
        if name not in PUBLIC_MEMBERS:
            raise ParseError(f"payload: event member {name[:40]!r} is not public, expected it among the disclosures")
    items = _digests(value, "items")
    at_most = MAX_ATTESTED_ITEMS if optional else MAX_ITEMS
    if len(items) > at_most:
        raise LimitError(f"payload: {len(items)} items, at most {at_most} in one parcel")
    attests = None
    if optional:
        told = _members(value, "attests", "for received")
        attests = Attested(_pseudonym(told["for"], "attests.for"), _digest(told["received"], "attests.received"))
    corrects = None
    if corrected:
        told = _members(value, "corrects", "leaf hash")
        corrects = CorrectLine(_whole(told["leaf"], "corrects.leaf"), from_b64u(str(told["hash"]), "corrects.hash", 32))
    return Hop(head, event, items, attests, corrects)


def _statement(value: JsonObject, key_id: str) -> Statement:
    kind = value["type"]
    member = _STATEMENTS[kind]
    head = _head(value, key_id, {member, "items"} if kind in CASE_KINDS else {member})
    match kind:
        case "keyreg":
            body = _members(value, member, "alg public issuer role")
            if body["role"] not in ROLES:
                raise ParseError(f"payload: key role {str(body['role'])[:20]!r}: expected one of {', '.join(ROLES)}")
            return KeyRegistration(head, _public(body), _pseudonym(body["issuer"], "key issuer"), body["role"])
        case "keyrot":
            body = _members(value, member, "alg public proof")
            key = _public(body)
            proof = from_b64u(str(body["proof"]), "proof of possession")
            key.verify(proof, pae(POSSESSION_TYPE, possession_body(head.audience, head.device, key)))
            return KeyRotation(head, key)
        case "keyrev":
            body = _members(value, member, "key compromisedFrom")
            since = body["compromisedFrom"]
            if since is not None and (type(since) is not int or since < 0):
                raise ParseError(f"payload: compromisedFrom {since!r}: expected a leaf index or null")
            from_hex(str(body["key"]), "revoked key id", 32)
            return KeyRevocation(head, body["key"], since)
        case "erase":
            body = _members(value, member, "leaf positions basis")
            positions = _typed(body, "positions", list)
            places = tuple(_whole(place, "erased position") for place in positions)
            if not places or list(places) != sorted(set(places)):
                raise ParseError(f"payload: erased positions {str(positions)[:60]}: expected rising numbers")
            basis = _typed(body, "basis", str)
            if not 1 <= len(basis) <= 200:
                raise ParseError(f"payload: basis of {len(basis)} characters: expected 1 to 200")
            return Erasure(head, _whole(body["leaf"], "erased leaf"), places, basis)
        case "import" | "anchor":
            body = _members(value, member, "origin size root")
            origin = _typed(body, "origin", str)
            if not origin or re.search(r"[^!-~]", origin):
                raise ParseError(f"payload: origin {origin[:80]!r}: expected printable ASCII without spaces")
            return OtherTree(head, origin, _whole(body["size"], "size"), from_b64u(str(body["root"]), "root", 32))
    body = _members(value, member, "act by")
    if body["act"] not in ACTS:
        raise ParseError(f"payload: act {str(body['act'])[:20]!r}: expected one of {', '.join(ACTS)}")
    people = tuple(_pseudonym(each, "case.by") for each in _typed(body, "by", list))
    if not 1 <= len(people) <= 8 or len(set(people)) != len(people):
        raise ParseError(f"payload: case.by names {len(people)} people: expected 1 to 8, each once")
    items = _digests(value, "items")
    if len(items) != 1:
        raise ParseError(f"payload: {len(items)} items in a {kind}: expected one, the case")
    return CaseStep(head, items, body["act"], people)


def _public(body: JsonObject) -> PublicKey:
    if type(body["alg"]) is not int:
        raise ParseError("payload: key alg: expected a number")
    return PublicKey.parse(body["alg"], from_b64u(str(body["public"]), "key public"))


def _members(value: JsonObject, name: str, names: str) -> JsonObject:
    """An object with exactly these members."""
    body: JsonObject = _typed(value, name, dict)
    if set(body) != set(names.split()):
        raise ParseError(f"payload: {name}: expected {names.replace(' ', ', ')}, got {str(sorted(body))[:120]}")
    return body


def _whole(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 10**15:
        raise ParseError(f"payload: {what} {str(value)[:20]}: expected a whole number")
    return value


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
