r"""Compressed GS1 Digital Link URIs, both ways (GS1 Digital Link Standard 1.1; no part of URI Syntax since 1.2).

    https://id.gs1.org/DBFRJydaKAowOQ                    full: all in one path segment
    https://id.gs1.org/01/09520123456788/IQUYHI          partial: the key stays readable

A segment is a run of bits, six a character of the URI-safe base 64 alphabet, filled up with zeros:

    h1 h2 [h3 [h4]]  values                      one AI, four bits a digit; its first two digits tell how many there are
    h1 h2            values of several AIs       a code with a letter names them all at once (`OPTIMISATIONS`)
    1111 length(7) name(6 each) value            a key=value pair of the site

    number of n digits     so many bits as 10^n needs; before it, where the AI leaves n open, n itself
    text                   encoding(3), n where the AI leaves it open, characters of 4, 6 or 7 bits (digits: a number)

The components are those of the GS1 General Specifications (`N13+X..17`), so neighbours of one kind that the Syntax
Dictionary checks apart are one here. Nothing in the bits says which AI is the key: it is the first that can be one.
The form that holds the EPC of a tag is `dl_epc`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cache
from math import ceil, log2
from urllib.parse import quote

from trace.errors import LimitError, ParseError, ValidationError
from trace.identifiers.ai_table import AI_LENGTH, AI_TABLE
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.digital_link import (
    CANONICAL_STEM,
    DigitalLink,
    LinkFault,
    WebAddress,
    arrange,
    checked,
    first_key,
    read_query,
    short,
    write_query,
)
from trace.identifiers.dl_epc import is_epc_segment, link_of_segment
from trace.identifiers.element_string import MOST_ELEMENTS, Element
from trace.identifiers.percent import decode, encode

OPTIMISATIONS: dict[str, tuple[str, ...]] = {
    "0A": ("01", "22"),
    "0B": ("01", "10"),
    "0C": ("01", "21"),
    "0D": ("01", "17"),
    "0E": ("01", "7003"),
    "0F": ("01", "30"),
    "1A": ("01", "10", "17", "21"),
    "1B": ("01", "15"),
    "1C": ("01", "11"),
    "1D": ("01", "16"),
    "1E": ("01", "91"),
    "1F": ("01", "10", "15"),
    **{f"2{letter}": ("01", f"310{digit}") for digit, letter in enumerate("ABCDEF")},
    **{f"3{letter}": ("01", f"320{digit}") for digit, letter in enumerate("ABCDEF")},
    "9A": ("8010", "8011"),
    "9B": ("8017", "8019"),
    "9C": ("8018", "8019"),
    "9D": ("254", "414"),
    **{f"A{digit}": ("01", f"392{digit}") for digit in range(10)},
    **{f"C{digit}": ("255", f"390{digit}") for digit in range(10)},
    **{f"C{letter}": ("255", f"394{digit}") for digit, letter in enumerate("ABCD")},
}
"""Code to AIs, their values in this order. GS1's toolkit, which the links in the world come from, lists 1A and 9D in
another order, but sorts each sequence before it uses it."""

_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_HEX = "0123456789ABCDEF"
_SEGMENT = re.compile(r"[A-Za-z0-9_-]+")
_PRINTABLE = re.compile(r"[ -~]*")

_LONGEST_PAIR = 127
"""Characters of name and of value of a site's pair: seven bits."""

_MOST_PADDING = 8
"""Bits: too few for another element. Up to 5 fill the last character; compressors that work in bytes leave more."""


class _Encoding(IntEnum):
    """How a text is written: three bits in front of it."""

    DIGITS = 0
    HEX_LOWER = 1
    HEX_UPPER = 2
    BASE64 = 3
    ASCII = 4


_CHOICE = (
    (_Encoding.DIGITS, re.compile(r"[0-9]+")),
    (_Encoding.HEX_UPPER, re.compile(r"[0-9A-F]+")),
    (_Encoding.HEX_LOWER, re.compile(r"[0-9a-f]+")),
    (_Encoding.BASE64, _SEGMENT),
)
"""The first that holds the whole text; else ASCII, for an empty one too."""


@dataclass(frozen=True, slots=True)
class _Component:
    """A part of a value as it is compressed."""

    text: bool
    fixed: bool
    most: int


