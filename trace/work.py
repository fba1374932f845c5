"""The working door: what web processes have put down becomes leaves, on PostgreSQL. `./suyuan work` opens it.

    notice or a second's rest --> take what is present --> read | decide | write | answer --> one commit

The lease keeps a second worker idle and is for efficiency alone: two that run at once cannot fork the log, because the
head moves by compare-and-swap and its loser rolls back. Parcels were verified by the web process that put them down;
what they say is read again here.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from trace.capture import read
from trace.errors import TraceError, UnavailableError
from trace.ledger.envelope import Parcel
from trace.ledger.payload import parse_payload
from trace.store import pending
from trace.store.intake import Intake, Outcome
from trace.store.integrator import MAX_GROUP, Begin, Integrator
from trace.store.pending import Asked, Listen
from trace.times import Clock

logger = logging.getLogger(__name__)

REST_S = 1.0
SWEEP_EVERY_S = 60

Lease = Callable[[], AbstractContextManager[bool]]


class Worker:
    """Integrates one log, in a thread of its own."""

    def __init__(
        self,
        platform: int,
        origin: str,
        item_secret: bytes,
        begin: Begin,
        clock: Clock,
        listen: Listen,
        lease: Lease,
    ) -> None:
        """`begin` opens the transaction of the append; `lease` says whether this worker is the one."""
        self._platform = platform
        self._origin = origin
        self._begin = begin
        self._listen = listen
        self._lease = lease
        self._integrator = Integrator(platform, origin, item_secret, begin, clock)
        self._limit = MAX_GROUP
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._swept = 0.0
        self.on_commit: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Load the committed state and begin to serve.

        Raises: LedgerError when the stored leaves do not give the stored head.
        """
        self._integrator.load()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the group at hand, then end; what waits waits for the next worker."""
        if self._thread is not None:
            self._stopping.set()
            pending.wake(self._begin, pending.ASKED)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._lease() as held:
                    if held:
                        self._serve()
                    else:
                        self._stopping.wait(REST_S)
            except Exception:
                logger.exception("worker lost the database; it comes back")
                self._stopping.wait(REST_S)

    def _serve(self) -> None:
        with self._listen(pending.ASKED) as wait:
            while not self._stopping.is_set():
                if not self.step():
                    self._sweep()
                    wait(REST_S)

    def step(self) -> bool:
        """Integrate one group of what is present; False when nothing was."""
        asked: list[Asked] = []
        try:
            with self._begin() as session:
                asked = pending.take(session, self._platform, self._limit)
                if not asked:
                    return False
                outcomes: dict[str, Outcome] = {}
                intakes: dict[str, Intake] = {}
                for each in asked:
                    try:
                        parcel = Parcel.from_bytes(each.parcel)
                        payload = parse_payload(parcel.envelope)
                        intakes[each.token] = read(session, self._platform, self._origin, parcel, payload)
                    except TraceError as error:
                        outcomes[each.token] = error
                recorded = self._integrator.integrate_in(session, list(intakes.values()))
                outcomes |= zip(intakes, recorded, strict=True)
                pending.answer(session, self._platform, outcomes)
        except Exception as error:
            before = self._integrator.size
            self._integrator.reload()
            if self._integrator.size != before:
                # Another worker has moved the head: its leaves are known now, and the same rows are tried again.
                logger.warning("group rolled back", extra={"parcels": len(asked), "reason": str(error)})
                return True
            logger.exception("append failed", extra={"parcels": len(asked)})
            if not asked:
                raise
            if len(asked) == 1:
                self._refuse(asked[0], error)
            # One of them may be what the database chokes on: by halves it ends up alone, and harms nobody else.
            self._limit = max(len(asked) // 2, 1)
        else:
            self._integrator.committed()
            self._limit = min(self._limit * 2, MAX_GROUP)
            self.on_commit()
        return True

    def _refuse(self, asked: Asked, error: Exception) -> None:
        reason = UnavailableError(f"the log could not be written: {type(error).__name__}", retry_after_s=2)
        with self._begin() as session:
            pending.answer(session, self._platform, {asked.token: reason})

    def _sweep(self) -> None:
        if time.monotonic() - self._swept > SWEEP_EVERY_S:
            self._swept = time.monotonic()
            with self._begin() as session:
                pending.sweep(session, self._platform, time.time_ns() // 1000)
