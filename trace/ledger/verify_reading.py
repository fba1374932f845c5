"""A proof package as a verifier reads it: docs/formats.md, section 7, form only.

`Package.parse` gives something well formed or raises; whether it is true is asked in `verify.py`. Members that the
format does not name are refused: what nobody checks must not look as if it had been.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trace.errors import ParseError, UncheckedError
from trace.ledger.verify_primitives import from_b64, from_b64u, sha256, strict_json, strict_point, to_b64, to_b64u

MAX_PACKAGE_BYTES = 16 * 2**20
MAX_PAYLOAD_BYTES = 2 * 2**20
"""An attested event holds up to 1 MB, its digests come on top."""
MAX_LEAF_BYTES = 65_535
MAX_LIST = 10_000
"""Entries, steps, disclosures of one entry."""
MAX_PATH = 64
ITEMS_A_LEAF = 500

ED25519, P256 = 1, 2
CASES = ("recall", "blacklist", "decision")
KINDS = ("hop", "correct", *CASES, "keyreg", "keyrot", "keyrev", "erase", "import", "anchor")
_WITH_ITEMS = ("hop", "correct", *CASES)

_VIA = ("self", "container", "lot", "input")
# At most 15 digits: the same number in every language.
_NUMBER = "(0|[1-9][0-9]{0,14})"
_HASH = "([0-9A-Za-z+/=]{44})"
_KIND_LINE = re.compile("([!-*,-~]+)/([a-z]+/v[0-9]+)")
_RCV_LINE = re.compile(f"rcv {_NUMBER}")
_ENV_LINE = re.compile(f"env {_HASH} {_NUMBER}/{_NUMBER}")
_ITEM_LINE = re.compile(f"item {_HASH} {_NUMBER} (?:- -|{_NUMBER} {_HASH})")
_FORMAT = re.compile("suyuan-proof/v[1-9][0-9]*")


@dataclass(frozen=True)
class Key:
    """A key as a `keyreg` names it."""

    algorithm: int
    public: bytes
    issuer: str
    role: str

    @classmethod
    def parse(cls, value: Any, what: str) -> "Key":
        """Of a `keyreg`, or of a `keyrot` with the issuer and role that it takes over."""
        algorithm, public, issuer, role = members(value, what, "alg public issuer role")
        key = cls(number(algorithm, f"{what}: alg"), from_b64u(public, what), text(issuer, what), text(role, what))
        if key.algorithm > 255:
            raise ParseError(f"{what}: alg {key.algorithm}: expected one byte")
        if key.algorithm == ED25519 and not strict_point(key.public):
            raise ParseError(f"{what}: not a strict Ed25519 key (32 bytes, canonical, not of small order)")
        return key

    @property
    def key_id(self) -> str:
        return sha256(bytes([self.algorithm]) + self.public).hex()


@dataclass(frozen=True)
class Payload:
    """The signed JSON, as far as a verifier compares it."""

    kind: str
    issuer: str
    device: str
    seq: int
    prev: bytes | None
    audience: str
    sd: frozenset[str]
    items: tuple[str, ...]
    attested: bool
    attested_for: str | None
    key: Key | None
    """Only of a `keyreg`; of a `keyrot` without issuer and role, which are those of the key that signs."""
    revokes: tuple[str, int | None] | None
    """Only of a `keyrev`: key id and the leaf index from which the key is not believed."""
    body: str | None
    """The line of the leaf that this payload makes, before any item lines; None where it makes none."""
    corrects: tuple[int, bytes] | None
    """Only of a `correct`: index and hash of the leaf of the hop that was an error."""
    proof: bytes | None
    """Only of a `keyrot`: signature of the new key."""

    @classmethod
    def parse(cls, data: bytes, what: str) -> "Payload":
        value = strict_json(data, what, MAX_PAYLOAD_BYTES)
        if not isinstance(value, dict):
            raise ParseError(f"{what}: expected an object")
        kind = text(value.get("type"), f"{what}: type")
        sd = _digests(value.get("_sd"), f"{what}: _sd")
        items = _digests(value.get("items"), f"{what}: items") if kind in _WITH_ITEMS else ()
        if len({*sd, *items}) != len(sd) + len(items):
            raise ParseError(f"{what}: a digest stands twice")
        party = None
        if "attests" in value:
            party = text(members(value["attests"], f"{what}: attests", "for received")[0], f"{what}: attests")
        key = revokes = body = corrects = proof = None
        match kind:
            case "correct":
                leaf, hash_ = members(value.get("corrects"), f"{what}: corrects", "leaf hash")
                corrects = (number(leaf, f"{what}: corrects"), from_b64u(hash_, f"{what}: corrects", 32))
                body = f"correct {corrects[0]} {to_b64(corrects[1])}"
            case "keyreg":
                key = Key.parse(value.get("key"), f"{what}: key")
                body = f"key {key.key_id} {key.algorithm} {to_b64(key.public)} {key.issuer} {key.role}"
            case "keyrot":
                alg, public, proven = members(value.get("rotate"), f"{what}: rotate", "alg public proof")
                proof = from_b64u(proven, f"{what}: proof")
                key = Key.parse({"alg": alg, "public": public, "issuer": "", "role": ""}, f"{what}: rotate")
                body = f"rotate {key.key_id} {key.algorithm} {to_b64(key.public)}"
            case "keyrev":
                revoked, since = members(value.get("revoke"), f"{what}: revoke", "key compromisedFrom")
                revokes = (text(revoked, what), None if since is None else number(since, f"{what}: compromisedFrom"))
                body = f"revoke {revokes[0]} {'-' if since is None else since}"
            case "erase":
                leaf, positions, _ = members(value.get("erase"), f"{what}: erase", "leaf positions basis")
                places = [number(place, f"{what}: position") for place in listed(positions, f"{what}: positions")]
                body = f"erase {number(leaf, f'{what}: erased leaf')} {','.join(map(str, places))}"
            case "import" | "anchor":
                origin, size, root = members(value.get("tree"), f"{what}: tree", "origin size root")
                head = to_b64(from_b64u(root, f"{what}: root", 32))
                body = f"{kind} {text(origin, what)} {number(size, f'{what}: size')} {head}"
            case "recall" | "blacklist" | "decision":
                members(value.get("case"), f"{what}: case", "act by")
                if len(items) != 1:
                    raise ParseError(f"{what}: {len(items)} items: expected one, the case")
        prev = value.get("prev", "")
        return cls(
            kind=kind,
            issuer=text(value.get("iss"), f"{what}: iss"),
            device=text(value.get("dev"), f"{what}: dev"),
            seq=number(value.get("seq"), f"{what}: seq"),
            prev=None if prev is None else from_b64u(prev, f"{what}: prev", 32),
            audience=text(value.get("aud"), f"{what}: aud"),
            sd=frozenset(sd),
            items=items,
            attested="attests" in value,
            attested_for=party,
            key=key,
            revokes=revokes,
            body=body,
            corrects=corrects,
            proof=proof,
        )


@dataclass(frozen=True)
class Item:
    """An item line."""

    key: bytes
    ord: int
    prev: tuple[int, bytes] | None
    """Index and hash of the leaf with `ord` - 1."""


@dataclass(frozen=True)
class Disclosure:
    digest: str
    pointer: str
    value: Any

    @classmethod
    def parse(cls, told: Any, what: str) -> "Disclosure":
        value = strict_json(from_b64u(told, what), what, MAX_PAYLOAD_BYTES)
        if not isinstance(value, list) or len(value) != 3 or not isinstance(value[1], str):
            raise ParseError(f"{what}: expected [salt, pointer, value]")
        from_b64u(value[0], f"{what}: salt", 16)
        return cls(to_b64u(sha256(told.encode("ascii"))), value[1], value[2])


@dataclass(frozen=True)
class Entry:
    """A leaf with its path, its envelope and what is told of it."""

    index: int
    lines: tuple[str, ...]
    origin: str
    kind: str
    """One of KINDS, or `<word>/v<n>` of a kind that is unknown here."""
    rcv_ms: int
    part: int
    parts: int
    items: tuple[Item, ...]
    path: tuple[bytes, ...]
    payload_type: str
    payload_bytes: bytes
    payload: Payload
    key_id: str
    signature: bytes
    disclosures: tuple[Disclosure, ...]

    @classmethod
    def parse(cls, value: Any, n: int) -> "Entry":
        index, record, path, envelope, disclosures = members(
            value, f"entry {n}", "index leaf path envelope disclosures"
        )
        what = f"leaf {number(index, f'entry {n}: index')}"
        lines = text(record, what).split("\n")
        if len(record) > MAX_LEAF_BYTES or not record.isascii() or len(lines) < 5 or lines[-1] != "":
            raise ParseError(f"{what}: expected at least four ASCII lines that end with LF")
        origin, kind = _fields(_KIND_LINE, lines[0], what)
        (rcv,) = _fields(_RCV_LINE, lines[2], what)
        _, part, parts = _fields(_ENV_LINE, lines[3], what)
        kind = kind.removesuffix("/v1") if kind.removesuffix("/v1") in KINDS else kind
        payload, payload_type, signatures = members(envelope, f"{what}: envelope", "payload payloadType signatures")
        if not isinstance(signatures, list) or len(signatures) != 1:
            raise ParseError(f"{what}: envelope: expected exactly one signature")
        key_id, signature = members(signatures[0], f"{what}: signature", "keyid sig")
        if not re.fullmatch("[0-9a-f]{64}", text(key_id, f"{what}: keyid")):
            raise ParseError(f"{what}: keyid {key_id[:80]!r}: expected 64 hex digits")
        payload_bytes = from_b64(payload, f"{what}: payload")
        return cls(
            index=index,
            lines=tuple(lines),
            origin=origin,
            kind=kind,
            rcv_ms=int(rcv),
            part=int(part),
            parts=int(parts),
            items=tuple(_item(line, what) for line in lines[5 if kind == "correct" else 4 : -1] if kind in _WITH_ITEMS),
            path=tuple(from_b64(node, f"{what}: path", 32) for node in listed(path, f"{what}: path", MAX_PATH)),
            payload_type=text(payload_type, f"{what}: payloadType"),
            payload_bytes=payload_bytes,
            payload=Payload.parse(payload_bytes, f"{what}: payload"),
            key_id=key_id,
            signature=from_b64(signature, f"{what}: sig"),
            disclosures=tuple(
                Disclosure.parse(told, f"{what}: disclosure {n}")
                for n, told in enumerate(listed(disclosures, f"{what}: disclosures"))
            ),
        )

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(00 + record), 32 bytes."""
        return sha256(b"\x00" + "\n".join(self.lines).encode("ascii"))

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """The part of the payload's `items` that this leaf has lines for, in their order."""
        start = (self.part - 1) * ITEMS_A_LEAF
        return self.payload.items[start : start + ITEMS_A_LEAF] if start >= 0 else ()

    @cached_property
    def told(self) -> tuple[tuple[Any, Item], ...]:
        """Each disclosed key with the item line at its position."""
        values = {disclosure.digest: disclosure.value for disclosure in self.disclosures}
        pairs = zip(self.digests, self.items, strict=False)
        return tuple((values[digest], item) for digest, item in pairs if digest in values)