def compress(
    link: DigitalLink,
    stem: str = CANONICAL_STEM,
    *,
    partial: bool = False,
    optimised: bool = True,
    extensions: bool = True,
) -> str:
    """The link in compressed form on this stem.

    `partial` leaves the key as it is; `extensions=False` leaves the site's own parameters in the query, where those
    stay anyway that the form cannot hold (names beyond `A-Za-z0-9_-`, values beyond printable ASCII, no value at all).
    What is compressed loses the order of its query.
    """
    values = dict(link.path + link.attributes)
    key, key_value = link.path[0]
    stem = stem.removesuffix("/")
    if partial:
        del values[key]
        stem = f"{stem}/{key}/{encode(key_value)}"
    pairs = [_pair(each) if extensions else None for each in link.extensions]
    outside = tuple(each for each, pair in zip(link.extensions, pairs, strict=True) if pair is None)
    bits = "".join(_write_elements(values, None if partial else key, optimised))
    bits += "".join(_write_pair(*pair) for pair in pairs if pair is not None)
    segment = f"/{_to_base64(bits)}" if bits else ""
    return stem + segment + write_query((), outside)


def decompress(uri: str) -> DigitalLink:
    """The link that a compressed URI stands for, on its own stem: full, partial, or the EPC of a tag.

    Raises: ParseError when it is none, or its bits are not an element string with a key; LimitError.
    """
    try:
        address = WebAddress.parse(uri)
        return _decompress(address)
    except (ParseError, ValidationError) as error:
        code = error.code or LinkFault.COMPRESSION
        raise ParseError(f"compressed Digital Link {short(uri)}: {error}", code=code, at=error.at) from error


def read_link(uri: str, *, lenient: bool = False) -> DigitalLink:
    """A link in any form: uncompressed, or where its path holds no key, compressed.

    Raises: ParseError, that of the uncompressed form when it is neither; LimitError.
    """
    try:
        return DigitalLink.parse(uri, lenient=lenient)
    except ParseError as error:
        if error.code != LinkFault.NO_KEY:
            raise
        try:
            return decompress(uri)
        except (ParseError, LimitError):
            raise error from None


# ---- writing ------------------------------------------------------------------------------------


def _write_elements(values: dict[str, str], key: str | None, optimised: bool) -> Iterator[str]:
    """Optimised sequences first, then the others sorted by AI."""
    remaining = sorted(values)
    codes = list(_chosen_optimisations(remaining)) if optimised else []
    order = [ai for code in codes for ai in OPTIMISATIONS[code]] + remaining
    if key is not None and key != next(ai for ai in order if AI_TABLE[ai].qualifiers is not None):
        # An attribute that could be a key would come first and be taken for it: the key goes before all others.
        yield _write_ai(key) + _write_value(key, values[key])
        yield from _write_elements({ai: value for ai, value in values.items() if ai != key}, None, optimised)
        return
    for code in codes:
        yield _write_ai(code)
        yield from (_write_value(ai, values[ai]) for ai in OPTIMISATIONS[code])
    yield from (_write_ai(ai) + _write_value(ai, values[ai]) for ai in remaining)


def _chosen_optimisations(remaining: list[str]) -> Iterator[str]:
    """Those that save most digits of AIs, as often as one fits; what they cover is taken out of the list."""
    while fitting := [code for code, ais in OPTIMISATIONS.items() if all(ai in remaining for ai in ais)]:
        best = max(fitting, key=lambda code: len("".join(OPTIMISATIONS[code])))
        for ai in OPTIMISATIONS[best]:
            remaining.remove(ai)
        yield best


def _write_ai(code: str) -> str:
    return "".join(_bits(_HEX.index(digit), 4) for digit in code)


def _write_value(ai: str, value: str) -> str:
    written = ""
    for component in _components(ai):
        part, value = (value[: component.most], value[component.most :]) if component.fixed else (value, "")
        length = "" if component.fixed else _bits(len(part), component.most.bit_length())
        written += _write_text(part, length) if component.text else length + _number(part)
    return written


