"""Which code that GS1 does not own is this? All schemes by name, and one door for what people type and readers send.

A scheme with a mark of its own (SC, 国药准字, MA.156…) is read as that scheme or refused by its rules. Bare digits have
none: 14 may be a drug standard code or a GTIN, 20 a drug or a sale of meat, 18 a social credit code or an SSCC. All
readings are given, likeliest first; a choice is for who knows the context.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.device_codes import DeviceFiling, DeviceLicence, DeviceRegistration
from trace.identifiers.drug_codes import DrugApprovalNumber, DrugStandardCode, DrugTraceCode
from trace.identifiers.drug_licences import DrugOperationLicence, DrugProductionLicence
from trace.identifiers.enterprise_codes import FoodOperationLicence, FoodProductionLicence, Uscc
from trace.identifiers.farm_codes import EarTag, FarmSubject, OrganicCode, PledgeCertificate, QuarantineCertificate
from trace.identifiers.meat_codes import MeatRetailCode
from trace.identifiers.national import NationalCode, fold, folding_warnings, narrow
from trace.identifiers.prefix_registry import PrefixRegistry
from trace.identifiers.special_food_codes import SpecialFoodNumber
from trace.identifiers.udi_codes import AhmUdi, MaUdi

SCHEMES: dict[str, Callable[[str], NationalCode]] = {
    "cn-animal-quarantine": QuarantineCertificate,
    "cn-device": DeviceRegistration,
    "cn-device-filing": DeviceFiling,
    "cn-device-licence": DeviceLicence,
    "cn-drug": DrugTraceCode,
    "cn-drug-approval": DrugApprovalNumber,
    "cn-drug-operation": DrugOperationLicence,
    "cn-drug-production": DrugProductionLicence,
    "cn-drug-standard": DrugStandardCode,
    "cn-ear-tag": EarTag,
    "cn-farm-subject": FarmSubject,
    "cn-jy": FoodOperationLicence,
    "cn-meat": MeatRetailCode,
    "cn-organic": OrganicCode,
    "cn-pledge": PledgeCertificate,
    "cn-sc": FoodProductionLicence,
    "cn-special-food": SpecialFoodNumber,
    "cn-uscc": Uscc,
    "udi-ahm": AhmUdi,
    "udi-ma": MaUdi,
}
"""Class by scheme, as in `https://{origin}/id/{scheme}/{value}`. A scheme that is not here has no rules we know."""

# The first that is found at the beginning (or, for devices, after who gave it) decides.
_MARKS: tuple[tuple[re.Pattern[str], Callable[[str], NationalCode]], ...] = (
    (re.compile(r"SC[0-9]"), FoodProductionLicence.parse),
    (re.compile(r"JY[0-9]"), FoodOperationLicence.parse),
    (re.compile(r"国药[准试]字|进口药品注册证号|医药产品注册证号"), DrugApprovalNumber.parse),
    (re.compile(r"国食注字|国食健|食健备|卫食健"), SpecialFoodNumber.parse),
    (re.compile(r"[一-鿿]械注"), DeviceRegistration.parse),
    (re.compile(r"[一-鿿]{1,2}械备"), DeviceFiling.parse),
    (re.compile(r"[一-鿿]{1,2}食?药监械(生产|经营)"), DeviceLicence.parse),
    (re.compile(r"[一-鿿][ABCD][AB][0-9]"), DrugOperationLicence.parse),
    (re.compile(r"有机码"), OrganicCode.parse),
    (re.compile(r"动物检疫"), QuarantineCertificate.parse),
    (re.compile(r"承诺达标合格证|食用农产品合格证"), PledgeCertificate.parse),
    (re.compile(r"(节点|经营者|自然人)?主体码"), FarmSubject.parse),
    (re.compile(r"[一-鿿](19|20)[0-9]{6}\Z"), DrugProductionLicence.parse),
)

_SCHEME_BY_LENGTH: dict[int, Callable[[str], NationalCode]] = {
    14: DrugStandardCode,
    15: EarTag,
    17: OrganicCode,
    18: Uscc,
}
"""Of bare digits; 20 have two."""

_LONGEST = 500
"""More than any code with all that is printed in front of it and between."""


@dataclass(frozen=True)
class NationalReading:
    """What a text may be outside GS1."""

    codes: tuple[NationalCode, ...]
    """Likeliest first; empty when no scheme has this form."""
    warnings: tuple[str, ...] = ()
    """Of the form as it came, of the likeliest code, and that there are several."""


def national_code(scheme: str, value: str) -> NationalCode:
    """The code of this scheme, checked by its rules where we know them. Raises: ParseError."""
    known = SCHEMES.get(scheme)
    return NationalCode(scheme, value) if known is None else known(value)


def read_national(text: str, registry: PrefixRegistry | None = None) -> NationalReading:
    """All codes outside GS1 that this text may be. `registry` tells drugs from meat.

    Raises: ParseError when it has the mark or the form of one scheme alone and breaks its rules.
    """
    if len(text) > _LONGEST:
        return NationalReading(())
    narrowed = narrow(text)
    if re.match(r"M[A-Z]\.[0-9]{3}\.", narrowed):
        return _reading(text, (MaUdi(narrowed),), narrowed != text)
    if narrowed.startswith("AHM"):
        return _reading(text, (AhmUdi(narrowed),), narrowed != text)
    code = fold(text)
    for mark, parse in _MARKS:
        if mark.match(code):
            return _reading(text, (parse(code),), code != text)
    if NUMERIC.holds(code):
        return _reading(text, _of_digits(code, registry or PrefixRegistry()), code != text)
    if len(code) == 18 and code.isascii() and code.isalnum() and NUMERIC.holds(code[2:8]):
        return _reading(text, (Uscc(code),), code != text)
    return NationalReading(())


def _of_digits(code: str, registry: PrefixRegistry) -> tuple[NationalCode, ...]:
    if len(code) == 20:
        return registry.readings(code)
    scheme = _SCHEME_BY_LENGTH.get(len(code))
    try:
        return () if scheme is None else (scheme(code),)
    except ParseError:
        return ()  # digits without a mark claim nothing


def _reading(text: str, codes: tuple[NationalCode, ...], changed: bool) -> NationalReading:
    warnings = list(folding_warnings(text)) if changed and codes else []
    if codes:
        warnings += codes[0].warnings
    if len(codes) > 1:
        warnings.append(f"{codes[0].value!r} may be {' or '.join(code.scheme for code in codes)}.")
    return NationalReading(codes, tuple(warnings))
