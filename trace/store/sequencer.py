"""The sequencer: the one place that appends to the log, as a thread of the one server process.

It takes whatever parcels wait, decides each in Python (a bad one never fails its group), and writes leaf, envelope,
disclosures, index and head in ONE durable transaction. Who submits waits for that commit: no promises are given out.

    submit      --> queue --> [ read | decide | write ] --> commit --> receipts --> publish wakes
    submit_many                one transaction a group
"""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass

from trace.errors import UnavailableError
from trace.store.intake import Intake, Outcome, Receipt
from trace.store.integrator import Begin, Integrator
from trace.times import Clock

MAX_GROUP = 512
"""Parcels in one transaction: above this the commit costs nothing any more, and who waits waits longer."""


@dataclass(frozen=True, slots=True)
class _Job:
    intakes: Sequence[Intake]
    future: "Future[list[Outcome]]"


class Sequencer:
    """Appends to one log. Create it where the write lock is, once."""

    def __init__(self, platform: int, origin: str, item_secret: bytes, begin: Begin, clock: Clock) -> None:
        self._integrator = Integrator(platform, origin, item_secret, begin, clock)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.on_commit: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Load the committed state and begin to serve.

        Raises: LedgerError when the stored leaves do not give the stored head.
        """
        self._integrator.load()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, intake: Intake, timeout_s: float = 20) -> Receipt:
        """Wait until the parcel is durably recorded.

        Raises: the TraceError that says why it is refused; UnavailableError when it is not known whether it was
        recorded: the same bytes, sent again, get the same receipt.
        """
        outcome = self.submit_many([intake], timeout_s)[0]
        if isinstance(outcome, Receipt):
            return outcome
        raise outcome

    def submit_many(self, intakes: Sequence[Intake], timeout_s: float = 20) -> list[Outcome]:
        """Wait until all are durably recorded or refused; one outcome each, in order. They share their commits.

        Raises: UnavailableError as `submit`.
        """
        if self._thread is None or not self._thread.is_alive():
            raise UnavailableError("the sequencer is not running", retry_after_s=2)
        jobs = [_Job(intakes[start : start + MAX_GROUP], Future()) for start in range(0, len(intakes), MAX_GROUP)]
        for job in jobs:
            self._queue.put(job)
        try:
            return [outcome for job in jobs for outcome in job.future.result(timeout_s)]
        except FutureTimeoutError as error:
            raise UnavailableError(f"not recorded within {timeout_s:g} s", retry_after_s=2) from error

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            group, parcels = [job], len(job.intakes)
            stopping = False
            while parcels < MAX_GROUP and not stopping:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stopping = True
                else:
                    group.append(following)
                    parcels += len(following.intakes)
            self._answer(group)
            if stopping:
                return

    def _answer(self, group: list[_Job]) -> None:
        outcomes = iter(self._integrator.integrate([intake for job in group for intake in job.intakes]))
        self.on_commit()
        for job in group:
            job.future.set_result([next(outcomes) for _ in job.intakes])
