"""One door for everything that is scanned or typed: what does this text identify?

Readers with an AIM identifier say what symbol it was; without one, the text itself must tell. Nothing that comes in is
an exception: foreign text gives an `Identified` with `error`, what is read against a standard gives `warnings`.
No clock, no records: whether the thing exists is for others to say.
"""

from dataclasses import dataclass, replace
from datetime import date

from trace.errors import ParseError, TraceError
from trace.identifiers.ai_table import AI_LENGTH
from trace.identifiers.aim import Reading, Symbology, split
from trace.identifiers.aim import symbology as symbology_of
from trace.identifiers.associations import conflicts, missing
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.dl_compression import read_link
from trace.identifiers.element_string import FNC1, Element, ElementString
from trace.identifiers.enterprise_codes import Uscc
from trace.identifiers.epc_links import digital_link as link_of
from trace.identifiers.epc_uri import read_epc_uri
from trace.identifiers.gs1_dates import to_date
from trace.identifiers.gs1_keys import Gs1Key, Gtin, Lgtin, Sgln, Sgtin, Sscc
from trace.identifiers.national import NationalCode, fold, folding_warnings
from trace.identifiers.national_codes import national_code, read_national
from trace.identifiers.percent import decode_strictly
from trace.identifiers.prefix_registry import PrefixRegistry
from trace.identifiers.uris import Key, keys_of, lot_of

_LONGEST = 8192
"""More than the largest QR Code holds."""

_COMPOSITE = "|]e0"
"""Between a linear symbol and its 2D component (GS1 Syntax Engine notation)."""


@dataclass(frozen=True)
class Identified:
    """What a text identifies, or why it identifies nothing."""

    carrier: str
    """Name of the symbology when the reader sent one, else of the form: `element string`, `Digital Link`, `digits`."""
    key: Key | None = None
    """The most specific: item, lot, logistic unit, trade item, national code, place. None exactly with an `error`."""
    keys: tuple[Key, ...] = ()
    """All keys, most specific first."""
    lot: str | None = None
    """AI (10)."""
    expiry: date | None = None
    """AI (17) or the day of (7003). Best before, AI (15), is a promise of quality and stays among the elements."""
    produced: date | None = None
    """AI (11) or the day of (8008)."""
    elements: tuple[Element, ...] = ()
    """AIs and values in the order of the carrier; kept when they contradict each other."""
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """Value, what was expected, what came."""

    @property
    def digital_link(self) -> str | None:
        """Of `key`, canonical; None for what GS1 does not own."""
        return link_of(self.key) if isinstance(self.key, Gs1Key) else None


def identify(
    raw: str, *, symbology: str | None = None, today: date | None = None, registry: PrefixRegistry | None = None
) -> Identified:
    """Read what a scanner sent, a camera decoded or a person typed. Never raises for what is in `raw`.

    `raw` may begin with an AIM identifier (`]d2…`); `symbology` gives it where the reader's driver has taken it off.
    `today` chooses the century of two-digit years (General Specifications, 7.12); without it years are 2000 to 2099.
    `registry` knows the prefixes of drug trace codes, and so tells 20 digits of a drug from 20 of a sale of meat.
    """
    symbol, data = split(raw)
    if symbol is None and symbology is not None:
        symbol = symbology_of(symbology)
    try:
        found = _read(symbol, data, today, registry)
    except TraceError as error:
        found = Identified("text", error=str(error))
    if symbol is None:
        return found
    if symbol.reading is Reading.UNKNOWN:
        unknown = f"symbology {symbol.identifier[:3]!r} is unknown."
        if found.error is not None:
            return replace(found, carrier=symbol.name, error=f"{unknown} {found.error}")
        return replace(found, carrier=symbol.name, warnings=(unknown, *found.warnings))
    return replace(found, carrier=symbol.name)


