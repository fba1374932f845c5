"""Scan data: what a reader transmits for a symbol, its AIM symbology identifier in front.

    ]d2 0106901234567892 10LOT7 <0x1D> 21A7        GS1 data: FNC1 inside it as 0x1D
    ]E0 6901234567892                              a GTIN, UPC-A and UPC-E made up to 13 digits
    ]E0 6901234567892 |]e0 10LOT7                  a second message: the 2D component above an EAN/UPC symbol
    ]Q1 https://...                                anything

GS1 General Specifications, section "Symbology identifiers", and ISO/IEC 15424. Reading says what is wrong and never
raises; what plain data means (a Digital Link, a national code) is `identify`.
"""

from dataclasses import dataclass
from enum import StrEnum

from trace.errors import ValidationError
from trace.identifiers.aim import Reading, Symbology, split
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.element_string import FNC1, Element, ElementString, ends_by_itself, examine_from
from trace.identifiers.faults import Fault

_COMPONENT = "|]e0"
"""Begins the message of the 2D component behind that of an EAN/UPC symbol."""

_GTIN_LENGTH = {"]E0": 13, "]E4": 8, "]I1": 14, "]E3": 13}


@dataclass(frozen=True, slots=True)
class ScanData:
    """One transmission, taken apart."""

    symbology: Symbology | None
    """None: no identifier in front, or what stands there is none."""
    data: str
    """Everything behind the identifier."""
    elements: tuple[Element, ...] = ()
    """GS1 elements: those of the symbol or, with a GTIN, those of the 2D component above it."""
    gtin: str | None = None
    """The digits of an EAN/UPC or ITF-14 symbol, as the symbol has them."""
    fault: Fault | None = None
    """`at` is an offset in the transmission."""

    @property
    def all_elements(self) -> tuple[Element, ...]:
        """The elements, a GTIN among them as AI (01)."""
        return self.elements if self.gtin is None else (("01", self.gtin.zfill(14)), *self.elements)


def read_scan_data(raw: str) -> ScanData:
    """Take a transmission apart. Never raises."""
    symbology, data = split(raw)
    if symbology is None:
        return ScanData(None, raw, fault=Fault("no_symbology", "expected ']' and an AIM symbology identifier."))
    match symbology.reading:
        case Reading.UNKNOWN:
            message = f"{symbology.identifier!r}: no symbology identifier that we know."
            return ScanData(symbology, data, fault=Fault("symbology_unknown", message, 0, 3))
        case Reading.ELEMENT_STRING:
            examined = examine_from(raw, len(raw) - len(data))
            return ScanData(symbology, data, examined.elements, fault=examined.fault)
        case Reading.GTIN | Reading.GTIN_ADD_ON:
            return _read_gtin(raw, symbology, data)
    return ScanData(symbology, data)


def _read_gtin(raw: str, symbology: Symbology, data: str) -> ScanData:
    length = _GTIN_LENGTH[symbology.identifier]
    start = len(raw) - len(data)
    digits, rest = data[:length], data[length:]
    composite = rest.startswith(_COMPONENT)
    add_on = symbology.reading is Reading.GTIN_ADD_ON and len(rest) in (2, 5) and NUMERIC.holds(rest)
    if rest and not composite and not add_on:
        message = f"GTIN {data[:60]!r}: expected {length} digits, got {len(data)} characters."
        fault: Fault | None = Fault("gtin_length", message, length, len(rest))
    else:
        fault = _gtin_fault(digits, length)
    if fault is not None:
        return ScanData(symbology, data, fault=fault.moved(start))
    if not composite:
        return ScanData(symbology, data, gtin=digits)
    # What the component says is said of the GTIN below it, so (10) there does not want for (01).
    gtin: Element = ("01", digits.zfill(14))
    examined = examine_from(raw, start + length + len(_COMPONENT), (gtin,))
    return ScanData(symbology, data, examined.elements, digits, examined.fault)


def _gtin_fault(digits: str, length: int) -> Fault | None:
    foreign = NUMERIC.first_foreign(digits)
    if len(digits) < length:
        return Fault("gtin_length", f"GTIN {digits!r}: expected {length} digits, got {len(digits)}.", 0, len(digits))
    if foreign is not None:
        return Fault(NUMERIC.code, f"GTIN {digits!r}: {digits[foreign]!r}, expected digits.", foreign, 1)
    computed = gs1_check_digit(digits[:-1])
    if digits[-1] != computed:
        message = f"GTIN {digits!r}: check digit is {digits[-1]}, computed {computed}."
        return Fault("GS1_LINTER_INCORRECT_CHECK_DIGIT", message, length - 1, 1)
    return None


# ---- writing ----------------------------------------------------------------------------------


