"""The sequencer: the one place that appends to the log, as a thread of the one server process.

It takes whatever parcels wait, decides each in Python (a bad one never fails its group), and writes leaf, envelope,
disclosures, index and head in ONE durable transaction. Who submits waits for that commit: no promises are given out.

    submit      --> queue --> [ read | decide | write ] --> commit --> receipts --> publish wakes
    submit_many                one transaction a group
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence

from trace.errors import UnavailableError
from trace.store.intake import Intake, Outcome, Receipt
from trace.store.integrator import MAX_GROUP, Begin, Integrator
from trace.times import Clock

GATHER_S = 0.002
"""How long a commit waits for clients that shared one of the last two: half of what a flush takes on a usual disk."""


class _Job:
    """Parcels that somebody waits for. A bare lock: a Future costs more than the leaf does."""

    __slots__ = ("_decided", "intakes", "outcomes")

    def __init__(self, intakes: Sequence[Intake]) -> None:
        self.intakes = intakes
        self.outcomes: list[Outcome] = []
        self._decided = threading.Lock()
        self._decided.acquire()

    def answer(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self._decided.release()

    def wait(self, timeout_s: float) -> bool:
        """Whether the outcomes are there."""
        return self._decided.acquire(timeout=timeout_s)


class Sequencer:
    """Appends to one log. Create it where the write lock is, once."""

    def __init__(self, platform: int, origin: str, item_secret: bytes, begin: Begin, clock: Clock) -> None:
        self._integrator = Integrator(platform, origin, item_secret, begin, clock)
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._recent = (0, 0)
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
        jobs = [_Job(intakes[start : start + MAX_GROUP]) for start in range(0, len(intakes), MAX_GROUP)]
        for job in jobs:
            self._queue.put(job)
        if not all(job.wait(timeout_s) for job in jobs):
            raise UnavailableError(f"not recorded within {timeout_s:g} s", retry_after_s=2)
        return [outcome for job in jobs for outcome in job.outcomes]

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            self._gather()
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
            self._recent = (len(group), self._recent[0])
            self._answer(group)
            if stopping:
                return

    def _gather(self) -> None:
        """Let those who share commits come back from the last one, so that all share the next: half the flushes."""
        expected = sum(self._recent)
        if expected <= 2:
            return  # one client, or two in turn: nobody to wait for
        ends = time.monotonic() + GATHER_S
        while self._queue.qsize() + 1 < expected and time.monotonic() < ends:
            time.sleep(GATHER_S / 4)

    def _answer(self, group: list[_Job]) -> None:
        outcomes = iter(self._integrator.integrate([intake for job in group for intake in job.intakes]))
        self.on_commit()
        for job in group:
            job.answer([next(outcomes) for _ in job.intakes])