@dataclass(frozen=True)
class Step:
    index: int
    subject: str
    via: str

    @classmethod
    def parse(cls, value: Any, n: int) -> "Step":
        index, subject, via = members(value, f"step {n}", "index subject via")
        if via not in _VIA:
            raise ParseError(f"step {n}: via {str(via)[:20]!r}: expected one of {', '.join(_VIA)}")
        return cls(number(index, f"step {n}: index"), text(subject, f"step {n}: subject"), via)


@dataclass(frozen=True)
class Package:
    origin: str
    log_key: str
    uri: str
    path: str
    checkpoint: str
    size: int
    """Leaves, as the checkpoint states, signed or not."""
    root: bytes
    item_keys: Mapping[str, bytes]
    entries: tuple[Entry, ...]
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, data: bytes) -> "Package":
        """Raises: UncheckedError when the format is another version; ParseError, LimitError."""
        value = strict_json(data, "package", MAX_PACKAGE_BYTES)
        version = value.get("format") if isinstance(value, dict) else None
        if version != "suyuan-proof/v1":
            message = f"format {str(version)[:40]!r}: expected 'suyuan-proof/v1'"
            if isinstance(version, str) and _FORMAT.fullmatch(version):
                raise UncheckedError(f"{message}; a newer program reads it")
            raise ParseError(message)
        _, origin, log_key, uri, path, checkpoint, keys, entries, steps = members(
            value, "package", "format origin logKey uri path checkpoint itemKeys entries steps"
        )
        head = text(checkpoint, "checkpoint").split("\n")
        if len(head) < 6 or head[3] != "":
            raise ParseError("checkpoint: expected the lines origin, size, root, a blank line and signatures")
        (size,) = _fields(re.compile(_NUMBER), head[1], "checkpoint: size")
        if not isinstance(keys, dict):
            raise ParseError("itemKeys: expected an object")
        return cls(
            origin=text(origin, "origin"),
            log_key=text(log_key, "logKey"),
            uri=text(uri, "uri"),
            path=text(path, "path"),
            checkpoint=checkpoint,
            size=int(size),
            root=from_b64(head[2], "checkpoint: root", 32),
            item_keys={subject: from_b64(key, f"itemKeys: {subject[:80]}", 33) for subject, key in keys.items()},
            entries=tuple(Entry.parse(entry, n) for n, entry in enumerate(listed(entries, "entries"))),
            steps=tuple(Step.parse(step, n) for n, step in enumerate(listed(steps, "steps"))),
        )

    @cached_property
    def by_index(self) -> Mapping[int, Entry]:
        return {entry.index: entry for entry in self.entries}


