r"""GS1 Digital Link URIs: element strings as web addresses (GS1 Digital Link Standard, URI Syntax 1.6), uncompressed.

    https://id.gs1.org/01/09520000000035/10/LOT7/21/A7?17=261130&utm=x#top
    \____ stem _____/\______ key ______/\_ qualifiers _/ \attributes/ \_ extension

The path is one key of the AI table (4.3) and its qualifiers (4.4) in their fixed order (4.9); attributes stand in the
query (4.10). A query parameter that is no number belongs to the site: it is kept as an extension. A fragment is never
data. Associations between AIs are not checked here; compressed links are `dl_compression`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from trace.errors import LimitError, ParseError, ValidationError
from trace.identifiers.ai_table import AI_TABLE, ApplicationIdentifier
from trace.identifiers.element_string import MOST_ELEMENTS, Element, ElementString
from trace.identifiers.gs1_keys import Gtin
from trace.identifiers.percent import decode, decode_query, encode, encode_query

CANONICAL_STEM = "https://id.gs1.org"

_LONGEST = 8000
_FOREIGN = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
# Host and port as in RFC 3986, 3.2, without user information. The scheme in one case, as the GS1 Syntax Engine has it.
_HOST = r"://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?(?=/)"
_ORIGIN = re.compile("(?:https?|HTTPS?)" + _HOST)
_LENIENT_ORIGIN = re.compile("https?" + _HOST, re.IGNORECASE)

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
"""Convenience names, deprecated in URI Syntax 1.2, withdrawn in 1.3, and still printed."""


class LinkFault(StrEnum):
    """What is wrong with a link: the `code` of its error. An error of a value keeps the code of the value, if any."""

    TOO_LONG = "too_long"
    TOO_MANY = "too_many_elements"
    CHARACTER = "uri_character"
    SYNTAX = "digital_link_syntax"
    NO_KEY = "no_key"
    UNKNOWN_AI = "unknown_ai"
    VALUE = "ai_value"
    ORDER = "key_order"
    NOT_ATTRIBUTE = "not_an_attribute"
    IN_PATH = "belongs_in_path"
    TWICE = "duplicate_ai"
    COMPRESSION = "compression"


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An http or https URI, cut into its parts; nothing is decoded."""

    origin: str
    """Scheme, host and port."""
    segments: tuple[str, ...]
    """Of the path."""
    query: str

    @classmethod
    def parse(cls, uri: str, *, lenient: bool = False) -> Self:
        """Raises: ParseError; LimitError."""
        if len(uri) > _LONGEST:
            fault = f"Digital Link: {len(uri)} characters, at most {_LONGEST} are read."
            raise LimitError(fault, code=LinkFault.TOO_LONG)
        foreign = _FOREIGN.search(uri)
        if foreign is not None:
            at = foreign.start() + 1
            raise ParseError(f"{foreign.group()!r} at {at} is not allowed in a URI.", code=LinkFault.CHARACTER, at=at)
        origin = (_LENIENT_ORIGIN if lenient else _ORIGIN).match(uri)
        if origin is None:
            fault = "expected https:// or http://, a domain name and a path."
            raise ParseError(fault, code=LinkFault.SYNTAX, at=1)
        path, _, query = uri[origin.end() :].partition("#")[0].partition("?")
        return cls(origin.group(), tuple(path.split("/")[1:]), query)

    def stem(self, segments: int) -> str:
        """Origin and the first segments."""
        return "/".join((self.origin, *self.segments[:segments]))

    def place(self, segment: int) -> int:
        """Where a segment begins in the URI, counted from 1."""
        return len(self.stem(segment)) + 2

    @property
    def query_place(self) -> int:
        """Where the query begins in the URI."""
        return self.place(len(self.segments))


@dataclass(frozen=True, slots=True)
class DigitalLink:
    """A link that has been read: values decoded and valid."""

    stem: str
    """All before the key, without its last slash."""
    path: tuple[Element, ...]
    """Key and qualifiers."""
    attributes: tuple[Element, ...] = ()
    """AIs of the query."""
    extensions: tuple[str, ...] = ()
    """Parameters of the query that are not GS1's, as they stand there: `utm=x`. Their encoding is the site's affair."""

    @classmethod
    def parse(cls, uri: str, *, lenient: bool = False) -> Self:
        """Any domain and stem.

        `lenient` also reads what is printed against the standard: GTIN of 8, 12 or 13 digits in the path, convenience
        names such as `/gtin/`, qualifiers in the query, a slash at the end, and a scheme like `HtTp`.

        Raises: ParseError with a code of `LinkFault`; LimitError.
        """
        try:
            address = WebAddress.parse(uri, lenient=lenient)
            first, end = _key_place(address, lenient)
            path = tuple(_path_element(address, place, lenient) for place in range(first, end, 2))
            _require_order(path, address, first)
            attributes, extensions = read_query(address, path, lenient=lenient)
        except ParseError as error:
            raise ParseError(f"Digital Link {short(uri)}: {error}", code=error.code, at=error.at) from error
        return cls(address.stem(first), path, attributes, extensions)

    @property
    def element_string(self) -> ElementString:
        return ElementString(self.path + self.attributes)

    def uri(self, stem: str = CANONICAL_STEM) -> str:
        """What GS1 defines of it, on another stem: canonical (4.12) on the default one."""
        return stem + self._written_path() + write_query(self.attributes, ())

    def __str__(self) -> str:
        """The whole link, on its own stem and with its extensions."""
        return self.stem + self._written_path() + write_query(self.attributes, self.extensions)

    def _written_path(self) -> str:
        return "".join(f"/{ai}/{encode(value)}" for ai, value in self.path)


