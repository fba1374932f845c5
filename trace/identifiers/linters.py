"""Content checks of the GS1 Barcode Syntax Dictionary, by the name they have there.

A linter takes one component of a value and gives the first fault in it, or None. Inside a value, length and characters
of the component have been checked before; called by itself, each linter refuses what it cannot judge.

The clause that a linter keeps is named with it: where only AIs are named, it is the section of the GS1 General
Specifications, chapter 3, that has the AI in its title.
"""

import re
from collections.abc import Callable, Collection

from trace.identifiers.charsets import CSET_39, CSET_64, CSET_82, NUMERIC
from trace.identifiers.check_digits import gs1_check_digit, gs1_check_pair
from trace.identifiers.company_prefixes import company_prefix_fault
from trace.identifiers.coupons import coupon_fault, positive_offer_fault
from trace.identifiers.faults import Fault
from trace.identifiers.gs1_dates import fault_in_date
from trace.identifiers.iso_3166 import ALPHA_2_OF, NUMERIC_OF
from trace.identifiers.iso_4217 import CURRENCIES
from trace.identifiers.package_types import PACKAGE_TYPES

Linter = Callable[[str], Fault | None]


# ---- keys and their check characters ----------------------------------------------------------


def _csum(text: str) -> Fault | None:
    """Check digit of a numeric key (7.9.1)."""
    if not text:
        return Fault("GS1_LINTER_TOO_SHORT_FOR_CHECK_DIGIT", "expected digits and a check digit, got nothing")
    fault = NUMERIC.fault(text)
    if fault is not None:
        return fault
    computed = gs1_check_digit(text[:-1])
    if text[-1] == computed:
        return None
    what = f"check digit is {text[-1]}, computed {computed}"
    return Fault("GS1_LINTER_INCORRECT_CHECK_DIGIT", what, len(text) - 1, 1)


_MOST_BEFORE_PAIR = 97
"""As many characters as there are weights."""


def _csumalpha(text: str) -> Fault | None:
    """Check character pair of an alphanumeric key, AIs (8013) and (8014)."""
    before, pair = text[:-2], text[-2:]
    if len(before) > _MOST_BEFORE_PAIR:
        what = f"expected at most {_MOST_BEFORE_PAIR + 2} characters, got {len(text)}"
        return Fault("GS1_LINTER_TOO_LONG_FOR_CHECK_PAIR_IMPLEMENTATION", what, 0, len(text))
    if len(text) < 2:
        what = f"expected two check characters at the end, got {len(text)} characters"
        return Fault("GS1_LINTER_TOO_SHORT_FOR_CHECK_PAIR", what, 0, len(text))
    fault = CSET_82.fault(before)
    if fault is not None:
        return fault
    computed = gs1_check_pair(before)
    if pair == computed:
        return None
    what = f"check characters are {pair}, computed {computed}"
    return Fault("GS1_LINTER_INCORRECT_CHECK_PAIR", what, len(before), 2)


def _gcppos1(text: str) -> Fault | None:
    """A key that begins with a company prefix."""
    return company_prefix_fault(text)


def _gcppos2(text: str) -> Fault | None:
    """A key that begins with an indicator or extension digit and then a company prefix."""
    fault = company_prefix_fault(text[1:])
    if fault is None:
        return None
    # Without a second character there is nothing to mark behind the first.
    return Fault(fault.code, fault.message, 0, len(text)) if len(text) < 2 else fault.moved(1)


def _importeridx(text: str) -> Fault | None:
    """Importer index of EU 2018/574, AI (7040)."""
    if len(text) != 1:
        what = f"importer index is {text!r}, expected one character"
        return Fault("GS1_LINTER_IMPORTER_IDX_MUST_BE_ONE_CHARACTER", what, 0, len(text))
    if _IMPORTER_INDEX.fullmatch(text) is None:
        what = f"importer index is {text!r}, expected a letter, a digit, '-' or '_'"
        return Fault("GS1_LINTER_INVALID_IMPORT_IDX_CHARACTER", what, 0, 1)
    return None


_IMPORTER_INDEX = re.compile(r"[A-Za-z0-9_-]")


# ---- numbers ----------------------------------------------------------------------------------


