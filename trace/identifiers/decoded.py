"""All that one scan says, as one flat answer: what `decode` prints and `POST /decode` returns.

`identify` asks what a thing is and forgives; this says what a text is by the letter of its standard. `ok` is what the
official GS1 Barcode Syntax Engine answers with its default validations, wherever it has an answer. What the text begins
with says what it is:

    ]      scan with an AIM symbology identifier          http      Digital Link, in any case
    (      bracketed element string                       urn:epc:  EPC
    0x1D   element string that begins with FNC1           else      number, national code, or text

Content that fails only for want of companions (`required_ai`) keeps its keys, so that a handheld can put the labels of
one thing together.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from trace.errors import TraceError, ValidationError
from trace.identifiers.aim import Reading, Symbology
from trace.identifiers.digital_link import to_uri
from trace.identifiers.dl_compression import read_link
from trace.identifiers.element_string import FNC1, Element, ElementString, examine
from trace.identifiers.epc_binary import decode_hex
from trace.identifiers.epc_links import epc_uri
from trace.identifiers.epc_tag_uri import raw_to_bank
from trace.identifiers.epc_uri import read_epc_uri
from trace.identifiers.faults import Fault
from trace.identifiers.gs1_keys import Gs1Key, elements_of
from trace.identifiers.hri import hri_lines
from trace.identifiers.identify import identify
from trace.identifiers.national import NationalCode
from trace.identifiers.prefix_lengths import PrefixLengths
from trace.identifiers.scan_data import read_scan_data
from trace.identifiers.uris import Key, keys_of, path_of, uri_of

_HOST = "unknown.invalid"
"""National codes stand under the host of a log, which a text alone does not know: only paths are told."""


@dataclass(frozen=True)
class Decoded:
    """One answer. What does not apply is None or empty."""

    ok: bool
    carrier: str
    """Name of the symbology, or of the form."""
    symbology: str | None = None
    """AIM identifier, `]d2`."""
    elements: tuple[Element, ...] = ()
    bracketed: str | None = None
    keys: tuple[Key, ...] = ()
    """Most specific first."""
    digital_link: str | None = None
    """Uncompressed, on https://id.gs1.org; None where there is no key that GS1 owns."""
    epc: str | None = None
    """Pure identity: URN, Digital Link of a TDS 2 tag, or raw URI; of a class its class or pattern URI.

    Only an EPC says how long its company prefix is; of other carriers it is known where `lengths` does."""
    epc_tag: str | None = None
    """Tag URI."""
    warnings: tuple[str, ...] = ()
    fault: Fault | None = None

    def to_dict(self) -> dict[str, Any]:
        """The object that is printed: names and order are stable."""
        return {
            "ok": self.ok,
            "carrier": self.carrier,
            "symbology": self.symbology,
            "ais": [list(element) for element in self.elements],
            "bracketed": self.bracketed,
            "keys": [{"kind": kind_of(key), "path": path_of(uri_of(key, _HOST))} for key in self.keys],
            "digital_link": self.digital_link,
            "epc": self.epc,
            "epc_tag": self.epc_tag,
            "hri": list(hri_lines(self.elements)),
            "warnings": list(self.warnings),
            "error": None
            if self.fault is None
            else {"code": self.fault.code, "message": self.fault.message, "at": self.fault.at},
        }


def decode_text(
    text: str, *, gs: str | None = None, today: date | None = None, lengths: PrefixLengths | None = None
) -> Decoded:
    """Read one scan. Never raises for what is in it.

    `gs` is the character that this reader sends in place of 0x1D, if it does. `lengths` says how long company prefixes
    are: with it, what is no EPC has an EPC too.
    """
    found = _read(text if gs is None else text.replace(gs, FNC1), today)
    return found if lengths is None else _with_epc(found, lengths)


def _read(text: str, today: date | None) -> Decoded:
    if text.startswith("]"):
        return _scan(text, today)
    if text.startswith(("(", FNC1)):
        return _elements("element string", text)
    if text[:4].lower() == "http":
        return _link(text, "Digital Link")
    if text.startswith("urn:epc:"):
        return _urn(text)
    return _plain(text, today)