class Symbol(StrEnum):
    """Symbols that carry GS1 data, in the spelling of the GS1 Barcode Syntax Engine."""

    DATA_MATRIX = "DM"
    QR_CODE = "QR"
    DOT_CODE = "DotCode"
    GS1_128_CCA = "GS1_128_CCA"
    GS1_128_CCC = "GS1_128_CCC"
    DATABAR_EXPANDED = "DataBarExpanded"
    DATABAR_OMNI = "DataBarOmni"
    DATABAR_TRUNCATED = "DataBarTruncated"
    DATABAR_STACKED = "DataBarStacked"
    DATABAR_STACKED_OMNI = "DataBarStackedOmni"
    DATABAR_LIMITED = "DataBarLimited"
    UPC_A = "UPCA"
    UPC_E = "UPCE"
    EAN_13 = "EAN13"
    EAN_8 = "EAN8"


_MATRIX = {Symbol.DATA_MATRIX: ("]d1", "]d2"), Symbol.QR_CODE: ("]Q1", "]Q3"), Symbol.DOT_CODE: ("]J0", "]J1")}
"""Identifier of plain data and of GS1 data."""

_EAN_UPC = {Symbol.EAN_13: ("]E0", 13), Symbol.UPC_A: ("]E0", 12), Symbol.UPC_E: ("]E0", 12), Symbol.EAN_8: ("]E4", 8)}
"""Identifier and digits of the symbol; UPC-A and UPC-E are transmitted as 13, with a 0 in front."""

_GS1_128 = (Symbol.GS1_128_CCA, Symbol.GS1_128_CCC)

_LIMITED_MOST = "19999999999999"
"""The largest GTIN-14 of DataBar Limited (ISO/IEC 24724): indicator digits 0 and 1 only."""


def write_scan_data(
    symbol: Symbol,
    content: ElementString | str,
    component: ElementString | None = None,
    *,
    add_check_digit: bool = False,
) -> str:
    """What a reader transmits for this symbol.

    `content` is GS1 data, or text: anything in a matrix symbol, the digits of the GTIN in an EAN/UPC or DataBar symbol,
    where `add_check_digit` completes them. `component` is the 2D component above a linear symbol.

    Raises: ValidationError when the symbol cannot carry this.
    """
    if symbol in _MATRIX:
        if component is not None:
            raise ValidationError(f"{symbol}: expected a linear symbol below a 2D component.")
        plain, gs1 = _MATRIX[symbol]
        return plain + content if isinstance(content, str) else gs1 + content.raw()
    if symbol in _EAN_UPC:
        identifier, length = _EAN_UPC[symbol]
        digits = _gtin(symbol, content, length, add_check_digit)
        padding = "0" if length == 12 else ""
        return identifier + padding + digits + ("" if component is None else _COMPONENT + component.raw())
    if symbol in _GS1_128 or symbol is Symbol.DATABAR_EXPANDED:
        if isinstance(content, str):
            raise ValidationError(f"{symbol}: expected an element string, got text.")
        identifier = "]C1" if symbol in _GS1_128 and component is None else "]e0"
        return identifier + content.raw() + _behind(content, component)
    digits = _gtin(symbol, content, 14, add_check_digit)
    if symbol is Symbol.DATABAR_LIMITED and digits > _LIMITED_MOST:
        raise ValidationError(f"{symbol} {digits!r}: expected at most {_LIMITED_MOST}.")
    return "]e001" + digits + ("" if component is None else component.raw())


def _behind(content: ElementString, component: ElementString | None) -> str:
    """The component follows in the same message, an open value before it closed."""
    if component is None:
        return ""
    return ("" if ends_by_itself(content.elements[-1][0]) else FNC1) + component.raw()


def _gtin(symbol: Symbol, content: ElementString | str, length: int, add_check_digit: bool) -> str:
    if isinstance(content, str):
        digits = content
    elif len(content.elements) == 1 and content.elements[0][0] == "01":
        # A shorter GTIN stands in AI (01) with zeros in front; what is no zero cannot be left out.
        value = content.elements[0][1]
        digits = value[14 - length :] if not value[: 14 - length].strip("0") else value
    else:
        raise ValidationError(f"{symbol}: expected AI (01) alone, got {content.bracketed()}.")
    if add_check_digit and isinstance(content, str) and NUMERIC.holds(digits) and len(digits) == length - 1:
        return digits + gs1_check_digit(digits)
    fault = _gtin_fault(digits, length)
    if fault is None and len(digits) > length:
        fault = Fault("gtin_length", f"GTIN {digits[:20]!r}: expected {length} digits, got {len(digits)}.")
    if fault is not None:
        raise ValidationError(f"{symbol}: {fault.message}")
    return digits
