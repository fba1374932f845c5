"""The auditing door: everything is computed again from the stored rows, and every contradiction is named.

    leaf      numbering, spelling, hash, time order
    envelope  hash in the leaf, columns, signature under a key that was registered before this leaf and may do this
    chains    device (seq, prev) and item (ord, previous leaf)
    told      each disclosure belongs to a digest; item keys belong to their URIs
    index     event, hop, item, key, containment and transformation rows say what the envelopes say
    tree      head and every checkpoint, with its signature

An audit may go on from a checkpoint that an earlier one found in order (`resume`). Of the leaves before it, everything
that a leaf commits to is still read and hashed again: record, item chain, envelope, root. What was decided from those
same bytes is not decided again (form of the payload, signature, right to sign), and what no leaf commits to is not
looked at: disclosures, and event, hop, containment and transformation rows.

Reads only. Erased disclosures are no fault; they are counted, and what only they told is not looked at.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import astuple, dataclass, field

from sqlalchemy.orm import Session

from trace.epcis.events import EventView, view
from trace.errors import NotFoundError, TraceError
from trace.graph import Containment
from trace.ledger.canonical import canonical
from trace.ledger.checkpoint import Checkpoint, open_checkpoint, parse_verifier_key
from trace.ledger.disclosure import Disclosure, case_content, item_uris, rebuild
from trace.ledger.envelope import pae
from trace.ledger.keys import PublicKey
from trace.ledger.leaf import EraseLine, ItemLine, KeyLine, Leaf, RevokeLine, RotateLine, item_key, record_hash
from trace.ledger.merkle import Tree
from trace.ledger.payload import (
    MAX_ITEMS,
    CaseStep,
    Hop,
    KeyRegistration,
    KeyRevocation,
    KeyRotation,
    Statement,
    digests,
    items_of,
    parse_payload,
    parts_of,
)
from trace.store import ledger_rows, supervision_rows, trace_rows
from trace.store.ledger_rows import StoredDisclosure, StoredEnvelope, StoredLeaf
from trace.store.supervision_rows import CaseStepRecord
from trace.store.trace_rows import IndexedEvent

BATCH = 500
"""Leaves looked at together."""


@dataclass(frozen=True)
class Finding:
    """One contradiction."""

    leaf_index: int | None
    """The entry that is bad; None for the head or a checkpoint."""
    what: str


@dataclass
class _Key:
    """A key as the leaves so far say."""

    key: PublicKey
    issuer: str
    role: str
    registered: int
    revoked: int | None = None


@dataclass(frozen=True)
class _Sent:
    """One payload of a device's chain."""

    leaf_index: int
    payload_hash: bytes
    prev: bytes | None


@dataclass(frozen=True)
class _Recorded:
    """A hop, as far as a correction has to agree with it."""

    leaf_hash: bytes
    issuer: str
    attested_for: str | None
    keys: tuple[bytes, ...]


@dataclass(frozen=True)
class _Stored:
    """What the tables hold of one batch of leaves, by leaf index."""

    envelopes: dict[int, StoredEnvelope]
    disclosures: dict[int, list[StoredDisclosure]]
    events: dict[int, IndexedEvent]
    bodies: dict[int, str]
    hops: dict[int, dict[str, int]]
    cases: dict[int, CaseStepRecord]


