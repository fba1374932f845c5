"""Parcels on their way from web processes to the one that integrates, and the answers on their way back. PostgreSQL.

    web    submit --> INSERT pending, NOTIFY ................................... answer --> receipt
                          |                                                        ^
    work                  +--> take what is present --> leaves, outcome, NOTIFY, one commit

Rows are taken because they are there, never because they come behind a number: transactions commit out of order, and a
cursor would lose what committed late. A row that nobody fetched is swept later; the log has it, so the same bytes get
the same receipt.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from trace import errors
from trace.errors import TraceError, UnavailableError
from trace.store.intake import Intake, Outcome, Receipt
from trace.store.integrator import Begin
from trace.store.rows import PendingRow

logger = logging.getLogger(__name__)

ASKED, DECIDED = "suyuan_asked", "suyuan_decided"
"""Channels: something waits; something is answered."""
SWEEP_AFTER_S = 600
LOOK_AGAIN_S = 1.0
"""A notice may be lost with its connection: whoever waits looks by himself too."""

Wait = Callable[[float], None]
Listen = Callable[[str], AbstractContextManager[Wait]]
"""Listens on a channel: `wait(seconds)` returns at a notice, or when the time is over."""


@dataclass(frozen=True)
class Asked:
    """A parcel that waits to be recorded."""

    token: str
    parcel: bytes


class _Waiting:
    """One who waits for a token."""

    __slots__ = ("answered", "outcome")

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.outcome: Outcome | None = None


class PendingSequencer:
    """Stands in front of the log in a web process: the same promise as the sequencer, kept by the `work` process."""

    def __init__(self, platform: int, begin: Begin, listen: Listen) -> None:
        self._platform = platform
        self._begin = begin
        self._listen = listen
        self._waiting: dict[str, _Waiting] = {}
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._stopping = True
            wake(self._begin, DECIDED)
            self._thread.join()
            self._thread = None

    def submit(self, intake: Intake, timeout_s: float = 20) -> Receipt:
        """As the sequencer's."""
        outcome = self.submit_many([intake], timeout_s)[0]
        if isinstance(outcome, Receipt):
            return outcome
        raise outcome

    def submit_many(self, intakes: Sequence[Intake], timeout_s: float = 20) -> list[Outcome]:
        """As the sequencer's."""
        if self._thread is None:
            raise UnavailableError("the sequencer is not running", retry_after_s=2)
        waiting = {os.urandom(16).hex(): _Waiting() for _ in intakes}
        now_us = time.time_ns() // 1000
        rows = [
            {
                "platform": self._platform,
                "token": token,
                "key_id": intake.parcel.envelope.key_id,
                "parcel": intake.parcel.to_bytes(),
                "asked_us": now_us + n,
            }
            for n, (token, intake) in enumerate(zip(waiting, intakes, strict=True))
        ]
        with self._guard:
            self._waiting |= waiting
        try:
            try:
                with self._begin() as session:
                    if rows:
                        session.execute(insert(PendingRow), rows)
                        notify(session, ASKED)
            except (SQLAlchemyError, OSError) as error:
                reason = f"the log could not be reached: {type(error).__name__}"
                raise UnavailableError(reason, retry_after_s=2) from error
            ends = time.monotonic() + timeout_s
            for each in waiting.values():
                if not each.answered.wait(max(ends - time.monotonic(), 0)):
                    raise UnavailableError(f"not recorded within {timeout_s:g} s", retry_after_s=2)
        finally:
            with self._guard:
                for token in waiting:
                    del self._waiting[token]
        return [each.outcome for each in waiting.values() if each.outcome is not None]

    def settle(self, key_id: str, timeout_s: float = 20) -> None:
        """Wait until nothing of this key waits to be recorded, whoever put it down.

        Raises: UnavailableError when it still does.
        """
        ends = time.monotonic() + timeout_s
        undecided = select(func.count()).where(
            PendingRow.platform == self._platform, PendingRow.key_id == key_id, PendingRow.outcome.is_(None)
        )
        while True:
            with self._begin() as session:
                if session.scalar(undecided) == 0:
                    return
            if time.monotonic() > ends:
                raise UnavailableError(f"key {key_id[:16]}…: its last parcel is not recorded yet", retry_after_s=2)
            time.sleep(0.01)

    def _run(self) -> None:
        while not self._stopping:
            try:
                with self._listen(DECIDED) as wait:
                    while not self._stopping:
                        self._fetch()
                        wait(LOOK_AGAIN_S)
            except Exception:
                # The database went away; who waits is told so by the clock.
                logger.exception("no answers from the database")
                time.sleep(LOOK_AGAIN_S)

    def _fetch(self) -> None:
        with self._guard:
            tokens = list(self._waiting)
        if not tokens:
            return
        with self._begin() as session:
            # An answer that is fetched twice does no harm: this deletion need not be flushed.
            session.execute(text("SET LOCAL synchronous_commit TO off"))
            found = session.execute(
                delete(PendingRow)
                .where(
                    PendingRow.platform == self._platform,
                    PendingRow.token.in_(tokens),
                    PendingRow.outcome.is_not(None),
                )
                .returning(PendingRow.token, PendingRow.outcome)
                .execution_options(synchronize_session=False)
            ).all()
        with self._guard:
            for token, outcome in found:
                waiting = self._waiting.get(token)
                if waiting is not None and outcome is not None:
                    waiting.outcome = outcome_from_json(outcome)
                    waiting.answered.set()


