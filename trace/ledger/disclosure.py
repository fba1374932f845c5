"""What of an event is public, and how the rest is committed to without being told (docs/formats.md, 2.3 and 2.4).

The public members stand in the payload. Each other member is a disclosure: a salted text whose digest alone is signed,
so that a consumer can be shown his item and no other, and personal data can be erased while the signature still holds.
The two tables below are the only place that knows which member is which.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from trace.errors import ParseError, ValidationError
from trace.ledger.canonical import JsonObject, canonical, parse_json
from trace.ledger.encoding import b64u, from_b64u

PUBLIC_MEMBERS = (
    "@context",
    "type",
    "eventID",
    "eventTime",
    "eventTimeZoneOffset",
    "action",
    "bizStep",
    "disposition",
)
"""What is not listed is a disclosure."""

EPC_LISTS = ("epcList", "childEPCs", "inputEPCList", "outputEPCList")
QUANTITY_LISTS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")

CASE = "/case"
"""Pointer of what a case statement is about: the URI of the case, in `items`."""

MAX_DISCLOSURE_BYTES = 65_536
MAX_LIST = 10_000
"""Longest list that is rebuilt from pointers."""

_LOT_CLASS = re.compile(r"https?://[^?#]+/01/\d{14}/10/[^/?#]+")
_INDEX = re.compile(r"0|[1-9]\d{0,4}", re.ASCII)


class Access(StrEnum):
    """Who may be told a disclosure."""

    ITEM = "item"
    PUBLIC = "public"
    PARTNER = "partner"
    REGULATOR = "regulator"
    PERSONAL = "personal"


_ACCESS = (
    (re.compile(r"/(readPoint|bizLocation|sensorElementList|ilmd)(/|$)"), Access.PUBLIC),
    (re.compile(r"/(name|nameEn|uscc|note)$"), Access.PUBLIC),
    (re.compile(r"/public/"), Access.PUBLIC),
    (re.compile(r"/(quantityList|childQuantityList|inputQuantityList|outputQuantityList)(/|$)"), Access.PARTNER),
    (re.compile(r"/(bizTransactionList|sourceList|destinationList|suyuan:scan)$"), Access.PARTNER),
    (re.compile(r"attests/received$"), Access.PERSONAL),
)


@dataclass(frozen=True)
class Disclosure:
    """`[salt, pointer, value]` and the exact text that carries it."""

    text: str
    pointer: str
    value: Any

    @classmethod
    def make(cls, pointer: str, value: Any, salt: bytes) -> "Disclosure":
        return cls(b64u(canonical([b64u(salt), pointer, value])), pointer, value)

    @classmethod
    def parse(cls, text: str) -> "Disclosure":
        """Raises: ParseError when it is no `[salt, pointer, value]`."""
        value = parse_json(from_b64u(text, "disclosure"), "disclosure", max_bytes=MAX_DISCLOSURE_BYTES)
        if not isinstance(value, list) or len(value) != 3 or not all(isinstance(v, str) for v in value[:2]):
            raise ParseError("disclosure: expected [salt, pointer, value]")
        from_b64u(value[0], "disclosure salt", 16)
        return cls(text, value[1], value[2])

    @property
    def digest(self) -> str:
        """b64u of SHA-256 over the text (RFC 9901, section 4.2.3)."""
        return b64u(hashlib.sha256(self.text.encode("ascii")).digest())

    def access(self, items: frozenset[str] | set[str]) -> Access:
        """The access class; `items` are the digests of the payload's `items`."""
        if self.digest in items:
            return Access.ITEM
        return next((access for pattern, access in _ACCESS if pattern.match(self.pointer)), Access.REGULATOR)


@dataclass(frozen=True)
class Split:
    """An event as it goes into a payload."""

    public: JsonObject
    items: tuple[str, ...]
    sd: tuple[str, ...]
    disclosures: tuple[Disclosure, ...]


def split(event: Mapping[str, Any], new_salt: Callable[[], bytes] = lambda: os.urandom(16)) -> Split:
    """Public members and disclosures of an event. `new_salt` gives 16 fresh bytes a call."""
    items = [Disclosure.make(pointer, value, new_salt()) for pointer, value in _key_pointers(event)]
    others = [Disclosure.make(pointer, value, new_salt()) for pointer, value in _other_pointers(event)]
    return Split(
        public={name: event[name] for name in PUBLIC_MEMBERS if name in event},
        items=tuple(item.digest for item in items),
        sd=tuple(sorted(other.digest for other in others)),
        disclosures=(*items, *others),
    )


def rebuild(public: Mapping[str, Any], disclosures: Iterable[Disclosure]) -> JsonObject:
    """The event, as far as it is disclosed.

    Raises: ParseError when a pointer is malformed, stands twice, leaves a hole in a list or lies inside another one.
    """
    event: JsonObject = dict(public)
    done: set[str] = set()
    for disclosure in sorted(disclosures, key=lambda d: _order(d.pointer)):
        if disclosure.pointer.startswith("/"):
            _set(event, disclosure.pointer, disclosure.value, done)
            done.add(disclosure.pointer)
    return event


def split_case(
    case: str,
    public: Mapping[str, Any],
    internal: Mapping[str, Any],
    new_salt: Callable[[], bytes] = lambda: os.urandom(16),
) -> Split:
    """What a case statement says: each member a disclosure of its own, for everybody or for regulators."""
    item = Disclosure.make(CASE, case, new_salt())
    others = [
        Disclosure.make(f"/{part}/{_escape(name)}", value, new_salt())
        for part, members in (("public", public), ("internal", internal))
        for name, value in members.items()
    ]
    sd = tuple(sorted(other.digest for other in others))
    return Split(public={}, items=(item.digest,), sd=sd, disclosures=(item, *others))