def decode_epc(text: str, pc: int | None = None) -> Decoded:
    """Read the EPC memory of a tag in hex, as readers give it; `pc` is the protocol control word if it came too."""
    try:
        value = decode_hex(text, pc)
    except TraceError as error:
        return Decoded(False, "EPC binary", fault=Fault("hex", str(error)))
    if value.key is None:
        told = value.fault
        # In digits, of which each holds four bits.
        fault = Fault("epc_raw", "no EPC") if told is None else Fault(told.code, told.message, told.at // 4)
        return Decoded(False, "EPC binary", epc=value.uri, epc_tag=value.tag_uri, fault=fault)
    found = _of_key("EPC binary", value.key, epc=value.uri, epc_tag=value.tag_uri)
    if not value.elements:
        return replace(found, warnings=value.warnings)
    # A TDS 2 tag holds AIDC data behind its key.
    elements = found.elements + value.elements
    return replace(
        found,
        elements=elements,
        bracketed=ElementString(elements).bracketed(),
        digital_link=_digital_link(elements) or found.digital_link,
        warnings=value.warnings,
    )


def kind_of(key: Key) -> str:
    """`sgtin`, `gtin`, `sscc` ...; of a code that GS1 does not own its scheme, `cn-drug`."""
    return key.scheme if isinstance(key, NationalCode) else type(key).__name__.lower()


def _scan(text: str, today: date | None) -> Decoded:
    read = read_scan_data(text)
    symbology = read.symbology
    if symbology is None:
        return Decoded(False, "text", fault=read.fault)
    if read.fault is not None or symbology.reading is Reading.ELEMENT_STRING:
        return _examined(symbology.name, read.elements, read.fault, symbology=symbology)
    if read.gtin is not None:
        if not read.elements:
            # The number alone, which may be one of a shop and no GTIN.
            plain = _plain(text, today)
            return replace(plain, carrier=symbology.name, symbology=symbology.identifier)
        # A GTIN symbol carries no AI; the 2D component above it does.
        keys = keys_of(read.all_elements)
        found = _examined(symbology.name, read.elements, None, symbology=symbology)
        return replace(found, keys=keys, digital_link=uri_of(keys[0], _HOST) if keys else None)
    # Any text is right in such a symbol; what it means is asked of the text.
    inner = _link(read.data, "") if read.data[:4].lower() == "http" else _plain(read.data, today)
    warnings = inner.warnings if inner.fault is None else (*inner.warnings, inner.fault.message)
    is_link = read.data[:4] in ("http", "HTTP")
    fault = inner.fault if is_link else None
    return replace(
        inner, ok=fault is None, carrier=symbology.name, symbology=symbology.identifier, warnings=warnings, fault=fault
    )


def _elements(carrier: str, text: str) -> Decoded:
    read = examine(text)
    found = _examined(carrier, read.elements, read.fault)
    return replace(found, bracketed=read.bracketed()) if read.elements else found


def _examined(
    carrier: str, elements: tuple[Element, ...], fault: Fault | None, *, symbology: Symbology | None = None
) -> Decoded:
    # Which elements are wanting does not change what is there.
    keeps = fault is None or fault.code == "required_ai"
    return Decoded(
        ok=fault is None,
        carrier=carrier,
        symbology=None if symbology is None else symbology.identifier,
        elements=elements,
        bracketed=ElementString(elements).bracketed() if elements else None,
        keys=keys_of(elements) if keeps else (),
        digital_link=_digital_link(elements) if keeps else None,
        fault=fault,
    )


def _link(text: str, carrier: str) -> Decoded:
    try:
        link = read_link(text, lenient=text[:4] not in ("http", "HTTP"))
    except TraceError as error:
        fault = Fault(error.code or "digital_link", str(error), max(0, (error.at or 1) - 1))
        return Decoded(False, carrier, fault=fault)
    found = _examined(carrier, link.path + link.attributes, None)
    return replace(found, digital_link=link.uri())


def _urn(text: str) -> Decoded:
    try:
        if text.startswith("urn:epc:raw:"):
            raw_to_bank(text)  # a right one; it names no thing
            return Decoded(True, "EPC raw URI", epc=text)
        read = read_epc_uri(text)
    except TraceError as error:
        return Decoded(False, "EPC URN", fault=Fault(error.code or "epc_urn", str(error), max(0, (error.at or 1) - 1)))
    if read.key is None:
        # A set of many classes is right and names no thing.
        return Decoded(True, read.form, epc=read.identity)
    tag = text if read.form == "EPC tag URI" else None
    return _of_key(read.form, read.key, epc=read.identity, epc_tag=tag)


def _plain(text: str, today: date | None) -> Decoded:
    found = identify(text, today=today)
    if found.key is None:
        fault = Fault("not_identified", found.error or f"{text[:60]!r}: identifies nothing")
        return Decoded(False, found.carrier, elements=found.elements, warnings=found.warnings, fault=fault)
    keys = found.keys
    bracketed = ElementString(found.elements).bracketed() if found.elements else None
    return Decoded(
        True,
        found.carrier,
        elements=found.elements,
        bracketed=bracketed,
        keys=keys,
        digital_link=_digital_link(found.elements) or found.digital_link,
        warnings=found.warnings,
    )


def _of_key(carrier: str, key: Key, *, epc: str | None = None, epc_tag: str | None = None) -> Decoded:
    if not isinstance(key, Gs1Key):
        # DoD, ADI, BIC and the like have neither AIs nor a link.
        return Decoded(True, carrier, keys=(key,), epc=epc, epc_tag=epc_tag)
    elements = elements_of(key)
    return Decoded(
        True,
        carrier,
        elements=elements,
        bracketed=ElementString(elements).bracketed(),
        keys=(key,),
        digital_link=uri_of(key, _HOST),
        epc=epc,
        epc_tag=epc_tag,
    )


def _with_epc(found: Decoded, lengths: PrefixLengths) -> Decoded:
    """The EPC of the most specific key, where nothing else has said it."""
    if found.epc is not None or not found.keys or not isinstance(found.keys[0], Gs1Key):
        return found
    key = found.keys[0]
    length = lengths.of_key(key)
    if length is None:
        return found
    try:
        return replace(found, epc=epc_uri(key, length))
    except ValidationError as error:
        return replace(found, warnings=(*found.warnings, str(error)))


def _digital_link(elements: tuple[Element, ...]) -> str | None:
    try:
        return to_uri(ElementString(elements))
    except TraceError:
        return None
