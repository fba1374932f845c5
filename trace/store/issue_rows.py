"""Issued codes: batches, taken serial numbers, counters."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from trace.store.rows import IssueBatchRow, IssueCounterRow, IssuedSerialRow
from trace.times import from_ms, to_ms

_MOST_VARIABLES = 500
"""SQLite takes no more than some thousand values in one IN."""


@dataclass(frozen=True)
class Batch:
    """What was given out in one go."""

    batch_id: int
    kind: str
    """`serial`, `sscc`, `lot`."""
    scope: str
    """Inside what its numbers are unique."""
    party: str
    """Pseudonym of the party it was given to."""
    issued_at: datetime
    amount: int
    first_number: int | None
    """Of what is counted."""


def take(session: Session, platform: int, kind: str, scope: str, amount: int, start: int) -> int:
    """Move a counter on by `amount`; returns the first number taken. A new counter begins at `start`.

    The row stays locked until the transaction ends, and goes back with it: no number is lost or taken twice.
    """
    moved = session.scalar(
        update(IssueCounterRow)
        .where(IssueCounterRow.platform == platform, IssueCounterRow.kind == kind, IssueCounterRow.scope == scope)
        .values(next_number=IssueCounterRow.next_number + amount)
        .returning(IssueCounterRow.next_number)
        .execution_options(synchronize_session=False)
    )
    if moved is not None:
        return moved - amount
    session.execute(
        insert(IssueCounterRow).values(platform=platform, kind=kind, scope=scope, next_number=start + amount)
    )
    return start


def add_batch(session: Session, platform: int, batch: Batch) -> None:
    session.execute(
        insert(IssueBatchRow).values(
            platform=platform,
            batch_id=batch.batch_id,
            kind=batch.kind,
            scope=batch.scope,
            party=batch.party,
            issued_ms=to_ms(batch.issued_at),
            amount=batch.amount,
            first_number=batch.first_number,
        )
    )


def taken_serials(session: Session, platform: int, gtin: str, serials: Collection[str]) -> set[str]:
    """Those that were issued before."""
    found: set[str] = set()
    wanted = sorted(serials)
    for start in range(0, len(wanted), _MOST_VARIABLES):
        query = select(IssuedSerialRow.serial).where(
            IssuedSerialRow.platform == platform,
            IssuedSerialRow.gtin == gtin,
            IssuedSerialRow.serial.in_(wanted[start : start + _MOST_VARIABLES]),
        )
        found |= set(session.scalars(query))
    return found


def add_serials(session: Session, platform: int, gtin: str, serials: Sequence[str], batch_id: int) -> None:
    """The primary key refuses what another transaction took in between."""
    session.execute(
        insert(IssuedSerialRow),
        [{"platform": platform, "gtin": gtin, "serial": serial, "batch_id": batch_id} for serial in serials],
    )


def batch_of_serial(session: Session, platform: int, gtin: str, serial: str) -> Batch | None:
    found = session.get(IssuedSerialRow, (platform, gtin, serial))
    row = None if found is None else session.get(IssueBatchRow, (platform, found.batch_id))
    return None if row is None else _batch(row)


def batch_of_number(session: Session, platform: int, kind: str, scope: str, number: int) -> Batch | None:
    row = session.scalar(
        select(IssueBatchRow).where(
            IssueBatchRow.platform == platform,
            IssueBatchRow.kind == kind,
            IssueBatchRow.scope == scope,
            IssueBatchRow.first_number <= number,
            IssueBatchRow.first_number + IssueBatchRow.amount > number,
        )
    )
    return None if row is None else _batch(row)


def batches_of_party(session: Session, platform: int, party: str) -> list[Batch]:
    """Oldest first."""
    query = select(IssueBatchRow).where(IssueBatchRow.platform == platform, IssueBatchRow.party == party)
    return [_batch(row) for row in session.scalars(query.order_by(IssueBatchRow.batch_id))]


def _batch(row: IssueBatchRow) -> Batch:
    return Batch(row.batch_id, row.kind, row.scope, row.party, from_ms(row.issued_ms), row.amount, row.first_number)
