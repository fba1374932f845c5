"""One reader of a station: keeps its link open, and turns its records into observations.

A bad scan, a foreign tag, garbage on the line or a full disk is counted, logged and put into the journal, and the
reader goes on. An unplugged cable is opened again, with back-off, and the reader is set up anew: its settings are
volatile.
"""

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from devices.backoff import Backoff
from devices.coalesce import SCAN_HOLD_OFF_S, Presence
from devices.journal import Journal, Kind
from devices.link import Link, LinkError
from devices.pump import pump
from devices.reader_url import ReaderUrl
from devices.recorder import Recorder
from scanners.records import Junk, ReaderEvent, Record, Scan, TagRead
from trace.errors import TraceError
from trace.observe import ReadPoint
from trace.times import Clock

logger = logging.getLogger(__name__)

GATHER = timedelta(seconds=0.25)
"""Tags that enter within this time of the first share an event: a pallet through a gate is one hop, not a hundred."""
MOST_TAGS = 500
"""Items a device parcel may hold (DESIGN section 5, "Limits")."""

TEXT_PROTOCOLS = frozenset({"line"})
"""Their bytes are shown as Latin-1, those of all others as hex."""


@dataclass(frozen=True)
class Reader:
    """What stations.toml says of one reader."""

    name: str
    url: ReaderUrl
    where: ReadPoint
    hold_off_s: float
    """For tags: gone for so long, it enters anew."""


class ReaderLoop:
    """The thread of one reader."""

    def __init__(
        self,
        reader: Reader,
        *,
        recorder: Recorder,
        journal: Journal,
        clock: Clock,
        backoff: Backoff,
        open_link: Callable[[ReaderUrl], Link] = ReaderUrl.link,
    ) -> None:
        self.reader = reader
        self.connected = False
        self.counts: Counter[str] = Counter()
        """Written by our thread alone: scans, tags, observed, repeated, bad, junk, connected, and reader events."""
        self._recorder = recorder
        self._journal = journal
        self._clock = clock
        self._backoff = backoff
        self._open_link = open_link
        self._scans = Presence(SCAN_HOLD_OFF_S)
        self._field = Presence(reader.hold_off_s)
        self._entering: list[TagRead] = []
        self._repeating: bytes | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reader {reader.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the thread has ended; what was read before is in the outbox."""
        self._stopped.set()
        self._thread.join()

    def status(self) -> dict[str, Any]:
        return {
            "name": self.reader.name,
            "url": str(self.reader.url),
            "connected": self.connected,
            "counts": dict(self.counts),
        }

    def _run(self) -> None:
        outage = False
        while not self._stopped.is_set():
            link = self._open_link(self.reader.url)
            try:
                link.open()
                outage = False
                self.connected = True
                self.counts["connected"] += 1
                logger.info("reader connected", extra={"reader": self.reader.name})
                self._journal.add(Kind.CONNECTED, self.reader.name, detail=str(self.reader.url))
                self._read(link)
            except Exception as error:
                # A cable, or our own mistake in a decoder: the same cure.
                if not isinstance(error, LinkError):
                    logger.exception("reader failed", extra={"reader": self.reader.name})
                self.connected = False
                # One entry an outage, not one an attempt.
                if not outage:
                    outage = True
                    logger.warning("reader lost", extra={"reader": self.reader.name, "reason": str(error)})
                    self._journal.add(Kind.DISCONNECTED, self.reader.name, detail=str(error))
            finally:
                link.close()
                self._observe_entering()
            if not self._stopped.is_set():
                self._stopped.wait(self._backoff.next_s())
        self.connected = False

    def _read(self, link: Link) -> None:
        for records in pump(link, self.reader.url.decoder(), clock=self._clock, stopped=self._stopped.is_set):
            for record in records:
                # Opening alone does not prove a link: a port that opens and fails at once must not be hammered.
                self._backoff.reset()
                self._take(record)
            if self._entering and (
                len(self._entering) >= MOST_TAGS or abs(self._clock.now() - self._entering[0].at) >= GATHER
            ):
                self._observe_entering()

    def _take(self, record: Record) -> None:
        match record:
            case Scan(raw=raw, at=at):
                self.counts["scans"] += 1
                if self._scans.enters(raw, at):
                    self._repeating = None
                    self._guard(
                        lambda: self._recorder.scan(raw, self.reader.where, reader=self.reader.name, at=at), raw
                    )
                else:
                    self._repeated(raw)
            case TagRead(pc=pc, epc=epc, at=at):
                self.counts["tags"] += 1
                if self._field.enters(pc.to_bytes(2) + epc, at):
                    self._entering.append(record)
                else:
                    self.counts["repeated"] += 1
            case ReaderEvent(kind=kind, detail=detail):
                self.counts[str(kind)] += 1
                logger.debug("reader event", extra={"reader": self.reader.name, "kind": str(kind), "detail": detail})
            case Junk(reason=reason, data=junk):
                self.counts["junk"] += 1
                logger.info("junk", extra={"reader": self.reader.name, "reason": reason})
                self._journal.add(Kind.JUNK, self.reader.name, raw=self._shown(junk), detail=reason)

    def _repeated(self, raw: bytes) -> None:
        self.counts["repeated"] += 1
        # A trigger that is held down repeats ten times a second; one entry says it.
        if self._repeating != raw:
            self._repeating = raw
            detail = f"the same code within {SCAN_HOLD_OFF_S:g} s: taken for one scan"
            self._journal.add(Kind.REPEATED, self.reader.name, raw=self._shown(raw), detail=detail)

    def _observe_entering(self) -> None:
        """All tags that entered together, as one event if they are all good, else each good one by itself."""
        entering, self._entering = self._entering, []
        for start in range(0, len(entering), MOST_TAGS):
            group = entering[start : start + MOST_TAGS]
            try:
                self._record_tags(group)
                self.counts["observed"] += 1
                continue
            except TraceError as error:
                logger.debug("tags one by one", extra={"reader": self.reader.name, "reason": str(error)})
            except Exception:
                logger.exception("tags one by one", extra={"reader": self.reader.name})
            # One foreign tag on the pallet must not cost its neighbours their hop.
            for tag in group:
                self._guard(lambda tag=tag: self._record_tags([tag]), tag.epc)  # type: ignore[misc]

    def _record_tags(self, group: list[TagRead]) -> None:
        self._recorder.tags(
            [(tag.pc, tag.epc) for tag in group], self.reader.where, reader=self.reader.name, at=_first(group)
        )

    def _guard(self, observe: Callable[[], None], raw: bytes) -> None:
        """Observe one thing; what goes wrong with it is written down, and the next thing gets its turn."""
        try:
            observe()
            self.counts["observed"] += 1
            return
        except TraceError as error:
            detail = str(error)
            logger.warning("bad scan", extra={"reader": self.reader.name, "reason": detail})
        except sqlite3.Error as error:
            detail = f"outbox: {error}; not kept, scan it again"
            logger.exception("not kept", extra={"reader": self.reader.name})
        except Exception as error:
            detail = f"station failed on it: {type(error).__name__}; not kept"
            logger.exception("station failed on a scan", extra={"reader": self.reader.name})
        self.counts["bad"] += 1
        self._journal.add(Kind.BAD_SCAN, self.reader.name, raw=self._shown(raw), detail=detail)

    def _shown(self, data: bytes) -> str:
        return data.decode("latin-1") if self.reader.url.protocol in TEXT_PROTOCOLS else data.hex()


def _first(group: list[TagRead]) -> datetime:
    return min(tag.at for tag in group)
