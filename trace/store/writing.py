"""What one transaction adds and moves, table by table, as the driver takes it.

Collected while a group is decided, written at its end. A bad parcel adds nothing here, so it cannot fail its group.
"""

from dataclasses import dataclass, field

from trace.store.driver import Driver, Row
from trace.store.known import Item
from trace.store.rows import (
    BlacklistRow,
    CaseStepRow,
    ContainmentRow,
    CorrectionRow,
    DisclosureRow,
    EnvelopeRow,
    EventRow,
    ItemHopRow,
    ItemRow,
    KeyRow,
    LeafRow,
    QuarantineRow,
    TransformationRow,
)

_ITEM_MOVED = ("gtin", "lot_item", "produced", "expiry", "hops", "last_leaf")


@dataclass
class Rows:
    """Tuples in the order of each table's columns."""

    platform: int
    leaf: list[Row] = field(default_factory=list)
    envelope: list[Row] = field(default_factory=list)
    disclosure: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    key: list[Row] = field(default_factory=list)
    key_revoked: list[Row] = field(default_factory=list)
    """Leaf, platform, key id."""
    key_frozen: list[Row] = field(default_factory=list)
    """Milliseconds, platform, key id."""
    erased: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    """Leaf of the envelope and positions of its disclosures; carried out by `voiding`."""
    correction: list[Row] = field(default_factory=list)
    corrected: list[int] = field(default_factory=list)
    """Leaves of events that were errors; what they left in the index is voided by `voiding`."""
    case_step: list[Row] = field(default_factory=list)
    blacklist: list[Row] = field(default_factory=list)
    items: dict[int, Item] = field(default_factory=dict)
    """By item id, new and moved ones."""
    item_hop: list[Row] = field(default_factory=list)
    event: list[Row] = field(default_factory=list)
    transformation: list[Row] = field(default_factory=list)
    stays: list["Ended | Begun"] = field(default_factory=list)
    """In the order of the log: what is packed and unpacked in one group ends where it began."""

    def write_ledger(self, driver: Driver) -> None:
        """The ledger, and the state of its keys."""
        driver.insert(LeafRow, self.leaf)
        driver.insert(EnvelopeRow, self.envelope)
        driver.insert(DisclosureRow, self.disclosure)
        driver.insert_missing(QuarantineRow, self.quarantine)
        driver.insert(KeyRow, self.key)
        driver.update(KeyRow, ("revoked_leaf",), ("platform", "key_id"), self.key_revoked)
        driver.update(KeyRow, ("frozen_ms",), ("platform", "key_id"), self.key_frozen)

    def write_index(self, driver: Driver) -> None:
        """What can be computed again from the ledger."""
        self._write_items(driver)
        driver.insert(ItemHopRow, self.item_hop)
        driver.insert(EventRow, self.event)
        driver.insert(TransformationRow, self.transformation)
        driver.insert(CorrectionRow, self.correction)
        driver.insert(CaseStepRow, self.case_step)
        driver.put(BlacklistRow, ("platform", "entry_id"), self.blacklist)
        for stay in self.stays:
            stay.write(driver, self.platform)

    def _write_items(self, driver: Driver) -> None:
        here = self.platform
        fresh, moved = [], []
        for item in self.items.values():
            said = (item.gtin, item.lot_item, item.produced, item.expiry, item.hops, item.last_leaf)
            if item.is_new:
                fresh.append((here, item.item_id, item.uri, *said))
            else:
                moved.append((*said, here, item.item_id))
        driver.insert(ItemRow, fresh)
        driver.update(ItemRow, _ITEM_MOVED, ("platform", "item_id"), moved)


@dataclass(frozen=True)
class Ended:
    """Things are no longer inside: these, or all that a container holds; under this container, or under any."""

    leaf_index: int
    children: tuple[int, ...] | None
    parent: int | None

    def write(self, driver: Driver, platform: int) -> None:
        where = ["platform"]
        rows: list[Row] = [(self.leaf_index, platform)]
        if self.parent is not None:
            where.append("parent")
            rows = [(*row, self.parent) for row in rows]
        if self.children is not None:
            where.append("child")
            rows = [(*row, child) for row in rows for child in self.children]
        driver.update(ContainmentRow, ("to_leaf",), where, rows, "to_leaf IS NULL")


@dataclass(frozen=True)
class Begun:
    """Things are inside a container from this leaf on."""

    leaf_index: int
    children: tuple[int, ...]
    parent: int

    def write(self, driver: Driver, platform: int) -> None:
        driver.insert(
            ContainmentRow, [(platform, child, self.leaf_index, self.parent, None) for child in self.children]
        )