def to_uri(elements: ElementString, stem: str = CANONICAL_STEM) -> str:
    """The first Digital Link key among the elements and its qualifiers as path, the others as query.

    A slash at the end of the stem counts as none.

    Raises: ValidationError when there is no key, or an element may not stand in a query.
    """
    values: dict[str, str] = {}
    for ai, value in elements.elements:
        if values.setdefault(ai, value) != value:
            fault = f"Digital Link: ({ai}) has two values, {values[ai]!r} and {value!r}."
            raise ValidationError(fault, code=LinkFault.TWICE)
    key = first_key(values)
    sequence = next((each for each in AI_TABLE[key].qualifiers or () if any(ai in values for ai in each)), ())
    return arrange(values, key, sequence, stem.removesuffix("/")).uri(stem.removesuffix("/"))


def first_key(values: dict[str, str]) -> str:
    """The first AI that can be the key of a link. Raises: ValidationError when there is none."""
    key = next((ai for ai in values if AI_TABLE[ai].qualifiers is not None), None)
    if key is None:
        ais = short(str(ElementString(tuple(values.items()))))
        raise ValidationError(f"Digital Link of {ais}: none of its AIs is a Digital Link key.", code=LinkFault.NO_KEY)
    return key


def arrange(values: dict[str, str], key: str, sequence: tuple[str, ...], stem: str) -> DigitalLink:
    """Key and the qualifiers of this sequence as path, the rest as attributes, predefined lengths first as in a symbol.

    Raises: ValidationError when an element may not stand in a query.
    """
    path = [key, *(ai for ai in sequence if ai in values)]
    query = sorted((ai for ai in values if ai not in path), key=lambda ai: not AI_TABLE[ai].predefined_length)
    for ai in query:
        if not AI_TABLE[ai].dl_attribute:
            ais = short(str(ElementString(tuple(values.items()))))
            fault = f"Digital Link of {ais}: ({ai}) may not stand in the query."
            raise ValidationError(fault, code=LinkFault.NOT_ATTRIBUTE)
    return DigitalLink(stem, tuple((ai, values[ai]) for ai in path), tuple((ai, values[ai]) for ai in query))


def parse_path(path: str) -> tuple[ElementString, ...]:
    """All readings of a path that the web server has percent-decoded already, the one with most qualifiers first.

    `/01/09520000000035/10/A/21/B` is lot A and serial B, or the lot `A/21/B`: the decoded path no longer tells. A value
    runs to the next qualifier that may follow, or past it.

    Raises: ParseError when there is no reading; LimitError.
    """
    if len(path) > _LONGEST:
        raise LimitError(f"path: {len(path)} characters, at most {_LONGEST} are read.", code=LinkFault.TOO_LONG)
    key, _, rest = path.removeprefix("/").partition("/")
    identifier = AI_TABLE.get(key)
    if identifier is None or identifier.qualifiers is None:
        fault = f"path {short(path)}: expected a Digital Link key first, got {key[:10]!r}."
        raise ParseError(fault, code=LinkFault.NO_KEY)
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
        raise ParseError(f"path {short(path)}: {error}") from error
    raise ParseError(f"path {short(path)}: expected qualifiers of ({identifier.ai}) in their order behind it.")


def read_query(
    address: WebAddress, path: tuple[Element, ...], *, lenient: bool = False
) -> tuple[tuple[Element, ...], tuple[str, ...]]:
    """Attributes and extensions of the query behind this path.

    Raises: ParseError for a number that is no AI, an AI that may not stand there or is there twice; LimitError.
    """
    attributes: list[Element] = []
    extensions: list[str] = []
    seen = {ai for ai, _ in path}
    at = address.query_place
    for parameter in address.query.split("&"):
        if parameter and len(path) + len(attributes) + len(extensions) == MOST_ELEMENTS:
            fault = f"Digital Link: more than {MOST_ELEMENTS} elements and parameters."
            raise LimitError(fault, code=LinkFault.TOO_MANY, at=at)
        name, equals, value = parameter.partition("=")
        if equals and name.isdigit():
            attributes.append(_attribute(name, value, at, path, seen, lenient))
            seen.add(name)
        elif parameter:
            extensions.append(parameter)
        at += len(parameter) + 1
    return tuple(attributes), tuple(extensions)


