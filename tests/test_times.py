"""Clocks, and instants as the formats write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError
from trace.times import SetClock, SystemClock, format_utc, from_ms, parse_instant, parse_offset, to_ms

AT = datetime(2026, 11, 24, 3, 4, 5, 678999, tzinfo=UTC)


def test_milliseconds_are_rounded_down_before_and_after_1970() -> None:
    assert to_ms(AT) == 1_795_489_445_678
    assert to_ms(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1
    assert from_ms(-1) == datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_every_millisecond_is_a_round_trip(ms: int) -> None:
    assert to_ms(from_ms(ms)) == ms
    if ms >= -30_000_000_000_000:  # strftime writes years before 1000 without their zeros
        assert to_ms(parse_instant(format_utc(from_ms(ms)))) == ms


def test_instants_are_written_in_utc_with_three_decimals() -> None:
    assert format_utc(AT) == "2026-11-24T03:04:05.678Z"
    assert format_utc(AT.astimezone(timezone(timedelta(hours=8)))) == "2026-11-24T03:04:05.678Z"
    assert format_utc(datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T11:04:05.678+08:00", datetime(2026, 11, 24, 3, 4, 5, 678_000, tzinfo=UTC)),
        ("2026-11-24t03:04:05z", datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)),
        ("2026-11-24T03:04:05.1Z", datetime(2026, 11, 24, 3, 4, 5, 100_000, tzinfo=UTC)),
        ("2026-11-24T03:04:05.123456789Z", datetime(2026, 11, 24, 3, 4, 5, 123_456, tzinfo=UTC)),
        ("2026-11-24T03:04:05-00:30", datetime(2026, 11, 24, 3, 34, 5, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read(text: str, instant: datetime) -> None:
    assert parse_instant(text) == instant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2026-11-24T03:04:05", "expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00"),
        ("2026-11-24 03:04:05Z", "expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00"),
        ("2026-11-24T03:04Z", "expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00"),
        ("2026-11-24T03:04:05Z\n", "expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00"),
        (
            "\u0662026-11-24T03:04:05Z",
            "expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00",
        ),
        ("", "expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00"),
        ("2026-02-29T00:00:00Z", "no such date or time"),
        ("2026-11-24T24:00:00Z", "no such date or time"),
        ("2026-11-24T03:04:60Z", "no such date or time"),
        ("2026-11-24T03:04:05+25:00", "no such date or time"),
        ("0001-01-01T00:00:00+14:00", "no such date or time"),
    ],
)
def test_other_times_are_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_instant(text, "eventTime")
    assert str(refused.value) == f"eventTime {text!r}: {message}"


@pytest.mark.parametrize(
    ("text", "minutes"), [("+08:00", 480), ("-03:30", -210), ("+14:00", 840), ("-14:00", -840), ("+00:00", 0)]
)
def test_offsets_are_read(text: str, minutes: int) -> None:
    assert parse_offset(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["8:00", "+8:00", "+0800", "Z", "+14:01", "+15:00", "+08:60", "+0\u0663:00", "+08:00 "]
)
def test_other_offsets_are_refused(text: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_offset(text)
    assert str(refused.value) == f"eventTimeZoneOffset {text!r}: expected ±hh:mm, at most 14:00, like +08:00"


def test_a_set_clock_tells_what_it_was_set_to() -> None:
    clock = SetClock(AT)
    clock.advance(minutes=5)
    assert clock.now() == AT + timedelta(minutes=5)
    clock.set(datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))))
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert SystemClock().now().tzinfo is UTC


def test_an_instant_without_a_zone_is_a_mistake_of_the_caller() -> None:
    naive = datetime(2026, 1, 1)
    with pytest.raises(ValueError, match="expected an aware instant"):
        to_ms(naive)
    with pytest.raises(ValueError, match="expected an aware instant"):
        SetClock(AT).set(naive)
