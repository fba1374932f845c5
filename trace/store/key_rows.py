"""Reading the registry of keys for people: what each key has sent, and what is missing of it."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trace.store.rows import EnvelopeRow


@dataclass(frozen=True)
class Chain:
    """What a log has of a device's own chain."""

    recorded: int
    newest: int
    """Highest sequence number."""
    gaps: tuple[tuple[int, int], ...]
    """First and last missing number of each gap, oldest first."""


def chains(session: Session, platform: int) -> dict[str, Chain]:
    """By key id; a key that has sent nothing is not among them."""
    of_log = EnvelopeRow.platform == platform
    query = (
        select(EnvelopeRow.key_id, func.count(), func.max(EnvelopeRow.seq)).where(of_log).group_by(EnvelopeRow.key_id)
    )
    found = {}
    for key_id, recorded, newest in session.execute(query).all():
        found[key_id] = Chain(recorded, newest, _gaps(session, platform, key_id) if newest > recorded else ())
    return found


def _gaps(session: Session, platform: int, key_id: str) -> tuple[tuple[int, int], ...]:
    before = func.lag(EnvelopeRow.seq, 1, 0).over(order_by=EnvelopeRow.seq)
    steps = (
        select(EnvelopeRow.seq, before.label("before"))
        .where(EnvelopeRow.platform == platform, EnvelopeRow.key_id == key_id)
        .subquery()
    )
    query = select(steps.c.before + 1, steps.c.seq - 1).where(steps.c.seq > steps.c.before + 1).order_by(steps.c.seq)
    return tuple((int(first), int(last)) for first, last in session.execute(query))