def text_of(raw: bytes) -> str:
    """What a reader sent, as text: UTF-8, else every byte a character."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _read(symbol: Symbology | None, data: str, today: date | None, registry: PrefixRegistry | None) -> Identified:
    if len(data) > _LONGEST:
        raise ParseError(f"text of {len(data)} characters: expected at most {_LONGEST}.")
    # Not `strip()`: it would take off FNC1 as well.
    text = data.strip(" \t\r\n")
    if not text:
        raise ParseError("text '': nothing was read.")
    match symbol.reading if symbol is not None else Reading.PLAIN:
        case Reading.ELEMENT_STRING:
            return _from_elements("element string", ElementString.parse(text).elements, today)
        case Reading.GTIN:
            linear, composite, component = text.partition(_COMPOSITE)
            if composite:
                elements = (("01", str(Gtin.parse(linear))), *ElementString.parse(component).elements)
                return _from_elements("element string", elements, today)
            return _from_gtin(linear)
        case Reading.GTIN_ADD_ON:
            found = _from_gtin(text[:13])
            return replace(found, warnings=(*found.warnings, f"add-on {text[13:]!r} is not part of the GTIN."))
    return _from_any(text, today, registry)


def _from_any(text: str, today: date | None, registry: PrefixRegistry | None) -> Identified:
    """Tell the forms apart by how they begin, surest first."""
    lower = text[:8].lower()
    if text[0] == "(" and text[1:2].isdigit():
        return _from_elements("element string", ElementString.parse_bracketed(text).elements, today)
    if lower.startswith(("http://", "https://")):
        return _from_web_address(text, today)
    if lower.startswith("urn:"):
        return _from_urn(text)
    if FNC1 in text:
        return _from_elements("element string", ElementString.parse(text).elements, today)
    code = fold(text)
    if NUMERIC.holds(code) and code:
        found = _from_digits(text, code, today, registry)
        # Readings as a national code or as elements have told it already.
        return replace(found, warnings=folding_warnings(text) + found.warnings) if found.carrier == "digits" else found
    unmarked = _unmarked_elements(text, today)
    if unmarked is not None:
        return unmarked
    national = _from_national(text, registry)
    if national is not None:
        return national
    raise ParseError(
        f"text {text[:60]!r}: expected a GS1 element string, a Digital Link, an EPC URN, a GTIN, an SSCC "
        "or a national code."
    )


def _from_urn(text: str) -> Identified:
    read = read_epc_uri(text)
    if read.key is None:
        raise ParseError(f"{read.form} {text[:80]!r}: names no one class.")
    return _from_key(read.form, read.key)


def _from_digits(text: str, code: str, today: date | None, registry: PrefixRegistry | None) -> Identified:
    match len(code):
        case 8 | 12:
            return _from_gtin(code)
        case 13:
            found = _from_gtin(code)
            if not isinstance(found.key, Gtin):
                return found
            # No symbol says what it is: places have 13 digits and the same check digit (General Specifications, 3.7).
            doubt = f"{code!r} is read as a GTIN; typed digits may be a GLN or the end of a longer number too."
            return replace(found, warnings=(*found.warnings, doubt))
        case 14:
            found = _from_gtin(code)
            also = read_national(text, registry).codes
            if not also:
                return found
            doubt = f"{code!r} may be {also[0].scheme} too."
            return replace(found, keys=(*found.keys, *also), warnings=(*found.warnings, doubt))
        case 18:
            return _from_18_digits(code)
        case 20:
            # An element string of 20 digits begins like a drug code; a right check digit behind (00) or (01) decides.
            unmarked = _unmarked_elements(text, today) if code[:2] in ("00", "01") else None
            if unmarked is not None:
                return unmarked
    national = _from_national(text, registry)
    if national is not None:
        return national
    unmarked = _unmarked_elements(text, today)
    if unmarked is not None:
        return unmarked
    raise ParseError(
        f"digits {code[:60]!r}: expected 8, 12, 13 or 14 (GTIN), 18 (SSCC, social credit code) or 20 (drug code), "
        f"got {len(code)}."
    )


def _from_national(text: str, registry: PrefixRegistry | None) -> Identified | None:
    """A code that GS1 does not own; None when the text has the form of none."""
    reading = read_national(text, registry)
    if not reading.codes:
        return None
    return replace(_from_key("national code", reading.codes[0]), keys=reading.codes, warnings=reading.warnings)


def _from_18_digits(code: str) -> Identified:
    """An SSCC without its AI, or a social credit code without letters."""
    found: list[Key] = []
    faults = []
    for parse in (Sscc.parse, Uscc.parse):
        try:
            found.append(parse(code))
        except ParseError as error:
            faults.append(str(error))
    if not found:
        raise ParseError(" ".join(faults))
    doubt = ("read as SSCC, and is a social credit code as well.",) if len(found) == 2 else ()
    return replace(_from_key("digits", found[0]), keys=tuple(found), warnings=doubt)


def _from_gtin(digits: str) -> Identified:
    gtin = Gtin.parse(digits)
    if not gtin.is_restricted:
        return _from_key("digits", gtin)
    doubt = f"{digits!r} is numbered inside a shop or company (price or weight may be part of it): no GTIN."
    return replace(_from_key("digits", NationalCode("in-store", digits)), warnings=(doubt,))


def _from_web_address(text: str, today: date | None) -> Identified:
    try:
        link = read_link(text)
        return _from_elements("Digital Link", link.element_string.elements, today)
    except TraceError as strict:
        code = _national_address(text)
        if code is not None:
            return _from_key("national code", code)
        try:
            link = read_link(text, lenient=True)
        except TraceError:
            raise strict from None
        return _from_elements("Digital Link", link.element_string.elements, today, (f"not to the standard: {strict}",))


def _national_address(text: str) -> NationalCode | None:
    """The code of a canonical URI of ours, on any domain: each log has its own."""
    words = text.split("/")
    if len(words) != 6 or words[3] != "id":
        return None
    return national_code(words[4], decode_strictly(words[5]))


def _unmarked_elements(text: str, today: date | None) -> Identified | None:
    """An element string from a symbol that does not say so, or from a reader that does not."""
    if text[:2] not in AI_LENGTH:
        return None
    try:
        elements = ElementString.parse(text).elements
    except TraceError:
        # Too much like one to be called anything else: say what is wrong with it.
        if text[:2] in ("00", "01", "02") and len(text) > 20 and NUMERIC.holds(text[:16]):
            raise
        return None
    found = _from_elements("element string", elements, today, ("read as GS1 data, though no reader said so.",))
    return found if found.key is not None else None


def _from_elements(
    carrier: str, elements: tuple[Element, ...], today: date | None, warnings: tuple[str, ...] = ()
) -> Identified:
    found = Identified(carrier, elements=elements, warnings=warnings)
    contradictions = conflicts(elements)
    if contradictions:
        return replace(found, error=" ".join(contradictions))
    values = dict(elements)
    keys = keys_of(elements)
    lacking = missing(elements)
    if not keys:
        ais = "".join(f"({ai})" for ai in values)
        return replace(found, error=" ".join(lacking) or f"{ais} identify nothing that is recorded here.")
    # The thing is known, so a companion that is missing (perhaps in another symbol of the label) stops nobody.
    doubts = list(lacking)
    if "01" in values and Gtin(values["01"]).is_restricted:
        doubts.append(f"(01) {values['01']!r} has a prefix for use inside a shop or company.")
    expiry = values.get("17") or values.get("7003", "")[:6]
    produced = values.get("11") or values.get("8008", "")[:6]
    return replace(
        found,
        key=keys[0],
        keys=keys,
        lot=values.get("10"),
        expiry=to_date(expiry, today) if expiry else None,
        produced=to_date(produced, today) if produced else None,
        warnings=(*warnings, *doubts),
    )


def _from_key(carrier: str, key: Key) -> Identified:
    match key:
        case Sgtin(gtin, _) | Lgtin(gtin, _):
            keys: tuple[Key, ...] = (key, gtin)
        case Sgln(gln, _):
            keys = (key, gln)
        case _:
            keys = (key,)
    doubts = key.warnings if isinstance(key, NationalCode) else ()
    return Identified(carrier, key, keys, lot=lot_of(key), warnings=doubts)