def _write_text(text: str, length: str) -> str:
    encoding = next((each for each, pattern in _CHOICE if pattern.fullmatch(text)), _Encoding.ASCII)
    match encoding:
        case _Encoding.DIGITS:
            characters = _number(text)
        case _Encoding.HEX_LOWER | _Encoding.HEX_UPPER:
            characters = "".join(_bits(_HEX.index(each), 4) for each in text.upper())
        case _Encoding.BASE64:
            characters = "".join(_bits(_BASE64.index(each), 6) for each in text)
        case _Encoding.ASCII:
            characters = "".join(_bits(ord(each), 7) for each in text)
    return _bits(encoding, 3) + length + characters


def _write_pair(name: str, value: str) -> str:
    letters = "".join(_bits(_BASE64.index(each), 6) for each in name)
    return "1111" + _bits(len(name), 7) + letters + _write_text(value, _bits(len(value), 7))


def _pair(parameter: str) -> tuple[str, str] | None:
    """Name and value as they are compressed, or None where they cannot be."""
    name, equals, value = parameter.partition("=")
    # A plus stays what it is in a query. One that is escaped means itself, and would come back as a space.
    if not equals or "%2B" in value.upper():
        return None
    try:
        value = decode(value)
    except ParseError:
        return None
    holds = (
        _SEGMENT.fullmatch(name) is not None
        and not name.isdigit()  # would be read as an AI
        and len(name) <= _LONGEST_PAIR
        and len(value) <= _LONGEST_PAIR
        and _PRINTABLE.fullmatch(value) is not None
    )
    return (name, value) if holds else None


def _number(digits: str) -> str:
    return _bits(int(digits or "0"), _number_bits(len(digits)))


def _bits(number: int, width: int) -> str:
    return format(number, f"0{width}b")


def _to_base64(bits: str) -> str:
    bits += "0" * (-len(bits) % 6)
    return "".join(_BASE64[int(bits[at : at + 6], 2)] for at in range(0, len(bits), 6))


# ---- reading ------------------------------------------------------------------------------------


def _decompress(address: WebAddress) -> DigitalLink:
    segments = address.segments
    last = len(segments) - 1
    if not _SEGMENT.fullmatch(segments[last]):
        raise ParseError(
            "expected a last segment of A-Z a-z 0-9 - _.", code=LinkFault.COMPRESSION, at=address.place(last)
        )
    stem_length = last
    given: tuple[Element, ...] = ()
    if last >= 2 and segments[last - 2] in AI_TABLE and AI_TABLE[segments[last - 2]].qualifiers is not None:
        stem_length = last - 2
        at = address.place(stem_length)
        given = (checked(segments[stem_length], decode(segments[stem_length + 1]), at=at),)
    try:
        if not given and is_epc_segment(segments[last]):
            link = link_of_segment(segments[last], address.stem(last))
        else:
            link = _link_of_bits(given, segments[last], address.stem(stem_length))
    except (ParseError, ValidationError) as error:
        code = error.code or LinkFault.COMPRESSION
        raise ParseError(str(error), code=code, at=address.place(last)) from error
    attributes, extensions = read_query(address, link.path + link.attributes)
    return DigitalLink(link.stem, link.path, link.attributes + attributes, link.extensions + extensions)


def _link_of_bits(given: tuple[Element, ...], segment: str, stem: str) -> DigitalLink:
    elements, parameters = _Reader(segment).read()
    return replace(_arranged(_once(given + elements), stem), extensions=parameters)


def _once(elements: tuple[Element, ...]) -> dict[str, str]:
    values: dict[str, str] = {}
    for ai, value in elements:
        if ai in values:
            raise ParseError(f"({ai}) is there twice.", code=LinkFault.TWICE)
        values[ai] = value
    return values


def _arranged(values: dict[str, str], stem: str) -> DigitalLink:
    """With the qualifiers of the first sequence that leaves only attributes."""
    key = first_key(values)
    faults: list[ValidationError] = []
    for sequence in AI_TABLE[key].qualifiers or ((),):
        try:
            return arrange(values, key, sequence, stem)
        except ValidationError as error:
            faults.append(error)
    raise faults[0]