# ---- the side that integrates -------------------------------------------------------------------


def take(session: Session, platform: int, limit: int) -> list[Asked]:
    """What waits, oldest first; rows that another transaction has taken are passed over."""
    query = (
        select(PendingRow.token, PendingRow.parcel)
        .where(PendingRow.platform == platform, PendingRow.outcome.is_(None))
        .order_by(PendingRow.asked_us)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Asked(*row) for row in session.execute(query)]


def answer(session: Session, platform: int, outcomes: dict[str, Outcome]) -> None:
    """Outcomes by token; who waits is woken when the caller commits."""
    session.connection().exec_driver_sql(
        "UPDATE pending SET outcome = given.outcome FROM unnest(%s::text[], %s::text[]) AS given(token, outcome) "
        "WHERE pending.platform = %s AND pending.token = given.token",
        (list(outcomes), [outcome_to_json(each) for each in outcomes.values()], platform),
    )
    notify(session, DECIDED)


def sweep(session: Session, platform: int, now_us: int) -> int:
    """Forget answers that nobody fetched."""
    swept = session.execute(
        delete(PendingRow)
        .where(
            PendingRow.platform == platform,
            PendingRow.outcome.is_not(None),
            PendingRow.asked_us < now_us - SWEEP_AFTER_S * 1_000_000,
        )
        .execution_options(synchronize_session=False)
    )
    return int(swept.rowcount)  # type: ignore[attr-defined]


def notify(session: Session, channel: str) -> None:
    """Wake whoever listens, when this transaction commits."""
    session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


def wake(begin: Begin, channel: str) -> None:
    """Wake whoever listens, now, if the database answers: who does not hear it looks by himself soon."""
    with suppress(SQLAlchemyError, OSError), begin() as session:
        notify(session, channel)


def outcome_to_json(outcome: Outcome) -> str:
    if isinstance(outcome, Receipt):
        return json.dumps({"receipt": vars(outcome)})
    told = {"error": type(outcome).__name__, "message": str(outcome), "code": outcome.code, "at": outcome.at}
    if isinstance(outcome, UnavailableError):
        told["retry_after_s"] = outcome.retry_after_s
    return json.dumps(told)


def outcome_from_json(value: str) -> Outcome:
    told = json.loads(value)
    if "receipt" in told:
        return Receipt(**told["receipt"])
    kind: type[TraceError] = getattr(errors, told["error"])
    if kind is UnavailableError:
        return UnavailableError(told["message"], told["retry_after_s"])
    return kind(told["message"], code=told["code"], at=told["at"])
