"""The sequencer: the one place that appends to the log.

One thread of one process owns the append. It takes whatever parcels wait, decides each in Python (a bad one never fails
its group), assigns `ord` and the previous leaf of every item, and writes leaf, envelope, disclosures, index and head in
ONE durable transaction. Who submits waits for that commit: no promises are given out.

    submit --> queue --> [ decide, write | decide, write | ... ] --> commit --> receipts --> publish wakes
                          one transaction

Owned by the sequencer thread: the tree, the key states and the item counter. They are caches of what is committed, and
are read again from the database after any failed transaction.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from trace.epcis.events import EventView
from trace.errors import (
    ConflictError,
    ForkError,
    LedgerError,
    RevokedKeyError,
    TraceError,
    UnavailableError,
    UnknownKeyError,
    ValidationError,
)
from trace.ledger.canonical import JsonObject, canonical
from trace.ledger.disclosure import Disclosure
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import ItemLine, KeyLine, Leaf, RevokeLine, item_key, record_hash
from trace.ledger.merkle import EMPTY_ROOT, Tree
from trace.ledger.payload import Hop, KeyRegistration, KeyRevocation, digests
from trace.store import ledger_rows, trace_rows
from trace.store.ledger_rows import KeyState, LogHead, StoredEnvelope
from trace.store.rows import (
    ContainmentRow,
    DisclosureRow,
    EnvelopeRow,
    EventRow,
    HeadRow,
    ItemHopRow,
    ItemRow,
    KeyRow,
    LeafRow,
    QuarantineRow,
    TransformationRow,
)
from trace.times import Clock, format_utc, from_ms, to_ms

logger = logging.getLogger(__name__)

MAX_GROUP = 256
"""Parcels in one transaction."""
FUTURE_ALLOWANCE = timedelta(minutes=5)
"""How far ahead of the log's clock a device's event time may be."""

Begin = Callable[[], AbstractContextManager[Session]]
"""Opens the write transaction: commits when the block ends, rolls back when it raises."""


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
class Intake:
    """A parcel whose form, digests and signature have been checked by capture."""

    parcel: Parcel
    payload: Hop | KeyRegistration | KeyRevocation
    disclosures: tuple[Disclosure, ...]
    event: JsonObject | None
    view: EventView | None
    items: tuple[ItemFacts, ...]
    """One a digest in the payload's `items`, in that order."""


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


@dataclass(frozen=True)
class _Job:
    intake: Intake
    future: "Future[Receipt]"


@dataclass(frozen=True)
class _Item:
    """An item as it stands inside the running transaction."""

    item_id: int
    hops: int
    last_leaf: int
    is_new: bool