class _Reader:
    """Bits of one segment, from left to right."""

    def __init__(self, segment: str) -> None:
        self._bits = "".join(_bits(_BASE64.index(each), 6) for each in segment)
        self._at = 0
        self._what = "AI"

    def read(self) -> tuple[tuple[Element, ...], tuple[str, ...]]:
        """All elements, and the site's parameters as in a query. Raises: ParseError; LimitError."""
        elements: list[Element] = []
        parameters: list[str] = []
        while len(self._bits) - self._at > _MOST_PADDING:
            if len(elements) + len(parameters) >= MOST_ELEMENTS:
                raise LimitError(
                    f"compressed Digital Link: more than {MOST_ELEMENTS} elements.", code=LinkFault.TOO_MANY
                )
            if self._bits.startswith("1111", self._at):
                parameters.append(self._parameter())
            else:
                elements += [checked(ai, self._value(ai)) for ai in self._ais()]
        if "1" in self._bits[self._at :]:
            raise ParseError(f"expected zeros behind bit {self._at}, got {self._bits[self._at :]}.")
        return tuple(elements), tuple(parameters)

    def _ais(self) -> tuple[str, ...]:
        self._what = "AI"
        code = self._hex() + self._hex()
        if not code.isdigit():
            if code not in OPTIMISATIONS:
                raise ParseError(f"code {code!r}: no such optimisation.")
            return OPTIMISATIONS[code]
        while len(code) < AI_LENGTH.get(code[:2], 0):
            code += self._hex()
        return (code,)

    def _value(self, ai: str) -> str:
        if ai not in AI_TABLE:
            raise ParseError(f"AI {ai!r}: no such application identifier.", code=LinkFault.UNKNOWN_AI)
        self._what = f"({ai})"
        value = ""
        for component in _components(ai):
            encoding = self._take(3) if component.text else _Encoding.DIGITS
            length = component.most if component.fixed else self._take(component.most.bit_length())
            value += self._characters(encoding, length)
        return value

    def _parameter(self) -> str:
        self._what = "key=value pair"
        self._take(4)
        name = self._characters(_Encoding.BASE64, self._take(7))
        if not name or name.isdigit():
            raise ParseError(f"key=value pair: expected a name that is no number, got {name!r}.")
        encoding = self._take(3)
        value = self._characters(encoding, self._take(7))
        if not _PRINTABLE.fullmatch(value):
            raise ParseError(f"key=value pair {name[:40]!r}: expected printable ASCII, got {value[:40]!r}.")
        return f"{name}={quote(value, safe='+')}"

    def _characters(self, encoding: int, length: int) -> str:
        match encoding:
            case _Encoding.DIGITS:
                number = self._take(_number_bits(length))
                if number >= 10**length:
                    raise ParseError(f"{self._what}: expected {length} digits, got {number}.")
                return str(number).zfill(length) if length else ""
            case _Encoding.HEX_LOWER:
                return "".join(self._hex() for _ in range(length)).lower()
            case _Encoding.HEX_UPPER:
                return "".join(self._hex() for _ in range(length))
            case _Encoding.BASE64:
                return "".join(_BASE64[self._take(6)] for _ in range(length))
            case _Encoding.ASCII:
                return "".join(chr(self._take(7)) for _ in range(length))
        raise ParseError(f"{self._what}: encoding {encoding}, expected 0 to 4.")

    def _hex(self) -> str:
        return _HEX[self._take(4)]

    def _take(self, width: int) -> int:
        end = self._at + width
        if end > len(self._bits):
            raise ParseError(
                f"the bits end inside {self._what}: expected {width} more, got {len(self._bits) - self._at}."
            )
        number = int(self._bits[self._at : end], 2)
        self._at = end
        return number


# ---- what both need -----------------------------------------------------------------------------


@cache
def _components(ai: str) -> tuple[_Component, ...]:
    """Format of the General Specifications: at most one part of open length, the last."""
    found: list[_Component] = []
    for each in AI_TABLE[ai].components:
        text = each.charset is not NUMERIC
        fixed = each.least == each.most and not each.optional
        if found and found[-1].text == text and found[-1].fixed == fixed:
            found[-1] = _Component(text, fixed, found[-1].most + each.most)
        else:
            found.append(_Component(text, fixed, each.most))
    return tuple(found)


def _number_bits(digits: int) -> int:
    """The standard's formula. It gives one bit for no digit, and one more than 10^59 needs."""
    return ceil(digits * log2(10) + 0.01)
