"""The auditing door: everything is computed again from the stored rows, and every contradiction is named.

    leaf      numbering, spelling, hash, time order
    envelope  hash in the leaf, columns, signature under the key as registered before this leaf
    chains    device (seq, prev) and item (ord, previous leaf)
    told      each disclosure belongs to a digest; item keys belong to their URIs
    index     event and hop rows say what the envelope says
    tree      head and every checkpoint, with its signature

Reads only. Erased disclosures are no fault; they are counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from trace.errors import TraceError
from trace.ledger.canonical import canonical
from trace.ledger.checkpoint import open_checkpoint, parse_verifier_key
from trace.ledger.disclosure import Disclosure, item_uris, rebuild
from trace.ledger.envelope import pae
from trace.ledger.keys import PublicKey
from trace.ledger.leaf import ItemLine, KeyLine, Leaf, RevokeLine, item_key, record_hash
from trace.ledger.merkle import Tree
from trace.ledger.payload import Hop, Statement, parse_payload
from trace.store import ledger_rows, trace_rows
from trace.store.ledger_rows import StoredEnvelope, StoredLeaf

BATCH = 500
"""Leaves looked at together."""


@dataclass(frozen=True)
class Finding:
    """One contradiction."""

    leaf_index: int | None
    """The entry that is bad; None for the head or a checkpoint."""
    what: str


@dataclass
class Audit:
    """One run over one log. `findings()` yields as it goes; the counts are right when it has ended."""

    platform: int
    origin: str
    log_key: str
    """Verifier key that checkpoints must be signed by."""
    item_secret: bytes
    leaves: int = 0
    erased: int = 0
    checkpoints: int = 0
    _keys: dict[str, tuple[PublicKey, str, str]] = field(default_factory=dict)
    """Key id to key, issuer, role, as the leaves so far say."""
    _revoked: set[str] = field(default_factory=set)
    _devices: dict[str, dict[int, tuple[bytes, bytes | None]]] = field(default_factory=dict)
    """Key id to seq to (payload hash, prev)."""
    _items: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Item key to (ord, leaf index) of its newest hop."""
    _tree: Tree = field(default_factory=Tree)

    def findings(self, session: Session) -> Iterator[Finding]:
        """Every contradiction, in the order of the log."""
        head = ledger_rows.require_head(session, self.platform)
        last_rcv = 0
        batch: list[StoredLeaf] = []
        for stored in ledger_rows.leaves(session, self.platform):
            expected = self.leaves
            self.leaves += 1
            if stored.index != expected:
                yield Finding(expected, f"missing: the next stored leaf is {stored.index}")
                return
            # What the tree is built from is the record as stored, never the hash column.
            self._tree.append(record_hash(stored.record))
            if record_hash(stored.record) != stored.leaf_hash:
                yield Finding(stored.index, "record does not give the stored leaf hash")
            try:
                leaf = Leaf.parse(stored.record)
            except TraceError as error:
                yield Finding(stored.index, str(error))
                continue
            if leaf.origin != self.origin:
                yield Finding(stored.index, f"origin {leaf.origin[:80]}: expected {self.origin}")
            if leaf.rcv_ms < last_rcv:
                yield Finding(stored.index, f"received at {leaf.rcv_ms}, before the leaf in front of it ({last_rcv})")
            last_rcv = max(last_rcv, leaf.rcv_ms)
            yield from self._item_chains(stored.index, leaf)
            batch.append(stored)
            if len(batch) == BATCH:
                yield from self._envelopes(session, batch)
                batch = []
        yield from self._envelopes(session, batch)
        yield from self._device_chains()
        yield from self._heads(session, head)

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

    def _envelopes(self, session: Session, batch: list[StoredLeaf]) -> Iterator[Finding]:
        indexes = [stored.index for stored in batch]
        envelopes = ledger_rows.envelopes_at(session, self.platform, [stored.envelope_leaf for stored in batch])
        told = ledger_rows.disclosures_of(session, self.platform, indexes)
        bodies = trace_rows.event_bodies(session, self.platform, indexes)
        hops = trace_rows.hops_at(session, self.platform, indexes)
        for stored in batch:
            envelope = envelopes.get(stored.envelope_leaf)
            if envelope is None:
                yield Finding(stored.index, "its envelope is missing")
                continue
            try:
                leaf = Leaf.parse(stored.record)
                yield from self._envelope(leaf, stored.index, envelope, told.get(stored.index, []))
                yield from self._index(leaf, stored.index, envelope, told.get(stored.index, []), bodies, hops)
                self._learn_keys(leaf)
            except TraceError as error:
                yield Finding(stored.index, str(error))

    def _envelope(self, leaf: Leaf, index: int, stored: StoredEnvelope, disclosures: list[str]) -> Iterator[Finding]:
        envelope = stored.envelope
        if envelope.env_hash != leaf.env_hash:
            yield Finding(index, "envelope is not the one that the leaf commits to")
        if envelope.payload_hash != stored.payload_hash:
            yield Finding(index, "payload does not give the stored payload hash")
        payload = parse_payload(envelope)
        head = payload.head
        said = (leaf.kind, leaf.issuer, leaf.device, leaf.seq, leaf.prev)
        if said != (head.kind, head.issuer, head.device, head.seq, head.prev):
            yield Finding(index, "issuer line does not repeat the payload")
        if (stored.seq, stored.prev, stored.rcv_ms) != (leaf.seq, leaf.prev, leaf.rcv_ms):
            yield Finding(index, "columns seq, prev, rcv of the envelope do not repeat the leaf")
        key = self._keys.get(leaf.device)
        if key is None and index == 0 and isinstance(leaf.body, KeyLine):
            key = (leaf.body.key, leaf.body.issuer, leaf.body.role)
        if key is None:
            yield Finding(index, f"key {leaf.device[:16]}… is not registered before this leaf")
        else:
            key[0].verify(envelope.signature, pae(envelope.payload_type, envelope.payload))
            if key[1] != leaf.issuer:
                yield Finding(index, f"key {leaf.device[:16]}… belongs to issuer {key[1]}, the leaf says {leaf.issuer}")
        if leaf.device in self._revoked:
            yield Finding(index, f"key {leaf.device[:16]}… was revoked before this leaf")
        self._devices.setdefault(leaf.device, {})[leaf.seq] = (envelope.payload_hash, leaf.prev)
        yield from self._disclosures(leaf, index, payload, disclosures)

    def _disclosures(self, leaf: Leaf, index: int, payload: Hop | Statement, texts: list[str]) -> Iterator[Finding]:
        items = payload.items if isinstance(payload, Hop) else ()
        digests = {*items, *payload.head.sd}
        if isinstance(payload, Hop) and payload.attests is not None:
            digests.add(payload.attests.received)
        lines = leaf.body if isinstance(leaf.body, tuple) else ()
        if len(lines) != len(items):
            yield Finding(index, f"{len(lines)} item lines for {len(items)} items of the payload")
        self.erased += len(digests)
        for n, text in enumerate(texts):
            try:
                disclosure = Disclosure.parse(text)
            except TraceError as error:
                yield Finding(index, f"disclosure {n}: {error}")
                continue
            if disclosure.digest not in digests:
                yield Finding(index, f"disclosure {n} ({disclosure.pointer[:60]}) belongs to no digest of the payload")
                continue
            self.erased -= 1
            if disclosure.digest in items:
                line = items.index(disclosure.digest)
                if line < len(lines) and lines[line].key != item_key(self.item_secret, str(disclosure.value)):
                    yield Finding(index, f"item line {line + 1} is not the item key of {str(disclosure.value)[:80]}")

    def _index(
        self,
        leaf: Leaf,
        index: int,
        stored: StoredEnvelope,
        texts: list[str],
        bodies: dict[int, str],
        hops: dict[int, dict[str, int]],
    ) -> Iterator[Finding]:
        payload = parse_payload(stored.envelope)
        if not isinstance(payload, Hop):
            return
        disclosures = [Disclosure.parse(text) for text in texts]
        wanted = {*payload.items, *payload.head.sd}
        if not wanted <= {each.digest for each in disclosures}:
            return  # erased in part: the event can no longer be rebuilt as a whole
        event = rebuild(payload.event, disclosures)
        if bodies.get(index) != canonical(event).decode("utf-8"):
            yield Finding(index, "event row is not the event of the envelope")
        lines = leaf.body if isinstance(leaf.body, tuple) else ()
        ords = {uri: line.ord for uri, line in zip(item_uris(event), lines, strict=False)}
        if hops.get(index, {}) != ords:
            yield Finding(index, "hop rows are not the item lines of the leaf")

    def _learn_keys(self, leaf: Leaf) -> None:
        if isinstance(leaf.body, KeyLine):
            self._keys[leaf.body.key.key_id] = (leaf.body.key, leaf.body.issuer, leaf.body.role)
        elif isinstance(leaf.body, RevokeLine):
            self._revoked.add(leaf.body.key_id)

    def _device_chains(self) -> Iterator[Finding]:
        for key_id, chain in self._devices.items():
            for seq, (_, prev) in sorted(chain.items()):
                before = chain.get(seq - 1)
                if before is not None and before[0] != prev:
                    yield Finding(None, f"device {key_id[:16]}…: seq {seq} does not name the payload of seq {seq - 1}")

    def _heads(self, session: Session, head: ledger_rows.LogHead) -> Iterator[Finding]:
        if head.size != self.leaves:
            yield Finding(None, f"head says {head.size} leaves, {self.leaves} are stored")
        elif self._tree.root() != head.root:
            yield Finding(None, f"the leaves do not give the head's root over {head.size}")
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
