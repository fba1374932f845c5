"""Content checks of the GS1 Barcode Syntax Dictionary, by the name they have there.

A linter takes one component of a value and says what is wrong with it, or None. Length and characters of the component
have been checked before. Names of the dictionary that are not in `LINTERS` yet let everything pass.
"""

from collections.abc import Callable

from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.gs1_dates import fault_in_date

Linter = Callable[[str], str | None]


def _csum(text: str) -> str | None:
    computed = gs1_check_digit(text[:-1])
    return None if text[-1] == computed else f"check digit is {text[-1]}, computed {computed}"


def _yymmdd(text: str) -> str | None:
    return fault_in_date(text, day_zero=False)


def _yymmd0(text: str) -> str | None:
    return fault_in_date(text, day_zero=True)


def _below(limit: int, what: str) -> Linter:
    def lint(text: str) -> str | None:
        if len(text) != 2 or not NUMERIC.holds(text) or int(text) >= limit:
            return f"{what} is {text}, expected 00 to {limit - 1}"
        return None

    return lint


_hh, _mi, _ss = _below(24, "hour"), _below(60, "minute"), _below(60, "second")


def _hhmi(text: str) -> str | None:
    return _hh(text[:2]) or _mi(text[2:])


def _zero(text: str) -> str | None:
    return None if text and not text.strip("0") else f"value is {text}, expected 0"


def _nonzero(text: str) -> str | None:
    if not NUMERIC.holds(text):
        return f"value is {text}, expected digits"
    return None if text.strip("0") else f"value is {text}, expected more than 0"


LINTERS: dict[str, Linter] = {
    "csum": _csum,
    "yymmdd": _yymmdd,
    "yymmd0": _yymmd0,
    "hh": _hh,
    "mi": _mi,
    "ss": _ss,
    "hhmi": _hhmi,
    "zero": _zero,
    "nonzero": _nonzero,
}
