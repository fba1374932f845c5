"""EPC binary encodings: what stands in the EPC bank of an RFID tag (EPC Tag Data Standard 2.3, sections 14 and 15).

    StoredPC   L4 L3 L2 L1 L0 | UMI | XI | T | 8 bits      L = words of the EPC; T = 1: the 8 bits are an AFI

    sgtin-96   00110000 filter(3) partition(3) prefix(20-40) item(24-4)      serial(38)
    sgtin-198  00110110 filter(3) partition(3) prefix(20-40) item(24-4)      serial(140, 7-bit characters)
    sgtin+     11110111 toggle(1) filter(3)    GTIN(56)      serial ...      AIDC data ...

One row of `_CODINGS` a scheme before TDS 2, of `epc_plus.PLUS_SCHEMES` a scheme since. Most tags in the field carry no
GS1 number at all: what is none, or of another scheme, is a result with a raw URI and the reason, never an exception.
A valid header says nothing about who owns the number.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from trace.errors import ParseError, ValidationError
from trace.identifiers.element_string import Element
from trace.identifiers.epc_keys import OtherEpc
from trace.identifiers.epc_links import digital_link
from trace.identifiers.epc_methods import BitReader
from trace.identifiers.epc_plus import MOST_BITS, PLUS_SCHEMES, PlusScheme, read_plus, write_plus
from trace.identifiers.epc_segments import (
    Cage,
    Integer,
    NumericString,
    Partition,
    Reserved,
    Segment,
    SixBitPartition,
    SixBitText,
    Text,
    TextPartition,
    TwoDigits,
    UnpaddedPartition,
)
from trace.identifiers.epc_urn import URN_SCHEMES, EpcKey, EpcUrn, UrnScheme, join
from trace.identifiers.epc_xpc import XpcWord
from trace.identifiers.gs1_keys import Gs1Key, Gtin, PaymentSlip


@dataclass(frozen=True, slots=True)
class PcWord:
    """StoredPC of a tag, taken apart (section 9.3)."""

    epc_bytes: int
    """Length of the EPC."""
    user_memory: bool
    """UMI: the user bank holds something."""
    extended: bool
    """XI: an XPC word follows."""
    afi: int | None
    """Application family identifier of ISO 15961 when T is set: then the bank holds no EPC."""
    attributes: int = 0
    """The low 8 bits when T is not set. Readers may give the low byte of the XPC word here (section 9.4, note)."""

    @classmethod
    def from_int(cls, pc: int) -> Self:
        """Of the 16 bits of the word."""
        toggle = bool(pc & 0x0100)
        low = pc & 0xFF
        return cls(
            (pc >> 11 & 0x1F) * 2,
            bool(pc & 0x0400),
            bool(pc & 0x0200),
            low if toggle else None,
            0 if toggle else low,
        )

    def to_int(self) -> int:
        """The word to write. The tag itself computes XI, and most tags UMI (section 15.1)."""
        low = self.attributes if self.afi is None else 0x0100 | self.afi
        return self.epc_bytes // 2 << 11 | self.user_memory << 10 | self.extended << 9 | low


class FaultCode(StrEnum):
    """Why a tag is raw. Stable: programs decide by it."""

    EMPTY = "epc_empty"
    """Nothing is written: no bits, or zeros only."""
    LENGTH = "epc_length"
    """Fewer bits than the PC word or the header announce."""
    AFI = "epc_afi"
    """The toggle bit says that it is no EPC."""
    HEADER = "epc_header"
    """No scheme has this header."""
    FIELD = "epc_field"
    """A field of the scheme cannot be."""


@dataclass(frozen=True, slots=True)
class EpcFault:
    code: FaultCode
    at: int
    """Bit of the EPC where the field begins, counted from its header; 0 for the whole."""
    field: str
    """`company prefix and reference`, `serial number`, `(21)` ...; `EPC` for the whole."""
    message: str


@dataclass(frozen=True, slots=True)
class EpcValue:
    """What was read from a tag."""

    uri: str
    """`urn:epc:id:sgtin:…`; a canonical Digital Link for TDS 2 schemes; `urn:epc:raw:96.x…` where it is neither."""
    scheme: str | None
    """`sgtin-96`; None for raw."""
    key: EpcKey | None
    filter_value: int | None
    """0 to 7, for ADI to 63, for USDOD to 15; its meaning depends on the scheme (section 10)."""
    company_prefix_length: int | None
    """None for TDS 2 schemes, which do not say it."""
    tag_uri: str | None
    """`urn:epc:tag:[umi=1]:sgtin-96:3.…` or the raw URI, with control fields (15.2.4); None for TDS 2 schemes."""
    fault: EpcFault | None = None
    """The reason, when there is no key."""
    hostname: str | None = None
    """Of a `++` scheme: the domain of the Digital Link that was printed."""
    elements: tuple[Element, ...] = ()
    """AIs beside the key: the date of a DSGTIN and the AIDC data behind a TDS 2 EPC."""
    warnings: tuple[str, ...] = ()

    @property
    def why_raw(self) -> str | None:
        return None if self.fault is None else self.fault.message

    @property
    def digital_link(self) -> str | None:
        """The key on the tag's own domain, as the coding tables of 14.6 have it. None for what is no GS1 key."""
        return self._link(())

    @property
    def link_with_data(self) -> str | None:
        """The same with `elements` in the query."""
        return self._link(self.elements)

    def _link(self, elements: tuple[Element, ...]) -> str | None:
        if self.key is None or isinstance(self.key, OtherEpc):
            return None
        return digital_link(self.key, f"https://{self.hostname or 'id.gs1.org'}", elements)


