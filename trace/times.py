"""Clocks, and instants as the formats write them. The only file that asks the machine for the time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from trace.errors import ParseError

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_OFFSET = re.compile(r"[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00", re.ASCII)


class Clock(Protocol):
    """Tells the time. Comes in as an argument everywhere, so that a story of ten days is told in a second."""

    def now(self) -> datetime:
        """Aware, UTC."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class SetClock:
    """A clock that is set by hand: demo story and tests."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def set(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError(f"clock set to {instant!r}: expected an aware instant")
        self.instant = instant.astimezone(UTC)

    def advance(self, **delta: float) -> None:
        """`advance(minutes=5)`: arguments as for `timedelta`."""
        self.instant += timedelta(**delta)


def to_ms(instant: datetime) -> int:
    """Unix milliseconds, rounded down."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r}: expected an aware instant")
    delta = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def from_ms(ms: int) -> datetime:
    """Unix milliseconds to an aware UTC instant."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def format_utc(instant: datetime) -> str:
    """`2026-11-24T03:04:05.678Z`: UTC with exactly three decimals, as signed payloads and leaves write it."""
    return from_ms(to_ms(instant)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{to_ms(instant) % 1000:03d}Z"


def parse_instant(text: str, what: str = "time") -> datetime:
    """RFC 3339 date-time with an offset, to UTC; decimals after the microsecond are dropped.

    Raises: ParseError when there is no offset or no such date.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ParseError(f"{what} {text[:40]!r}: expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00")
    date, clock, decimals, offset = match.groups()
    try:
        # Python reads 3 or 6 decimals only on 3.11; cut or fill to six.
        micro = (decimals or ".")[1:7].ljust(6, "0")
        return datetime.fromisoformat(f"{date}T{clock}.{micro}{'+00:00' if offset in 'Zz' else offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ParseError(f"{what} {text[:40]!r}: no such date or time") from error


def parse_offset(text: str) -> timedelta:
    """EPCIS eventTimeZoneOffset, `+08:00` (EPCIS 2.0, section 7.4.1).

    Raises: ParseError when it is not of the form ±hh:mm up to 14:00.
    """
    if _OFFSET.fullmatch(text) is None:
        raise ParseError(f"eventTimeZoneOffset {text[:20]!r}: expected ±hh:mm, at most 14:00, like +08:00")
    delta = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -delta if text[0] == "-" else delta
