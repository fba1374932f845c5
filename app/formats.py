"""Dates, times, numbers and temperatures as pages write them, in Chinese and English (interface guide, section 7.2).

Pure: the language is an argument. Chinese has no space between a number and a counting word, and none between date and
time; a value and its unit symbol keep a no-break space in both languages.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
"""The zone of display; its name is not written, all of the country keeps it."""

MISSING = "—"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ELEMENTS = re.compile(r"(01)(\d{14})(?:(21|10)(.+))?|(00)(\d{18})")
_NBSP = "\u00a0"


def local(instant: datetime) -> datetime:
    """The instant in the zone of display."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r}: expected an aware instant")
    return instant.astimezone(ZONE)


def iso(instant: datetime) -> str:
    """For `<time datetime>`: UTC to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(value: date, language: str, today: date) -> str:
    """A date in running text; Chinese leaves the year out in its own year."""
    if language == "en":
        return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"
    year = "" if value.year == today.year else f"{value.year}年"
    return f"{year}{value.month}月{value.day}日"


def moment(instant: datetime, language: str, today: date) -> str:
    """A date with its time in running text."""
    at = local(instant)
    joint = ", " if language == "en" else ""
    return f"{day(at.date(), language, today)}{joint}{at:%H:%M}"


def table_day(value: date | None) -> str:
    """A date in a table: `2026-11-20`, the same in both languages."""
    return MISSING if value is None else value.isoformat()


def number(value: int | Decimal) -> str:
    """`11,840`."""
    return f"{value:,}"


def celsius(value: float, language: str) -> str:
    """`9.3 ℃`, English `9.3 °C`."""
    return f"{_degrees(value)}{_NBSP}{_unit(language)}"


def celsius_range(low: float, high: float, language: str) -> str:
    """`2~8 ℃`, English `2–8 °C`; a range of one value is that value."""
    if low == high:
        return celsius(low, language)
    # Below zero an en dash reads as a minus sign.
    joint = "~" if language != "en" else (" to " if low < 0 or high < 0 else "–")
    return f"{_degrees(low)}{joint}{_degrees(high)}{_NBSP}{_unit(language)}"


def grouped(code: str) -> tuple[str, ...]:
    """The parts in which people read a code: an element string by its identifiers, the 20-digit drug code as 7 + 13,
    GTIN-13 as 1 + 6 + 6, anything else by four.
    """
    if (parts := _ELEMENTS.fullmatch(code)) is not None:
        return tuple(part for part in parts.groups() if part)
    if code.isdigit() and len(code) == 20:
        return code[:7], code[7:]
    if code.isdigit() and len(code) == 13:
        return code[:1], code[1:7], code[7:]
    return tuple(code[at : at + 4] for at in range(0, len(code), 4))


def _degrees(value: float) -> str:
    """At most one decimal, a real minus sign."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text.replace("-", "−")


def _unit(language: str) -> str:
    return "°C" if language == "en" else "℃"
