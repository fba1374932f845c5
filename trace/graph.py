"""What went into what: which leaves belong to the story of a thing, and why. Pure.

    thing --inside--> case --inside--> pallet          a step of a container counts from pack to unpack
      |
      +--of lot--> lot --made in--> transformation --from--> input lot --> ...

The caller gathers edges level by level; this file decides which of a neighbour's steps count.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from trace.epcis.events import EventView

MAX_DEPTH = 20
"""Levels of containers, and of transformations: deeper is a loop or an attack."""


class Via(StrEnum):
    """Why a step belongs to the story of a thing."""

    SELF = "self"
    """The step names the thing itself."""
    CONTAINER = "container"
    """The step names a case or pallet that the thing was inside of at that time."""
    LOT = "lot"
    """The step names the lot of the thing."""
    INPUT = "input"
    """The step belongs to something the thing was made from."""


@dataclass(frozen=True)
class Span:
    """The part of a thing's chain that counts: leaves in [from_leaf, to_leaf]; None is open."""

    item_id: int
    via: Via
    from_leaf: int = 0
    to_leaf: int | None = None

    def holds(self, leaf_index: int) -> bool:
        return self.from_leaf <= leaf_index and (self.to_leaf is None or leaf_index <= self.to_leaf)

    def narrowed(self, item_id: int, via: Via, from_leaf: int, to_leaf: int | None) -> "Span | None":
        """The span of a neighbour, no wider than this one; None when they do not meet."""
        start = max(self.from_leaf, from_leaf)
        ends = [end for end in (self.to_leaf, to_leaf) if end is not None]
        end = min(ends) if ends else None
        return None if end is not None and end < start else Span(item_id, via, start, end)


@dataclass(frozen=True)
class Step:
    """One leaf of the story and what it names."""

    leaf_index: int
    item_id: int
    via: Via


@dataclass(frozen=True)
class Inside:
    """A thing was inside another, from its pack leaf until `to_leaf` (None: still)."""

    child: str
    parent: str
    from_leaf: int
    to_leaf: int | None


class Containment:
    """Who was inside what, told aggregation by aggregation in the order of the log.

    Inside means: from the pack leaf until the next aggregation leaf of the child, or one that unpacks the parent.
    """

    def __init__(self) -> None:
        self._open: dict[str, dict[str, int]] = {}
        """Child to parent to pack leaf: a thing is in one place, but two packs may name it in one leaf."""
        self._closed: list[Inside] = []

    @classmethod
    def before(cls, leaf: int, intervals: Iterable[Inside]) -> "Containment":
        """As it stood in front of a leaf, according to these intervals."""
        made = cls()
        for each in intervals:
            if each.to_leaf is not None and each.to_leaf < leaf:
                made._closed.append(each)
            elif each.from_leaf < leaf:
                made._open.setdefault(each.child, {})[each.parent] = each.from_leaf
        return made

    def take(self, event: EventView, leaf: int) -> None:
        """What an aggregation event of this leaf does; nothing when it only observes, or names amounts of lots."""
        if event.parent is None:
            return
        if event.action == "ADD":
            self.pack(event.parent, event.epcs, leaf)
        elif event.action == "DELETE" and (event.epcs or not event.classes):
            self.unpack(event.parent, event.epcs, leaf)

    def pack(self, parent: str, children: Iterable[str], leaf: int) -> None:
        for child in dict.fromkeys(children):
            self._close(child, None, leaf)
            self._open.setdefault(child, {})[parent] = leaf

    def unpack(self, parent: str, children: Iterable[str], leaf: int) -> None:
        """No children named: all that are inside."""
        named = list(dict.fromkeys(children))
        for child in named or [child for child, parents in self._open.items() if parent in parents]:
            self._close(child, parent, leaf)

    def intervals(self) -> frozenset[Inside]:
        still = (
            Inside(child, parent, at, None) for child, parents in self._open.items() for parent, at in parents.items()
        )
        return frozenset((*self._closed, *still))

    def _close(self, child: str, parent: str | None, leaf: int) -> None:
        parents = self._open.get(child, {})
        for name in [parent] if parent is not None else list(parents):
            at = parents.pop(name, None)
            if at is not None:
                self._closed.append(Inside(child, name, at, leaf))


def steps(spans: Iterable[Span], hops: Iterable[tuple[int, int]]) -> list[Step]:
    """The leaves that count, each once, under the closest relation. `hops` are (item id, leaf index)."""
    by_item: dict[int, list[Span]] = {}
    for span in spans:
        by_item.setdefault(span.item_id, []).append(span)
    rank = {via: n for n, via in enumerate(Via)}
    best: dict[int, Step] = {}
    for item_id, leaf_index in hops:
        for span in by_item.get(item_id, []):
            if not span.holds(leaf_index):
                continue
            known = best.get(leaf_index)
            if known is None or rank[span.via] < rank[known.via]:
                best[leaf_index] = Step(leaf_index, item_id, span.via)
    return [best[leaf_index] for leaf_index in sorted(best)]
