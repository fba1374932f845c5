"""devices/coalesce.py: what is observed once, and when again."""

from datetime import UTC, datetime, timedelta

from devices.coalesce import Presence

START = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_thing_in_view_enters_once() -> None:
    seen = Presence(3.0)
    assert [seen.enters(b"a", at(s)) for s in (0, 1, 3.9, 6.8, 9.7)] == [True, False, False, False, False]


def test_a_thing_that_was_away_for_the_hold_off_enters_again() -> None:
    seen = Presence(3.0)
    assert [seen.enters(b"a", at(s)) for s in (0, 2.999, 5.999, 8.998)] == [True, False, True, False]


def test_things_do_not_disturb_each_other() -> None:
    seen = Presence(0.4)
    reads = [(b"a", 0.0), (b"b", 0.1), (b"a", 0.3), (b"c", 0.35), (b"b", 0.6), (b"a", 0.65)]
    assert [seen.enters(thing, at(s)) for thing, s in reads] == [True, True, False, True, True, False]


def test_a_clock_that_is_set_back_does_not_silence_the_reader() -> None:
    seen = Presence(3.0)
    assert seen.enters(b"a", at(3600))
    assert seen.enters(b"a", at(0))
    assert not seen.enters(b"a", at(1))


def test_those_who_left_are_forgotten() -> None:
    seen = Presence(1.0)
    for n in range(1000):
        seen.enters(n.to_bytes(2), at(n))
    assert len(seen._last) == 1
