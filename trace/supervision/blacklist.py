"""严重违法失信名单, the serious violations list: what an entry must say, and its status on a day.

Grounds, periods and removal follow Order 44 of 2021; both dates of an entry come from the decision itself, so that a
change of the law changes no row. Status is computed from the day: nobody has to take an expired entry down by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, Self

from trace.errors import ValidationError


class State(StrEnum):
    """What was decided."""

    HEARING = "hearing"
    """Notice was given, the party may still speak."""
    LISTED = "listed"
    REPAIRED = "repaired"
    """Removed before its time on application."""


class Status(StrEnum):
    """What holds on a day."""

    HEARING = "hearing"
    PUBLISHED = "published"
    EXPIRED = "expired"
    REPAIRED = "repaired"


@dataclass(frozen=True)
class BlacklistEntry:
    """One entry. An entry that is listed has a decision number and both dates, or does not exist."""

    entry_id: int
    name: str
    uscc: str
    category: str
    """Drug, device, food or cosmetic, in the words of the register."""
    region: str
    ground: str
    """Facts, as published."""
    basis: str
    """Clause of the law."""
    decision_number: str | None
    authority: str
    listed_on: date | None
    until: date | None
    state: State
    removed_on: date | None = None
    removal_reason: str | None = None

    def __post_init__(self) -> None:
        for name in ("name", "uscc", "category", "region", "ground", "basis", "authority"):
            if not getattr(self, name):
                raise ValidationError(f"blacklist entry {self.entry_id}: {name} is missing")
        if self.state is State.HEARING:
            return
        if not self.decision_number or self.listed_on is None or self.until is None:
            raise ValidationError(
                f"blacklist entry {self.entry_id}: a listing needs decision number, date of listing and end of period"
            )
        if self.until <= self.listed_on:
            raise ValidationError(
                f"blacklist entry {self.entry_id}: ends {self.until}, expected after its listing on {self.listed_on}"
            )
        if self.state is State.REPAIRED and (self.removed_on is None or not self.removal_reason):
            raise ValidationError(f"blacklist entry {self.entry_id}: a removal needs its date and reason")

    def to_members(self) -> dict[str, Any]:
        """What a `blacklist` step of a case says of it to everybody; dates as text, what is not known left out."""
        members = {name: value for name, value in vars(self).items() if value is not None}
        dates = {name: value.isoformat() for name, value in members.items() if isinstance(value, date)}
        return {"entry" if name == "entry_id" else name: value for name, value in (members | dates).items()} | {
            "state": str(self.state)
        }

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> Self:
        """The inverse. Raises: ValidationError naming the member."""
        values = {"entry_id" if name == "entry" else name: value for name, value in members.items()}
        known = {each.name for each in fields(cls)}
        strange = sorted(set(values) - known)
        if strange:
            raise ValidationError(f"blacklist entry: unknown member {strange[0][:40]!r}")
        number = values.get("entry_id")
        if type(number) is not int or number < 1:
            raise ValidationError(f"blacklist entry: entry {str(number)[:20]!r}: expected a number from 1")
        try:
            for name in ("listed_on", "until", "removed_on"):
                values[name] = date.fromisoformat(values[name]) if name in values else None
            values["state"] = State(values.get("state", ""))
        except (ValueError, TypeError) as error:
            raise ValidationError(f"blacklist entry {number}: {error}") from error
        for name in known - {"entry_id", "listed_on", "until", "removed_on", "state"}:
            if not isinstance(values.setdefault(name, None), str | None):
                raise ValidationError(f"blacklist entry {number}: {name}: expected text")
        for name in ("name", "uscc", "category", "region", "ground", "basis", "authority"):
            values[name] = values[name] or ""
        return cls(**values)


@dataclass(frozen=True)
class Listing:
    """An entry and its status on a day."""

    entry: BlacklistEntry
    status: Status


def listing(entry: BlacklistEntry, today: date) -> Listing:
    """The status as of `today`: published up to and including the last day of its period."""
    if entry.state is State.HEARING:
        return Listing(entry, Status.HEARING)
    if entry.state is State.REPAIRED:
        return Listing(entry, Status.REPAIRED)
    assert entry.until is not None, "a listing has its period"
    return Listing(entry, Status.EXPIRED if today > entry.until else Status.PUBLISHED)
