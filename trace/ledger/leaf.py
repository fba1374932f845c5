"""The leaf record: lines of commitments, never trade or personal data (docs/formats.md, section 4).

Text lines and no JSON, so that any language reads it in five lines and only one spelling exists: `parse(text)` accepts
exactly what `record()` writes.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from trace.errors import ParseError
from trace.ledger.encoding import b64, from_b64, from_hex
from trace.ledger.keys import ROLES, PublicKey

MAX_RECORD_BYTES = 65_535
"""A tlog-tiles entry."""

_NUMBER = re.compile(r"0|[1-9]\d{0,15}", re.ASCII)
_ORIGIN = re.compile(r"[!-~]+")
CASE_KINDS = ("recall", "blacklist", "decision")
"""Steps of a case that a regulator opened. One item line: the case itself."""
_WITH_ITEMS = ("hop", "correct", *CASE_KINDS)
_KINDS = (*_WITH_ITEMS, "keyreg", "keyrot", "keyrev", "erase", "import", "anchor")


def item_key(secret: bytes, uri: str) -> bytes:
    """The commitment to a key: `01` and HMAC-SHA-256(secret, `01` + canonical URI), 33 bytes.

    Keyed by the log's item secret, so that a stranger who knows GTINs and serials cannot find out what moved.
    """
    states = _hmac_states(secret)
    inner, outer = states[0].copy(), states[1].copy()
    inner.update(b"\x01" + uri.encode("utf-8"))
    outer.update(inner.digest())
    return b"\x01" + bytes(outer.digest())


@lru_cache(maxsize=4)
def _hmac_states(secret: bytes) -> tuple[Any, Any]:
    """SHA-256 behind the two padded keys (RFC 2104): the same for every item, so half of the work is done once."""
    key = (secret if len(secret) <= 64 else hashlib.sha256(secret).digest()).ljust(64, b"\x00")
    return tuple(hashlib.sha256(bytes(byte ^ pad for byte in key)) for pad in (0x36, 0x5C))  # type: ignore[return-value]


@dataclass(frozen=True)
class ItemLine:
    """One item's place in its own hop chain."""

    key: bytes
    """33 bytes, see `item_key`."""
    ord: int
    """1 for the item's first hop."""
    prev_index: int | None
    prev_hash: bytes | None
    """Leaf that carries `ord` - 1."""

    def line(self) -> str:
        index = "-" if self.prev_index is None else str(self.prev_index)
        return f"item {b64(self.key)} {self.ord} {index} {_or_dash(self.prev_hash)}"


@dataclass(frozen=True)
class KeyLine:
    """What a `keyreg` leaf binds."""

    key: PublicKey
    issuer: str
    role: str

    def line(self) -> str:
        return f"key {self.key.key_id} {int(self.key.algorithm)} {b64(self.key.raw)} {self.issuer} {self.role}"


@dataclass(frozen=True)
class RevokeLine:
    """What a `keyrev` leaf ends."""

    key_id: str
    compromised_from: int | None

    def line(self) -> str:
        return f"revoke {self.key_id} {'-' if self.compromised_from is None else self.compromised_from}"


@dataclass(frozen=True)
class RotateLine:
    """What a `keyrot` leaf puts in the place of the key that signed it: same issuer, same role."""

    key: PublicKey

    def line(self) -> str:
        return f"rotate {self.key.key_id} {int(self.key.algorithm)} {b64(self.key.raw)}"


@dataclass(frozen=True)
class EraseLine:
    """Which disclosures of which leaf an `erase` leaf says to be gone."""

    leaf_index: int
    positions: tuple[int, ...]
    """Rising; places in the payload's digests, `items` first."""

    def line(self) -> str:
        return f"erase {self.leaf_index} {','.join(map(str, self.positions))}"


