"""The pump between a link and a decoder: bytes in, records out, commands back; tells the decoder of silence."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from devices.link import Link, LinkError
from scanners.records import Decoder, Record
from trace.times import Clock

TURN_S = 0.05
"""Longest wait in one read: how soon a stop, a command or a silence is noticed."""

FOR_EVER = timedelta(minutes=10)
"""Longer than any decoder waits for the rest of a claim."""


def pump(link: Link, decoder: Decoder, *, clock: Clock, stopped: Callable[[], bool]) -> Iterator[list[Record]]:
    """Records of an open link, a list a turn (often empty), until `stopped()`.

    The decoder's start-up commands go out first. What it holds when the link fails comes out before the failure.
    Raises: LinkError when the link fails.
    """
    decoder.start(clock.now())
    while not stopped():
        try:
            commands = decoder.to_send()
            if commands:
                link.write(commands)
            arrived = link.read(TURN_S)
        except LinkError:
            yield ended(decoder, clock)
            raise
        now = clock.now()
        yield decoder.receive(arrived, now) if arrived else decoder.idle(now)


def ended(decoder: Decoder, clock: Clock) -> list[Record]:
    """What a decoder holds when no more bytes will come."""
    return decoder.idle(clock.now() + FOR_EVER)
