"""What goes into the sequencer and what comes out of it."""

from dataclasses import dataclass
from typing import Any

from trace.epcis.events import EventView
from trace.errors import TraceError
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import Disclosure
from trace.ledger.envelope import Parcel
from trace.ledger.payload import Hop, Statement
from trace.supervision.blacklist import BlacklistEntry


@dataclass(frozen=True)
class ItemFacts:
    """What an event says of one of its keys."""

    uri: str
    gtin: str | None
    lot_uri: str | None
    produced: str | None
    """ISO date."""
    expiry: str | None


@dataclass(frozen=True)
class CaseContent:
    """What one step of a case says."""

    uri: str
    public: JsonObject
    internal: JsonObject
    entry: BlacklistEntry | None = None
    """What a `blacklist` step makes of the list."""


@dataclass(frozen=True)
class Intake:
    """A parcel whose form, digests and signature have been checked by capture."""

    parcel: Parcel
    payload: Hop | Statement
    disclosures: tuple[Disclosure, ...]
    event: JsonObject | None
    view: EventView | None
    """None together with `event`: the chains and the tree move, the index learns nothing but the items."""
    items: tuple[ItemFacts, ...]
    """One a digest in the payload's `items`, in that order."""
    case: CaseContent | None = None
    """Exactly with a step of a case."""


@dataclass(frozen=True)
class Receipt:
    """What the sender of a parcel gets: its place in the log."""

    leaf_index: int
    leaf: str
    rcv_ms: int
    event_id: str | None
    new: bool
    """False when the same parcel had been recorded before."""

    def to_dict(self) -> dict[str, Any]:
        return {"leaf_index": self.leaf_index, "leaf": self.leaf, "rcv": self.rcv_ms, "event_id": self.event_id}


Outcome = Receipt | TraceError
"""What became of one parcel."""