@dataclass(frozen=True)
class TreeLine:
    """The tree of another log: what an `import` leaf continues, what an `anchor` leaf has seen."""

    word: str
    """`import` or `anchor`, as the kind."""
    origin: str
    size: int
    root: bytes

    def line(self) -> str:
        return f"{self.word} {self.origin} {self.size} {b64(self.root)}"


@dataclass(frozen=True)
class CorrectLine:
    """The hop that a `correct` leaf declares to be an error; its item lines follow."""

    leaf_index: int
    leaf_hash: bytes

    def line(self) -> str:
        return f"correct {self.leaf_index} {b64(self.leaf_hash)}"


Body = tuple[ItemLine, ...] | KeyLine | RotateLine | RevokeLine | EraseLine | TreeLine


@dataclass(frozen=True)
class Leaf:
    """One record of the log."""

    origin: str
    kind: str
    issuer: str
    device: str
    """Key id."""
    seq: int
    prev: bytes | None
    rcv_ms: int
    env_hash: bytes
    body: Body
    part: int = 1
    parts: int = 1
    corrects: CorrectLine | None = None
    """Exactly of a `correct`."""

    def record(self) -> str:
        """The exact text that is hashed."""
        lines = [
            f"{self.origin}/{self.kind}/v1",
            f"issuer {self.issuer} {self.device} {self.seq} {_or_dash(self.prev)}",
            f"rcv {self.rcv_ms}",
            f"env {b64(self.env_hash)} {self.part}/{self.parts}",
        ]
        if self.corrects is not None:
            lines.append(self.corrects.line())
        body = self.body if isinstance(self.body, tuple) else (self.body,)
        return "\n".join([*lines, *(each.line() for each in body), ""])

    @classmethod
    def parse(cls, record: str) -> "Leaf":
        """Raises: ParseError when the text is not exactly what `record()` of some leaf writes."""
        if len(record.encode("utf-8", "replace")) > MAX_RECORD_BYTES:
            raise ParseError(f"leaf: longer than {MAX_RECORD_BYTES} bytes")
        lines = record.split("\n")
        if len(lines) < 5 or lines[-1] != "":
            raise ParseError("leaf: expected a kind, issuer, rcv and env line, each ended by LF")
        origin, kind, version = [*lines[0].rsplit("/", 2), "", ""][:3]
        if kind not in _KINDS or version != "v1" or not origin:
            raise ParseError(f"leaf: first line {lines[0][:80]!r}: expected <origin>/<kind>/v1")
        _, issuer, device, seq, prev = _fields(lines[1], "issuer", 5)
        _, rcv = _fields(lines[2], "rcv", 2)
        _, env, part = _fields(lines[3], "env", 3)
        corrects = None if kind != "correct" else _correct(lines.pop(4))
        leaf = cls(
            origin=origin,
            kind=kind,
            issuer=issuer,
            device=device,
            seq=_number(seq, "seq"),
            prev=_hash_or_none(prev, "prev"),
            rcv_ms=_number(rcv, "rcv"),
            env_hash=from_b64(env, "env hash", 32),
            body=_body(kind, lines[4:-1]),
            part=_number(part.split("/")[0], "part"),
            parts=_number(part.split("/")[-1], "parts"),
            corrects=corrects,
        )
        from_hex(issuer, "issuer", 16)
        from_hex(device, "key id", 32)
        if leaf.seq < 1 or (leaf.seq == 1) != (leaf.prev is None):
            raise ParseError(f"leaf: seq {seq} with prev {prev}: prev is - at seq 1 and only there")
        if not 1 <= leaf.part <= leaf.parts:
            raise ParseError(f"leaf: part {part[:40]!r}: expected <part>/<parts>, counted from 1")
        # One spelling only: whatever the fields above let through must write itself the same way.
        if leaf.record() != record:
            raise ParseError("leaf: not the canonical spelling of its fields")
        return leaf

    def leaf_hash(self) -> bytes:
        return record_hash(self.record())


