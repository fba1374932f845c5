"""EPC tag patterns: sets of tags, for the filters of readers and middleware (EPC Tag Data Standard 2.3, section 13).

    urn:epc:pat:sgtin-96:3.0614141.112345.*               all items of one GTIN with filter value 3
    urn:epc:pat:sgtin-96:*.0614141.[100000-112345].*      numbers from and to, both included
    urn:epc:pat:sgtin-96:*.*.*.*                          all tags of this scheme

Like a tag URI, with stars and, where a field is a number, ranges. Behind a star for the company prefix stands one for
the reference too: what the reference means depends on whose it is. Control fields are no part of a pattern.
"""

import re
from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.epc_pattern import STAR
from trace.identifiers.epc_tag_uri import TagUri
from trace.identifiers.epc_urn import PAD, URN_SCHEMES, UrnScheme, join
from trace.identifiers.percent import decode_strictly

_PATTERN = "urn:epc:pat:"
_RANGE = re.compile(r"\[(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})\]")
_LONGEST = 400

_WITHOUT_FILTER = ("gid-96",)
_TEXT_TAIL = ("sgtin-198", "sgln-195", "grai-170", "giai-202", "gdti-174", "itip-212", "adi-var")
"""The last field is text, in which `[` cannot stand, and so no range."""
_FIELDS_AT_WILL = ("gid", "usdod", "adi")
"""Their first field is no GS1 company prefix."""


@dataclass(frozen=True, slots=True)
class Between:
    """A range, both ends included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"[{self.low}-{self.high}]"


Field = str | Between
"""Unescaped text that a field must equal, `*` for anything, or a range."""


@dataclass(frozen=True, slots=True)
class TagPattern:
    """A set of tags of one scheme."""

    scheme: str
    """`sgtin-96`."""
    filter_value: Field
    """`*` where the scheme has none (GID)."""
    fields: tuple[Field, ...]
    """What the pure identity has between its dots."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`urn:epc:pat:` with any scheme that has a tag URI. Raises: ParseError."""
        try:
            if not text.startswith(_PATTERN) or len(text) > _LONGEST:
                raise ParseError(f"expected {_PATTERN} and at most {_LONGEST} characters.")
            name, _, body = text.removeprefix(_PATTERN).partition(":")
            scheme = _urn_scheme(name)
            filter_text, rest = (STAR, body) if name in _WITHOUT_FILTER else _cut(body)
            fields = tuple(_field(field) for field in scheme.split(rest))
            pattern = cls(name, _field(filter_text), fields)
            pattern._check(scheme)
        except (ParseError, ValidationError) as error:
            raise ParseError(f"EPC tag pattern {text[:80]!r}: {error}") from error
        return pattern

    def matches(self, tag: TagUri) -> bool:
        """Whether the tag is in the set: text equal, leading zeros counted; numbers in their range."""
        if tag.scheme != self.scheme:
            return False
        values = (str(tag.filter_value), *tag.urn.fields)
        return all(map(_admits, (self.filter_value, *self.fields), values))

    def __str__(self) -> str:
        written = (field if isinstance(field, Between) else join((field,)) for field in self.fields)
        head = () if self.scheme in _WITHOUT_FILTER else (self.filter_value,)
        return f"{_PATTERN}{self.scheme}:{'.'.join(map(str, (*head, *written)))}"

    def _check(self, scheme: UrnScheme) -> None:
        if scheme.name not in _FIELDS_AT_WILL and len(self.fields) > 1:
            prefix, reference = self.fields[:2]
            if isinstance(prefix, Between):
                raise ParseError(f"company prefix {prefix}: expected digits or a star.")
            if prefix == STAR and reference != STAR:
                raise ParseError("behind a star for the company prefix, expected one for the reference.")
        if self.scheme in _TEXT_TAIL and isinstance(self.fields[-1], Between):
            raise ParseError(f"{self.fields[-1]}: this field of {self.scheme} is text, expected no range.")
        if scheme.name == "itip" and (self.fields[2] == STAR) != (self.fields[3] == STAR):
            raise ParseError("piece and total are both known or both a star.")
        # Both ends of the set must be tags: with the lowest and the highest of each range.
        for highest in (False, True):
            self._example(scheme, highest=highest)

    def _example(self, scheme: UrnScheme, *, highest: bool) -> TagUri:
        """One tag of the set. Raises: ParseError when it cannot be."""
        prefix = self.fields[0]
        first = "0" * 6 if prefix == STAR else _end(prefix, highest)
        fields = [first]
        for field, least in zip(self.fields[1:], scheme.rest, strict=True):
            wide = scheme.digits - len(first) if least == PAD else 0
            value = ("0" * wide if least == PAD else least) if field == STAR else _end(field, highest)
            # A range is written as numbers, and the field it stands for is filled up with zeros.
            fields.append(value.zfill(wide) if isinstance(field, Between) else value)
        if scheme.name in ("usdod", "adi") and prefix == STAR:
            fields[0] = "00000"
        elif scheme.name == "gid" and prefix == STAR:
            fields[0] = "0"
        head = "" if self.scheme in _WITHOUT_FILTER else f"{_end(self.filter_value, highest, '0')}."
        return TagUri.parse(f"urn:epc:tag:{self.scheme}:{head}{join(fields)}")


def _urn_scheme(name: str) -> UrnScheme:
    family, dash, _ = name.partition("-")
    scheme = URN_SCHEMES.get(f"urn:epc:id:{family}")
    if not dash or scheme is None:
        raise ParseError(f"expected a scheme such as sgtin-96, got {name[:20]!r}.")
    return scheme


def _cut(body: str) -> tuple[str, str]:
    filter_text, dot, rest = body.partition(".")
    if not dot:
        raise ParseError(f"expected a filter value, a dot and fields, got {body[:20]!r}.")
    return filter_text, rest


def _field(text: str) -> Field:
    if not text.startswith("["):
        return decode_strictly(text)
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ParseError(f"range {text[:40]!r}: expected [from-to], two numbers without leading zeros.")
    low, high = int(match[1]), int(match[2])
    if low > high:
        raise ParseError(f"range {text[:40]!r}: expected the lower number first.")
    return Between(low, high)


def _end(field: Field, highest: bool, star: str = STAR) -> str:
    if isinstance(field, Between):
        return str(field.high if highest else field.low)
    return star if field == STAR else field


def _admits(field: Field, value: str) -> bool:
    if isinstance(field, Between):
        return value.isascii() and value.isdigit() and field.low <= int(value) <= field.high
    return field in (STAR, value)
