"""Rows of supervision: the blacklist."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from trace.ledger.canonical import JsonObject
from trace.store.rows import BlacklistRow, CaseStepRow
from trace.supervision.blacklist import BlacklistEntry, State


def blacklist_row(platform: int, entry: BlacklistEntry, leaf_index: int) -> tuple[Any, ...]:
    """In the order of the table's columns."""
    values = vars(entry) | {"state": str(entry.state)}
    plain = (value.isoformat() if isinstance(value, date) else value for value in values.values())
    return (platform, *plain, leaf_index)


@dataclass(frozen=True)
class CaseStepRecord:
    """One act in a case."""

    leaf_index: int
    kind: str
    case_uri: str
    act: str
    approved_by: tuple[str, ...]
    public: JsonObject
    internal: JsonObject


def case_steps(session: Session, platform: int, case_uri: str) -> list[CaseStepRecord]:
    """Steps of a case, oldest first."""
    query = select(CaseStepRow).where(CaseStepRow.platform == platform, CaseStepRow.case_uri == case_uri)
    return [_step(row) for row in session.scalars(query.order_by(CaseStepRow.leaf_index))]


def case_steps_at(session: Session, platform: int, leaves: list[int]) -> dict[int, CaseStepRecord]:
    """The steps at these leaves, by leaf."""
    query = select(CaseStepRow).where(CaseStepRow.platform == platform, CaseStepRow.leaf_index.in_(leaves))
    return {row.leaf_index: _step(row) for row in session.scalars(query)}


def _step(row: CaseStepRow) -> CaseStepRecord:
    return CaseStepRecord(
        row.leaf_index,
        row.kind,
        row.case_uri,
        row.act,
        tuple(row.approved_by.split("\n")),
        json.loads(row.public),
        json.loads(row.internal),
    )


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


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
