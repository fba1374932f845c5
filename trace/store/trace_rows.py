"""The index: things, their hops, what was inside what, what was made from what."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, aliased

from trace.epcis.events import EventView
from trace.graph import Inside
from trace.ledger.payload import Hop
from trace.store.rows import ContainmentRow, CorrectionRow, EventRow, ItemHopRow, ItemRow, LeafRow, TransformationRow
from trace.times import to_ms


@dataclass(frozen=True)
class Item:
    """A thing with a hop chain."""

    item_id: int
    uri: str
    gtin: str | None
    lot_item: int | None
    produced: str | None
    expiry: str | None
    hops: int


@dataclass(frozen=True)
class ItemHop:
    """The `ord`-th hop of a thing is this leaf."""

    item_id: int
    leaf_index: int
    ord: int


@dataclass(frozen=True)
class Stay:
    """A thing was inside another, from its pack leaf until `to_leaf` (None: still)."""

    child: int
    parent: int
    from_leaf: int
    to_leaf: int | None


@dataclass(frozen=True)
class IndexedEvent:
    """What the index knows of an event."""

    leaf_index: int
    event_id: str
    event_type: str
    action: str | None
    biz_step: str | None
    disposition: str | None
    event_ms: int
    offset_minutes: int
    rcv_ms: int
    read_point: str | None
    issuer: str
    attested_for: str | None
    celsius_low: float | None
    celsius_high: float | None
    celsius_alarm: bool
    late: bool
    """It came after a later payload of its device: an outbox was emptied out of order."""


def indexed(view: EventView, hop: Hop, leaf_index: int, rcv_ms: int, late: bool) -> IndexedEvent:
    """What the index keeps of an event. Kept by the sequencer, computed again by audit."""
    return IndexedEvent(
        leaf_index=leaf_index,
        event_id=view.event_id,
        event_type=view.event_type,
        action=view.action,
        biz_step=view.biz_step,
        disposition=view.disposition,
        event_ms=to_ms(view.event_time),
        offset_minutes=int(view.utc_offset.total_seconds() // 60),
        rcv_ms=rcv_ms,
        read_point=view.read_point,
        issuer=hop.head.issuer,
        attested_for=None if hop.attests is None else hop.attests.party,
        celsius_low=None if view.temperature is None else view.temperature.low,
        celsius_high=None if view.temperature is None else view.temperature.high,
        celsius_alarm=view.temperature is not None and view.temperature.alarm,
        late=late,
    )


def event_row(platform: int, event: IndexedEvent, body: bytes) -> tuple[Any, ...]:
    """In the order of the table's columns; `body` is the event in its RFC 8785 form."""
    return (platform, *vars(event).values(), body.decode("utf-8"))


_ITEM = (
    ItemRow.item_id,
    ItemRow.uri,
    ItemRow.gtin,
    ItemRow.lot_item,
    ItemRow.produced,
    ItemRow.expiry,
    ItemRow.hops,
)


def item_by_uri(session: Session, platform: int, uri: str) -> Item | None:
    row = session.execute(select(*_ITEM).where(ItemRow.platform == platform, ItemRow.uri == uri)).first()
    return None if row is None else Item(*row)


def items(session: Session, platform: int, ids: Iterable[int]) -> dict[int, Item]:
    query = select(*_ITEM).where(ItemRow.platform == platform, ItemRow.item_id.in_(sorted(ids)))
    return {row[0]: Item(*row) for row in session.execute(query)}


def item_counts(session: Session, platform: int) -> Iterator[tuple[str, int, int]]:
    """URI, number of hops and newest leaf of every item; -1 where it was never named itself."""
    query = (
        select(ItemRow.uri, ItemRow.hops, ItemRow.last_leaf)
        .where(ItemRow.platform == platform)
        .order_by(ItemRow.item_id)
        .execution_options(yield_per=1000)
    )
    for row in session.execute(query):
        yield row[0], row[1], row[2]


def has_units(session: Session, platform: int, lot_item: int) -> bool:
    """Whether a serialised thing names this lot."""
    query = select(ItemRow.item_id).where(ItemRow.platform == platform, ItemRow.lot_item == lot_item).limit(1)
    return session.scalar(query) is not None


def hops_of(session: Session, platform: int, ids: Iterable[int]) -> list[ItemHop]:
    query = (
        select(ItemHopRow.item_id, ItemHopRow.leaf_index, ItemHopRow.ord)
        .where(ItemHopRow.platform == platform, ItemHopRow.item_id.in_(sorted(ids)))
        .order_by(ItemHopRow.leaf_index)
    )
    return [ItemHop(*row) for row in session.execute(query)]