def decode(epc: bytes, pc: int | None = None, xpc: bytes = b"") -> EpcValue:
    """The EPC of a tag report.

    `pc` is the StoredPC where the reader gives it: it, not the frame, says how long the EPC is. `xpc` are the
    extended words, one or two, where it gives them; they only go into the tag URI.
    """
    total = len(epc) * 8
    if pc is None:
        return _decode(int.from_bytes(epc), total, "")
    word = PcWord.from_int(pc)
    control = _control(word, xpc)
    if total < word.epc_bytes * 8:
        why = f"PC word {pc:04X} announces {word.epc_bytes} bytes, got {len(epc)}."
        return _raw(int.from_bytes(epc), total, control, EpcFault(FaultCode.LENGTH, 0, "EPC", why))
    total = word.epc_bytes * 8
    bits = int.from_bytes(epc[: word.epc_bytes])
    if word.afi is not None:
        why = f"PC word {pc:04X} has the toggle bit: AFI {word.afi:02X}, no EPC."
        return _raw(bits, total, control, EpcFault(FaultCode.AFI, 0, "EPC", why), f".x{word.afi:02X}")
    return _decode(bits, total, control)


def decode_hex(text: str, pc: int | None = None) -> EpcValue:
    """The EPC as people and files write it; an odd number of digits is taken as it stands.

    Raises: ParseError when there is something else than hexadecimal digits.
    """
    if not text or set(text) - _HEX_DIGITS:
        raise ParseError(f"EPC {text[:80]!r}: expected hexadecimal digits.")
    if pc is not None:
        return decode(bytes.fromhex(text + "0" * (len(text) % 2)), pc)
    return _decode(int(text, 16), 4 * len(text), "")


