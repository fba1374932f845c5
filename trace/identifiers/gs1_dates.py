"""Dates in element strings: YYMMDD, where day 00 can stand for the whole month (GS1 General Specifications, 7.12)."""

from datetime import date

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.faults import Fault


def fault_in_date(text: str, *, day_zero: bool, year_digits: int = 2) -> Fault | None:
    """What is wrong with a YYMMDD or, with `year_digits=4`, YYYYMMDD. `day_zero`: day 00 is allowed."""
    expected = year_digits + 4
    if len(text) != expected:
        code = "GS1_LINTER_DATE_TOO_SHORT" if len(text) < expected else "GS1_LINTER_DATE_TOO_LONG"
        return Fault(code, f"date is {text[:20]!r}, expected {'YYYYMMDD'[-expected:]}", 0, len(text))
    foreign = NUMERIC.first_foreign(text)
    if foreign is not None:
        what = f"date is {text!r}, expected {'YYYYMMDD'[-expected:]}"
        return Fault("GS1_LINTER_NON_DIGIT_CHARACTER", what, foreign, 1)
    month, day = int(text[-4:-2]), int(text[-2:])
    if not 1 <= month <= 12:
        what = f"month is {text[-4:-2]}, expected 01 to 12"
        return Fault("GS1_LINTER_ILLEGAL_MONTH", what, year_digits, 2)
    # Of the years that two digits can mean, 1951 to 2150, the century matters for 2100 alone.
    last = _last_day(int(text[:-4]) + (2000 if year_digits == 2 else 0), month)
    first = 0 if day_zero else 1
    if not first <= day <= last:
        what = f"day is {text[-2:]}, expected {first:02d} to {last}"
        return Fault("GS1_LINTER_ILLEGAL_DAY", what, year_digits + 2, 2)
    return None


def to_date(text: str, today: date | None = None) -> date:
    """The day that a YYMMDD means; day 00 is the last day of the month.

    `today` chooses the century: the year lies at most 49 years before it and 50 after it. Without it, years are 2000 to
    2099.

    Raises: ParseError when there is no such day.
    """
    fault = fault_in_date(text, day_zero=True)
    if fault is not None:
        raise ParseError(f"date {text[:20]!r}: {fault.message}.")
    year, month, day = _year(int(text[:2]), today), int(text[2:4]), int(text[4:])
    last = _last_day(year, month)
    if day > last:
        raise ParseError(f"date {text!r}: day is {day:02d}, expected 01 to {last}.")
    return date(year, month, day or last)


_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _last_day(year: int, month: int) -> int:
    """Gregorian, year 0 included: `calendar` knows none, and a YYYYMMDD may say 0000."""
    if month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0):
        return 29
    return _DAYS[month - 1]


def _year(two_digits: int, today: date | None) -> int:
    if today is None:
        return 2000 + two_digits
    century = today.year - today.year % 100
    ahead = two_digits - today.year % 100
    if ahead >= 51:
        century -= 100
    elif ahead <= -50:
        century += 100
    return century + two_digits
