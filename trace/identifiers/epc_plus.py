"""The EPC schemes of TDS 2: a GS1 key as its AIs have it, and more data behind it (EPC Tag Data Standard 2.3, 14.6).

    header(8) toggle(1) filter(3) | date type(4) date(16) | values of the AIs | hostname | AIDC data ... | zeros
                                    dsgtin only             table F             ++ only    AI, value, AI, value

No company prefix length, no left-out check digit: such an EPC reads as a Digital Link. It has neither a tag URI nor a
pure identity URI. Whether AIDC data follows, the bits themselves say; the toggle is for filters in the air (15.3).
"""

from dataclasses import dataclass

from trace.errors import ParseError, ValidationError
from trace.identifiers.element_string import Element
from trace.identifiers.epc_hostname import read_hostname, write_hostname
from trace.identifiers.epc_methods import BitReader, BitWriter, DateTime
from trace.identifiers.epc_table_f import read_element, read_value, write_element, write_value
from trace.identifiers.epc_urn import NO_EXTENSION
from trace.identifiers.gs1_keys import Cpi, Gcn, Gdti, Gln, Grai, Gs1Key, Itip, elements_of, key_of_elements

MOST_BITS = 496
"""31 words: what the PC word can announce (section 9.3)."""

_DATE_TYPES = ("11", "13", "15", "16", "17", "7006", "7007")
"""By date type indicator (14.5.3)."""

_DATE = DateTime(6)


@dataclass(frozen=True, slots=True)
class PlusScheme:
    """One coding table of section 14.6."""

    name: str
    """`sgtin+`."""
    header: int
    ais: tuple[str, ...]
    """Whose values make the key."""

    @property
    def dated(self) -> bool:
        return self.name.startswith("dsgtin")

    @property
    def hosted(self) -> bool:
        return self.name.endswith("++")


PLUS_SCHEMES = (
    PlusScheme("sgtin+", 0xF7, ("01", "21")),
    PlusScheme("sgtin++", 0xFD, ("01", "21")),
    PlusScheme("dsgtin+", 0xFB, ("01", "21")),
    PlusScheme("dsgtin++", 0xFC, ("01", "21")),
    PlusScheme("sscc+", 0xF9, ("00",)),
    PlusScheme("sscc++", 0xEF, ("00",)),
    PlusScheme("sgln+", 0xF2, ("414", "254")),
    PlusScheme("sgln++", 0xE9, ("414", "254")),
    PlusScheme("grai+", 0xF1, ("8003",)),
    PlusScheme("grai++", 0xEB, ("8003",)),
    PlusScheme("giai+", 0xFA, ("8004",)),
    PlusScheme("giai++", 0xEE, ("8004",)),
    PlusScheme("gsrn+", 0xF4, ("8018",)),
    PlusScheme("gsrn++", 0xE7, ("8018",)),
    PlusScheme("gsrnp+", 0xF5, ("8017",)),
    PlusScheme("gsrnp++", 0xE8, ("8017",)),
    PlusScheme("gdti+", 0xF6, ("253",)),
    PlusScheme("gdti++", 0xEA, ("253",)),
    PlusScheme("cpi+", 0xF0, ("8010", "8011")),
    PlusScheme("cpi++", 0xE6, ("8010", "8011")),
    PlusScheme("sgcn+", 0xF8, ("255",)),
    PlusScheme("sgcn++", 0xEC, ("255",)),
    PlusScheme("itip+", 0xF3, ("8006", "21")),
    PlusScheme("itip++", 0xED, ("8006", "21")),
)


@dataclass(frozen=True, slots=True)
class PlusEpc:
    """What a tag of a TDS 2 scheme carries."""

    key: Gs1Key
    filter_value: int
    hostname: str | None
    elements: tuple[Element, ...]
    """The date of a DSGTIN first, then the AIDC data."""
    warnings: tuple[str, ...]
    """Of AIDC data that could not be read, or that the toggle bit denies."""


def read_plus(scheme: PlusScheme, bits: BitReader) -> PlusEpc:
    """The bits behind the header.

    Raises: ParseError when there is no key. A fault behind the EPC is a warning: the thing is known all the same.
    """
    bits.begin("filter value")
    toggle, filter_value = bits.take(1), bits.take(3)
    date = _read_date(bits) if scheme.dated else ()
    key = _read_key(scheme, bits)
    bits.begin("hostname")
    hostname = read_hostname(bits) if scheme.hosted else None
    data, warnings = _read_data(bits, toggle)
    return PlusEpc(key, filter_value, hostname, (*date, *data), warnings)


