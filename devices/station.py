"""The station: several readers, one device key, one outbox, one uplink.

    link -> decoder -> observe -> sign -> outbox -> uplink -> server
    |____ a thread a reader (reader.py) ____|       |_ a thread _|

Wires them, starts and stops them in order, and says how they are.
"""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from devices.backoff import Backoff
from devices.head_watch import HeadWatch
from devices.journal import Journal, Kind
from devices.link import Link
from devices.outbox import Outbox, Waiting
from devices.reader import Reader, ReaderLoop
from devices.reader_url import ReaderUrl
from devices.recorder import Recorder
from devices.uplink import FIRST_WAIT_S, MOST_WAIT_S, Delivered, Refused, Uplink
from trace.ledger.keys import PrivateKey
from trace.times import Clock

RECONNECT_FIRST_S = 0.25
RECONNECT_MOST_S = 5.0

STOP_TIMEOUT_S = 5.0
"""For a request that is under way; its parcel stays in the outbox."""


class Station:
    """Owns the threads; the outbox and the HTTP client are opened and closed by the caller."""

    def __init__(
        self,
        readers: Sequence[Reader],
        *,
        key: PrivateKey,
        issuer: str,
        origin: str,
        utc_offset: str,
        server: str,
        outbox: Outbox,
        client: httpx.Client,
        clock: Clock,
        rng: random.Random,
        log_key: str | None = None,
        seen_file: Path | None = None,
        open_link: Callable[[ReaderUrl], Link] = ReaderUrl.link,
        new_event_id: Callable[[], str] = lambda: f"urn:uuid:{uuid4()}",
    ) -> None:
        """`log_key` and `seen_file` together: the checkpoints of the log are watched.

        Raises: ParseError, SignatureError when the log key is none, or the kept checkpoint is not of that log.
        """
        self.journal = Journal()
        self._watch = (
            None
            if log_key is None or seen_file is None
            else HeadWatch(seen_file, client=client, server=server, log_key=log_key, on_alarm=self._alarm)
        )
        self._outbox = outbox
        self._key_id = key.key_id
        self._uplink = Uplink(
            outbox,
            server,
            client=client,
            clock=clock,
            backoff=Backoff(FIRST_WAIT_S, MOST_WAIT_S, rng),
            on_answer=self._answered,
        )
        recorder = Recorder(
            outbox,
            key,
            issuer=issuer,
            origin=origin,
            utc_offset=utc_offset,
            new_event_id=new_event_id,
            on_added=self._uplink.wake,
            seen=lambda: None if self._watch is None else self._watch.seen(),
        )
        self._loops = [
            ReaderLoop(
                reader,
                recorder=recorder,
                journal=self.journal,
                clock=clock,
                backoff=Backoff(RECONNECT_FIRST_S, RECONNECT_MOST_S, rng),
                open_link=open_link,
            )
            for reader in readers
        ]

    def start(self) -> None:
        self._uplink.start()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Readers first, so that what they have read is in the outbox before it closes."""
        for loop in self._loops:
            loop.stop()
        self._uplink.stop(STOP_TIMEOUT_S)
        self.journal.close()

    def status(self) -> dict[str, Any]:
        """For `GET /status`."""
        counts = self._outbox.counts()
        return {
            "key_id": self._key_id,
            "readers": [loop.status() for loop in self._loops],
            "outbox": {"waiting": counts.waiting, "recorded": counts.recorded, "refused": counts.refused},
            "uplink": {"trouble": self._uplink.trouble},
            "newest": self.journal.newest,
        }

    def _answered(self, waiting: Waiting, outcome: Delivered | Refused) -> None:
        note = json.loads(waiting.note)
        if isinstance(outcome, Delivered):
            receipt = outcome.receipt
            self.journal.add(Kind.RECORDED, **note, leaf_index=receipt.leaf_index, event_id=receipt.event_id)
            if self._watch is not None:
                self._watch.look()
        else:
            self.journal.add(Kind.REFUSED, **note, detail=outcome.reason)

    def _alarm(self, detail: str) -> None:
        self.journal.add(Kind.ALARM, "", detail=detail)
