"""EPC binary encodings: what stands in the EPC bank of an RFID tag (EPC Tag Data Standard, sections 14 and 15).

    StoredPC   L4 L3 L2 L1 L0 | UMI | XI | T | 8 bits      L = words of the EPC; T = 1: the 8 bits are an AFI

    sgtin-96   00110000 filter(3) partition(3) prefix(20-40) item(24-4)      serial(38)
    sgtin-198  00110110 filter(3) partition(3) prefix(20-40) item(24-4)      serial(140, 7-bit characters)
    sscc-96    00110001 filter(3) partition(3) prefix(20-40) serial(38-18)   zero(24)
    sgln-96    00110010 filter(3) partition(3) prefix(20-40) location(21-1)  extension(41)
    sgln-195   00111001 filter(3) partition(3) prefix(20-40) location(21-1)  extension(140, 7-bit characters)

Most tags in the field carry no GS1 number at all: what is none, or of another scheme, is a result with a raw URI and
the reason, never an exception. A valid header says nothing about who owns the number.
"""

from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.epc_urn import (
    NO_EXTENSION,
    EpcKey,
    EpcUrn,
    gtin_of_parts,
    place_of_parts,
    sscc_of_parts,
)
from trace.identifiers.gs1_keys import Gln, Sgln, Sgtin, Sscc


@dataclass(frozen=True, slots=True)
class PcWord:
    """StoredPC of a tag, taken apart."""

    epc_bytes: int
    """Length of the EPC."""
    user_memory: bool
    """UMI: the user bank holds something."""
    extended: bool
    """XI: an XPC word follows."""
    afi: int | None
    """Application family identifier of ISO 15961 when T is set: then the bank holds no EPC."""

    @classmethod
    def from_int(cls, pc: int) -> Self:
        """Of the 16 bits of the word."""
        toggle = bool(pc & 0x0100)
        return cls((pc >> 11 & 0x1F) * 2, bool(pc & 0x0400), bool(pc & 0x0200), pc & 0xFF if toggle else None)


@dataclass(frozen=True, slots=True)
class EpcValue:
    """What was read from a tag."""

    uri: str
    """`urn:epc:id:sgtin:…`, or `urn:epc:raw:96.x…` where it is no GS1 number that we read."""
    scheme: str | None
    """`sgtin-96`; None for raw."""
    key: EpcKey | None
    filter_value: int | None
    """0 to 7; its meaning depends on the scheme (section 10)."""
    company_prefix_length: int | None
    why_raw: str | None
    """The reason, when there is no key."""


@dataclass(frozen=True, slots=True)
class _Scheme:
    name: str
    header: int
    bits: int
    reference_bits: tuple[int, ...]
    """By partition, 0 to 6."""
    reference_digits: int
    """For partition 0; one more for each partition."""
    tail_bits: int
    text: bool
    """The tail is 7-bit characters, filled with zeros; else a number."""


# Partition p: company prefix of 12 - p digits in so many bits (tables 14-2, 14-5, 14-7).
_PREFIX_BITS = (40, 37, 34, 30, 27, 24, 20)
_ITEM = (4, 7, 10, 14, 17, 20, 24)
_UNIT = (18, 21, 24, 28, 31, 34, 38)
_LOCATION = (1, 4, 7, 11, 14, 17, 21)

_SCHEMES = (
    _Scheme("sgtin-96", 0x30, 96, _ITEM, 1, 38, False),
    _Scheme("sgtin-198", 0x36, 198, _ITEM, 1, 140, True),
    _Scheme("sscc-96", 0x31, 96, _UNIT, 5, 24, False),
    _Scheme("sgln-96", 0x32, 96, _LOCATION, 0, 41, False),
    _Scheme("sgln-195", 0x39, 195, _LOCATION, 0, 140, True),
)
_BY_HEADER = {scheme.header: scheme for scheme in _SCHEMES}
_BY_NAME = {scheme.name: scheme for scheme in _SCHEMES}


def decode(epc: bytes, pc: int | None = None) -> EpcValue:
    """The EPC of a tag report.

    `pc` is the StoredPC where the reader gives it: it, not the frame, says how long the EPC is.
    """
    if pc is not None:
        word = PcWord.from_int(pc)
        if len(epc) < word.epc_bytes:
            return _raw(epc, f"PC word {pc:04X} announces {word.epc_bytes} bytes, got {len(epc)}.")
        epc = epc[: word.epc_bytes]
        if word.afi is not None:
            return _raw(epc, f"PC word {pc:04X} has the toggle bit: AFI {word.afi:02X}, no EPC.", word.afi)
    if not epc:
        return _raw(epc, "nothing is written in the EPC bank.")
    scheme = _BY_HEADER.get(epc[0])
    if scheme is None:
        return _raw(epc, f"header {epc[0]:02X} is none of a GS1 scheme that is read here.")
    try:
        urn, filter_value = _decode(scheme, epc)
    except (ParseError, ValidationError) as error:
        return _raw(epc, f"{scheme.name}: {error}")
    return EpcValue(str(urn), scheme.name, urn.key, filter_value, urn.company_prefix_length, None)