def encode(
    epc: EpcUrn | Gs1Key,
    *,
    filter_value: int = 0,
    scheme: str | None = None,
    hostname: str | None = None,
    elements: tuple[Element, ...] = (),
) -> bytes:
    """The EPC bank of a tag from word 2 on, filled with zeros to whole words.

    `scheme`: `sgtin-96`, `sgtin+` ...; without it the shortest before TDS 2 that holds the key. Only those need an
    `EpcUrn`, which knows how long the company prefix is. `hostname` goes with `++`; `elements` are AIDC data behind a
    TDS 2 EPC, and the first date among them is the date of a DSGTIN.

    Raises: ValidationError when the scheme cannot hold this.
    """
    plus = _PLUS_BY_NAME.get(scheme or "")
    if plus is not None:
        _require_filter(filter_value, 3)
        key = epc.key if isinstance(epc, EpcUrn) else epc
        if isinstance(key, OtherEpc):
            raise ValidationError(f"{epc}: expected a GS1 key for {plus.name}.")
        written = write_plus(plus, key, filter_value=filter_value, hostname=hostname, elements=elements)
        return _whole_words(written.value, written.width)
    if hostname is not None or elements:
        raise ValidationError(f"{epc}: hostname and AIDC data need a scheme of TDS 2, got {scheme!r}.")
    if not isinstance(epc, EpcUrn):
        raise ValidationError(f"{epc}: expected the length of its company prefix, or a scheme of TDS 2.")
    return _whole_words(*_encode(epc, filter_value, scheme))


@dataclass(frozen=True, slots=True)
class _Coding:
    """One coding table of section 14.6 before TDS 2."""

    name: str
    header: int
    bits: int
    """Of the whole EPC; the fewest, where it varies."""
    urn: UrnScheme
    segments: tuple[Segment, ...]
    """Behind the header."""

    @property
    def varies(self) -> bool:
        return self.name.endswith("-var")


# Bits of the reference by partition (tables 14-16 to 14-44). GRAI, GTIN and ITIP share one, as do GLN, GDTI and GCN.
_ITEM = (4, 7, 10, 14, 17, 20, 24)
_UNIT = (18, 21, 24, 28, 31, 34, 38)
_PLACE = (1, 4, 7, 11, 14, 17, 21)
_ASSET_NUMBER = (42, 45, 48, 52, 55, 58, 62)
_ASSET_TEXT = (148, 151, 154, 158, 161, 164, 168)
_PART_NUMBER = (11, 14, 17, 21, 24, 27, 31)

_FILTER = Integer("filter value", 3)
_KEY = "company prefix and reference"
_GTIN = Partition(_KEY, _ITEM, 1)
_UNIT_KEY = Partition(_KEY, _UNIT, 5)
_PLACE_KEY = Partition(_KEY, _PLACE, 0)
_ASSET_KEY = Partition(_KEY, _ITEM, 0)
_RESERVED = Reserved("reserved bits", 24)
_SERIAL = "serial"


def _row(name: str, header: int, bits: int, *segments: Segment) -> _Coding:
    return _Coding(name, header, bits, URN_SCHEMES[f"urn:epc:id:{name.partition('-')[0]}"], segments)


