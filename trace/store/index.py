"""What a hop leaves in the index: things and their hops, the event, what is inside what, what was made from what."""

from trace.epcis.events import EventView
from trace.ledger.canonical import JsonObject, canonical
from trace.ledger.disclosure import item_uris
from trace.ledger.payload import MAX_ITEMS, Hop
from trace.store import trace_rows
from trace.store.intake import ItemFacts
from trace.store.known import Item, Known
from trace.store.log_state import LogState
from trace.store.writing import Begun, Ended, Rows
from trace.times import parse_instant, to_ms


def items_of(facts: tuple[ItemFacts, ...], known: Known, state: LogState) -> dict[str, Item]:
    """All items that are known, by URI, those of these facts and of their lots among them; a new one gets a number."""
    items = known.items
    fresh = {uri for each in facts for uri in (each.uri, each.lot_uri) if uri is not None and uri not in items}
    for uri in sorted(fresh):
        items[uri] = Item(state.next_item, uri, None, None, None, None, 0, -1, is_new=True)
        state.next_item += 1
    return items


def add_hops(facts: tuple[ItemFacts, ...], items: dict[str, Item], first_leaf: int, rows: Rows) -> None:
    """Each thing has one hop more, however often it is named. `facts` fill the leaves from `first_leaf` on."""
    for n, each in enumerate(facts):
        leaf_index = first_leaf + n // MAX_ITEMS
        item = items[each.uri]
        if item.last_leaf < first_leaf:
            item.hops += 1
            rows.items[item.item_id] = item
            rows.item_hop.append((rows.platform, item.item_id, leaf_index, item.hops))
        item.last_leaf = leaf_index
        # What the first event that knew it said stands; corrections come as events of their own.
        item.gtin = item.gtin or each.gtin
        item.produced = item.produced or each.produced
        item.expiry = item.expiry or each.expiry
        if each.lot_uri is not None:
            _add_lot(each, item, items[each.lot_uri], rows)


def _add_lot(told: ItemFacts, unit: Item, lot: Item, rows: Rows) -> None:
    if unit.lot_item is None:
        unit.lot_item = lot.item_id
    if lot.is_new and lot.item_id not in rows.items:
        # A lot that is only named by its units is interned too, with what they say of it.
        lot.gtin, lot.produced, lot.expiry = told.gtin, told.produced, told.expiry
        rows.items[lot.item_id] = lot


def add_event(
    hop: Hop,
    event: JsonObject,
    view: EventView,
    items: dict[str, Item],
    leaf_index: int,
    rcv_ms: int,
    late: bool,
    rows: Rows,
) -> None:
    """The event's row, and what it says of containers and transformations."""
    rows.event.append(
        trace_rows.event_row(rows.platform, trace_rows.indexed(view, hop, leaf_index, rcv_ms, late), canonical(event))
    )
    if view.event_type == "AggregationEvent":
        _add_stays(view, items, leaf_index, rows)
    if view.event_type == "TransformationEvent":
        chained = set(item_uris(event))
        rows.transformation += [
            (rows.platform, leaf_index, items[uri].item_id, is_output)
            for uris, is_output in ((view.inputs, False), (view.outputs, True))
            for uri in dict.fromkeys(uris)
            if uri in chained
        ]


def add_correction(
    leaf_index: int,
    corrected_leaf: int,
    declaration: JsonObject,
    facts: tuple[ItemFacts, ...],
    rows: Rows,
    known: Known,
) -> None:
    """An event was an error: what only it said of its things is not known any more, nor what it put where."""
    reason = declaration.get("reason")
    rows.correction.append(
        (
            rows.platform,
            leaf_index,
            corrected_leaf,
            None if reason is None else str(reason)[:200],
            to_ms(parse_instant(str(declaration["declarationTime"]), "declarationTime")),
        )
    )
    rows.corrected.append(corrected_leaf)
    for each in facts:
        item = known.items[each.uri]
        lot = known.items.get(each.lot_uri) if each.lot_uri is not None else None
        item.produced = None if item.produced == each.produced else item.produced
        item.expiry = None if item.expiry == each.expiry else item.expiry
        item.lot_item = None if lot is not None and item.lot_item == lot.item_id else item.lot_item


def _add_stays(view: EventView, items: dict[str, Item], leaf_index: int, rows: Rows) -> None:
    """Open and close intervals. Inside means: from the pack leaf until the next aggregation leaf of the child."""
    if view.parent is None or view.action == "OBSERVE":
        return
    # Nobody named at all is everybody, and only when unpacking; lots in amounts have no intervals.
    if not view.epcs and (view.action == "ADD" or view.classes):
        return
    parent = items[view.parent].item_id
    children = tuple(items[uri].item_id for uri in view.epcs)
    rows.stays.append(Ended(leaf_index, children or None, parent if view.action == "DELETE" else None))
    if view.action == "ADD":
        rows.stays.append(Begun(leaf_index, children, parent))