def write_query(attributes: tuple[Element, ...], extensions: tuple[str, ...]) -> str:
    """With the question mark, or nothing."""
    parameters = [f"{ai}={encode_query(value)}" for ai, value in attributes] + list(extensions)
    return "?" + "&".join(parameters) if parameters else ""


def checked(ai: str, value: str, *, at: int | None = None, pad: bool = False) -> Element:
    """An element whose value is right. `pad`: a GTIN of 8, 12 or 13 digits is filled up. Raises: ParseError."""
    identifier = AI_TABLE.get(ai)
    if identifier is None:
        raise ParseError(f"AI {ai[:10]!r}: no such application identifier.", code=LinkFault.UNKNOWN_AI, at=at)
    try:
        if pad and ai == "01" and len(value) in (8, 12, 13):
            value = str(Gtin.parse(value))
        identifier.check(value)
    except ParseError as error:
        raise ParseError(str(error), code=error.code or LinkFault.VALUE, at=at) from error
    return ai, value


def short(text: str) -> str:
    """For messages."""
    return repr(text if len(text) <= 80 else text[:80] + "…")


def _key_place(address: WebAddress, lenient: bool) -> tuple[int, int]:
    """Place of the key among the segments, and where the path ends: the last key that leaves only pairs behind it."""
    end = len(address.segments)
    if end > 1 and not address.segments[-1]:
        if not lenient:
            at = address.place(end - 1) - 1
            raise ParseError("expected a value behind the last '/' of the path.", code=LinkFault.SYNTAX, at=at)
        end -= 1
    for place in range(end - 2, -1, -2):
        identifier = AI_TABLE.get(_ai(address.segments[place], lenient))
        if identifier is not None and identifier.qualifiers is not None:
            if (end - place) // 2 > MOST_ELEMENTS:
                fault = f"Digital Link: more than {MOST_ELEMENTS} elements and parameters."
                raise LimitError(fault, code=LinkFault.TOO_MANY, at=address.place(place))
            return place, end
    raise ParseError("no GS1 key in the path.", code=LinkFault.NO_KEY, at=len(address.origin) + 1)


def _ai(segment: str, lenient: bool) -> str:
    return _NAMES.get(segment, segment) if lenient else segment


def _path_element(address: WebAddress, place: int, lenient: bool) -> Element:
    ai, value = address.segments[place : place + 2]
    at = address.place(place)
    return checked(_ai(ai, lenient), _decoded(value, at), at=at, pad=lenient)


def _require_order(path: tuple[Element, ...], address: WebAddress, first: int) -> None:
    key, *qualifiers = (ai for ai, _ in path)
    if not any(_is_part(qualifiers, sequence) for sequence in AI_TABLE[key].qualifiers or ()) and qualifiers:
        got = "".join(f"({ai})" for ai in qualifiers)
        wanted = " or ".join("".join(f"({ai})" for ai in sequence) for sequence in AI_TABLE[key].qualifiers or ())
        fault = f"behind ({key}) expected {wanted or 'nothing'} in this order, got {got}."
        raise ParseError(fault, code=LinkFault.ORDER, at=address.place(first + 2))


def _is_part(qualifiers: list[str], sequence: tuple[str, ...]) -> bool:
    """All of them in the order of the sequence, gaps allowed."""
    remaining = iter(sequence)
    return all(ai in remaining for ai in qualifiers)


def _attribute(name: str, value: str, at: int, path: tuple[Element, ...], seen: set[str], lenient: bool) -> Element:
    if name in seen:
        raise ParseError(f"({name}) is there twice.", code=LinkFault.TWICE, at=at)
    # A GTIN that is no key is filled up for everybody, as the GS1 Syntax Engine does.
    element = checked(name, _decoded(value, at, query=True), at=at, pad=True)
    if not lenient:
        _require_query(AI_TABLE[name], path[0][0], [ai for ai, _ in path[1:]], at)
    return element


def _require_query(identifier: ApplicationIdentifier, key: str, qualifiers: list[str], at: int) -> None:
    if not identifier.dl_attribute:
        raise ParseError(f"({identifier.ai}) may not stand in the query.", code=LinkFault.NOT_ATTRIBUTE, at=at)
    for sequence in AI_TABLE[key].qualifiers or ():
        if identifier.ai in sequence and set(qualifiers) <= set(sequence):
            fault = f"({identifier.ai}) belongs in the path, not in the query."
            raise ParseError(fault, code=LinkFault.IN_PATH, at=at)


def _decoded(text: str, at: int, *, query: bool = False) -> str:
    try:
        return decode_query(text) if query else decode(text)
    except ParseError as error:
        raise ParseError(str(error), code=error.code, at=at) from error