def members(value: Any, what: str, names: str) -> list[Any]:
    """The values of exactly these members, in this order. Raises: ParseError."""
    if not isinstance(value, dict) or set(value) != set(names.split()):
        got = ", ".join(sorted(value))[:120] if isinstance(value, dict) else type(value).__name__
        raise ParseError(f"{what}: expected the members {names.replace(' ', ', ')}; got {got}")
    return [value[name] for name in names.split()]


def listed(value: Any, what: str, at_most: int = MAX_LIST) -> list[Any]:
    if not isinstance(value, list) or len(value) > at_most:
        raise ParseError(f"{what}: expected a list of at most {at_most}")
    return value


def text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ParseError(f"{what}: expected text, got {type(value).__name__}")
    return value


def number(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 10**15:
        raise ParseError(f"{what}: expected a whole number below 10^15, got {str(value)[:40]!r}")
    return value


def _digests(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ParseError(f"{what}: expected a list of digests")
    return tuple(text(each, what) for each in value)


def _fields(pattern: re.Pattern[str], line: str, what: str) -> tuple[str, ...]:
    match = pattern.fullmatch(line)
    if match is None:
        raise ParseError(f"{what}: line {line[:120]!r}: expected {pattern.pattern.split(' ')[0]!r} and its fields")
    return match.groups()


def _item(line: str, what: str) -> Item:
    key, ord_, index, prev = _fields(_ITEM_LINE, line, what)
    before = None if index is None else (int(index), from_b64(prev, f"{what}: previous leaf hash", 32))
    return Item(from_b64(key, f"{what}: item key", 33), int(ord_), before)
