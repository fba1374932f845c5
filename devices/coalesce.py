"""From reads to observations: a reader repeats itself, and the record must not.

Two rules, both sliding from the last read, so that a thing which stays in view is observed once:

* barcodes: the same bytes again within 0.4 s are one trigger pull. Nobody scans the same pack twice on purpose as fast.
* tags: observed when entering the field, and again only after nothing was heard of it for the hold-off.
"""

from datetime import datetime, timedelta

SCAN_HOLD_OFF_S = 0.4
TAG_HOLD_OFF_S = 3.0


class Presence:
    """What a reader sees at the moment."""

    def __init__(self, hold_off_s: float) -> None:
        self._hold_off = timedelta(seconds=hold_off_s)
        self._last: dict[bytes, datetime] = {}

    def enters(self, thing: bytes, at: datetime) -> bool:
        """Whether this read is the first of a visit."""
        last = self._last.pop(thing, None)
        # Put back at the end: the dict stays in order of the last read, and whoever left is at its front.
        self._last[thing] = at
        gone = []
        for other, seen in self._last.items():
            if self._is_present(seen, at):
                break
            gone.append(other)
        for other in gone:
            del self._last[other]
        return last is None or not self._is_present(last, at)

    def _is_present(self, seen: datetime, at: datetime) -> bool:
        # A clock that was set back makes everything new once; the alternative is to be silent until it catches up.
        return timedelta(0) <= at - seen < self._hold_off
