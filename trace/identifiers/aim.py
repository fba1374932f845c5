"""AIM symbology identifiers: what a reader says about the symbol, `]` and two characters before the data.

They alone tell whether a symbol began with FNC1, and so whether its data is a GS1 element string (ISO/IEC 15424;
GS1 General Specifications, figure 5.1.2-1). An identifier that we do not know is a result, `Reading.UNKNOWN`.
"""

from dataclasses import dataclass
from enum import StrEnum


class Reading(StrEnum):
    """How the data behind an identifier is to be read."""

    ELEMENT_STRING = "element string"
    """GS1 element string; FNC1 as 0x1D."""
    GTIN = "gtin"
    """The digits of a GTIN and nothing else."""
    GTIN_ADD_ON = "gtin with add-on"
    """A GTIN-13 and a 2 or 5 digit add-on of a periodical."""
    PLAIN = "plain"
    """Anything: a Digital Link, a national code, text."""
    UNKNOWN = "unknown"
    """Anything, from a symbol we have no name for."""


@dataclass(frozen=True, slots=True)
class Symbology:
    """A kind of symbol, as far as the meaning of its data goes."""

    identifier: str
    """`]d2`."""
    name: str
    reading: Reading


_E, _G, _A, _P = Reading.ELEMENT_STRING, Reading.GTIN, Reading.GTIN_ADD_ON, Reading.PLAIN

_KNOWN = {
    identifier: Symbology(identifier, name, reading)
    for identifier, name, reading in (
        ("]C1", "GS1-128", _E),
        ("]d2", "GS1 DataMatrix", _E),
        ("]d5", "GS1 DataMatrix", _E),  # with extended channel interpretation
        ("]Q3", "GS1 QR Code", _E),
        ("]Q4", "GS1 QR Code", _E),  # with extended channel interpretation
        ("]e0", "GS1 DataBar or GS1 Composite", _E),
        ("]J1", "GS1 DotCode", _E),
        ("]E0", "EAN-13, UPC-A or UPC-E", _G),
        ("]E3", "EAN-13 with add-on", _A),
        ("]E4", "EAN-8", _G),
        ("]I1", "ITF-14", _G),
    )
}

# All modifiers of these letters that are not above carry plain data.
_PLAIN = {
    "A": "Code 39",
    "C": "Code 128",
    "F": "Codabar",
    "G": "Code 93",
    "I": "Interleaved 2 of 5",
    "J": "DotCode",
    "L": "PDF417",
    "Q": "QR Code",
    "U": "MaxiCode",
    "d": "Data Matrix",
    "h": "Han Xin",
    "z": "Aztec",
}


def symbology(identifier: str) -> Symbology:
    """The symbology of `]xn`; an unknown one has the reading UNKNOWN."""
    known = _KNOWN.get(identifier)
    if known is not None:
        return known
    name = _PLAIN.get(identifier[1:2])
    if len(identifier) == 3 and identifier[0] == "]" and name is not None:
        return Symbology(identifier, name, _P)
    return Symbology(identifier, "unknown symbology", Reading.UNKNOWN)


def split(raw: str) -> tuple[Symbology | None, str]:
    """A scan to its symbology and its data; None when the reader sent no identifier."""
    # A letter and a digit or letter must follow: `]` alone begins plain text.
    if len(raw) >= 3 and raw[0] == "]" and raw[1:3].isascii() and raw[1].isalpha() and raw[2].isalnum():
        return symbology(raw[:3]), raw[3:]
    return None, raw