def _nonzero(text: str) -> Fault | None:
    """A measure that cannot be nothing, AI (8001)."""
    fault = NUMERIC.fault(text)
    if fault is not None:
        return fault
    if text.strip("0"):
        return None
    return Fault("GS1_LINTER_ILLEGAL_ZERO_VALUE", f"value is {text}, expected more than 0", 0, len(text))


def _zero(text: str) -> Fault | None:
    """The filler before the GTIN-13 of a GRAI, AI (8003)."""
    if text and not text.strip("0"):
        return None
    return Fault("GS1_LINTER_NOT_ZERO", f"value is {text}, expected 0", 0, len(text))


def _nozeroprefix(text: str) -> Fault | None:
    """Serial number of a part, AI (8011)."""
    if text.startswith("0"):
        return Fault("GS1_LINTER_ILLEGAL_ZERO_PREFIX", f"number is {text}, expected no leading 0", 0, 1)
    return NUMERIC.fault(text)


def _hasnondigit(text: str) -> Fault | None:
    """Master UDI-DI, AI (8014), which no GTIN can be mistaken for."""
    if not NUMERIC.holds(text):
        return None
    what = f"value is {text}, expected a character that is no digit"
    return Fault("GS1_LINTER_REQUIRES_NON_DIGIT_CHARACTER", what, 0, len(text))


def _hyphen(text: str) -> Fault | None:
    """Minus behind a temperature, AIs (433n)."""
    if text and not text.strip("-"):
        return None
    return Fault("GS1_LINTER_NOT_HYPHEN", f"sign is {text!r}, expected '-'", 0, len(text))


def _one_of(code: str, what: str, allowed: Collection[str], expected: str) -> Linter:
    def lint(text: str) -> Fault | None:
        return None if text in allowed else Fault(code, f"{what} is {text!r}, expected {expected}", 0, len(text))

    return lint


_yesno = _one_of("GS1_LINTER_NOT_ZERO_OR_ONE", "flag", ("0", "1"), "0 or 1")
"""AIs (4321) to (4323)."""

_winding = _one_of("GS1_LINTER_INVALID_WINDING_DIRECTION", "winding direction", ("0", "1", "9"), "0, 1 or 9")
"""Roll products, AI (8001): face out, face in, undefined."""

_iso5218 = _one_of("GS1_LINTER_INVALID_BIOLOGICAL_SEX_CODE", "sex", ("0", "1", "2", "9"), "0, 1, 2 or 9 (ISO/IEC 5218)")
"""AI (7252)."""


def _pieceoftotal(text: str) -> Fault | None:
    """Piece and total of equal length, AIs (8006) and (8026)."""
    fault = NUMERIC.fault(text)
    if fault is not None:
        return fault
    half, odd = divmod(len(text), 2)
    if odd or not text:
        what = f"expected piece and total of equal length, got {len(text)} digits"
        return Fault("GS1_LINTER_INVALID_LENGTH_FOR_PIECE_OF_TOTAL", what, 0, len(text))
    piece, total = text[:half], text[half:]
    if not piece.strip("0"):
        return Fault("GS1_LINTER_ZERO_PIECE_NUMBER", f"piece is {piece}, expected more than 0", 0, half)
    if not total.strip("0"):
        return Fault("GS1_LINTER_ZERO_TOTAL_PIECES", f"total is {total}, expected more than 0", half, half)
    if piece > total:
        what = f"piece is {piece}, expected at most the total, {total}"
        return Fault("GS1_LINTER_PIECE_NUMBER_EXCEEDS_TOTAL", what, 0, len(text))
    return None


_POSITION = re.compile(r"([0-9]+)/([0-9]+)")


def _posinseqslash(text: str) -> Fault | None:
    """Position and last position in a sequence of births, AI (7258)."""
    match = _POSITION.fullmatch(text)
    if match is None:
        what = f"position is {text!r}, expected two numbers with '/' between them"
        return Fault("GS1_LINTER_POSITION_IN_SEQUENCE_MALFORMED", what, 0, len(text))
    for group in (1, 2):
        if match[group].startswith("0"):
            what = f"number is {match[group]}, expected no leading 0"
            return Fault("GS1_LINTER_ILLEGAL_ZERO_PREFIX", what, match.start(group), len(match[group]))
    position, end = match[1], match[2]
    # Without leading zeros the longer number is the larger one; no need to read what may be very long.
    if (len(position), position) > (len(end), end):
        what = f"position is {position}, expected at most the last one, {end}"
        return Fault("GS1_LINTER_POSITION_EXCEEDS_END", what, 0, len(text))
    return None


