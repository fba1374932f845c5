"""EPC pure identity URIs: GS1 keys as EPCIS 1.x and RFID software write them (EPC Tag Data Standard, section 6).

    urn:epc:id:sgtin:0614141.112345.400       company prefix . indicator and item reference . serial
    urn:epc:class:lgtin:4012345.012345.998877
    urn:epc:id:giai:0614141.32a%2Fb           a slash, and " % & < > ? # too, is written %XX

The dot shows where the company prefix ends, which the key itself does not know; check digits are left out and computed
(section 7). One row of `URN_SCHEMES` a scheme; patterns for sets of EPCs are `epc_pattern`, tags are `epc_binary`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.epc_keys import Adi, Bic, Gid, Imovn, OtherEpc, UsDod
from trace.identifiers.gs1_keys import (
    Cpi,
    Gcn,
    Gdti,
    Giai,
    Ginc,
    Gln,
    Grai,
    Gsin,
    Gsrn,
    Gsrnp,
    Gtin,
    Itip,
    Lgtin,
    Pgln,
    Sgln,
    Sgtin,
    Sscc,
    Upui,
)
from trace.identifiers.percent import decode, decode_strictly

Gs1EpcKey = (
    Sgtin | Lgtin | Sscc | Gln | Sgln | Grai | Giai | Gsrn | Gsrnp | Gdti | Cpi | Gcn | Ginc | Gsin | Itip | Upui | Pgln
)
EpcKey = Gs1EpcKey | OtherEpc

NO_EXTENSION = "0"
"""Extension of an SGLN that has none: the GLN alone (section 6.3.3)."""

PAD = "="
"""In `UrnScheme.rest`: as many zeros as the company prefix leaves."""

_MUST_ESCAPE = re.compile(r'["%&/<>?#]')
"""Characters of sets 82 and 39 that a URN does not hold as they are (section 5)."""

_LONGEST = 400
"""More than any EPC has, every character of it escaped."""


@dataclass(frozen=True, slots=True)
class UrnScheme:
    """One scheme of section 6.3 or 6.4."""

    name: str
    """As it stands in the URI: `sgtin`."""
    kind: str
    """`id`, or `class` for lots."""
    wanted: str
    """The fields between the dots, for people."""
    digits: int
    """Of company prefix and reference together; 0 where there is no such rule."""
    key_of: Callable[[Sequence[str]], EpcKey]
    """The key of unescaped fields. Raises: ParseError."""
    rest: tuple[str, ...]
    """The shortest valid fields behind the first one."""

    @property
    def count(self) -> int:
        """Number of fields."""
        return 1 + len(self.rest)

    def split(self, body: str) -> list[str]:
        """Fields, still escaped; dots may stand in the last one.

        Raises: ParseError.
        """
        fields = body.split(".", self.count - 1)
        if len(fields) != self.count:
            raise ParseError(f"expected {self.wanted} between dots.")
        return fields


@dataclass(frozen=True, slots=True)
class EpcUrn:
    """A key and how long its company prefix is."""

    key: EpcKey
    company_prefix_length: int | None
    """6 to 12 digits; a company prefix of 4 or 5 counts as 6 (section 7.1). None exactly for what is no GS1 key."""

    def __post_init__(self) -> None:
        length = self.company_prefix_length
        if isinstance(self.key, OtherEpc):
            if length is not None:
                raise ValidationError(f"EPC of {self.key}: company prefix of {length}, expected none.")
            return
        if type(self.key) not in _SCHEME_OF:
            raise ValidationError(f"EPC of {self.key}: no EPC scheme names it.")
        if length is None or not 6 <= length <= 12:
            raise ValidationError(f"EPC of {self.key}: company prefix of {length}, expected 6 to 12.")
        match self.key:
            case Sgln(_, extension) if extension == NO_EXTENSION:
                raise ValidationError(f"EPC of {self.key}: extension 0 stands for no extension there.")
            case Grai(_, "") | Gdti(_, "") | Gcn(_, "") | Cpi(_, "") | Itip(_, _, _, ""):
                raise ValidationError(f"EPC of {self.key}: it names a class, expected a serial number.")
            case Giai(value) | Ginc(value) | Cpi(value, _):
                if not NUMERIC.holds(value[:length]) or len(value) <= length:
                    raise ValidationError(
                        f"EPC of {self.key}: expected a company prefix of {length} digits and a reference behind it."
                    )

    @classmethod
    def parse(cls, text: str, *, lenient: bool = False) -> Self:
        """`urn:epc:id:` with any scheme of section 6.3, and `urn:epc:class:lgtin:`.

        `lenient` also reads characters that should have been written `%XX`.

        Raises: ParseError.
        """
        try:
            scheme, fields = read_fields(text, URN_SCHEMES, lenient=lenient)
            key = scheme.key_of(fields)
        except ParseError as error:
            raise ParseError(f"EPC {text[:80]!r}: {error}") from error
        return cls(key, None if isinstance(key, OtherEpc) else len(fields[0]))

    @property
    def scheme(self) -> UrnScheme:
        return _SCHEME_OF[type(self.key)]

    @property
    def fields(self) -> tuple[str, ...]:
        """What stands between the dots, unescaped."""
        return fields_of(self.key, self.company_prefix_length or 0)

    def __str__(self) -> str:
        scheme = self.scheme
        return f"urn:epc:{scheme.kind}:{scheme.name}:{join(self.fields)}"


def join(fields: Sequence[str]) -> str:
    """Escaped and dotted."""
    body = ".".join(fields)
    return ".".join(map(_escape, fields)) if _MUST_ESCAPE.search(body) else body


def read_fields(
    text: str, schemes: dict[str, UrnScheme], *, lenient: bool = False
) -> tuple[UrnScheme, tuple[str, ...]]:
    """Scheme and unescaped fields of a URI that begins with one of the prefixes.

    Raises: ParseError.
    """
    if len(text) > _LONGEST:
        raise ParseError(f"expected at most {_LONGEST} characters, got {len(text)}.")
    words = text.split(":", 4)  # a colon may stand in a serial number
    scheme = schemes.get(":".join(words[:4]))
    if scheme is None or len(words) < 5:
        kinds = " or ".join(dict.fromkeys(prefix.rpartition(":")[0] + ":" for prefix in schemes))
        names = ", ".join(each.name for each in schemes.values())
        raise ParseError(f"expected {kinds} with {names}.")
    body = words[4]
    if not lenient:
        stray = _MUST_ESCAPE.search(body.replace("%", ""))
        if stray is not None:
            raise ParseError(f"{stray.group()!r} must be written %{ord(stray.group()):02X}.")
    unescape = decode if lenient else decode_strictly
    return scheme, tuple(unescape(field) for field in scheme.split(body))


@lru_cache(maxsize=4096)
def gtin_of_parts(prefix: str, reference: str) -> Gtin:
    """Cached, for a reader meets the same few trade items again and again.

    Raises: ParseError when they do not make 13 digits.
    """
    return Gtin(_with_leading_digit(prefix, reference, 13))


def fields_of(key: EpcKey, length: int) -> tuple[str, ...]:
    """The fields of an EPC, given the length of the company prefix. The inverse of `UrnScheme.key_of`."""
    match key:
        case Sgtin(Gtin(digits), tail) | Lgtin(Gtin(digits), tail) | Upui(Gtin(digits), tail):
            return (*_leading_digit_moved(digits, length), tail)
        case Itip(Gtin(digits), piece, total, tail):
            return (*_leading_digit_moved(digits, length), piece, total, tail)
        case Sscc(digits):
            return _leading_digit_moved(digits, length)
        case Gln(digits):
            return digits[:length], digits[length:-1], NO_EXTENSION
        case Sgln(Gln(digits), tail) | Grai(digits, tail) | Gdti(digits, tail) | Gcn(digits, tail):
            return digits[:length], digits[length:-1], tail
        case Gsrn(digits) | Gsrnp(digits) | Gsin(digits) | Pgln(digits):
            return digits[:length], digits[length:-1]
        case Giai(value) | Ginc(value):
            return value[:length], value[length:]
        case Cpi(value, tail):
            return value[:length], value[length:], tail
        case Gid(manager, object_class, serial):
            return manager, object_class, serial
        case UsDod(cage, serial):
            return cage, serial
        case Adi(cage, part, serial):
            return cage, part, serial
        case Bic(code) | Imovn(code):
            return (code,)


def _leading_digit_moved(digits: str, length: int) -> tuple[str, str]:
    """In the key the indicator stands in front of the company prefix, in the EPC behind it."""
    return digits[1 : 1 + length], digits[0] + digits[1 + length : -1]


def _with_leading_digit(prefix: str, reference: str, length: int) -> str:
    digits = _digits(prefix, reference, length)
    place = len(prefix)
    return _with_check_digit(digits[place] + prefix + digits[place + 1 :])


def _straight(prefix: str, reference: str, length: int) -> str:
    return _with_check_digit(_digits(prefix, reference, length))


def _digits(prefix: str, reference: str, length: int) -> str:
    digits = prefix + reference
    if not 6 <= len(prefix) <= 12 or len(digits) != length or not NUMERIC.holds(digits):
        raise ParseError(
            f"expected a company prefix of 6 to 12 digits and {length} digits with the reference, "
            f"got {prefix[:20]!r} and {reference[:20]!r}."
        )
    return digits


def _with_text(prefix: str, reference: str) -> str:
    if not 6 <= len(prefix) <= 12 or not NUMERIC.holds(prefix) or not reference:
        raise ParseError(
            f"expected a company prefix of 6 to 12 digits and a reference, got {prefix[:20]!r} and {reference[:20]!r}."
        )
    return prefix + reference


def _with_check_digit(digits: str) -> str:
    return digits + gs1_check_digit(digits)


def _serial(text: str) -> str:
    if not text:
        raise ParseError("expected a serial number in the last field.")
    return text


def _place(fields: Sequence[str]) -> Gln | Sgln:
    gln = Gln(_straight(fields[0], fields[1], 12))
    return gln if fields[2] == NO_EXTENSION else Sgln(gln, fields[2])


def _escape(text: str) -> str:
    return _MUST_ESCAPE.sub(lambda match: f"%{ord(match.group()):02X}", text)


_TRIPLE = "company prefix, reference and serial number"
_PAIR = "company prefix and reference"

_SCHEMES = (
    UrnScheme("sgtin", "id", _TRIPLE, 13, lambda f: Sgtin(gtin_of_parts(f[0], f[1]), f[2]), (PAD, "0")),
    UrnScheme("sscc", "id", _PAIR, 17, lambda f: Sscc(_with_leading_digit(f[0], f[1], 17)), (PAD,)),
    UrnScheme("sgln", "id", "company prefix, reference and extension", 12, _place, (PAD, "0")),
    UrnScheme("grai", "id", _TRIPLE, 12, lambda f: Grai(_straight(f[0], f[1], 12), _serial(f[2])), (PAD, "0")),
    UrnScheme("giai", "id", _PAIR, 0, lambda f: Giai(_with_text(f[0], f[1])), ("0",)),
    UrnScheme("gsrn", "id", _PAIR, 17, lambda f: Gsrn(_straight(f[0], f[1], 17)), (PAD,)),
    UrnScheme("gsrnp", "id", _PAIR, 17, lambda f: Gsrnp(_straight(f[0], f[1], 17)), (PAD,)),
    UrnScheme("gdti", "id", _TRIPLE, 12, lambda f: Gdti(_straight(f[0], f[1], 12), _serial(f[2])), (PAD, "0")),
    UrnScheme("cpi", "id", _TRIPLE, 0, lambda f: Cpi(_with_text(f[0], f[1]), _serial(f[2])), ("0", "0")),
    UrnScheme("sgcn", "id", _TRIPLE, 12, lambda f: Gcn(_straight(f[0], f[1], 12), _serial(f[2])), (PAD, "0")),
    UrnScheme("ginc", "id", _PAIR, 0, lambda f: Ginc(_with_text(f[0], f[1])), ("0",)),
    UrnScheme("gsin", "id", _PAIR, 16, lambda f: Gsin(_straight(f[0], f[1], 16)), (PAD,)),
    UrnScheme(
        "itip",
        "id",
        "company prefix, reference, piece, total and serial number",
        13,
        lambda f: Itip(gtin_of_parts(f[0], f[1]), f[2], f[3], _serial(f[4])),
        (PAD, "01", "01", "0"),
    ),
    UrnScheme("upui", "id", _TRIPLE, 13, lambda f: Upui(gtin_of_parts(f[0], f[1]), f[2]), (PAD, "0")),
    UrnScheme("pgln", "id", _PAIR, 12, lambda f: Pgln(_straight(f[0], f[1], 12)), (PAD,)),
    UrnScheme("gid", "id", "manager, object class and serial number", 0, lambda f: Gid(*f), ("0", "0")),
    UrnScheme("usdod", "id", "CAGE code and serial number", 0, lambda f: UsDod(*f), ("0",)),
    UrnScheme("adi", "id", "CAGE code, part number and serial number", 0, lambda f: Adi(*f), ("", "0")),
    UrnScheme("bic", "id", "a container code", 0, lambda f: Bic(*f), ()),
    UrnScheme("imovn", "id", "a vessel number", 0, lambda f: Imovn(*f), ()),
    UrnScheme(
        "lgtin",
        "class",
        "company prefix, reference and lot number",
        13,
        lambda f: Lgtin(gtin_of_parts(f[0], f[1]), f[2]),
        (PAD, "0"),
    ),
)

URN_SCHEMES = {f"urn:epc:{scheme.kind}:{scheme.name}": scheme for scheme in _SCHEMES}
"""By what the URI begins with."""

_BY_NAME = {scheme.name: scheme for scheme in _SCHEMES}

_SCHEME_OF: dict[type[EpcKey], UrnScheme] = {
    Sgtin: _BY_NAME["sgtin"],
    Lgtin: _BY_NAME["lgtin"],
    Sscc: _BY_NAME["sscc"],
    Gln: _BY_NAME["sgln"],
    Sgln: _BY_NAME["sgln"],
    Grai: _BY_NAME["grai"],
    Giai: _BY_NAME["giai"],
    Gsrn: _BY_NAME["gsrn"],
    Gsrnp: _BY_NAME["gsrnp"],
    Gdti: _BY_NAME["gdti"],
    Cpi: _BY_NAME["cpi"],
    Gcn: _BY_NAME["sgcn"],
    Ginc: _BY_NAME["ginc"],
    Gsin: _BY_NAME["gsin"],
    Itip: _BY_NAME["itip"],
    Upui: _BY_NAME["upui"],
    Pgln: _BY_NAME["pgln"],
    Gid: _BY_NAME["gid"],
    UsDod: _BY_NAME["usdod"],
    Adi: _BY_NAME["adi"],
    Bic: _BY_NAME["bic"],
    Imovn: _BY_NAME["imovn"],
}
