"""Reading the registry of keys for people: what each key has sent, and what is missing of it."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from trace.store import ledger_rows
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
        gaps = ledger_rows.gaps_of_device(session, platform, key_id) if newest > recorded else []
        found[key_id] = Chain(recorded, newest, tuple((gap.first, gap.last) for gap in gaps))
    return found
