"""严重违法失信名单, the serious violations list: what an entry must say, and its status on a day.

Grounds, periods and removal follow Order 44 of 2021; both dates of an entry come from the decision itself, so that a
change of the law changes no row. Status is computed from the day: nobody has to take an expired entry down by hand.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

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