_CODINGS = (
    _row("sgtin-96", 0x30, 96, _FILTER, _GTIN, Integer(_SERIAL, 38)),
    _row("sgtin-198", 0x36, 198, _FILTER, _GTIN, Text("serial number", 20)),
    _row("sscc-96", 0x31, 96, _FILTER, _UNIT_KEY, _RESERVED),
    _row("sgln-96", 0x32, 96, _FILTER, _PLACE_KEY, Integer("extension", 41)),
    _row("sgln-195", 0x39, 195, _FILTER, _PLACE_KEY, Text("extension", 20)),
    _row("grai-96", 0x33, 96, _FILTER, _ASSET_KEY, Integer(_SERIAL, 38)),
    _row("grai-170", 0x37, 170, _FILTER, _ASSET_KEY, Text("serial number", 16)),
    _row("giai-96", 0x34, 96, _FILTER, UnpaddedPartition(_KEY, _ASSET_NUMBER, 13)),
    _row("giai-202", 0x38, 202, _FILTER, TextPartition(_KEY, _ASSET_TEXT, 18)),
    _row("gsrn-96", 0x2D, 96, _FILTER, _UNIT_KEY, _RESERVED),
    _row("gsrnp-96", 0x2E, 96, _FILTER, _UNIT_KEY, _RESERVED),
    _row("gdti-96", 0x2C, 96, _FILTER, _PLACE_KEY, Integer(_SERIAL, 41)),
    _row("gdti-174", 0x3E, 174, _FILTER, _PLACE_KEY, Text("serial number", 17)),
    _row("gdti-113", 0x3A, 113, _FILTER, _PLACE_KEY, NumericString(_SERIAL, 58)),
    _row("cpi-96", 0x3C, 96, _FILTER, UnpaddedPartition(_KEY, _PART_NUMBER, 3), Integer(_SERIAL, 31)),
    _row("cpi-var", 0x3D, 86, _FILTER, SixBitPartition(_KEY, 18), Integer(_SERIAL, 40)),
    _row("sgcn-96", 0x3F, 96, _FILTER, _PLACE_KEY, NumericString(_SERIAL, 41)),
    _row("itip-110", 0x40, 110, _FILTER, _GTIN, TwoDigits("piece"), TwoDigits("total"), Integer(_SERIAL, 38)),
    _row("itip-212", 0x41, 212, _FILTER, _GTIN, TwoDigits("piece"), TwoDigits("total"), Text("serial number", 20)),
    _row("gid-96", 0x35, 96, Integer("manager", 28), Integer("object class", 24), Integer(_SERIAL, 36)),
    _row("usdod-96", 0x2F, 96, Integer("filter value", 4), Cage("CAGE code", 8), Integer(_SERIAL, 36)),
    _row(
        "adi-var",
        0x3B,
        68,
        Integer("filter value", 6),
        Cage("CAGE code", 6),
        SixBitText("part number"),
        SixBitText("serial number"),
    ),
)
_BY_HEADER: dict[int, _Coding | PlusScheme] = {each.header: each for each in (*_CODINGS, *PLUS_SCHEMES)}
_BY_NAME = {coding.name: coding for coding in _CODINGS}
_PLUS_BY_NAME = {scheme.name: scheme for scheme in PLUS_SCHEMES}
_DEPRECATED = "gdti-113"
"""Since TDS 1.9: read, and written only where asked for by name."""

SCHEME_NAMES = (*_BY_NAME, *_PLUS_BY_NAME)

_HEX_DIGITS = set("0123456789ABCDEFabcdef")


def _decode(bits: int, total: int, control: str) -> EpcValue:
    if total < 8 or not bits:
        why = "nothing is written in the EPC bank." if not bits else f"expected a header of 8 bits, got {total}."
        return _raw(bits, total, control, EpcFault(FaultCode.EMPTY, 0, "EPC", why))
    header = bits >> (total - 8)
    coding = _BY_HEADER.get(header)
    if coding is None:
        why = f"header {header:02X} is none of a scheme of EPC Tag Data Standard 2.3."
        return _raw(bits, total, control, EpcFault(FaultCode.HEADER, 0, "header", why))
    if isinstance(coding, PlusScheme):
        return _decode_plus(coding, bits, total, control)
    if total < coding.bits:
        why = f"{coding.name}: expected {coding.bits} bits, got {total}."
        return _raw(bits, total, control, EpcFault(FaultCode.LENGTH, 0, "EPC", why))
    # What stands behind a fixed number of bits is cut off, whatever it is (14.4, step 3), and what no tag can hold.
    size = min(total, MOST_BITS) if coding.varies else coding.bits
    cut = bits >> (total - size)
    left = size - 8
    fields: list[str] = []
    at, name = 8, "EPC"
    try:
        for segment in coding.segments:
            at, name = size - left, segment.name
            left = segment.read(cut, left, fields)
        at, name = 0, "EPC"
        identity = fields if coding.header == 0x35 else fields[1:]
        key = coding.urn.key_of(identity)
    except ParseError as error:
        return _raw(bits, total, control, EpcFault(FaultCode.FIELD, at, name, f"{coding.name}: {error}"))
    body = join(identity)
    if identity is fields:
        return EpcValue(f"urn:epc:id:gid:{body}", coding.name, key, None, None, f"urn:epc:tag:{control}gid-96:{body}")
    return EpcValue(
        f"urn:epc:id:{coding.urn.name}:{body}",
        coding.name,
        key,
        int(fields[0]),
        None if isinstance(key, OtherEpc) else len(identity[0]),
        f"urn:epc:tag:{control}{coding.name}:{fields[0]}.{body}",
    )


