"""What the index forgets when an event was an error, or a disclosure is erased; both in the append's transaction."""

import json
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from trace.epcis.events import view
from trace.graph import Containment
from trace.ledger.canonical import canonical
from trace.ledger.disclosure import Disclosure, pointer_tokens
from trace.store.rows import (
    CaseStepRow,
    ContainmentRow,
    CorrectionRow,
    DisclosureRow,
    EventRow,
    ItemHopRow,
    ItemRow,
    LeafRow,
    TransformationRow,
)


def void(session: Session, platform: int, leaf_index: int) -> None:
    """The event of this leaf, which is declared an error, made nothing and put nothing anywhere.

    Where its things were is told again by all other events about them and about the containers they were in.
    """
    session.execute(
        delete(TransformationRow).where(
            TransformationRow.platform == platform, TransformationRow.leaf_index == leaf_index
        )
    )
    stays = ContainmentRow.platform == platform
    touched = stays & ((ContainmentRow.from_leaf == leaf_index) | (ContainmentRow.to_leaf == leaf_index))
    children = set(session.scalars(select(ContainmentRow.child).where(touched)))
    if not children:
        return
    of_children = stays & ContainmentRow.child.in_(sorted(children))
    parents = set(session.scalars(select(ContainmentRow.parent).where(of_children)))
    inside = Containment()
    for leaf, body in _aggregations(session, platform, children | parents):
        inside.take(view(json.loads(body)), leaf)
    named = {name for each in inside.intervals() for name in (each.child, each.parent)}
    query = select(ItemRow.uri, ItemRow.item_id).where(ItemRow.platform == platform, ItemRow.uri.in_(sorted(named)))
    ids: dict[str, int] = {uri: item_id for uri, item_id in session.execute(query)}  # noqa: C416  (rows are no pairs)
    session.execute(delete(ContainmentRow).where(of_children).execution_options(synchronize_session=False))
    again = [
        {
            "platform": platform,
            "child": ids[each.child],
            "parent": ids[each.parent],
            "from_leaf": each.from_leaf,
            "to_leaf": each.to_leaf,
        }
        for each in inside.intervals()
        if ids[each.child] in children
    ]
    if again:
        session.execute(insert(ContainmentRow), again)


def _aggregations(session: Session, platform: int, items: set[int]) -> list[tuple[int, str]]:
    """Leaf and body of the aggregation events that name these things and are no errors, in the order of the log."""
    corrected = select(CorrectionRow.corrected_leaf).where(CorrectionRow.platform == platform)
    query = (
        select(EventRow.leaf_index, EventRow.body)
        .join(LeafRow, (LeafRow.platform == EventRow.platform) & (LeafRow.envelope_leaf == EventRow.leaf_index))
        .join(ItemHopRow, (ItemHopRow.platform == LeafRow.platform) & (ItemHopRow.leaf_index == LeafRow.leaf_index))
        .where(
            EventRow.platform == platform,
            EventRow.event_type == "AggregationEvent",
            ItemHopRow.item_id.in_(sorted(items)),
            EventRow.leaf_index.not_in(corrected),
        )
        .distinct()
        .order_by(EventRow.leaf_index)
    )
    return [(leaf, body) for leaf, body in session.execute(query)]


def erase(session: Session, platform: int, leaf_index: int, positions: tuple[int, ...]) -> None:
    """Empty these disclosures, salts included, and what the index keeps of them."""
    here = (
        (DisclosureRow.platform == platform)
        & (DisclosureRow.leaf_index == leaf_index)
        & DisclosureRow.position.in_(positions)
    )
    texts = [text for text in session.scalars(select(DisclosureRow.text).where(here)) if text]
    session.execute(update(DisclosureRow).where(here).values(text="").execution_options(synchronize_session=False))
    told = [Disclosure.parse(text).pointer for text in texts]
    event = session.get(EventRow, (platform, leaf_index))
    if event is not None:
        event.body = _without(event.body, told)
    step = session.get(CaseStepRow, (platform, leaf_index))
    if step is not None:
        step.public = _without(step.public, [each.removeprefix("/public") for each in told if "/public/" in each])
        step.internal = _without(
            step.internal, [each.removeprefix("/internal") for each in told if "/internal/" in each]
        )
    session.flush()


def _without(body: str, told: list[str]) -> str:
    value = json.loads(body)
    for pointer in told:
        if pointer.startswith("/"):
            _drop(value, pointer_tokens(pointer))
    return canonical(value).decode("utf-8")


def _drop(value: Any, tokens: list[str]) -> None:
    """Members go; of a list the place stays, so that what stands behind keeps its pointer."""
    for token in tokens[:-1]:
        value = value[int(token)] if isinstance(value, list) else value[token]
    if isinstance(value, list):
        value[int(tokens[-1])] = None
    else:
        value.pop(tokens[-1], None)
