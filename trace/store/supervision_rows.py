"""Rows of supervision: the blacklist."""

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from trace.store.rows import BlacklistRow
from trace.supervision.blacklist import BlacklistEntry, State


def add_blacklist_entry(session: Session, platform: int, entry: BlacklistEntry) -> None:
    session.add(_row(platform, entry))


def blacklist(session: Session, platform: int) -> list[BlacklistEntry]:
    """All entries, the newest first."""
    query = select(BlacklistRow).where(BlacklistRow.platform == platform).order_by(BlacklistRow.entry_id.desc())
    return [
        BlacklistEntry(
            row.entry_id,
            row.name,
            row.uscc,
            row.category,
            row.region,
            row.ground,
            row.basis,
            row.decision_number,
            row.authority,
            _date(row.listed_on),
            _date(row.until),
            State(row.state),
            _date(row.removed_on),
            row.removal_reason,
        )
        for row in session.scalars(query)
    ]


def _row(platform: int, entry: BlacklistEntry) -> BlacklistRow:
    values = {name: value.isoformat() if isinstance(value, date) else value for name, value in vars(entry).items()}
    return BlacklistRow(platform=platform, **values)


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
