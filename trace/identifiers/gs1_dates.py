"""Dates in element strings: YYMMDD, where day 00 can stand for the whole month (GS1 General Specifications, 7.12)."""

import calendar
from datetime import date

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC


def fault_in_date(text: str, *, day_zero: bool) -> str | None:
    """What is wrong with a YYMMDD, or None. `day_zero`: day 00 is allowed."""
    if len(text) != 6 or not NUMERIC.holds(text):
        return f"date is {text!r}, expected YYMMDD"
    month, day = int(text[2:4]), int(text[4:])
    if not 1 <= month <= 12:
        return f"month is {text[2:4]}, expected 01 to 12"
    # Of the years that two digits can mean, 1951 to 2150, the century matters for 2100 alone.
    last = calendar.monthrange(2000 + int(text[:2]), month)[1]
    first = 0 if day_zero else 1
    if not first <= day <= last:
        return f"day is {text[4:]}, expected {first:02d} to {last}"
    return None


def to_date(text: str, today: date | None = None) -> date:
    """The day that a YYMMDD means; day 00 is the last day of the month.

    `today` chooses the century: the year lies at most 49 years before it and 50 after it. Without it, years are 2000 to
    2099.

    Raises: ParseError when there is no such day.
    """
    fault = fault_in_date(text, day_zero=True)
    if fault is not None:
        raise ParseError(f"date {text[:20]!r}: {fault}.")
    year, month, day = _year(int(text[:2]), today), int(text[2:4]), int(text[4:])
    last = calendar.monthrange(year, month)[1]
    if day > last:
        raise ParseError(f"date {text!r}: day is {day:02d}, expected 01 to {last}.")
    return date(year, month, day or last)


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