def stays_of(session: Session, platform: int, children: Iterable[int]) -> list[Stay]:
    """Where these things were inside."""
    query = select(ContainmentRow.child, ContainmentRow.parent, ContainmentRow.from_leaf, ContainmentRow.to_leaf).where(
        ContainmentRow.platform == platform, ContainmentRow.child.in_(sorted(children))
    )
    return [Stay(*row) for row in session.execute(query)]


def inside_now(session: Session, platform: int, parent: int) -> list[str]:
    """URIs of what a container holds now."""
    query = (
        select(ItemRow.uri)
        .join(
            ContainmentRow, and_(ContainmentRow.platform == ItemRow.platform, ContainmentRow.child == ItemRow.item_id)
        )
        .where(ItemRow.platform == platform, ContainmentRow.parent == parent, ContainmentRow.to_leaf.is_(None))
        .order_by(ItemRow.uri)
    )
    return list(session.scalars(query))


def all_stays(session: Session, platform: int) -> frozenset[Inside]:
    """Every containment interval, by URI."""
    child, parent = aliased(ItemRow), aliased(ItemRow)
    query = (
        select(child.uri, parent.uri, ContainmentRow.from_leaf, ContainmentRow.to_leaf)
        .select_from(ContainmentRow)
        .outerjoin(child, and_(child.platform == ContainmentRow.platform, child.item_id == ContainmentRow.child))
        .outerjoin(parent, and_(parent.platform == ContainmentRow.platform, parent.item_id == ContainmentRow.parent))
        .where(ContainmentRow.platform == platform)
    )
    return frozenset(Inside(str(row[0]), str(row[1]), row[2], row[3]) for row in session.execute(query))


def all_makings(session: Session, platform: int) -> frozenset[tuple[int, str, bool]]:
    """Leaf index, URI and whether it came out, of every transformation."""
    query = (
        select(TransformationRow.leaf_index, ItemRow.uri, TransformationRow.is_output)
        .select_from(TransformationRow)
        .outerjoin(
            ItemRow,
            and_(ItemRow.platform == TransformationRow.platform, ItemRow.item_id == TransformationRow.item_id),
        )
        .where(TransformationRow.platform == platform)
    )
    return frozenset((row[0], str(row[1]), row[2]) for row in session.execute(query))


def made_in(session: Session, platform: int, ids: Iterable[int]) -> dict[int, list[int]]:
    """Leaf indexes of the transformations that these things came out of, by item."""
    query = (
        select(TransformationRow.item_id, TransformationRow.leaf_index)
        .where(
            TransformationRow.platform == platform,
            TransformationRow.item_id.in_(sorted(ids)),
            TransformationRow.is_output.is_(True),
        )
        .order_by(TransformationRow.leaf_index)
    )
    found: dict[int, list[int]] = {}
    for item_id, leaf_index in session.execute(query):
        found.setdefault(item_id, []).append(leaf_index)
    return found


def inputs_of(session: Session, platform: int, leaves: Iterable[int]) -> dict[int, list[int]]:
    """Items that went into these transformations, by leaf index."""
    query = (
        select(TransformationRow.leaf_index, TransformationRow.item_id)
        .where(
            TransformationRow.platform == platform,
            TransformationRow.leaf_index.in_(sorted(leaves)),
            TransformationRow.is_output.is_(False),
        )
        .order_by(TransformationRow.item_id)
    )
    found: dict[int, list[int]] = {}
    for leaf_index, item_id in session.execute(query):
        found.setdefault(leaf_index, []).append(item_id)
    return found


_EVENT = (
    EventRow.leaf_index,
    EventRow.event_id,
    EventRow.event_type,
    EventRow.action,
    EventRow.biz_step,
    EventRow.disposition,
    EventRow.event_ms,
    EventRow.offset_minutes,
    EventRow.rcv_ms,
    EventRow.read_point,
    EventRow.issuer,
    EventRow.attested_for,
    EventRow.celsius_low,
    EventRow.celsius_high,
    EventRow.celsius_alarm,
    EventRow.late,
)


def events_at(session: Session, platform: int, leaves: Iterable[int]) -> dict[int, IndexedEvent]:
    """By leaf: of an event with several leaves, the same event under each; none under a correction."""
    query = (
        select(LeafRow.leaf_index, *_EVENT)
        .join(EventRow, and_(EventRow.platform == LeafRow.platform, EventRow.leaf_index == LeafRow.envelope_leaf))
        .where(LeafRow.platform == platform, LeafRow.leaf_index.in_(sorted(leaves)))
    )
    return {row[0]: _event(row[1:]) for row in session.execute(query)}