def case_content(disclosures: Iterable[Disclosure]) -> tuple[str | None, JsonObject, JsonObject]:
    """URI of the case, public and internal members, as far as they are disclosed.

    Raises: ParseError when a pointer is none of a case statement, or stands twice.
    """
    uri, content = None, {"public": JsonObject(), "internal": JsonObject()}
    for disclosure in disclosures:
        part, *rest = [*pointer_tokens(disclosure.pointer), ""]
        if disclosure.pointer == CASE and uri is None and isinstance(disclosure.value, str):
            uri = disclosure.value
        elif part in content and len(rest) == 2 and rest[0] not in content[part]:
            content[part][rest[0]] = disclosure.value
        else:
            raise ParseError(
                f"disclosure pointer {disclosure.pointer[:80]!r}: expected /case, /public/… and /internal/…, each once"
            )
    return uri, content["public"], content["internal"]


def pointers(event: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where an event is cut: the pointers of `items` in their order, and those of all other disclosures."""
    return tuple(p for p, _ in _key_pointers(event)), tuple(p for p, _ in _other_pointers(event))


def item_uris(event: Mapping[str, Any]) -> tuple[str, ...]:
    """The event's keys with a hop chain, in the order of `items` and of the leaf's lines.

    Raises: ValidationError when a key is not a string.
    """
    uris = []
    for pointer, value in _key_pointers(event):
        if not isinstance(value, str):
            raise ValidationError(f"{pointer}: expected a URI, got {type(value).__name__}")
        uris.append(value)
    return tuple(uris)


def _key_pointers(event: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    if "parentID" in event:
        yield "/parentID", event["parentID"]
    for name in EPC_LISTS:
        for n, value in enumerate(_list(event, name)):
            yield f"/{name}/{n}", value
    for name in QUANTITY_LISTS:
        for n, element in enumerate(_list(event, name)):
            epc_class = element.get("epcClass") if isinstance(element, dict) else None
            if isinstance(epc_class, str) and _LOT_CLASS.fullmatch(epc_class):
                yield f"/{name}/{n}/epcClass", epc_class


def _other_pointers(event: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    keys = {pointer for pointer, _ in _key_pointers(event)}
    for name, value in event.items():
        if name in PUBLIC_MEMBERS or name == "parentID":
            continue
        if name in EPC_LISTS and isinstance(value, list) and value:
            continue
        if name in QUANTITY_LISTS and isinstance(value, list) and value:
            for n, element in enumerate(value):
                if not isinstance(element, dict) or not element:
                    yield f"/{name}/{n}", element
                    continue
                for part, content in element.items():
                    pointer = f"/{name}/{n}/{_escape(part)}"
                    if pointer not in keys:
                        yield pointer, content
        elif name == "ilmd" and isinstance(value, dict) and value:
            for part, content in value.items():
                yield f"/ilmd/{_escape(part)}", content
        else:
            yield f"/{_escape(name)}", value


def pointer_tokens(pointer: str) -> list[str]:
    """Of a JSON Pointer (RFC 6901, section 4)."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _list(event: Mapping[str, Any], name: str) -> list[Any]:
    value = event.get(name, [])
    return value if isinstance(value, list) else []


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def _order(pointer: str) -> tuple[tuple[int, str], ...]:
    """List positions in number order, so that a list grows at its end."""
    return tuple((int(t), "") if _INDEX.fullmatch(t) else (-1, t) for t in pointer.split("/")[1:])


def _set(event: JsonObject, pointer: str, value: Any, done: set[str]) -> None:
    """`done` are the pointers set before; sorted, an outer one comes before what lies inside it."""
    outer = pointer.rpartition("/")[0]
    while outer:
        # Two disclosures would own one value, and the event would depend on which of them is told.
        if outer in done:
            raise ParseError(f"disclosure pointer {pointer[:80]!r}: {outer[:80]} is disclosed as a whole too")
        outer = outer.rpartition("/")[0]
    name, *rest = pointer_tokens(pointer)
    if name in PUBLIC_MEMBERS:
        raise ParseError(f"disclosure pointer {pointer[:80]!r}: {name} is a public member")
    if not rest:
        _put(event, name, value, pointer)
    elif name == "ilmd" and len(rest) == 1:
        _put(event.setdefault(name, {}), rest[0], value, pointer)
    elif name in (*EPC_LISTS, *QUANTITY_LISTS) and _INDEX.fullmatch(rest[0]):
        elements, position = event.setdefault(name, []), int(rest[0])
        if position > len(elements) or position >= MAX_LIST:
            raise ParseError(f"disclosure pointer {pointer[:80]!r}: the list has {len(elements)} elements")
        if len(rest) == 1:
            if position < len(elements):
                raise ParseError(f"disclosure pointer {pointer[:80]!r} is disclosed twice")
            elements.append(value)
        elif len(rest) == 2 and name in QUANTITY_LISTS:
            if position == len(elements):
                elements.append({})
            _put(elements[position], rest[1], value, pointer)
        else:
            raise ParseError(f"disclosure pointer {pointer[:80]!r}: too many levels")
    else:
        raise ParseError(f"disclosure pointer {pointer[:80]!r}: no member that is disclosed in parts")


def _put(holder: JsonObject, name: str, value: Any, pointer: str) -> None:
    if name in holder:
        raise ParseError(f"disclosure pointer {pointer[:80]!r} is disclosed twice")
    holder[name] = value