@dataclass
class Audit:
    """One run over one log. `findings()` yields as it goes; the counts are right when it has ended."""

    platform: int
    origin: str
    log_key: str
    """Verifier key that checkpoints must be signed by."""
    item_secret: bytes = field(repr=False)
    on_progress: Callable[[int], None] = lambda leaves: None
    """Told how many leaves are done, some hundred at a time."""
    leaves: int = 0
    erased: int = 0
    """Disclosures that are gone, of the leaves that were looked at whole."""
    checkpoints: int = 0
    audited: Checkpoint | None = None
    """The newest checkpoint that agrees with the leaves: where the next audit may go on, if this one found nothing."""
    since: Checkpoint | None = None
    _keys: dict[str, _Key] = field(default_factory=dict)
    _devices: dict[str, dict[int, _Sent]] = field(default_factory=dict)
    """Key id to seq to what was sent."""
    _newest: dict[str, int] = field(default_factory=dict)
    """Key id to the highest seq so far."""
    _items: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Item key to (ord, leaf index) of its newest hop."""
    _hops: dict[int, _Recorded] = field(default_factory=dict)
    """By leaf index of the first part."""
    _corrected: dict[int, int] = field(default_factory=dict)
    """Leaf of an event that was an error to the leaf that says so."""
    _erased_by: dict[int, set[int]] = field(default_factory=dict)
    """Leaf index to the positions that `erase` leaves say to be gone."""
    _gone: dict[int, set[int]] = field(default_factory=dict)
    """Leaf index to the positions that have no disclosure."""
    _packed: list[tuple[int, EventView]] = field(default_factory=list)
    """Aggregations, in the order of the log."""
    _inside: Containment = field(default_factory=Containment)
    """As the index had it when this audit went on from an earlier one."""
    _made: set[tuple[int, str, bool]] = field(default_factory=set)
    """Leaf index, URI, whether it came out: of every transformation."""
    _untold: bool = False
    """An event could not be rebuilt as a whole."""
    _last_rcv_ms: int = 0
    _tree: Tree = field(default_factory=Tree)

    def size(self, session: Session) -> int:
        """How many leaves the head counts; 0 when there is none."""
        head = ledger_rows.head(session, self.platform)
        return 0 if head is None else head.size

    def resume(self, note: str) -> None:
        """Go on from the checkpoint that an earlier audit ended with (`audited`).

        Raises: the TraceError that says why it is no checkpoint of this log.
        """
        _, key = parse_verifier_key(self.log_key)
        self.since = open_checkpoint(note, self.origin, key)

    def findings(self, session: Session) -> Iterator[Finding]:
        """Every contradiction, in the order of the log; last what concerns no single leaf.

        Raises: NotFoundError when there is no log at all.
        """
        if self.since is None:
            for contradiction in ledger_rows.contradictions(session):
                yield Finding(None, f"database: {contradiction[:200]}")
        batch: list[tuple[StoredLeaf, Leaf]] = []
        for stored in ledger_rows.leaves(session, self.platform):
            if self.since is not None and stored.index == self.since.size:
                # What follows is looked at whole.
                yield from self._entries(session, batch)
                batch = []
                self._take_graph(session, stored.index)
            if stored.index != self.leaves:
                # Nothing behind a hole can be placed in the tree.
                yield from self._entries(session, batch)
                yield Finding(self.leaves, f"missing: the next stored leaf is {stored.index}")
                return
            self.leaves += 1
            mistyped = _mistyped(record=(stored.record, str), leaf_hash=(stored.leaf_hash, bytes))
            if mistyped:
                yield Finding(stored.index, mistyped)
                self._tree.append(bytes(32))  # the place is taken; the root will not agree
                continue
            # What the tree is built from is the record as stored, never the hash column.
            leaf_hash = record_hash(stored.record)
            self._tree.append(leaf_hash)
            if leaf_hash != stored.leaf_hash:
                yield Finding(stored.index, "record does not give the stored leaf hash")
            try:
                leaf = Leaf.parse(stored.record)
            except TraceError as error:
                yield Finding(stored.index, str(error))
                continue
            yield from self._order(stored.index, leaf)
            yield from self._item_chains(stored.index, leaf)
            batch.append((stored, leaf))
            if len(batch) == BATCH:
                yield from self._entries(session, batch)
                batch = []
        yield from self._entries(session, batch)
        yield from self._since_last(session)
        yield from self._device_chains()
        yield from self._item_rows(session)
        yield from self._key_rows(session)
        yield from self._graph_rows(session)
        yield from self._corrections(session)
        yield from self._erasures()
        yield from self._heads(session)
        for stray in ledger_rows.strays(session, self.platform):
            is_leaf = stray.table not in ("checkpoint", "head")
            yield Finding(
                stray.number if is_leaf else None, f"{stray.table} row {stray.number} belongs to no leaf of this log"
            )

    # ---- what the records say ------------------------------------------------------------------

    def _order(self, index: int, leaf: Leaf) -> Iterator[Finding]:
        if leaf.origin != self.origin:
            yield Finding(index, f"origin {leaf.origin[:80]}: expected {self.origin}")
        if leaf.rcv_ms < self._last_rcv_ms:
            yield Finding(index, f"received at {leaf.rcv_ms}, before the leaf in front of it ({self._last_rcv_ms})")
        self._last_rcv_ms = max(self._last_rcv_ms, leaf.rcv_ms)

    def _item_chains(self, index: int, leaf: Leaf) -> Iterator[Finding]:
        if not isinstance(leaf.body, tuple):
            return
        for n, line in enumerate(leaf.body):
            ord_, at = self._items.get(line.key, (0, -1))
            wanted = ItemLine(line.key, ord_ + 1, None, None)
            if ord_:
                wanted = ItemLine(line.key, ord_ + 1, at, self._tree.leaf_hash(at))
            if line != wanted:
                yield Finding(index, f"item line {n + 1}: {line.line()}: expected {wanted.line()}")
        for line in leaf.body:
            self._items[line.key] = (line.ord, index)

    # ---- what was signed ------------------------------------------------------------------------

    def _entries(self, session: Session, batch: list[tuple[StoredLeaf, Leaf]]) -> Iterator[Finding]:
        indexes = [stored.index for stored, _ in batch]
        known = bool(indexes) and self._was_audited(indexes[0])
        envelopes = ledger_rows.envelopes_at(session, self.platform, [stored.envelope_leaf for stored, _ in batch])
        stored_now = (
            _Stored(envelopes, {}, {}, {}, {}, {})
            if known
            else _Stored(
                envelopes,
                ledger_rows.stored_disclosures(session, self.platform, indexes),
                trace_rows.events_at(session, self.platform, indexes),
                trace_rows.event_bodies(session, self.platform, indexes),
                trace_rows.hops_at(session, self.platform, indexes),
                supervision_rows.case_steps_at(session, self.platform, indexes),
            )
        )
        for stored, leaf in batch:
            if stored.envelope_leaf != stored.index - leaf.part + 1:
                yield Finding(stored.index, f"names the envelope of leaf {stored.envelope_leaf}")
            envelope = stored_now.envelopes.get(stored.envelope_leaf)
            if envelope is None:
                yield Finding(stored.index, "its envelope is missing")
            elif mistyped := _mistyped(**_typed(envelope)):
                yield Finding(stored.index, mistyped)
            else:
                try:
                    yield from self._entry(stored.index, leaf, envelope, stored_now)
                except TraceError as error:
                    yield Finding(stored.index, str(error))
            # Known even if its own entry is bad, so that one bad entry is not reported as a hundred.
            self._learn_key(stored.index, leaf)
        self.on_progress(self.leaves)

    def _was_audited(self, index: int) -> bool:
        return self.since is not None and index < self.since.size

    def _entry(self, index: int, leaf: Leaf, stored: StoredEnvelope, tables: _Stored) -> Iterator[Finding]:
        envelope = stored.envelope
        if envelope.env_hash != leaf.env_hash:
            yield Finding(index, "envelope is not the one that the leaf commits to")
        if envelope.payload_hash != stored.payload_hash:
            yield Finding(index, "payload does not give the stored payload hash")
        if (stored.seq, stored.prev, stored.rcv_ms) != (leaf.seq, leaf.prev, leaf.rcv_ms):
            yield Finding(index, "columns seq, prev, rcv of the envelope do not repeat the leaf")
        if self._was_audited(index):
            self._devices.setdefault(leaf.device, {})[leaf.seq] = _Sent(index, envelope.payload_hash, leaf.prev)
            self._newest[leaf.device] = max(leaf.seq, self._newest.get(leaf.device, 0))
            return
        payload = parse_payload(envelope)
        head = payload.head
        said = (leaf.origin, leaf.kind, leaf.issuer, leaf.device, leaf.seq, leaf.prev)
        if said != (head.audience, head.kind, head.issuer, head.device, head.seq, head.prev):
            yield Finding(index, "first and issuer line do not repeat the payload")
        yield from self._body(index, leaf, payload)
        if leaf.part > 1:
            return  # the envelope was looked at with its first leaf
        yield from self._signer(index, leaf, stored, payload)
        chain = self._devices.setdefault(leaf.device, {})
        if leaf.seq in chain:
            yield Finding(index, f"seq {leaf.seq} of device {leaf.device[:16]}… is leaf {chain[leaf.seq].leaf_index}")
        chain[leaf.seq] = _Sent(index, envelope.payload_hash, leaf.prev)
        disclosures = tables.disclosures.get(index, [])
        told = yield from self._told(index, leaf, payload, disclosures)
        # Erased in part: the event can no longer be rebuilt as a whole.
        self._untold = self._untold or told is None
        if isinstance(payload, Hop):
            yield from self._correction(index, leaf, payload)
        if isinstance(payload, CaseStep) and told is not None:
            yield from self._case_row(index, payload, told, tables)
        if isinstance(payload, Hop) and told is not None:
            late = leaf.seq < self._newest.get(leaf.device, 0)
            yield from self._index(index, leaf, payload, told, late, tables)
        self._newest[leaf.device] = max(leaf.seq, self._newest.get(leaf.device, 0))

    def _body(self, index: int, leaf: Leaf, payload: Hop | Statement) -> Iterator[Finding]:
        if (leaf.parts, leaf.part) != (parts_of(payload), min(leaf.part, parts_of(payload))):
            yield Finding(index, f"part {leaf.part}/{leaf.parts}: expected {parts_of(payload)} parts")
        if isinstance(payload, Hop | CaseStep):
            lines = len(leaf.body) if isinstance(leaf.body, tuple) else 0
            here = len(items_of(payload)[(leaf.part - 1) * MAX_ITEMS : leaf.part * MAX_ITEMS])
            if lines != here:
                yield Finding(index, f"{lines} item lines for {here} items of the payload")
            if leaf.corrects != (payload.corrects if isinstance(payload, Hop) else None):
                yield Finding(index, "correct line does not repeat the payload")
            return
        wanted = payload.line()
        if leaf.body != wanted:
            yield Finding(index, f"{wanted.line().split(' ')[0]} line does not repeat the payload: {wanted.line()}")

    def _signer(self, index: int, leaf: Leaf, stored: StoredEnvelope, payload: Hop | Statement) -> Iterator[Finding]:
        name = f"key {leaf.device[:16]}…"
        signer = self._keys.get(leaf.device)
        if signer is None and index == 0 and isinstance(payload, KeyRegistration):
            signer = _Key(payload.key, payload.issuer, payload.role, 0)
        if signer is None or signer.key.key_id != leaf.device:
            yield Finding(index, f"{name} is not registered before this leaf")
            return
        envelope = stored.envelope
        try:
            signer.key.verify(envelope.signature, pae(envelope.payload_type, envelope.payload))
        except TraceError as error:
            yield Finding(index, str(error))
        if signer.issuer != leaf.issuer:
            yield Finding(index, f"{name} belongs to issuer {signer.issuer}, the leaf says {leaf.issuer}")
        if signer.revoked is not None:
            yield Finding(index, f"{name} was revoked at leaf {signer.revoked}")
        if not self._may(index, signer, payload):
            yield Finding(index, f"{name} of role {signer.role} may not sign this {leaf.kind}")

    def _may(self, index: int, signer: _Key, payload: Hop | Statement) -> bool:
        if isinstance(payload, Hop):
            if payload.corrects is not None and payload.attests is None and signer.role == "authority":
                return True
            return signer.role in (("device", "enterprise") if payload.attests is None else ("attestation",))
        if isinstance(payload, KeyRotation):
            return True  # of itself
        if isinstance(payload, KeyRegistration) and (payload.role == "authority") != (index == 0):
            return False  # the authority is registered by the first leaf, and by no other
        if signer.role == "authority":
            return True
        if signer.role != "enterprise" or not isinstance(payload, KeyRegistration | KeyRevocation):
            return False
        if isinstance(payload, KeyRegistration):
            return payload.role == "device" and payload.issuer == signer.issuer
        target = self._keys.get(payload.key_id)
        return target is not None and target.issuer == signer.issuer

    def _learn_key(self, index: int, leaf: Leaf) -> None:
        if isinstance(leaf.body, KeyLine):
            line = leaf.body
            self._keys.setdefault(line.key.key_id, _Key(line.key, line.issuer, line.role, index))
        elif isinstance(leaf.body, RotateLine) and leaf.device in self._keys:
            old = self._keys[leaf.device]
            self._keys.setdefault(leaf.body.key.key_id, _Key(leaf.body.key, old.issuer, old.role, index))
            old.revoked = index
        elif isinstance(leaf.body, RevokeLine) and leaf.body.key_id in self._keys:
            self._keys[leaf.body.key_id].revoked = index
        elif isinstance(leaf.body, EraseLine):
            self._erased_by.setdefault(leaf.body.leaf_index, set()).update(leaf.body.positions)

    def _correction(self, index: int, leaf: Leaf, hop: Hop) -> Iterator[Finding]:
        lines = leaf.body if isinstance(leaf.body, tuple) else ()
        keys = tuple(line.key for line in lines)
        party = None if hop.attests is None else hop.attests.party
        if hop.corrects is None:
            self._hops[index] = _Recorded(self._tree.leaf_hash(index), leaf.issuer, party, keys)
            return
        at = hop.corrects.leaf_index
        if self._was_audited(at) and self._tree.leaf_hash(at) == hop.corrects.leaf_hash:
            self._corrected[at] = index  # what that hop says was not read this time
            return
        wrong, signer = self._hops.get(at), self._keys.get(leaf.device)
        if wrong is None or wrong.leaf_hash != hop.corrects.leaf_hash:
            yield Finding(index, f"corrects leaf {at}: expected an earlier hop with that hash")
            return
        if at in self._corrected:
            yield Finding(index, f"corrects leaf {at}, which leaf {self._corrected[at]} has corrected")
        if wrong.keys != keys:
            yield Finding(index, f"corrects leaf {at}: names other things than that hop")
        by_authority = signer is not None and signer.role == "authority"
        if not by_authority and (wrong.issuer, wrong.attested_for) != (leaf.issuer, party):
            yield Finding(index, f"corrects leaf {at}: it was recorded by another party")
        self._corrected[at] = index

    def _case_row(self, index: int, step: CaseStep, told: tuple[Disclosure, ...], tables: _Stored) -> Iterator[Finding]:
        uri, public, internal = case_content(told)
        said = (index, step.head.kind, uri, step.act, step.approved_by, public, internal)
        row = tables.cases.get(index)
        if row is None or astuple(row) != said:
            yield Finding(index, "case row does not repeat the statement")

    # ---- what was told --------------------------------------------------------------------------

    def _told(
        self, index: int, leaf: Leaf, payload: Hop | Statement, stored: list[StoredDisclosure]
    ) -> Generator[Finding, None, tuple[Disclosure, ...] | None]:
        """Also returns the disclosures, or None when one is missing or bad."""
        wanted = digests(payload)
        # Of a digest that stands twice, the first place.
        places = {digest: place for place, digest in reversed(tuple(enumerate(wanted)))}
        items = frozenset(items_of(payload))
        lines = leaf.body if isinstance(leaf.body, tuple) else ()
        whole: list[Disclosure] = []
        for each in stored:
            mistyped = _mistyped(position=(each.position, int), text=(each.text, str))
            if mistyped:
                yield Finding(index, f"disclosure {each.position}: {mistyped}")
                continue
            try:
                disclosure = Disclosure.parse(each.text)
            except TraceError as error:
                yield Finding(index, f"disclosure {each.position}: {error}")
                continue
            what = f"disclosure {each.position} ({disclosure.pointer[:60]})"
            place = places.get(disclosure.digest)
            if place is None:
                yield Finding(index, f"{what} belongs to no digest of the payload")
                continue
            whole.append(disclosure)
            if (each.position, each.access) != (place, disclosure.access(items)):
                yield Finding(index, f"{what}: columns position and access do not repeat the payload")
            if place < min(len(items), len(lines)) and lines[place].key != item_key(
                self.item_secret, str(disclosure.value)
            ):
                yield Finding(index, f"item line {place + 1} is not the item key of {str(disclosure.value)[:80]}")
        gone = set(range(len(wanted))) - {each.position for each in stored}
        self.erased += len(gone)
        if gone:
            self._gone[index] = gone
        return tuple(whole) if len(whole) == len(wanted) else None

    def _index(
        self, index: int, leaf: Leaf, hop: Hop, told: tuple[Disclosure, ...], late: bool, tables: _Stored
    ) -> Iterator[Finding]:
        event = rebuild(hop.event, told)
        lines = leaf.body if isinstance(leaf.body, tuple) else ()
        if leaf.parts == 1:
            ords = {uri: line.ord for uri, line in zip(item_uris(event), lines, strict=False)}
            if tables.hops.get(index, {}) != ords:
                yield Finding(index, "hop rows are not the item lines of the leaf")
        if hop.corrects is not None:
            return  # the index keeps the event that was recorded first, and the correction beside it
        if tables.bodies.get(index) != canonical(event).decode("utf-8"):
            yield Finding(index, "event row is not the event of the envelope")
        looked_at = view(event)
        if tables.events.get(index) != trace_rows.indexed(looked_at, hop, index, leaf.rcv_ms, late):
            yield Finding(index, "columns of the event row do not repeat the event")
        self._learn_graph(index, looked_at, frozenset(item_uris(event)))

    def _learn_graph(self, index: int, event: EventView, items: frozenset[str]) -> None:
        if event.event_type == "AggregationEvent" and event.parent is not None:
            self._packed.append((index, event))
        if event.event_type == "TransformationEvent":
            for uris, is_output in ((event.inputs, False), (event.outputs, True)):
                self._made |= {(index, uri, is_output) for uri in uris if uri in items}

    def _take_graph(self, session: Session, size: int) -> None:
        """What the index says of the leaves before `size` is believed, or nothing behind them could be compared."""
        self._inside = Containment.before(size, trace_rows.all_stays(session, self.platform))
        self._made = {made for made in trace_rows.all_makings(session, self.platform) if made[0] < size}

    # ---- what concerns the whole log ------------------------------------------------------------

    def _since_last(self, session: Session) -> Iterator[Finding]:
        if self.since is None:
            return
        if self.since.size >= self.leaves:
            self._take_graph(session, self.leaves)
        if self.since.size > self.leaves:
            yield Finding(None, f"{self.since.size} leaves were audited before, {self.leaves} are stored")
        elif self._tree.root(self.since.size) != self.since.root:
            yield Finding(
                None,
                f"the first {self.since.size} leaves do not give the root that was audited before; "
                "an audit of the whole log says more",
            )

    def _device_chains(self) -> Iterator[Finding]:
        for key_id, chain in self._devices.items():
            for seq, sent in sorted(chain.items()):
                before = chain.get(seq - 1)
                if before is not None and before.payload_hash != sent.prev:
                    yield Finding(
                        sent.leaf_index,
                        f"device {key_id[:16]}…: seq {seq} does not name the payload of leaf {before.leaf_index}",
                    )

    def _item_rows(self, session: Session) -> Iterator[Finding]:
        for uri, hops, last_leaf in trace_rows.item_counts(session, self.platform):
            wanted = self._items.get(item_key(self.item_secret, uri), (0, -1))
            if (hops, last_leaf) != wanted:
                yield Finding(
                    None if wanted[1] < 0 else wanted[1],
                    f"item {uri[:120]}: {hops} hops, newest leaf {last_leaf}; the leaves say {wanted[0]}, {wanted[1]}",
                )

    def _key_rows(self, session: Session) -> Iterator[Finding]:
        try:
            stored = ledger_rows.keys(session, self.platform)
        except TraceError as error:
            yield Finding(None, str(error))
            return
        frozen = ledger_rows.frozen_since(session, self.platform)
        for key_id in sorted({*stored, *self._keys}):
            row, said = stored.get(key_id), self._keys.get(key_id)
            if said is None:
                yield Finding(None, f"key {key_id[:16]}…: a key row that no leaf registers")
            elif row is None or _Key(row.key, row.issuer, row.role, row.registered_leaf, row.revoked_leaf) != said:
                yield Finding(said.registered, f"key {key_id[:16]}…: the key row does not repeat the leaves")
            elif row.frozen_ms != frozen.get(key_id):
                yield Finding(said.registered, f"key {key_id[:16]}…: frozen is not what the quarantine says")

    def _graph_rows(self, session: Session) -> Iterator[Finding]:
        if self._untold:
            return
        if any(self._was_audited(at) for at in self._corrected):
            return  # where things were without those events, only an audit of the whole log can tell
        for at, event in self._packed:
            if at not in self._corrected:
                self._inside.take(event, at)
        inside = self._inside.intervals()
        self._made = {made for made in self._made if made[0] not in self._corrected}
        stored_inside = trace_rows.all_stays(session, self.platform)
        for stay in sorted(inside ^ stored_inside, key=lambda each: (each.from_leaf, each.child)):
            verb = "is missing" if stay in inside else "is what no event says"
            until = "now" if stay.to_leaf is None else f"leaf {stay.to_leaf}"
            yield Finding(stay.from_leaf, f"containment row: {stay.child} in {stay.parent} until {until} {verb}")
        stored_made = trace_rows.all_makings(session, self.platform)
        for made in sorted(self._made ^ stored_made):
            verb = "is missing" if made in self._made else "is what no event says"
            yield Finding(made[0], f"transformation row: {made[1]} as {'output' if made[2] else 'input'} {verb}")

    def _corrections(self, session: Session) -> Iterator[Finding]:
        said = trace_rows.corrections(session, self.platform)
        stored = {at: index for at, index in said.items() if not self._was_audited(index)}
        for at in sorted({*stored, *self._corrected}):
            if stored.get(at) != self._corrected.get(at):
                yield Finding(self._corrected.get(at), f"correction row of leaf {at} does not repeat the leaves")

    def _erasures(self) -> Iterator[Finding]:
        """What is gone must have been erased, and what was erased must be gone."""
        for index in sorted({*self._gone, *self._erased_by}):
            if self._was_audited(index):
                continue
            gone, said = self._gone.get(index, set()), self._erased_by.get(index, set())
            for position in sorted(gone - said):
                yield Finding(index, f"disclosure {position} is missing, and no leaf says that it was erased")
            for position in sorted(said - gone):
                yield Finding(index, f"disclosure {position} is there, and was erased")

    def _heads(self, session: Session) -> Iterator[Finding]:
        head = ledger_rows.head(session, self.platform)
        if head is None and not self.leaves:
            raise NotFoundError("there is no log here yet")
        if head is None:
            yield Finding(None, f"there is no head, {self.leaves} leaves are stored")
        elif head.size != self.leaves:
            yield Finding(None, f"head says {head.size} leaves, {self.leaves} are stored")
        else:
            if self._tree.root() != head.root:
                yield Finding(None, f"the leaves do not give the head's root over {head.size}")
            if (head.origin, head.rcv_ms) != (self.origin, self._last_rcv_ms):
                yield Finding(None, "columns origin and rcv of the head do not repeat the leaves")
        _, key = parse_verifier_key(self.log_key)
        for checkpoint in ledger_rows.checkpoints(session, self.platform, self.origin):
            self.checkpoints += 1
            try:
                opened = open_checkpoint(checkpoint.note, self.origin, key)
            except TraceError as error:
                yield Finding(None, f"checkpoint over {checkpoint.size} leaves: {error}")
                continue
            if (opened.size, opened.root) != (checkpoint.size, checkpoint.root):
                yield Finding(None, f"checkpoint over {checkpoint.size} leaves: columns do not repeat the note")
            if opened.size > self.leaves:
                yield Finding(None, f"a checkpoint over {opened.size} leaves was signed, {self.leaves} are stored")
            elif self._tree.root(opened.size) != opened.root:
                yield Finding(None, f"the first {opened.size} leaves do not give the root that was signed")
            else:
                self.audited = opened


def _typed(stored: StoredEnvelope) -> dict[str, tuple[object, type]]:
    envelope = stored.envelope
    return {
        "payload_type": (envelope.payload_type, str),
        "payload": (envelope.payload, bytes),
        "key_id": (envelope.key_id, str),
        "signature": (envelope.signature, bytes),
        "payload_hash": (stored.payload_hash, bytes),
        "seq": (stored.seq, int),
    }


def _mistyped(**columns: tuple[object, type]) -> str:
    """Which columns hold no value of their type (SQLite takes any in any); empty when all are right."""
    return "; ".join(
        f"column {name} holds {type(value).__name__}, expected {wanted.__name__}"
        for name, (value, wanted) in columns.items()
        if not isinstance(value, wanted)
    )
