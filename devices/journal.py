"""What happened at a station, newest last: for its printer on standard output and for whoever asks over HTTP.

A window of the last entries in memory, numbered from 1 at each start. The durable record is the outbox.
"""

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

KEEP = 1000


class Kind(StrEnum):
    RECORDED = "recorded"
    REFUSED = "refused"
    BAD_SCAN = "bad_scan"
    JUNK = "junk"
    REPEATED = "repeated"
    """The first suppressed repetition of a scan: a deliberate second scan is never dropped in silence."""
    ALARM = "alarm"
    """The log contradicts itself: a person must look."""
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True)
class News:
    """What came after a number, and the number to ask with next."""

    newest: int
    events: list[dict[str, Any]]


class Journal:
    """Bounded, safe from any thread."""

    def __init__(self, keep: int = KEEP) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=keep)
        self._newest = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def newest(self) -> int:
        """Number of the last entry, 0 before the first."""
        return self._newest

    def add(self, kind: Kind, reader: str, **more: Any) -> None:
        """`more` are JSON values."""
        with self._changed:
            self._newest += 1
            self._entries.append({"n": self._newest, "kind": kind.value, "reader": reader, **more})
            self._changed.notify_all()

    def after(self, n: int, wait_s: float) -> News:
        """Entries with a higher number, as far as they are kept; when there are none, waits for the next.

        A number that was never given out comes from before a restart: then everything is new.
        """
        with self._changed:
            if n > self._newest:
                n = 0
            self._changed.wait_for(lambda: self._newest > n or self._closed, timeout=wait_s)
            return News(self._newest, [entry for entry in self._entries if entry["n"] > n])

    def close(self) -> None:
        """Nobody waits any longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
