"""GS1 identification keys: trade items, their lots and serial numbers, logistic units, locations.

`parse()` takes what people and scanners write, the constructor takes the normal form; both refuse what is not valid, so
a key that exists is right. `parse(str(key)) == key`. Composite keys are written as a bracketed element string:
`(01)09520000000035(21)A7`. GS1 General Specifications, section 3; which carrier a key came in is not known here.
"""

from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError
from trace.identifiers.charsets import CSET_82, NUMERIC
from trace.identifiers.check_digits import gs1_check_digit


@dataclass(frozen=True, slots=True)
class Gtin:
    """Global Trade Item Number: what is sold, at one packing level."""

    digits: str
    """Always 14; a GTIN-8, -12 or -13 is filled with zeros on the left."""

    def __post_init__(self) -> None:
        _require_digits("GTIN", self.digits, (14,))
        _require_check_digit("GTIN", self.digits)

    @classmethod
    def parse(cls, text: str) -> Self:
        """8, 12, 13 or 14 digits.

        Raises: ParseError for another length, a character that is no digit, or a wrong check digit.
        """
        _require_digits("GTIN", text, (8, 12, 13, 14))
        _require_check_digit("GTIN", text)
        return cls(text.zfill(14))

    @property
    def is_restricted(self) -> bool:
        """Numbered for use inside a shop, company or region: no global identification.

        GS1 prefixes 02, 04 and 20 to 29; a GTIN-8 has prefixes of its own, 0 and 2 (General Specifications, 1.4.3).
        """
        if self.digits.startswith("000000"):
            return self.digits[6] in "02"
        return self.digits[1:3] in ("02", "04") or self.digits[1] == "2"

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class Sgtin:
    """One item of a GTIN: GTIN and serial number, AI (01) and (21)."""

    gtin: Gtin
    serial: str
    """1 to 20 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("serial number", self.serial, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(01)` 14 digits `(21)` serial number. Raises: ParseError."""
        gtin, serial = _split("SGTIN", text, "01", 14, "21")
        return cls(Gtin(gtin), serial)

    def __str__(self) -> str:
        return f"(01){self.gtin}(21){self.serial}"


@dataclass(frozen=True, slots=True)
class Lgtin:
    """One lot of a GTIN: GTIN and batch or lot number, AI (01) and (10)."""

    gtin: Gtin
    lot: str
    """1 to 20 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("lot number", self.lot, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(01)` 14 digits `(10)` lot number. Raises: ParseError."""
        gtin, lot = _split("LGTIN", text, "01", 14, "10")
        return cls(Gtin(gtin), lot)

    def __str__(self) -> str:
        return f"(01){self.gtin}(10){self.lot}"


@dataclass(frozen=True, slots=True)
class Sscc:
    """Serial Shipping Container Code: one logistic unit, a case or a pallet."""

    digits: str
    """18."""

    def __post_init__(self) -> None:
        _require_digits("SSCC", self.digits, (18,))
        _require_check_digit("SSCC", self.digits)

    @classmethod
    def parse(cls, text: str) -> Self:
        """18 digits. Raises: ParseError."""
        return cls(text)

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class Gln:
    """Global Location Number: a place or a party."""

    digits: str
    """13."""

    def __post_init__(self) -> None:
        _require_digits("GLN", self.digits, (13,))
        _require_check_digit("GLN", self.digits)

    @classmethod
    def parse(cls, text: str) -> Self:
        """13 digits. Raises: ParseError."""
        return cls(text)

    def __str__(self) -> str:
        return self.digits


@dataclass(frozen=True, slots=True)
class Sgln:
    """A place inside a location: GLN and extension, AI (414) and (254).

    A place without an extension is the `Gln` itself, so that one place has one key and one URI.
    """

    gln: Gln
    extension: str
    """1 to 20 characters of set 82."""

    def __post_init__(self) -> None:
        _require_text("GLN extension", self.extension, 20)

    @classmethod
    def parse(cls, text: str) -> Self:
        """`(414)` 13 digits `(254)` extension. Raises: ParseError."""
        gln, extension = _split("SGLN", text, "414", 13, "254")
        return cls(Gln(gln), extension)

    def __str__(self) -> str:
        return f"(414){self.gln}(254){self.extension}"


def _require_digits(key: str, text: str, lengths: tuple[int, ...]) -> None:
    if not NUMERIC.holds(text):
        raise ParseError(f"{key} {text[:40]!r}: expected digits only.")
    if len(text) not in lengths:
        wanted = " or ".join(map(str, lengths))
        raise ParseError(f"{key} {text[:40]!r}: expected {wanted} digits, got {len(text)}.")


def _require_check_digit(key: str, digits: str) -> None:
    computed = gs1_check_digit(digits[:-1])
    if digits[-1] != computed:
        raise ParseError(f"{key} {digits!r}: check digit is {digits[-1]}, computed {computed}.")


def _require_text(what: str, text: str, most: int) -> None:
    if not 1 <= len(text) <= most:
        raise ParseError(f"{what} {text[:40]!r}: expected 1 to {most} characters, got {len(text)}.")
    foreign = CSET_82.first_foreign(text)
    if foreign is not None:
        raise ParseError(f"{what} {text!r}: {text[foreign]!r} at {foreign + 1}, expected {CSET_82.name}.")


def _split(key: str, text: str, first_ai: str, length: int, second_ai: str) -> tuple[str, str]:
    """By place and not by bracket: brackets are legal characters of a serial number."""
    first, second = f"({first_ai})", f"({second_ai})"
    cut = len(first) + length
    if not text.startswith(first) or not text.startswith(second, cut):
        raise ParseError(f"{key} {text[:60]!r}: expected {first}{length} digits{second}text.")
    return text[len(first) : cut], text[cut + len(second) :]
