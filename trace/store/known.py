"""What the database knows that one group of parcels asks about: read before anything is decided, in a few queries.

device chains   what stands at and beside each sequence number       receipts   of what was recorded before
items           the things that the events name, and their lots      events     whose eventID is taken
wrong           hops that are declared to be errors                  told       what may be erased
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trace.ledger.envelope import Envelope
from trace.ledger.payload import Erasure, Hop
from trace.store.driver import Driver
from trace.store.intake import Intake, Receipt
from trace.store.ledger_rows import Place
from trace.store.log_state import LogState
from trace.store.rows import CorrectionRow, DisclosureRow, EnvelopeRow, EventRow, ItemRow, LeafRow


@dataclass(frozen=True, slots=True)
class WrongHop:
    """A recorded hop that somebody declares to be an error."""

    leaf_hash: bytes
    is_hop: bool
    issuer: str
    attested_for: str | None
    event_id: str
    body: str
    """The event, RFC 8785."""
    corrected_by: int | None


@dataclass(slots=True)
class Item:
    """A thing as it stands inside the running transaction."""

    item_id: int
    uri: str
    gtin: str | None
    lot_item: int | None
    produced: str | None
    expiry: str | None
    hops: int
    last_leaf: int
    is_new: bool = False


_ITEM = ("item_id", "uri", "gtin", "lot_item", "produced", "expiry", "hops", "last_leaf")


class Known:
    """Grows while the group is decided, so that the next parcel sees the one before."""

    def __init__(self, driver: Driver, state: LogState, intakes: Sequence[Intake]) -> None:
        self._tips = state.tips
        self._places: dict[tuple[str, int], Place] = {}
        self._receipts: dict[int, Receipt] = {}
        platform = state.platform
        for row in driver.rows_at(
            EnvelopeRow, ("key_id", "seq", "leaf_index", "payload_hash", "prev"), ("key_id", "seq"), platform,
            self._beside(intakes),
        ):  # fmt: skip
            self._places[row[0], row[1]] = Place(*row[1:])
        again = [place.leaf_index for each in intakes if (place := self.recorded(each.parcel.envelope, each))]
        self._load_receipts(driver, platform, again)
        uris = {
            uri for each in intakes for facts in each.items for uri in (facts.uri, facts.lot_uri) if uri is not None
        }
        self.items = {row[1]: Item(*row) for row in driver.rows_in(ItemRow, _ITEM, "uri", platform, uris)}
        event_ids = {each.view.event_id for each in intakes if each.view is not None}
        self.events: dict[str, int] = {
            row[0]: row[1]
            for row in driver.rows_in(EventRow, ("event_id", "leaf_index"), "event_id", platform, event_ids)
        }
        """eventID to its leaf."""
        wrong = {
            each.payload.corrects.leaf_index
            for each in intakes
            if isinstance(each.payload, Hop) and each.payload.corrects is not None
        }
        self.wrong = _wrong_hops(driver, platform, wrong)
        """By leaf."""
        erased = {each.payload.leaf_index for each in intakes if isinstance(each.payload, Erasure)}
        self.told: dict[int, dict[int, str]] = {}
        """Leaf to position to access class, of disclosures that somebody wants erased."""
        columns = ("leaf_index", "position", "access")
        for leaf, position, access in driver.rows_in(DisclosureRow, columns, "leaf_index", platform, erased):
            self.told.setdefault(leaf, {})[position] = access

    def place(self, key_id: str, seq: int) -> Place | None:
        """What a device's chain has there."""
        tip = self._tips.get(key_id)
        if tip is None or seq > tip.seq:
            return None
        return tip if seq == tip.seq else self._places.get((key_id, seq))

    def recorded(self, envelope: Envelope, intake: Intake) -> Place | None:
        """Where this very payload is, under this key. A payload says its own `seq`, so it can be nowhere else."""
        place = self.place(envelope.key_id, intake.payload.head.seq)
        return place if place is not None and place.payload_hash == envelope.payload_hash else None

    def receipt(self, place: Place) -> Receipt:
        """The receipt of a payload that is recorded."""
        return replace(self._receipts[place.leaf_index], new=False)

    def is_late(self, key_id: str, seq: int) -> bool:
        """Whether the device's log has gone past this number already."""
        tip = self._tips.get(key_id)
        return tip is not None and seq < tip.seq

    def add(self, key_id: str, place: Place, receipt: Receipt) -> None:
        """A payload has been recorded."""
        tip = self._tips.get(key_id)
        if tip is None or place.seq > tip.seq:
            self._tips[key_id] = place
            if tip is not None:
                self._places[key_id, tip.seq] = tip
        else:
            self._places[key_id, place.seq] = place
        self._receipts[place.leaf_index] = receipt

    def _beside(self, intakes: Sequence[Intake]) -> set[tuple[str, int]]:
        """Places to be read: above a device's tip there is nothing, and the tip itself is known."""
        wanted = set()
        for each in intakes:
            head = each.payload.head
            tip = self._tips.get(head.device)
            if tip is not None and head.seq <= tip.seq:
                wanted |= {(head.device, seq) for seq in range(head.seq - 1, head.seq + 2) if 0 < seq < tip.seq}
        return wanted

    def _load_receipts(self, driver: Driver, platform: int, leaf_indexes: list[int]) -> None:
        events, received = (
            {
                row[0]: row[1]
                for row in driver.rows_in(table, ("leaf_index", name), "leaf_index", platform, leaf_indexes)
            }
            for table, name in ((EventRow, "event_id"), (EnvelopeRow, "rcv_ms"))
        )
        for index, record in driver.rows_in(LeafRow, ("leaf_index", "record"), "leaf_index", platform, leaf_indexes):
            self._receipts[index] = Receipt(index, record, received[index], events.get(index), new=False)


def _wrong_hops(driver: Driver, platform: int, leaves: set[int]) -> dict[int, WrongHop]:
    columns = ("leaf_index", "issuer", "attested_for", "event_id", "body")
    events = {row[0]: row for row in driver.rows_in(EventRow, columns, "leaf_index", platform, leaves)}
    pair = ("leaf_index", "corrected_leaf")
    done = {row[1]: row[0] for row in driver.rows_in(CorrectionRow, pair, "corrected_leaf", platform, set(events))}
    leaf = ("leaf_index", "record", "leaf_hash")
    found = {}
    for index, record, leaf_hash in driver.rows_in(LeafRow, leaf, "leaf_index", platform, set(events)):
        _, issuer, attested_for, event_id, body = events[index]
        is_hop = record.split("\n", 1)[0].endswith("/hop/v1")
        found[index] = WrongHop(leaf_hash, is_hop, issuer, attested_for, event_id, body, done.get(index))
    return found