def _decode_plus(scheme: PlusScheme, bits: int, total: int, control: str) -> EpcValue:
    size = min(total, MOST_BITS)
    reader = BitReader(bits >> (total - size), size)
    reader.take(8)
    try:
        found = read_plus(scheme, reader)
    except ParseError as error:
        fault = EpcFault(FaultCode.FIELD, reader.start, reader.field, f"{scheme.name}: {error}")
        return _raw(bits, total, control, fault)
    assert not isinstance(found.key, Gtin | PaymentSlip), "no scheme of TDS 2 names a class or a bill"
    return EpcValue(
        digital_link(found.key),
        scheme.name,
        found.key,
        found.filter_value,
        None,
        None,
        None,
        found.hostname,
        found.elements,
        found.warnings,
    )


def _raw(bits: int, total: int, control: str, fault: EpcFault, family: str = "") -> EpcValue:
    body = f"{total}{family}.x{bits:0{total // 4}X}" if total else f"0{family}.x"
    return EpcValue(f"urn:epc:raw:{body}", None, None, None, None, f"urn:epc:raw:{control}{body}", fault)


def _control(word: PcWord, xpc: bytes) -> str:
    """15.2.4: what is not zero, and a colon behind it."""
    fields = f"[att=x{word.attributes:02X}]" if word.attributes else ""
    if word.user_memory:
        fields += "[umi=1]"
    if word.extended and len(xpc) >= 2:
        fields += f"[xpc-w1=x{xpc[:2].hex().upper()}]"
        if XpcWord.from_bytes(xpc).second_word and len(xpc) >= 4:
            fields += f"[xpc=x{xpc[:4].hex().upper()}]"
    return fields + ":" if fields else ""


def _encode(urn: EpcUrn, filter_value: int, name: str | None) -> tuple[int, int]:
    """Value and number of bits."""
    codings = [coding for coding in _CODINGS if coding.urn is urn.scheme]
    if not codings:
        raise ValidationError(f"{urn}: a tag holds items, logistic units and places, not a lot.")
    if name is not None:
        if name not in (coding.name for coding in codings):
            wanted = " or ".join(coding.name for coding in codings)
            raise ValidationError(f"{urn}: expected scheme {wanted}, got {name[:20]!r}.")
        return _write(_BY_NAME[name], urn, filter_value)
    usual = [coding for coding in codings if coding.name != _DEPRECATED]
    try:
        return _write(usual[0], urn, filter_value)
    except ValidationError:
        return _write(usual[-1], urn, filter_value)


def _write(coding: _Coding, urn: EpcUrn, filter_value: int) -> tuple[int, int]:
    fields = urn.fields
    first = coding.segments[0]
    if first.name == "filter value":
        assert isinstance(first, Integer), "a filter value is a number"
        _require_filter(filter_value, first.width)
        fields = (str(filter_value), *fields)
    elif filter_value:
        raise ValidationError(f"filter value {filter_value}: {coding.name} has none.")
    left = iter(fields)
    value, width = coding.header, 8
    for segment in coding.segments:
        try:
            bits, size = segment.write(left)
        except ValidationError as error:
            raise ValidationError(f"{coding.name}: {error}") from error
        value, width = value << size | bits, width + size
    return value, width


def _require_filter(filter_value: int, width: int) -> None:
    if not 0 <= filter_value < 1 << width:
        raise ValidationError(f"filter value {filter_value}: expected 0 to {(1 << width) - 1}.")


def _whole_words(value: int, width: int) -> bytes:
    fill = -width % 16
    return (value << fill).to_bytes((width + fill) // 8)