def record_hash(record: str) -> bytes:
    """RFC 6962, section 2.1: SHA-256(00 + record), 32 bytes."""
    return hashlib.sha256(b"\x00" + record.encode("utf-8")).digest()


def _body(kind: str, lines: list[str]) -> Body:
    if kind in _WITH_ITEMS:
        if kind in CASE_KINDS and len(lines) != 1:
            raise ParseError(f"leaf: a {kind} has one item line, that of its case, got {len(lines)}")
        return tuple(_item(line) for line in lines)
    if len(lines) != 1:
        raise ParseError(f"leaf: a {kind} has one body line, got {len(lines)}")
    (line,) = lines
    match kind:
        case "keyreg":
            _, key_id, algorithm, raw, issuer, role = _fields(line, "key", 6)
            from_hex(issuer, "key issuer", 16)
            if role not in ROLES:
                raise ParseError(f"leaf: key role {role[:20]!r}: expected one of {', '.join(ROLES)}")
            return KeyLine(_key(key_id, algorithm, raw), issuer, role)
        case "keyrot":
            _, key_id, algorithm, raw = _fields(line, "rotate", 4)
            return RotateLine(_key(key_id, algorithm, raw))
        case "keyrev":
            _, key_id, since = _fields(line, "revoke", 3)
            from_hex(key_id, "revoked key id", 32)
            return RevokeLine(key_id, None if since == "-" else _number(since, "compromised from"))
        case "erase":
            _, index, places = _fields(line, "erase", 3)
            positions = tuple(_number(place, "erased position") for place in places.split(","))
            if list(positions) != sorted(set(positions)):
                raise ParseError(f"leaf: erased positions {places[:40]!r}: expected rising numbers")
            return EraseLine(_number(index, "erased leaf index"), positions)
    _, origin, size, root = _fields(line, kind, 4)
    if _ORIGIN.fullmatch(origin) is None:
        raise ParseError(f"leaf: origin {origin[:80]!r}: expected printable ASCII without spaces")
    return TreeLine(kind, origin, _number(size, "size"), from_b64(root, "root", 32))


def _key(key_id: str, algorithm: str, raw: str) -> PublicKey:
    key = PublicKey.parse(_number(algorithm, "algorithm"), from_b64(raw, "public key"))
    if key.key_id != key_id:
        raise ParseError(f"leaf: key id {key_id[:16]}…: expected {key.key_id[:16]}… for this key")
    return key


def _correct(line: str) -> CorrectLine:
    _, index, hash_ = _fields(line, "correct", 3)
    return CorrectLine(_number(index, "corrected leaf index"), from_b64(hash_, "corrected leaf hash", 32))


def _item(line: str) -> ItemLine:
    _, key, ord_, index, prev = _fields(line, "item", 5)
    item = ItemLine(
        key=from_b64(key, "item key", 33),
        ord=_number(ord_, "ord"),
        prev_index=None if index == "-" else _number(index, "previous leaf index"),
        prev_hash=_hash_or_none(prev, "previous leaf hash"),
    )
    if item.key[0] != 1:
        raise ParseError(f"leaf: item key version {item.key[0]}: expected 1")
    if item.ord < 1 or {item.ord == 1} != {item.prev_index is None, item.prev_hash is None}:
        raise ParseError(f"leaf: ord {ord_} after leaf {index}: the previous leaf is - - at ord 1 and only there")
    return item


def _fields(line: str, word: str, count: int) -> list[str]:
    fields = line.split(" ")
    if fields[0] != word or len(fields) != count:
        raise ParseError(f"leaf: line {line[:80]!r}: expected {word!r} and {count - 1} fields")
    return fields


def _number(text: str, what: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise ParseError(f"leaf: {what} {text[:20]!r}: expected a decimal number")
    return int(text)


def _or_dash(value: bytes | None) -> str:
    return "-" if value is None else b64(value)


def _hash_or_none(text: str, what: str) -> bytes | None:
    return None if text == "-" else from_b64(text, what, 32)