def encode(urn: EpcUrn, *, filter_value: int = 0, scheme: str | None = None) -> bytes:
    """The EPC bank of a tag from word 2 on, filled with zeros to whole words.

    `scheme`: `sgtin-96`, `sgtin-198`, `sscc-96`, `sgln-96` or `sgln-195`; without it the shortest that holds the key.

    Raises: ValidationError when the scheme cannot hold this key.
    """
    if not 0 <= filter_value <= 7:
        raise ValidationError(f"filter value {filter_value}: expected 0 to 7.")
    chosen = _scheme_for(urn, scheme)
    partition = 12 - urn.company_prefix_length
    prefix, reference = urn.parts
    bits = chosen.header
    for value, width in (
        (filter_value, 3),
        (partition, 3),
        (int(prefix), _PREFIX_BITS[partition]),
        (int(reference or "0"), chosen.reference_bits[partition]),
        (_tail_to_int(chosen, _tail(urn)), chosen.tail_bits),
    ):
        bits = bits << width | value
    fill = -chosen.bits % 16
    return (bits << fill).to_bytes((chosen.bits + fill) // 8)


def _decode(scheme: _Scheme, epc: bytes) -> tuple[EpcUrn, int]:
    spare = len(epc) * 8 - scheme.bits
    if spare < 0:
        raise ParseError(f"expected {scheme.bits} bits, got {len(epc) * 8}.")
    bits = int.from_bytes(epc)
    if bits & ((1 << spare) - 1):
        raise ParseError(f"expected zeros behind {scheme.bits} bits.")
    bits >>= spare
    tail = bits & ((1 << scheme.tail_bits) - 1)
    partition = bits >> (scheme.bits - 14) & 7
    if partition > 6:
        raise ParseError("partition is 7, expected 0 to 6.")
    reference_bits, prefix_bits = scheme.reference_bits[partition], _PREFIX_BITS[partition]
    reference = bits >> scheme.tail_bits & ((1 << reference_bits) - 1)
    prefix = bits >> (scheme.tail_bits + reference_bits) & ((1 << prefix_bits) - 1)
    parts = (
        _to_digits("company prefix", prefix, 12 - partition),
        _to_digits("reference", reference, scheme.reference_digits + partition),
    )
    return EpcUrn(_key(scheme, parts, tail), 12 - partition), bits >> (scheme.bits - 11) & 7


def _key(scheme: _Scheme, parts: tuple[str, str], tail: int) -> EpcKey:
    if scheme.reference_bits is _UNIT:
        if tail:
            raise ParseError("expected 24 zero bits at the end.")
        return sscc_of_parts(*parts)
    text = _int_to_text(tail) if scheme.text else str(tail)
    if scheme.reference_bits is _ITEM:
        return Sgtin(gtin_of_parts(*parts), text)
    return place_of_parts(*parts, text)


def _to_digits(what: str, number: int, digits: int) -> str:
    text = str(number).zfill(digits) if digits or number else ""
    if len(text) > digits:
        raise ParseError(f"{what} is {number}, expected at most {digits} digits.")
    return text


def _int_to_text(tail: int) -> str:
    """Twenty characters of 7 bits; zeros only behind the last one."""
    text = "".join(chr(tail >> shift & 0x7F) for shift in range(133, -1, -7)).rstrip("\0")
    if "\0" in text:
        raise ParseError("expected no zero character inside the serial number.")
    return text


def _scheme_for(urn: EpcUrn, name: str | None) -> _Scheme:
    match urn.key:
        case Sgtin():
            names = ["sgtin-96", "sgtin-198"]
        case Sscc():
            names = ["sscc-96"]
        case Gln() | Sgln():
            names = ["sgln-96", "sgln-195"]
        case _:
            raise ValidationError(f"{urn}: a tag holds items, logistic units and places, not a lot.")
    if name is None:
        fits = _fits_a_number(_BY_NAME[names[0]], _tail(urn))
        return _BY_NAME[names[0] if fits else names[-1]]
    if name not in names:
        raise ValidationError(f"{urn}: expected scheme {' or '.join(names)}, got {name[:20]!r}.")
    return _BY_NAME[name]


def _tail(urn: EpcUrn) -> str:
    match urn.key:
        case Sgtin(_, serial):
            return serial
        case Sgln(_, extension):
            return extension
        case _:
            return NO_EXTENSION


def _fits_a_number(scheme: _Scheme, tail: str) -> bool:
    """A leading zero would be lost in a number."""
    return NUMERIC.holds(tail) and (tail == "0" or tail[0] != "0") and int(tail) < 1 << scheme.tail_bits


def _tail_to_int(scheme: _Scheme, tail: str) -> int:
    if scheme.text:
        return _text_to_int(tail)
    if not _fits_a_number(scheme, tail):
        most = (1 << scheme.tail_bits) - 1
        raise ValidationError(f"{scheme.name}: serial {tail!r}, expected a number up to {most} without leading zeros.")
    return int(tail)


def _text_to_int(text: str) -> int:
    number = 0
    for char in text.ljust(20, "\0"):
        number = number << 7 | ord(char)
    return number


def _raw(epc: bytes, why: str, afi: int | None = None) -> EpcValue:
    family = "" if afi is None else f".x{afi:02X}"
    return EpcValue(f"urn:epc:raw:{len(epc) * 8}{family}.x{epc.hex().upper()}", None, None, None, None, why)
