"""One group of parcels becomes leaves in one durable transaction, and a failed one leaves no trace.

Whoever owns the append calls this, from one thread: the sequencer of the one server process on SQLite, the `work`
process on PostgreSQL. Two owners at once cannot fork the log: the head moves by compare-and-swap, and who comes second
rolls back and reads what the other has committed.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from trace.errors import LedgerError, UnavailableError
from trace.store import voiding
from trace.store.deciding import Group
from trace.store.driver import Driver
from trace.store.intake import Intake, Outcome
from trace.store.log_state import LogState
from trace.store.rows import HeadRow
from trace.store.writing import Rows
from trace.times import Clock, to_ms

logger = logging.getLogger(__name__)

MAX_GROUP = 512
"""Parcels in one transaction: above this the commit costs nothing any more, and who waits waits longer."""

Begin = Callable[[], AbstractContextManager[Session]]
"""Opens the write transaction: commits when the block ends, rolls back when it raises."""


class Integrator:
    """Appends groups to one log. It keeps in memory what is committed, and reads it again after any failure."""

    def __init__(self, platform: int, origin: str, item_secret: bytes, begin: Begin, clock: Clock) -> None:
        self._begin = begin
        self._clock = clock
        self._state = LogState(platform, origin, item_secret)
        self._stale = True

    @property
    def size(self) -> int:
        """Leaves that are known to be committed."""
        return self._state.committed

    def load(self) -> None:
        """Know what is committed.

        Raises: LedgerError when the stored leaves do not give the stored head.
        """
        with self._begin() as session:
            self._load(session)

    def integrate(self, intakes: Sequence[Intake]) -> list[Outcome]:
        """Record them in one durable transaction; one outcome each, in order."""
        try:
            with self._begin() as session:
                outcomes = self.integrate_in(session, intakes)
        except Exception as error:
            # Whatever it was: this thread is the only one that appends, and it goes on.
            logger.exception("append failed", extra={"parcels": len(intakes)})
            self.reload()
            if len(intakes) == 1:
                return [UnavailableError(f"the log could not be written: {type(error).__name__}", retry_after_s=2)]
        else:
            self.committed()
            return outcomes
        # One of them may be what the database chokes on: by halves it ends up alone, and harms nobody else.
        half = len(intakes) // 2
        return self.integrate(intakes[:half]) + self.integrate(intakes[half:])

    def integrate_in(self, session: Session, intakes: Sequence[Intake]) -> list[Outcome]:
        """The same inside the caller's transaction; when it has ended, he calls `committed` or `reload`."""
        driver, state = Driver(session), self._state
        if self._stale or driver.locked_size(HeadRow, state.platform) not in (None, state.size):
            self._load(session)
        before = state.size
        state.load_tips(driver, {each.payload.head.device for each in intakes})
        group = Group(driver, state, intakes, to_ms(self._clock.now()))
        outcomes = group.decide()
        self._write(group.rows, driver)
        self._void(session, group.rows)
        if state.size != before:
            self._swap_head(driver, before)
        return outcomes

    def committed(self) -> None:
        """The transaction of `integrate_in` is durable."""
        self._state.committed = self._state.size

    def reload(self) -> None:
        """A transaction was rolled back, or nobody knows: read the state again, now or before the next group."""
        self._stale = True
        try:
            self.load()
        except (SQLAlchemyError, OSError, LedgerError):
            logger.exception("state could not be read again; the next group tries")

    def _write(self, rows: Rows, driver: Driver) -> None:
        rows.write_ledger(driver)
        rows.write_index(driver)

    def _void(self, session: Session, rows: Rows) -> None:
        for leaf_index in rows.corrected:
            voiding.void(session, self._state.platform, leaf_index)
        for leaf_index, positions in rows.erased:
            voiding.erase(session, self._state.platform, leaf_index, positions)

    def _load(self, session: Session) -> None:
        self._state.load(session)
        self._stale = False

    def _swap_head(self, driver: Driver, before: int) -> None:
        state = self._state
        values = (state.size, state.tree.root(), state.rcv_ms, state.platform, before)
        moved = driver.update(HeadRow, ("size", "root", "rcv_ms"), ("platform", "size"), [values])
        # Another writer moved the head: this process is not the owner of the log and must not go on.
        if moved != 1:
            raise LedgerError(f"head is no longer at {before}: a second writer is at work")
