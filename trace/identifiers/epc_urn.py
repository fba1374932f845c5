"""EPC pure identity URIs: GS1 keys as EPCIS 1.x and RFID software write them (EPC Tag Data Standard, section 6).

    urn:epc:id:sgtin:0614141.112345.400       company prefix . indicator and item reference . serial
    urn:epc:class:lgtin:4012345.012345.998877

The dot shows where the company prefix ends, which the key itself does not know; check digits are left out and computed.
"""

import re
from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.gs1_keys import Gln, Gtin, Lgtin, Sgln, Sgtin, Sscc
from trace.identifiers.percent import decode_strictly

EpcKey = Sgtin | Lgtin | Sscc | Gln | Sgln

NO_EXTENSION = "0"
"""Extension of an SGLN that has none: the GLN alone (section 6.3.3)."""

_SCHEMES = ("urn:epc:id:sgtin", "urn:epc:id:sscc", "urn:epc:id:sgln", "urn:epc:class:lgtin")

_MUST_ESCAPE = re.compile(r'["%&/<>?]')
"""Characters of set 82 that a URN does not hold as they are (section 6.3)."""


@dataclass(frozen=True, slots=True)
class EpcUrn:
    """A key and how long its company prefix is."""

    key: EpcKey
    company_prefix_length: int
    """6 to 12 digits."""

    def __post_init__(self) -> None:
        if not 6 <= self.company_prefix_length <= 12:
            raise ValidationError(
                f"EPC of {self.key}: company prefix of {self.company_prefix_length}, expected 6 to 12."
            )
        if isinstance(self.key, Sgln) and self.key.extension == NO_EXTENSION:
            raise ValidationError(f"EPC of {self.key}: extension 0 stands for no extension there.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """`urn:epc:id:` with sgtin, sscc or sgln, and `urn:epc:class:lgtin:`.

        Raises: ParseError.
        """
        try:
            prefix, key = _read(text)
        except ParseError as error:
            raise ParseError(f"EPC {text[:80]!r}: {error}") from error
        return cls(key, len(prefix))

    @property
    def parts(self) -> tuple[str, str]:
        """Company prefix, and reference with the indicator or extension digit in front; no check digit."""
        length = self.company_prefix_length
        match self.key:
            case Sgtin(gtin, _) | Lgtin(gtin, _):
                body = gtin.digits
            case Sscc(digits):
                body = digits
            case Gln(digits) | Sgln(Gln(digits), _):
                return digits[:length], digits[length:-1]
        return body[1 : 1 + length], body[0] + body[1 + length : -1]

    def __str__(self) -> str:
        parts = ".".join(self.parts)
        match self.key:
            case Sgtin(_, serial):
                return f"urn:epc:id:sgtin:{parts}.{_escape(serial)}"
            case Lgtin(_, lot):
                return f"urn:epc:class:lgtin:{parts}.{_escape(lot)}"
            case Sscc():
                return f"urn:epc:id:sscc:{parts}"
            case Gln():
                return f"urn:epc:id:sgln:{parts}.{NO_EXTENSION}"
            case Sgln(_, extension):
                return f"urn:epc:id:sgln:{parts}.{_escape(extension)}"


def gtin_of_parts(prefix: str, reference: str) -> Gtin:
    """Raises: ParseError when they do not make 13 digits."""
    return Gtin(_with_leading_digit(prefix, reference, 13))


def sscc_of_parts(prefix: str, reference: str) -> Sscc:
    """Raises: ParseError when they do not make 17 digits."""
    return Sscc(_with_leading_digit(prefix, reference, 17))


def place_of_parts(prefix: str, reference: str, extension: str) -> Gln | Sgln:
    """Raises: ParseError when they do not make 12 digits, or the extension is not valid."""
    gln = Gln(_with_check_digit(_digits(prefix, reference, 12)))
    return gln if extension == NO_EXTENSION else Sgln(gln, extension)


def _read(text: str) -> tuple[str, EpcKey]:
    words = text.split(":", 4)  # a colon may stand in a serial number
    scheme, body = ":".join(words[:4]), "".join(words[4:])
    if scheme not in _SCHEMES:
        raise ParseError("expected urn:epc:id: with sgtin, sscc or sgln, or urn:epc:class:lgtin.")
    if scheme == "urn:epc:id:sscc":
        prefix, _, reference = body.partition(".")
        return prefix, sscc_of_parts(prefix, reference)
    prefix, dot, rest = body.partition(".")
    reference, second_dot, tail = rest.partition(".")
    if not dot or not second_dot:
        raise ParseError("expected company prefix, reference and serial number between dots.")
    serial = _unescape(tail)
    match scheme:
        case "urn:epc:id:sgtin":
            return prefix, Sgtin(gtin_of_parts(prefix, reference), serial)
        case "urn:epc:class:lgtin":
            return prefix, Lgtin(gtin_of_parts(prefix, reference), serial)
        case _:
            return prefix, place_of_parts(prefix, reference, serial)


def _with_leading_digit(prefix: str, reference: str, length: int) -> str:
    digits = _digits(prefix, reference, length)
    # In the key, the indicator stands in front of the company prefix.
    return _with_check_digit(digits[len(prefix)] + digits[: len(prefix)] + digits[len(prefix) + 1 :])


def _digits(prefix: str, reference: str, length: int) -> str:
    digits = prefix + reference
    if not 6 <= len(prefix) <= 12 or len(digits) != length or not NUMERIC.holds(digits):
        raise ParseError(
            f"expected a company prefix of 6 to 12 digits and {length} digits with the reference, "
            f"got {prefix[:20]!r} and {reference[:20]!r}."
        )
    return digits


def _with_check_digit(digits: str) -> str:
    return digits + gs1_check_digit(digits)


def _escape(text: str) -> str:
    return _MUST_ESCAPE.sub(lambda match: f"%{ord(match.group()):02X}", text)


def _unescape(text: str) -> str:
    stray = _MUST_ESCAPE.search(text.replace("%", ""))
    if stray is not None:
        raise ParseError(f"{stray.group()!r} must be written %{ord(stray.group()):02X}.")
    return decode_strictly(text)