def write_plus(
    scheme: PlusScheme, key: Gs1Key, *, filter_value: int, hostname: str | None, elements: tuple[Element, ...]
) -> BitWriter:
    """All bits, header first, without filling.

    Raises: ValidationError when the key is not of this scheme, or the rest does not fit.
    """
    values = elements_of(key)
    if isinstance(key, Gln):
        values = (*values, ("254", NO_EXTENSION))
    if tuple(ai for ai, _ in values) != scheme.ais or _is_class(key):
        wanted = "".join(f"({ai})" for ai in scheme.ais)
        raise ValidationError(f"{scheme.name}: expected a key of {wanted} with its serial number, got {key}.")
    if (hostname is not None) != scheme.hosted:
        raise ValidationError(f"{scheme.name}: expected {'a' if scheme.hosted else 'no'} hostname, got {hostname!r}.")
    bits = BitWriter()
    bits.put(scheme.header, 8)
    date, data = _split_date(scheme, elements)
    bits.put(bool(data), 1)
    bits.put(filter_value, 3)
    for ai, value in date:
        bits.put(_DATE_TYPES.index(ai), 4)
        _DATE.write(value, bits)
    for ai, value in values:
        write_value(ai, value, bits)
    if hostname is not None:
        write_hostname(hostname, bits)
    for element in data:
        write_element(element, bits)
    if bits.width > MOST_BITS:
        raise ValidationError(f"{scheme.name}: {bits.width} bits, a PC word can announce {MOST_BITS}.")
    return bits


def _read_date(bits: BitReader) -> tuple[Element]:
    bits.begin("date")
    kind = bits.take(4)
    if kind >= len(_DATE_TYPES):
        raise ParseError(f"date type is {kind}, expected 0 to {len(_DATE_TYPES) - 1}.")
    return ((_DATE_TYPES[kind], _DATE.read(bits)),)


def _read_key(scheme: PlusScheme, bits: BitReader) -> Gs1Key:
    values = []
    for ai in scheme.ais:
        bits.begin(f"({ai})")
        try:
            values.append((ai, read_value(ai, bits)))
        except ParseError as error:
            raise ParseError(f"({ai}): {error}") from error
    if values[-1] == ("254", NO_EXTENSION):
        values.pop()
    key = key_of_elements(tuple(values))
    if _is_class(key):
        raise ParseError(f"({scheme.ais[-1]}) {values[-1][1]!r}: expected a serial number.")
    return key


def _is_class(key: Gs1Key) -> bool:
    return isinstance(key, Grai | Gdti | Gcn | Cpi | Itip) and not key.serial


def _read_data(bits: BitReader, toggle: int) -> tuple[tuple[Element, ...], tuple[str, ...]]:
    """What section 15.3 says about the end: zeros are filling, unless they can be an SSCC that the toggle announces."""
    elements: list[Element] = []
    warnings = []
    while bits.left >= 8 and (bits.rest() or (toggle and bits.left >= 80 and not elements)):
        if bits.rest() >> (bits.left - 8) == 0 and bits.left < 80:
            warnings.append(f"bit {bits.at}: AIDC data begins with (00), and {bits.left - 8} bits are no SSCC.")
            break
        start = bits.at
        try:
            elements.append(read_element(bits))
        except ParseError as error:
            warnings.append(f"bit {start}: {error}")
            break
    if bool(toggle) != bool(elements) and not warnings:
        said = "announces AIDC data" if toggle else "denies AIDC data"
        warnings.append(f"the toggle bit {said}, {'none' if toggle else 'some'} was found.")
    return tuple(elements), tuple(warnings)


def _split_date(scheme: PlusScheme, elements: tuple[Element, ...]) -> tuple[tuple[Element, ...], tuple[Element, ...]]:
    """The prioritised date and the others."""
    if not scheme.dated:
        return (), elements
    for place, (ai, _) in enumerate(elements):
        if ai in _DATE_TYPES:
            return (elements[place],), elements[:place] + elements[place + 1 :]
    wanted = " ".join(f"({ai})" for ai in _DATE_TYPES)
    raise ValidationError(f"{scheme.name}: expected a date, one of {wanted}.")
