"""EPC identities that are no GS1 keys: numbers of other systems that EPC tags and EPCIS events may carry.

They have a pure identity URI and no Digital Link (EPC Tag Data Standard, 6.3.16 to 6.3.20). Each class takes the values
between the dots, unescaped, and refuses what its grammar does; the URI itself is `epc_urn`'s.
"""

import re
from dataclasses import dataclass

from trace.errors import ParseError

_CAGE = re.compile(r"[0-9A-HJ-NP-Z]{5,6}")
"""Commercial and Government Entity code (5) or DoD Activity Address Code (6): no I and no O."""

_PART = re.compile(r"[A-Z0-9\-/]{0,32}")
_PART_SERIAL = re.compile(r"#?[A-Z0-9\-/]+")
_CONTAINER = re.compile(r"[A-HJ-NP-Z]{3}[JUZ][0-9]{7}")
_VESSEL = re.compile(r"[0-9]{7}")


@dataclass(frozen=True, slots=True)
class Gid:
    """General Identifier: manager, class, serial. Managers have not been registered since June 2023."""

    manager: str
    """Number below 2^28, no leading zeros."""
    object_class: str
    """Number below 2^24."""
    serial: str
    """Number below 2^36."""

    def __post_init__(self) -> None:
        require_number("GID manager", self.manager, 28)
        require_number("GID object class", self.object_class, 24)
        require_number("GID serial number", self.serial, 36)


@dataclass(frozen=True, slots=True)
class UsDod:
    """Shipment item of a supplier of the US Department of Defense."""

    cage: str
    """CAGE code or DoDAAC."""
    serial: str
    """Number below 2^36, no leading zeros."""

    def __post_init__(self) -> None:
        _require("CAGE code or DoDAAC", self.cage, _CAGE, "5 or 6 of 0-9 A-Z without I and O")
        require_number("USDOD serial number", self.serial, 36)


@dataclass(frozen=True, slots=True)
class Adi:
    """Aerospace and Defense Identifier: an aircraft part."""

    cage: str
    """CAGE code or DoDAAC."""
    part: str
    """Original part number, up to 32; empty where serial numbers are unique in the whole enterprise."""
    serial: str
    """1 to 30; `#` in front: made up for the tag, the part itself has none."""

    def __post_init__(self) -> None:
        _require("CAGE code or DoDAAC", self.cage, _CAGE, "5 or 6 of 0-9 A-Z without I and O")
        _require("ADI part number", self.part, _PART, "at most 32 of A-Z 0-9 - /")
        _require("ADI serial number", self.serial, _PART_SERIAL, "1 to 30 of A-Z 0-9 - /, # in front only")
        if len(self.serial) > 30:
            raise ParseError(f"ADI serial number {self.serial[:40]!r}: expected at most 30, got {len(self.serial)}.")


@dataclass(frozen=True, slots=True)
class Bic:
    """Freight container, ISO 6346. The check digit is not checked: containers with a wrong one are on the road."""

    code: str
    """Owner code, equipment category J, U or Z, 6 digits and the check digit."""

    def __post_init__(self) -> None:
        _require("BIC container code", self.code, _CONTAINER, "3 letters without I and O, J U or Z, 7 digits")


@dataclass(frozen=True, slots=True)
class Imovn:
    """Ship, by the number that the International Maritime Organization gave its hull."""

    number: str
    """7 digits."""

    def __post_init__(self) -> None:
        _require("IMO vessel number", self.number, _VESSEL, "7 digits")


OtherEpc = Gid | UsDod | Adi | Bic | Imovn


def require_number(what: str, text: str, bits: int) -> None:
    """Grammar `NumericComponent`, and small enough for its field.

    Raises: ParseError.
    """
    if not text.isascii() or not text.isdigit() or (text[0] == "0" and text != "0"):
        raise ParseError(f"{what} {text[:40]!r}: expected a number without leading zeros.")
    # Longer than any field: int() of very many digits is refused by Python itself.
    if len(text) > 20 or int(text) >> bits:
        raise ParseError(f"{what} {text[:40]!r}: expected at most {(1 << bits) - 1}.")


def _require(what: str, text: str, pattern: re.Pattern[str], wanted: str) -> None:
    if pattern.fullmatch(text) is None:
        raise ParseError(f"{what} {text[:40]!r}: expected {wanted}.")