def corrections(session: Session, platform: int) -> dict[int, int]:
    """Leaf of each event that was an error to the leaf that says so."""
    query = select(CorrectionRow.corrected_leaf, CorrectionRow.leaf_index).where(CorrectionRow.platform == platform)
    return {row[0]: row[1] for row in session.execute(query)}


def corrected_by(session: Session, platform: int, leaves: Iterable[int]) -> set[int]:
    """Leaves of the events that these leaves, or the first parts of their envelopes, declare to be errors."""
    query = (
        select(CorrectionRow.corrected_leaf)
        .join(
            LeafRow, and_(LeafRow.platform == CorrectionRow.platform, LeafRow.envelope_leaf == CorrectionRow.leaf_index)
        )
        .where(LeafRow.platform == platform, LeafRow.leaf_index.in_(sorted(leaves)))
    )
    return set(session.scalars(query))


@dataclass(frozen=True)
class Correction:
    """That an event was an error."""

    corrected_leaf: int
    leaf_index: int
    reason: str | None
    declared_ms: int


def corrections_of(session: Session, platform: int, leaves: Iterable[int]) -> dict[int, Correction]:
    """By the leaf of the event that was an error."""
    query = select(
        CorrectionRow.corrected_leaf, CorrectionRow.leaf_index, CorrectionRow.reason, CorrectionRow.declared_ms
    ).where(CorrectionRow.platform == platform, CorrectionRow.corrected_leaf.in_(sorted(leaves)))
    return {row[0]: Correction(*row) for row in session.execute(query)}


def event_bodies(session: Session, platform: int, leaves: Iterable[int]) -> dict[int, str]:
    """Events as captured (RFC 8785), by leaf index."""
    query = select(EventRow.leaf_index, EventRow.body).where(
        EventRow.platform == platform, EventRow.leaf_index.in_(sorted(leaves))
    )
    return {row[0]: row[1] for row in session.execute(query)}


def hops_at(session: Session, platform: int, leaves: Iterable[int]) -> dict[int, dict[str, int]]:
    """URI to `ord` of every thing named in these leaves."""
    query = (
        select(ItemHopRow.leaf_index, ItemRow.uri, ItemHopRow.ord)
        .join(ItemRow, and_(ItemRow.platform == ItemHopRow.platform, ItemRow.item_id == ItemHopRow.item_id))
        .where(ItemHopRow.platform == platform, ItemHopRow.leaf_index.in_(sorted(leaves)))
    )
    found: dict[int, dict[str, int]] = {}
    for leaf_index, uri, ord_ in session.execute(query):
        found.setdefault(leaf_index, {})[uri] = ord_
    return found


def recent_of_party(session: Session, platform: int, pseudonym: str, limit: int) -> list[IndexedEvent]:
    """The newest events signed by a party or recorded for it, newest first."""
    query = (
        select(*_EVENT)
        .where(
            EventRow.platform == platform,
            or_(EventRow.issuer == pseudonym, EventRow.attested_for == pseudonym),
        )
        .order_by(EventRow.leaf_index.desc())
        .limit(limit)
    )
    return [_event(row) for row in session.execute(query)]


def newest_of_party(session: Session, platform: int, item_id: int, pseudonym: str) -> IndexedEvent | None:
    """The newest event about a thing that a party signed or that was recorded for it."""
    query = (
        select(*_EVENT)
        .join(ItemHopRow, and_(ItemHopRow.platform == EventRow.platform, ItemHopRow.leaf_index == EventRow.leaf_index))
        .where(
            ItemHopRow.platform == platform,
            ItemHopRow.item_id == item_id,
            or_(EventRow.issuer == pseudonym, EventRow.attested_for == pseudonym),
        )
        .order_by(EventRow.leaf_index.desc())
        .limit(1)
    )
    row = session.execute(query).first()
    return None if row is None else _event(row)


def main_items_of(session: Session, platform: int, leaves: Iterable[int]) -> dict[int, str]:
    """One URI a leaf: what the event is about (its first item), for lists of events."""
    query = (
        select(ItemHopRow.leaf_index, ItemRow.uri)
        .join(ItemRow, and_(ItemRow.platform == ItemHopRow.platform, ItemRow.item_id == ItemHopRow.item_id))
        .where(ItemHopRow.platform == platform, ItemHopRow.leaf_index.in_(sorted(leaves)))
        .order_by(ItemHopRow.leaf_index, ItemHopRow.item_id)
    )
    found: dict[int, str] = {}
    for leaf_index, uri in session.execute(query):
        found.setdefault(leaf_index, uri)
    return found


def _event(row: Any) -> IndexedEvent:
    return IndexedEvent(*row)
