"""North American coupons: the fields that AIs (8110) and (8112) string together without separators.

    (8110)  0 123456  123456   1 1    1 1       0      123      [1 ...] [2 ...] [3 ...] [4 ...] [5 ...] [6 ...] [9 ...]
            prefix    offer    save   purchase  its    family   optional fields, each behind its number, in this order
            code      value    requirement      code   code

A digit before a field of variable length (VLI) says how long it is. "North American Coupon Application Guideline Using
GS1 DataBar Expanded Symbols" for (8110), "GS1 AI (8112) Coupon Data Specification" for (8112). Faults have the names of
the GS1 Barcode Syntax Dictionary, its spelling kept.
"""

from dataclasses import dataclass

from trace.identifiers.charsets import NUMERIC
from trace.identifiers.company_prefixes import Allocated, company_prefix_fault
from trace.identifiers.faults import Fault
from trace.identifiers.gs1_dates import fault_in_date


@dataclass(frozen=True, slots=True)
class _Sized:
    """A VLI and as many digits as it says."""

    name: str
    vlis: str
    """The VLIs that are allowed."""
    more: int = 0
    """How many digits more than the VLI says."""
    company_prefix: bool = False
    nine_is_empty: bool = False
    """VLI 9: nothing follows, the company prefix is that of the first purchase."""


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A number of digits."""

    name: str
    length: int


@dataclass(frozen=True, slots=True)
class _Code:
    """One digit."""

    name: str
    allowed: str


@dataclass(frozen=True, slots=True)
class _Date:
    """YYMMDD."""

    short: str
    invalid: str


_Field = _Sized | _Fixed | _Code | _Date

_ANY = "0123456789"
_REQUIREMENT_CODES = "012349"

_SERIAL_NUMBER = _Sized("SERIAL_NUMBER", _ANY, more=6)
_EXPIRATION = _Date("TOO_SHORT_FOR_EXPIRATION_DATE", "INVALID_EXIPIRATION_DATE")
_START = _Date("TOO_SHORT_FOR_START_DATE", "INVALID_START_DATE")

_8110: tuple[_Field, ...] = (
    _Sized("GCP", "0123456", more=6, company_prefix=True),
    _Fixed("OFFER_CODE", 6),
    _Sized("SAVE_VALUE", "12345"),
    _Sized("1ST_PURCHASE_REQUIREMENT", "12345"),
    _Code("1ST_PURCHASE_REQUIREMENT_CODE", _REQUIREMENT_CODES),
    _Fixed("1ST_PURCHASE_FAMILY_CODE", 3),
)

_8110_OPTIONAL: dict[str, tuple[_Field, ...]] = {
    "1": (
        _Code("ADDITIONAL_PURCHASE_RULES_CODE", "0123"),
        _Sized("2ND_PURCHASE_REQUIREMENT", "12345"),
        _Code("2ND_PURCHASE_REQUIREMENT_CODE", _REQUIREMENT_CODES),
        _Fixed("2ND_PURCHASE_FAMILY_CODE", 3),
        _Sized("2ND_PURCHASE_GCP", "01234569", more=6, company_prefix=True, nine_is_empty=True),
    ),
    "2": (
        _Sized("3RD_PURCHASE_REQUIREMENT", "12345"),
        _Code("3RD_PURCHASE_REQUIREMENT_CODE", _REQUIREMENT_CODES),
        _Fixed("3RD_PURCHASE_FAMILY_CODE", 3),
        _Sized("3RD_PURCHASE_GCP", "01234569", more=6, company_prefix=True, nine_is_empty=True),
    ),
    "3": (_EXPIRATION,),
    "4": (_START,),
    "5": (_SERIAL_NUMBER,),
    "6": (_Sized("RETAILER_GCP_OR_GLN", "1234567", more=6, company_prefix=True),),
    "9": (
        _Code("SAVE_VALUE_CODE", "01256"),
        _Code("SAVE_VALUE_APPLIES_TO_ITEM", "012"),
        _Code("STORE_COUPON_FLAG", _ANY),
        _Code("DONT_MULTIPLY_FLAG", "01"),
    ),
}

_8112: tuple[_Field, ...] = (
    _Code("FORMAT_CODE", "01"),
    _Sized("FUNDER", "0123456", more=6),
    _Fixed("OFFER_CODE", 6),
    _SERIAL_NUMBER,
)


def coupon_fault(text: str, allocated: Allocated | None = None) -> Fault | None:
    """What is wrong with the value of AI (8110)."""
    return _fault(text, _8110, _8110_OPTIONAL, allocated)


def positive_offer_fault(text: str) -> Fault | None:
    """What is wrong with the value of AI (8112)."""
    return _fault(text, _8112, {}, None)


def _fault(
    text: str, fields: tuple[_Field, ...], optional: dict[str, tuple[_Field, ...]], allocated: Allocated | None
) -> Fault | None:
    fault = NUMERIC.fault(text)
    if fault is not None:
        return fault
    at = 0
    for field in fields:
        at, fault = _walk(text, at, field, allocated)
        if fault is not None:
            return fault
    expires = ""
    for number, group in optional.items():
        if text[at : at + 1] != number:
            continue
        at += 1
        for field in group:
            start = at
            at, fault = _walk(text, at, field, allocated)
            if fault is not None:
                return fault
            if field is _EXPIRATION:
                expires = text[start:at]
            elif field is _START and expires and text[start:at] > expires:
                what = f"coupon ends on {expires}, before it starts on {text[start:at]}"
                # Field 3 stands right before field 4, and both are at fault.
                return Fault("GS1_LINTER_COUPON_EXPIRATION_BEFORE_START", what, start - 8, 14)
    if at < len(text):
        what = f"expected the end of the coupon, got {text[at:]!r}"
        return Fault("GS1_LINTER_COUPON_EXCESS_DATA", what, at, len(text) - at)
    return None


def _walk(text: str, at: int, field: _Field, allocated: Allocated | None) -> tuple[int, Fault | None]:
    """Where the next field begins, or what is wrong with this one."""
    match field:
        case _Fixed(name, length):
            return at + length, _cut_off(text, at, length, f"TRUNCATED_{name}", name)
        case _Date(short, invalid):
            fault = _cut_off(text, at, 6, short, "date")
            if fault is None:
                wrong = fault_in_date(text[at : at + 6], day_zero=False)
                fault = None if wrong is None else _coupon(invalid, wrong.message, at, 6)
            return at + 6, fault
        case _Code(name, allowed):
            return at + 1, _digit(text, at, f"MISSING_{name}", f"INVALID_{name}", allowed, name)
        case _Sized(name, vlis, more):
            fault = _digit(text, at, f"MISSING_{name}_VLI", f"INVALID_{name}_LENGTH", vlis, f"length of {name}")
            if fault is not None:
                return at, fault
            length = 0 if field.nine_is_empty and text[at] == "9" else int(text[at]) + more
            at += 1
            fault = _cut_off(text, at, length, f"TRUNCATED_{name}", name)
            if fault is None and field.company_prefix and length:
                fault = company_prefix_fault(text[at : at + length], allocated)
                # All digits, so only a list of allocated prefixes can object, and then to the whole of it.
                fault = None if fault is None else fault.moved(at)
            return at + length, fault


def _digit(text: str, at: int, missing: str, invalid: str, allowed: str, name: str) -> Fault | None:
    if at == len(text):
        return _coupon(missing, f"{_words(name)} is missing", 0, len(text))
    if text[at] not in allowed:
        return _coupon(invalid, f"{_words(name)} is {text[at]}, expected one of {', '.join(allowed)}", at, 1)
    return None


def _cut_off(text: str, at: int, length: int, code: str, name: str) -> Fault | None:
    """Fewer digits left than the field has. Of a field that is not there at all, the whole coupon is marked."""
    left = len(text) - at
    if left >= length:
        return None
    what = f"{_words(name)} is cut off, expected {length} digits, got {left}"
    return _coupon(code, what, at, left) if left else _coupon(code, what, 0, len(text))


def _words(name: str) -> str:
    return "coupon: " + name.replace("_", " ").lower().replace("gcp", "company prefix").replace("gln", "GLN")


def _coupon(name: str, message: str, at: int, length: int) -> Fault:
    return Fault(f"GS1_LINTER_COUPON_{name}", message, at, length)