# ---- dates and times (7.12) -------------------------------------------------------------------


def _yymmdd(text: str) -> Fault | None:
    return fault_in_date(text, day_zero=False)


def _yymmd0(text: str) -> Fault | None:
    return fault_in_date(text, day_zero=True)


def _yyyymmdd(text: str) -> Fault | None:
    return fault_in_date(text, day_zero=False, year_digits=4)


def _yyyymmd0(text: str) -> Fault | None:
    return fault_in_date(text, day_zero=True, year_digits=4)


def _two_digits(name: str, limit: int) -> Linter:
    what, unit = name.lower(), name.upper()

    def lint(text: str) -> Fault | None:
        if len(text) != 2:
            code = f"GS1_LINTER_{unit}_TOO_{'SHORT' if len(text) < 2 else 'LONG'}"
            return Fault(code, f"{what} is {text!r}, expected 00 to {limit - 1}", 0, len(text))
        fault = NUMERIC.fault(text)
        if fault is not None:
            return fault
        if int(text) >= limit:
            return Fault(f"GS1_LINTER_ILLEGAL_{unit}", f"{what} is {text}, expected 00 to {limit - 1}", 0, 2)
        return None

    return lint


_hh, _mi, _ss = _two_digits("hour", 24), _two_digits("minute", 60), _two_digits("second", 60)


def _hhmi(text: str) -> Fault | None:
    if len(text) != 4:
        code = f"GS1_LINTER_HOUR_WITH_MINUTE_TOO_{'SHORT' if len(text) < 4 else 'LONG'}"
        return Fault(code, f"time is {text!r}, expected 0000 to 2359", 0, len(text))
    fault = _hh(text[:2])
    if fault is not None:
        return fault
    fault = _mi(text[2:])
    return None if fault is None else fault.moved(2)


# ---- code lists -------------------------------------------------------------------------------

_iso3166 = _one_of("GS1_LINTER_NOT_ISO3166", "country", ALPHA_2_OF, "three digits of ISO 3166-1")
"""AIs (421) to (426)."""

_iso3166999 = _one_of(
    "GS1_LINTER_NOT_ISO3166_OR_999",
    "country",
    frozenset((*ALPHA_2_OF, "999")),
    "three digits of ISO 3166-1, or 999 for several countries",
)
"""AIs (7030) to (7039)."""

_iso3166alpha2 = _one_of("GS1_LINTER_NOT_ISO3166_ALPHA2", "country", NUMERIC_OF, "two letters of ISO 3166-1")
"""AIs (4307) and (4317)."""

_iso4217 = _one_of("GS1_LINTER_NOT_ISO4217", "currency", CURRENCIES, "three digits of ISO 4217")
"""AIs (391n) and (393n)."""

_mediatype = _one_of(
    "GS1_LINTER_INVALID_MEDIA_TYPE",
    "AIDC media type",
    frozenset(f"{number:02d}" for number in (*range(1, 11), *range(80, 100))),
    "01 to 10 or 80 to 99",
)
"""AI (7241), figure "AIDC media type values": 01 to 10 are assigned by ICCBBA, 80 to 99 are for local use."""

_packagetype = _one_of("GS1_LINTER_INVALID_PACKAGE_TYPE", "package type", PACKAGE_TYPES, "a code of PackageTypeCode")
"""AI (7041)."""


# ---- other standards --------------------------------------------------------------------------

_SHORTEST_IBAN, _LONGEST_IBAN = 11, 34
_IBAN = re.compile(r"[0-9A-Z]*")