class Sequencer:
    """Appends to one log. Create it where the write lock is, once."""

    def __init__(self, platform: int, origin: str, item_secret: bytes, begin: Begin, clock: Clock) -> None:
        self._platform = platform
        self._origin = origin
        self._item_secret = item_secret
        self._begin = begin
        self._clock = clock
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._tree = Tree()
        self._head = LogHead(origin, 0, EMPTY_ROOT, 0)
        self._keys: dict[str, KeyState] = {}
        self._next_item = 1
        self._stale = False
        self.on_commit: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Load the committed state and begin to serve.

        Raises: LedgerError when the stored leaves do not give the stored head.
        """
        with self._begin() as session:
            self._load(session)
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, then end."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def submit(self, intake: Intake, timeout_s: float = 20) -> Receipt:
        """Wait until the parcel is durably recorded.

        Raises: the TraceError that says why it is refused; UnavailableError when it is not known whether it was
        recorded: the same bytes, sent again, get the same receipt.
        """
        if self._thread is None or not self._thread.is_alive():
            raise UnavailableError("the sequencer is not running", retry_after_s=2)
        job = _Job(intake, Future())
        self._queue.put(job)
        try:
            return job.future.result(timeout_s)
        except FutureTimeoutError as error:
            raise UnavailableError(f"not recorded within {timeout_s:g} s", retry_after_s=2) from error

    # ---- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            job = self._queue.get()
            if job is None:
                return
            group = [job]
            stopping = False
            while len(group) < MAX_GROUP and not stopping:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    stopping = True
                else:
                    group.append(following)
            self._integrate(group)
            if stopping:
                return

    def _integrate(self, group: list[_Job]) -> None:
        outcomes: list[Receipt | TraceError]
        try:
            with self._begin() as session:
                if self._stale:
                    self._load(session)
                before = self._head.size
                outcomes = [self._decide(session, job.intake) for job in group]
                if self._head.size != before:
                    self._swap_head(session, before)
        except Exception as error:
            # Whatever it was: this thread is the only one that appends, and it goes on.
            logger.exception("append failed", extra={"parcels": len(group)})
            self._reload()
            if len(group) > 1:
                # One of them may be what the database chokes on: alone, it harms nobody else.
                for job in group:
                    self._integrate([job])
                return
            broken = UnavailableError(f"the log could not be written: {type(error).__name__}", retry_after_s=2)
            outcomes = [broken] * len(group)
        else:
            self.on_commit()
        for job, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Receipt):
                job.future.set_result(outcome)
            else:
                job.future.set_exception(outcome)

    def _reload(self) -> None:
        self._stale = True
        try:
            with self._begin() as session:
                self._load(session)
        except (SQLAlchemyError, OSError, LedgerError):
            logger.exception("state could not be read again; the next group tries")

    def _load(self, session: Session) -> None:
        stored = ledger_rows.head(session, self._platform)
        if stored is None:
            session.execute(
                insert(HeadRow).values(platform=self._platform, origin=self._origin, size=0, root=EMPTY_ROOT, rcv_ms=0)
            )
            stored = LogHead(self._origin, 0, EMPTY_ROOT, 0)
        if stored.origin != self._origin:
            raise LedgerError(f"the database holds the log {stored.origin}, the settings say {self._origin}")
        self._tree = Tree(ledger_rows.leaf_hashes(session, self._platform, 0, stored.size))
        if len(self._tree) != stored.size or self._tree.root() != stored.root:
            raise LedgerError(
                f"log of {stored.size} leaves: {len(self._tree)} are stored and do not give the stored root; run audit"
            )
        self._head = stored
        self._keys = ledger_rows.keys(session, self._platform)
        newest = session.scalar(select(func.max(ItemRow.item_id)).where(ItemRow.platform == self._platform))
        self._next_item = int(newest or 0) + 1
        self._stale = False

    def _swap_head(self, session: Session, before: int) -> None:
        moved = session.execute(
            update(HeadRow)
            .where(HeadRow.platform == self._platform, HeadRow.size == before)
            .values(size=self._head.size, root=self._tree.root(), rcv_ms=self._head.rcv_ms)
            .execution_options(synchronize_session=False)
        )
        # Another writer moved the head: this process is not the owner of the log and must not go on.
        if moved.rowcount != 1:  # type: ignore[attr-defined]
            raise LedgerError(f"head is no longer at {before}: a second writer is at work")

    # ---- deciding one parcel ------------------------------------------------------------------

    def _decide(self, session: Session, intake: Intake) -> Receipt | TraceError:
        envelope, head = intake.parcel.envelope, intake.payload.head
        stored = ledger_rows.envelope_by_payload(session, self._platform, envelope.payload_hash, envelope.key_id)
        if stored is not None:
            return self._receipt_again(session, stored)
        rcv_ms = max(to_ms(self._clock.now()), self._head.rcv_ms)
        try:
            if head.audience != self._origin:
                raise ValidationError(f"payload is meant for the log {head.audience[:80]!r}, this is {self._origin!r}")
            self._check_key(intake)
            self._check_chain(session, intake, rcv_ms)
            if isinstance(intake.payload, Hop):
                self._check_event(session, intake, rcv_ms)
        except TraceError as error:
            logger.info("parcel refused", extra={"key_id": envelope.key_id, "seq": head.seq, "reason": str(error)})
            return error
        if isinstance(intake.payload, Hop):
            return self._write_hop(session, intake, intake.payload, rcv_ms)
        return self._write_statement(session, intake, intake.payload, rcv_ms)

    def _receipt_again(self, session: Session, stored: StoredEnvelope) -> Receipt:
        leaf = ledger_rows.leaves_at(session, self._platform, [stored.leaf_index])[stored.leaf_index]
        event_id = session.scalar(
            select(EventRow.event_id).where(
                EventRow.platform == self._platform, EventRow.leaf_index == stored.leaf_index
            )
        )
        return Receipt(stored.leaf_index, leaf.record, stored.rcv_ms, event_id, new=False)

    def _check_key(self, intake: Intake) -> None:
        head, payload = intake.payload.head, intake.payload
        state = self._keys.get(head.device)
        if state is None:
            # The first leaf registers the authority, signed by itself; nothing else may be unknown.
            if self._head.size == 0 and isinstance(payload, KeyRegistration):
                if payload.role == "authority" and payload.key.key_id == head.device and payload.issuer == head.issuer:
                    return
                raise ValidationError("the first leaf of a log must register the authority, signed by itself")
            raise UnknownKeyError(f"key {head.device[:16]}…: not registered in the log {self._origin}")
        if state.revoked_leaf is not None:
            raise RevokedKeyError(f"key {head.device[:16]}…: revoked at leaf {state.revoked_leaf}")
        if state.issuer != head.issuer:
            raise ValidationError(
                f"key {head.device[:16]}… belongs to issuer {state.issuer}, the payload says {head.issuer}"
            )
        if state.frozen_ms is not None:
            raise ForkError(
                f"key {head.device[:16]}…: frozen since {format_utc(from_ms(state.frozen_ms))}, it signed twice "
                "under one sequence number"
            )
        if isinstance(payload, KeyRegistration):
            delegated = state.role == "enterprise" and payload.role == "device" and payload.issuer == state.issuer
            if state.role != "authority" and not delegated:
                raise ValidationError(f"a key of role {state.role} may not register a key of role {payload.role}")
            if payload.role == "authority":
                raise ValidationError("the authority is registered by the first leaf alone")
            if payload.key.key_id in self._keys:
                raise ConflictError(f"key {payload.key.key_id[:16]}…: registered already")
        elif isinstance(payload, KeyRevocation):
            target = self._keys.get(payload.key_id)
            if target is None:
                raise UnknownKeyError(f"key {payload.key_id[:16]}…: not registered, so it cannot be revoked")
            if state.role != "authority" and not (state.role == "enterprise" and target.issuer == state.issuer):
                raise ValidationError(f"a key of role {state.role} may not revoke a key of another party")
            if target.revoked_leaf is not None:
                raise ConflictError(f"key {payload.key_id[:16]}…: revoked already at leaf {target.revoked_leaf}")
        elif payload.attests is None:
            if state.role not in ("device", "enterprise"):
                raise ValidationError(f"a key of role {state.role} signs no hop of its own")
        elif state.role != "attestation":
            raise ValidationError(f"a key of role {state.role} may not sign for others")

    def _check_chain(self, session: Session, intake: Intake, rcv_ms: int) -> None:
        head = intake.payload.head
        near = ledger_rows.envelopes_by_seq(
            session, self._platform, head.device, [head.seq - 1, head.seq, head.seq + 1]
        )
        if head.seq in near:
            raise self._fork(session, intake, rcv_ms, f"seq {head.seq} is leaf {near[head.seq].leaf_index} already")
        before, after = near.get(head.seq - 1), near.get(head.seq + 1)
        # A missing predecessor is a visible gap, not an error: it may still lie in an outbox.
        if before is not None and before.payload_hash != head.prev:
            raise self._fork(
                session, intake, rcv_ms, f"prev of seq {head.seq} is not the payload recorded as seq {head.seq - 1}"
            )
        if after is not None and after.prev != intake.parcel.payload_hash:
            raise self._fork(
                session, intake, rcv_ms, f"seq {head.seq + 1} is recorded and names another payload before it"
            )

    def _fork(self, session: Session, intake: Intake, rcv_ms: int, reason: str) -> ForkError:
        """Keep the evidence, freeze the key."""
        head = intake.payload.head
        key = {"platform": self._platform, "key_id": head.device}
        known = session.get(QuarantineRow, (self._platform, intake.parcel.payload_hash, head.device))
        if known is None:
            session.execute(
                insert(QuarantineRow).values(
                    **key,
                    payload_hash=intake.parcel.payload_hash,
                    seq=head.seq,
                    rcv_ms=rcv_ms,
                    reason=reason,
                    parcel=intake.parcel.to_bytes(),
                )
            )
        state = self._keys[head.device]
        if state.frozen_ms is None:
            session.execute(update(KeyRow), [{**key, "frozen_ms": rcv_ms}])
            self._keys[head.device] = replace(state, frozen_ms=rcv_ms)
        logger.error("device forked", extra={"key_id": head.device, "seq": head.seq, "reason": reason})
        return ForkError(f"device {head.device[:16]}…: {reason}; the parcel is in quarantine and the key is frozen")

    def _check_event(self, session: Session, intake: Intake, rcv_ms: int) -> None:
        assert intake.view is not None, "capture gives every hop its view"
        event_time = intake.view.event_time
        if event_time > from_ms(rcv_ms) + FUTURE_ALLOWANCE:
            raise ValidationError(
                f"eventTime {format_utc(event_time)}: in the future, the log's clock says {format_utc(from_ms(rcv_ms))}"
            )
        known = session.scalar(
            select(EventRow.leaf_index).where(
                EventRow.platform == self._platform, EventRow.event_id == intake.view.event_id
            )
        )
        if known is not None:
            raise ConflictError(f"eventID {intake.view.event_id[:80]}: recorded already as leaf {known}")

    # ---- writing ------------------------------------------------------------------------------

    def _write_hop(self, session: Session, intake: Intake, hop: Hop, rcv_ms: int) -> Receipt:
        assert intake.view is not None and intake.event is not None, "capture gives every hop its view"
        leaf_index = self._head.size
        items = self._items(session, intake.items)
        lines = []
        for facts in intake.items:
            item = items[facts.uri]
            lines.append(
                ItemLine(
                    key=item_key(self._item_secret, facts.uri),
                    ord=item.hops + 1,
                    prev_index=None if item.hops == 0 else item.last_leaf,
                    prev_hash=None if item.hops == 0 else self._tree.leaf_hash(item.last_leaf),
                )
            )
        receipt = self._append(session, intake, tuple(lines), rcv_ms, intake.view.event_id)
        self._save_items(session, intake.items, items, leaf_index)
        self._index_event(session, hop, intake.event, intake.view, leaf_index, rcv_ms)
        ids = {uri: item.item_id for uri, item in items.items()}
        if intake.view.event_type == "AggregationEvent":
            self._index_containment(session, intake.view, ids, leaf_index)
        if intake.view.event_type == "TransformationEvent":
            rows = [
                {"platform": self._platform, "leaf_index": leaf_index, "item_id": ids[uri], "is_output": is_output}
                for uris, is_output in ((intake.view.inputs, False), (intake.view.outputs, True))
                for uri in dict.fromkeys(uris)
                if uri in ids
            ]
            if rows:
                session.execute(insert(TransformationRow), rows)
        return receipt

    def _write_statement(
        self, session: Session, intake: Intake, payload: KeyRegistration | KeyRevocation, rcv_ms: int
    ) -> Receipt:
        leaf_index = self._head.size
        if isinstance(payload, KeyRegistration):
            key = payload.key
            receipt = self._append(session, intake, KeyLine(key, payload.issuer, payload.role), rcv_ms, None)
            session.execute(
                insert(KeyRow).values(
                    platform=self._platform,
                    key_id=key.key_id,
                    algorithm=int(key.algorithm),
                    raw=key.raw,
                    issuer=payload.issuer,
                    role=payload.role,
                    registered_leaf=leaf_index,
                )
            )
            self._keys[key.key_id] = KeyState(key, payload.issuer, payload.role, leaf_index, None, None)
            return receipt
        receipt = self._append(session, intake, RevokeLine(payload.key_id, payload.compromised_from), rcv_ms, None)
        row = {"platform": self._platform, "key_id": payload.key_id, "revoked_leaf": leaf_index}
        session.execute(update(KeyRow), [row])
        self._keys[payload.key_id] = replace(self._keys[payload.key_id], revoked_leaf=leaf_index)
        return receipt

    def _append(
        self,
        session: Session,
        intake: Intake,
        body: tuple[ItemLine, ...] | KeyLine | RevokeLine,
        rcv_ms: int,
        event_id: str | None,
    ) -> Receipt:
        envelope, head, leaf_index = intake.parcel.envelope, intake.payload.head, self._head.size
        record = Leaf(
            origin=self._origin,
            kind=head.kind,
            issuer=head.issuer,
            device=head.device,
            seq=head.seq,
            prev=head.prev,
            rcv_ms=rcv_ms,
            env_hash=envelope.env_hash,
            body=body,
        ).record()
        leaf_hash = record_hash(record)
        here = {"platform": self._platform, "leaf_index": leaf_index}
        session.execute(insert(LeafRow).values(**here, record=record, leaf_hash=leaf_hash, envelope_leaf=leaf_index))
        session.execute(
            insert(EnvelopeRow).values(
                **here,
                payload_type=envelope.payload_type,
                payload=envelope.payload,
                key_id=envelope.key_id,
                signature=envelope.signature,
                payload_hash=envelope.payload_hash,
                seq=head.seq,
                prev=head.prev,
                rcv_ms=rcv_ms,
            )
        )
        items = frozenset(intake.payload.items) if isinstance(intake.payload, Hop) else frozenset()
        position = {digest: n for n, digest in enumerate(digests(intake.payload))}
        if intake.disclosures:
            session.execute(
                insert(DisclosureRow),
                [
                    {
                        **here,
                        "position": position[each.digest],
                        "access": str(each.access(items)),
                        "text": each.text,
                    }
                    for each in intake.disclosures
                ],
            )
        self._tree.append(leaf_hash)
        self._head = LogHead(self._origin, leaf_index + 1, self._tree.root(), rcv_ms)
        return Receipt(leaf_index, record, rcv_ms, event_id, new=True)

    # ---- index --------------------------------------------------------------------------------

    def _items(self, session: Session, facts: Iterable[ItemFacts]) -> dict[str, _Item]:
        """The items of these facts and of their lots, by URI; new ones get a number and are not yet stored."""
        wanted = {each.uri for each in facts} | {each.lot_uri for each in facts if each.lot_uri is not None}
        found = {
            uri: _Item(item_id, hops, last_leaf, is_new=False)
            for uri, item_id, hops, last_leaf in session.execute(
                select(ItemRow.uri, ItemRow.item_id, ItemRow.hops, ItemRow.last_leaf).where(
                    ItemRow.platform == self._platform, ItemRow.uri.in_(sorted(wanted))
                )
            )
        }
        for uri in sorted(wanted - set(found)):
            found[uri] = _Item(self._next_item, 0, -1, is_new=True)
            self._next_item += 1
        return found

    def _save_items(
        self, session: Session, facts: tuple[ItemFacts, ...], items: dict[str, _Item], leaf_index: int
    ) -> None:
        by_uri = {each.uri: each for each in facts}
        fresh = []
        for uri, item in items.items():
            told = by_uri.get(uri)
            # A lot that is only named by its units is interned too, with what they say of it.
            said = told or next(each for each in facts if each.lot_uri == uri)
            lot_uri = told.lot_uri if told is not None else None
            lot_item = None if lot_uri is None else items[lot_uri].item_id
            if item.is_new:
                fresh.append(
                    {
                        "platform": self._platform,
                        "item_id": item.item_id,
                        "uri": uri,
                        "gtin": said.gtin,
                        "lot_item": lot_item,
                        "produced": said.produced,
                        "expiry": said.expiry,
                        "hops": 0 if told is None else 1,
                        "last_leaf": -1 if told is None else leaf_index,
                    }
                )
            elif told is not None:
                # What the first event that knew it said stands; corrections come as events of their own.
                session.execute(
                    update(ItemRow)
                    .where(ItemRow.platform == self._platform, ItemRow.item_id == item.item_id)
                    .values(
                        hops=item.hops + 1,
                        last_leaf=leaf_index,
                        gtin=func.coalesce(ItemRow.gtin, told.gtin),
                        lot_item=func.coalesce(ItemRow.lot_item, lot_item),
                        produced=func.coalesce(ItemRow.produced, told.produced),
                        expiry=func.coalesce(ItemRow.expiry, told.expiry),
                    )
                    .execution_options(synchronize_session=False)
                )
        if fresh:
            session.execute(insert(ItemRow), fresh)
        hops = [
            {
                "platform": self._platform,
                "item_id": items[uri].item_id,
                "leaf_index": leaf_index,
                "ord": items[uri].hops + 1,
            }
            for uri in by_uri
        ]
        if hops:
            session.execute(insert(ItemHopRow), hops)

    def _index_event(
        self, session: Session, hop: Hop, event: JsonObject, view: EventView, leaf_index: int, rcv_ms: int
    ) -> None:
        columns = vars(trace_rows.indexed(view, hop, leaf_index, rcv_ms))
        session.execute(
            insert(EventRow).values(platform=self._platform, **columns, body=canonical(event).decode("utf-8"))
        )

    def _index_containment(self, session: Session, view: EventView, ids: Mapping[str, int], leaf_index: int) -> None:
        """Open and close intervals. Inside means: from the pack leaf until the next aggregation leaf of the child."""
        if view.parent is None or view.action == "OBSERVE":
            return
        # Nobody named at all is everybody, and only when unpacking; lots in amounts have no intervals.
        if not view.epcs and (view.action == "ADD" or view.classes):
            return
        parent = ids[view.parent]
        ends = update(ContainmentRow).where(ContainmentRow.platform == self._platform, ContainmentRow.to_leaf.is_(None))
        children = [ids[uri] for uri in view.epcs]
        if view.action == "DELETE":
            ends = ends.where(ContainmentRow.parent == parent)
        if children:
            ends = ends.where(ContainmentRow.child.in_(children))
        session.execute(ends.values(to_leaf=leaf_index).execution_options(synchronize_session=False))
        if view.action == "ADD":
            session.execute(
                insert(ContainmentRow),
                [
                    {"platform": self._platform, "child": child, "parent": parent, "from_leaf": leaf_index}
                    for child in children
                ],
            )
