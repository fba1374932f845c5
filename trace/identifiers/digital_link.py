r"""GS1 Digital Link URIs: element strings as web addresses (GS1 Digital Link Standard, URI Syntax 1.6), uncompressed.

    https://id.gs1.org/01/09520000000035/10/LOT7/21/A7?17=261130
    \____ stem _____/\______ key ______/\_ qualifiers _/ \_ attributes

The path is one key of the AI table and its qualifiers in their fixed order; attributes stand in the query. Associations
between AIs are not checked here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from trace.errors import LimitError, ParseError, ValidationError
from trace.identifiers.ai_table import AI_TABLE, ApplicationIdentifier, application_identifier
from trace.identifiers.element_string import MOST_ELEMENTS, Element, ElementString
from trace.identifiers.gs1_keys import Gtin
from trace.identifiers.percent import decode, encode

CANONICAL_STEM = "https://id.gs1.org"

_LONGEST = 8000
_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_ORIGIN = re.compile(r"(?:https?|HTTPS?)://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?=/)")
_LENIENT_ORIGIN = re.compile(_ORIGIN.pattern, re.IGNORECASE)

_NAMES = {
    "sscc": "00",
    "gtin": "01",
    "lot": "10",
    "ser": "21",
    "cpv": "22",
    "tpx": "235",
    "gdti": "253",
    "glnx": "254",
    "gcn": "255",
    "ginc": "401",
    "gsin": "402",
    "gln": "414",
    "party": "417",
    "grai": "8003",
    "giai": "8004",
    "itip": "8006",
    "cpid": "8010",
    "cpsn": "8011",
    "gmn": "8013",
    "gsrnp": "8017",
    "gsrn": "8018",
    "srin": "8019",
}
"""Convenience names of URI Syntax 1.1, withdrawn since and still printed."""


@dataclass(frozen=True, slots=True)
class DigitalLink:
    """A link that has been read: values decoded and valid."""

    stem: str
    """All before the key, without its last slash."""
    path: tuple[Element, ...]
    """Key and qualifiers."""
    attributes: tuple[Element, ...]
    """AIs of the query."""

    @classmethod
    def parse(cls, uri: str, *, lenient: bool = False) -> Self:
        """Any domain and stem. Query parameters that are no AI are left alone.

        `lenient` also reads what is printed against the standard: GTIN of 8, 12 or 13 digits, convenience names such as
        `/gtin/`, qualifiers in the query, and a scheme like `HtTp`, which the GS1 Syntax Engine refuses.

        Raises: ParseError; LimitError.
        """
        if len(uri) > _LONGEST:
            raise LimitError(f"Digital Link: {len(uri)} characters, at most {_LONGEST} are read.")
        foreign = _FOREIGN.search(uri)
        if foreign is not None:
            where = f"{foreign.group()!r} at {foreign.start() + 1}"
            raise ParseError(f"Digital Link {_short(uri)}: {where} is not allowed in a URI.")
        origin = (_LENIENT_ORIGIN if lenient else _ORIGIN).match(uri)
        if origin is None:
            raise ParseError(f"Digital Link {_short(uri)}: expected https:// or http://, a domain name and a path.")
        whole_path, _, query = uri[origin.end() :].partition("#")[0].partition("?")
        segments = whole_path.removesuffix("/").split("/")[1:]
        try:
            first = _key_place(segments, lenient)
            pairs = zip(segments[first::2], segments[first + 1 :: 2], strict=True)
            path = tuple(_element(ai, decode(value), lenient) for ai, value in pairs)
            _require_order(path)
            attributes = tuple(_attributes(query, path, lenient))
        except (ParseError, ValidationError) as error:
            raise ParseError(f"Digital Link {_short(uri)}: {error}") from error
        stem = "/".join([origin.group(), *segments[:first]])
        return cls(stem, path, attributes)

    @property
    def element_string(self) -> ElementString:
        return ElementString(self.path + self.attributes)

    def uri(self, stem: str = CANONICAL_STEM) -> str:
        """The same path and attributes on another stem, percent-encoded canonically."""
        uri = stem + "".join(f"/{ai}/{encode(value)}" for ai, value in self.path)
        return uri + (
            "?" + "&".join(f"{ai}={encode(value)}" for ai, value in self.attributes) if self.attributes else ""
        )


def to_uri(elements: ElementString, stem: str = CANONICAL_STEM) -> str:
    """The first Digital Link key among the elements and its qualifiers as path, the others as query.

    Raises: ValidationError when there is no key, or an element may not stand in a query.
    """
    values: dict[str, str] = {}
    for ai, value in elements.elements:
        if values.setdefault(ai, value) != value:
            raise ValidationError(f"Digital Link: ({ai}) has two values, {values[ai]!r} and {value!r}.")
    key = next((ai for ai in values if AI_TABLE[ai].qualifiers is not None), None)
    if key is None:
        raise ValidationError(f"Digital Link of {_short(str(elements))}: none of its AIs is a Digital Link key.")
    alternatives = AI_TABLE[key].qualifiers or ()
    sequence = next((each for each in alternatives if any(ai in values for ai in each)), ())
    path = [key, *(ai for ai in sequence if ai in values)]
    # Predefined lengths first, as in a symbol; sorting is stable.
    query = sorted((ai for ai in values if ai not in path), key=lambda ai: not AI_TABLE[ai].predefined_length)
    for ai in query:
        if not AI_TABLE[ai].dl_attribute:
            raise ValidationError(f"Digital Link of {_short(str(elements))}: ({ai}) may not stand in the query.")
    link = DigitalLink(stem, tuple((ai, values[ai]) for ai in path), tuple((ai, values[ai]) for ai in query))
    return link.uri(stem)


def parse_path(path: str) -> tuple[ElementString, ...]:
    """All readings of a path that the web server has percent-decoded already, the one with most qualifiers first.

    `/01/09520000000035/10/A/21/B` is lot A and serial B, or the lot `A/21/B`: the decoded path no longer tells. A value
    runs to the next qualifier that may follow, or past it.

    Raises: ParseError when there is no reading; LimitError.
    """
    if len(path) > _LONGEST:
        raise LimitError(f"path: {len(path)} characters, at most {_LONGEST} are read.")
    key, _, rest = path.removeprefix("/").partition("/")
    identifier = AI_TABLE.get(key)
    if identifier is None or identifier.qualifiers is None:
        raise ParseError(f"path {_short(path)}: expected a Digital Link key first, got {key[:10]!r}.")
    found = set[tuple[Element, ...]]()
    for sequence in identifier.qualifiers or ((),):
        found |= set(_readings(identifier, sequence, rest))
    if not found:
        _check_alone(path, identifier, rest)
    return tuple(ElementString(each) for each in sorted(found, key=lambda each: (-len(each), each)))


def _readings(
    identifier: ApplicationIdentifier, qualifiers: tuple[str, ...], text: str
) -> Iterator[tuple[Element, ...]]:
    """Ends: each step goes to a later qualifier, and no value is longer than its AI allows."""
    if _fits(identifier, text):
        yield ((identifier.ai, text),)
    for number, ai in enumerate(qualifiers):
        mark = f"/{ai}/"
        at = text.find(mark, 0, identifier.most + len(mark))
        while at != -1:
            if _fits(identifier, text[:at]):
                for rest in _readings(AI_TABLE[ai], qualifiers[number + 1 :], text[at + len(mark) :]):
                    yield ((identifier.ai, text[:at]), *rest)
            at = text.find(mark, at + 1, identifier.most + len(mark))


def _fits(identifier: ApplicationIdentifier, value: str) -> bool:
    try:
        identifier.check(value)
    except ParseError:
        return False
    return True


def _check_alone(path: str, identifier: ApplicationIdentifier, rest: str) -> None:
    """Say why: with the value up to the next slash, as the sender most likely meant it."""
    try:
        identifier.check(rest.partition("/")[0])
    except ParseError as error:
        raise ParseError(f"path {_short(path)}: {error}") from error
    raise ParseError(f"path {_short(path)}: expected qualifiers of ({identifier.ai}) in their order behind it.")


def _key_place(segments: list[str], lenient: bool) -> int:
    """Place of the key among the segments: the last one that leaves only pairs behind it."""
    for place in range(len(segments) - 2, -1, -2):
        identifier = AI_TABLE.get(_ai(segments[place], lenient))
        if identifier is not None and identifier.qualifiers is not None:
            return place
    raise ParseError("no GS1 key in the path.")


def _ai(segment: str, lenient: bool) -> str:
    return _NAMES.get(segment, segment) if lenient else segment


def _element(segment: str, value: str, lenient: bool) -> Element:
    identifier = application_identifier(_ai(segment, lenient))
    if lenient and identifier.ai == "01":
        value = str(Gtin.parse(value))
    identifier.check(value)
    return identifier.ai, value


def _require_order(path: tuple[Element, ...]) -> None:
    key, *qualifiers = (ai for ai, _ in path)
    if not any(_is_part(qualifiers, sequence) for sequence in AI_TABLE[key].qualifiers or ()) and qualifiers:
        got = "".join(f"({ai})" for ai in qualifiers)
        wanted = " or ".join("".join(f"({ai})" for ai in sequence) for sequence in AI_TABLE[key].qualifiers or ())
        raise ParseError(f"behind ({key}) expected {wanted or 'nothing'} in this order, got {got}.")


def _is_part(qualifiers: list[str], sequence: tuple[str, ...]) -> bool:
    """All of them in the order of the sequence, gaps allowed."""
    remaining = iter(sequence)
    return all(ai in remaining for ai in qualifiers)


def _attributes(query: str, path: tuple[Element, ...], lenient: bool) -> Iterator[Element]:
    seen = {ai for ai, _ in path}
    qualifiers = [ai for ai, _ in path[1:]]
    for parameter in query.split("&"):
        name, equals, value = parameter.partition("=")
        if not equals or not name.isdigit():
            continue  # the site's own parameter
        identifier = application_identifier(name)
        if name in seen:
            raise ParseError(f"({name}) is there twice.")
        if len(seen) == MOST_ELEMENTS:
            raise LimitError(f"Digital Link: more than {MOST_ELEMENTS} elements.")
        if not lenient:
            _require_query(identifier, path[0][0], qualifiers)
        seen.add(name)
        # A query is form data, where a plus is a space.
        yield _element(name, decode(value.replace("+", " ")), lenient)


def _require_query(identifier: ApplicationIdentifier, key: str, qualifiers: list[str]) -> None:
    if not identifier.dl_attribute:
        raise ParseError(f"({identifier.ai}) may not stand in the query.")
    for sequence in AI_TABLE[key].qualifiers or ():
        if identifier.ai in sequence and set(qualifiers) <= set(sequence):
            raise ParseError(f"({identifier.ai}) belongs in the path, not in the query.")


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