def _iban(text: str) -> Fault | None:
    """ISO 13616-1, AI (8007): the check digits make the number, its head moved to the end, 1 modulo 97.

    How long the number of a country is, the Syntax Dictionary leaves to the banks.
    """
    if len(text) < 4:
        return _iban_length("SHORT", text)
    if text[:2] not in NUMERIC_OF:
        what = f"country of the IBAN is {text[:2]!r}, expected two letters of ISO 3166-1"
        return Fault("GS1_LINTER_ILLEGAL_IBAN_COUNTRY_CODE", what, 0, 2)
    if len(text) > _LONGEST_IBAN:
        return _iban_length("LONG", text)
    if len(text) < _SHORTEST_IBAN:
        return _iban_length("SHORT", text)
    # The head is read last, so a fault in it is named last.
    turned = text[4:] + text[:4]
    match = _IBAN.match(turned)
    foreign = 0 if match is None else match.end()
    if foreign < len(turned):
        what = f"{turned[foreign]!r} in the IBAN, expected digits and capital letters"
        return Fault("GS1_LINTER_INVALID_IBAN_CHARACTER", what, (foreign + 4) % len(text), 1)
    if int("".join(str(int(char, 36)) for char in turned)) % 97 == 1:
        return None
    what = f"check digits of the IBAN are {text[2:4]}, which do not belong to {text[:2]} and {text[4:]}"
    return Fault("GS1_LINTER_INCORRECT_IBAN_CHECKSUM", what, 2, 2)


def _iban_length(which: str, text: str) -> Fault:
    what = f"expected an IBAN of {_SHORTEST_IBAN} to {_LONGEST_IBAN} characters, got {len(text)}"
    return Fault(f"GS1_LINTER_IBAN_TOO_{which}", what, 0, len(text))


_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _pcenc(text: str) -> Fault | None:
    """Percent-encoding of names and addresses, AIs (4300) to (4320) and (7253) to (7259) (RFC 3986, section 2.1)."""
    match = _PERCENT.search(text)
    if match is None:
        return None
    wrong = text[match.start() : match.start() + 3]
    what = f"{wrong!r} at {match.start() + 1}, expected '%' and two hexadecimal digits"
    return Fault("GS1_LINTER_INVALID_PERCENT_SEQUENCE", what, match.start(), len(wrong))


def _angle(name: str, most: int) -> Linter:
    """Ten digits, in ten-millionths of a degree from the South Pole or from Greenwich, AI (4309)."""

    def lint(text: str) -> Fault | None:
        if len(text) != 10:
            what = f"{name} is {text!r}, expected 10 digits"
            return Fault(f"GS1_LINTER_{name.upper()}_INVALID_LENGTH", what, 0, len(text))
        fault = NUMERIC.fault(text)
        if fault is not None:
            return fault
        if int(text) > most:
            what = f"{name} is {text}, expected at most {most}"
            return Fault(f"GS1_LINTER_INVALID_{name.upper()}", what, 0, 10)
        return None

    return lint


LINTERS: dict[str, Linter] = {
    "couponcode": coupon_fault,
    "couponposoffer": positive_offer_fault,
    "cset39": CSET_39.fault,
    "cset64": CSET_64.fault,
    "cset82": CSET_82.fault,
    "csetnumeric": NUMERIC.fault,
    "csum": _csum,
    "csumalpha": _csumalpha,
    "gcppos1": _gcppos1,
    "gcppos2": _gcppos2,
    "hasnondigit": _hasnondigit,
    "hh": _hh,
    "hhmi": _hhmi,
    "hyphen": _hyphen,
    "iban": _iban,
    "importeridx": _importeridx,
    "iso3166": _iso3166,
    "iso3166999": _iso3166999,
    "iso3166alpha2": _iso3166alpha2,
    "iso4217": _iso4217,
    "iso5218": _iso5218,
    "latitude": _angle("latitude", 1_800_000_000),
    "longitude": _angle("longitude", 3_600_000_000),
    "mediatype": _mediatype,
    "mi": _mi,
    "nonzero": _nonzero,
    "nozeroprefix": _nozeroprefix,
    "packagetype": _packagetype,
    "pcenc": _pcenc,
    "pieceoftotal": _pieceoftotal,
    "posinseqslash": _posinseqslash,
    "ss": _ss,
    "winding": _winding,
    "yesno": _yesno,
    "yymmd0": _yymmd0,
    "yymmdd": _yymmdd,
    "yyyymmd0": _yyyymmd0,
    "yyyymmdd": _yyyymmdd,
    "zero": _zero,
}
