"""One group of parcels: each is decided in Python, in order, and what it adds is collected for one write.

    known (read before) ---> decide: again? | key | chain | event ---> refused, or leaves + rows

A bad parcel is an answer, not a failure of its group; the parcel behind it sees the log as if it had never come.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from trace.errors import ConflictError, ForkError, TraceError, ValidationError
from trace.ledger.leaf import ItemLine, KeyLine, Leaf, RevokeLine, item_key, record_hash
from trace.ledger.payload import Hop, digests
from trace.store import index, statements
from trace.store.driver import Driver
from trace.store.intake import Intake, Outcome, Receipt
from trace.store.known import Known
from trace.store.ledger_rows import Place
from trace.store.log_state import LogState
from trace.store.writing import Rows
from trace.times import format_utc, from_ms

logger = logging.getLogger(__name__)

FUTURE_ALLOWANCE = timedelta(minutes=5)
"""How far ahead of the log's clock a device's event time may be."""
_Body = tuple[ItemLine, ...] | KeyLine | RevokeLine


class Group:
    """Decides parcels of one transaction. `rows` is what has to be written when all are decided."""

    def __init__(self, driver: Driver, state: LogState, intakes: Sequence[Intake], now_ms: int) -> None:
        self._state = state
        self._intakes = intakes
        self._known = Known(driver, state, intakes)
        # Time does not run backwards in the log.
        self._rcv_ms = max(now_ms, state.rcv_ms)
        self._latest = from_ms(self._rcv_ms) + FUTURE_ALLOWANCE
        self.rows = Rows(state.platform)

    def decide(self) -> list[Outcome]:
        """One outcome a parcel, in order."""
        return [self._decide(intake) for intake in self._intakes]

    def _decide(self, intake: Intake) -> Outcome:
        place = self._known.recorded(intake.parcel.envelope, intake)
        if place is not None:
            return self._known.receipt(place)
        head = intake.payload.head
        try:
            if head.audience != self._state.origin:
                raise ValidationError(
                    f"payload is meant for the log {head.audience[:80]!r}, this is {self._state.origin!r}"
                )
            statements.check_key(self._state, intake)
            self._check_chain(intake)
            self._check_event(intake)
        except TraceError as error:
            logger.info("parcel refused", extra={"key_id": head.device, "seq": head.seq, "reason": str(error)})
            return error
        if isinstance(intake.payload, Hop):
            return self._add_hop(intake, intake.payload)
        receipt = self._append(intake, [statements.body_of(intake.payload)])
        statements.apply(self._state, intake.payload, receipt.leaf_index, self.rows)
        return receipt

    # ---- checking -----------------------------------------------------------------------------

    def _check_chain(self, intake: Intake) -> None:
        head = intake.payload.head
        known, device, seq = self._known, head.device, head.seq
        here, before, after = known.place(device, seq), known.place(device, seq - 1), known.place(device, seq + 1)
        if here is not None:
            raise self._fork(intake, f"seq {head.seq} is leaf {here.leaf_index} already")
        # A missing predecessor is a visible gap, not an error: it may still lie in an outbox.
        if before is not None and before.payload_hash != head.prev:
            raise self._fork(intake, f"prev of seq {head.seq} is not the payload recorded as seq {head.seq - 1}")
        if after is not None and after.prev != intake.parcel.payload_hash:
            raise self._fork(intake, f"seq {head.seq + 1} is recorded and names another payload before it")

    def _fork(self, intake: Intake, reason: str) -> ForkError:
        """Keep the evidence, freeze the key."""
        head, parcel = intake.payload.head, intake.parcel
        self.rows.quarantine.append(
            (
                self._state.platform,
                parcel.payload_hash,
                head.device,
                head.seq,
                self._rcv_ms,
                reason,
                parcel.to_bytes(),
            )
        )
        statements.freeze(self._state, head.device, self._rcv_ms, self.rows)
        logger.error("device forked", extra={"key_id": head.device, "seq": head.seq, "reason": reason})
        return ForkError(f"device {head.device[:16]}…: {reason}; the parcel is in quarantine and the key is frozen")

    def _check_event(self, intake: Intake) -> None:
        if intake.view is None:
            return
        event_time = intake.view.event_time
        if event_time > self._latest:
            now = format_utc(from_ms(self._rcv_ms))
            raise ValidationError(f"eventTime {format_utc(event_time)}: in the future, the log's clock says {now}")
        known = self._known.events.get(intake.view.event_id)
        if known is not None:
            raise ConflictError(f"eventID {intake.view.event_id[:80]}: recorded already as leaf {known}")

    # ---- adding -------------------------------------------------------------------------------

    def _add_hop(self, intake: Intake, hop: Hop) -> Receipt:
        state, view = self._state, intake.view
        items = index.items_of(intake.items, self._known, state)
        lines = []
        for facts in intake.items:
            item = items[facts.uri]
            lines.append(
                ItemLine(
                    key=item_key(state.item_secret, facts.uri),
                    ord=item.hops + 1,
                    prev_index=None if item.hops == 0 else item.last_leaf,
                    prev_hash=None if item.hops == 0 else state.tree.leaf_hash(item.last_leaf),
                )
            )
        late = self._known.is_late(hop.head.device, hop.head.seq)
        limit = index.MAX_LINES
        bodies: list[_Body] = [tuple(lines[n : n + limit]) for n in range(0, len(lines), limit)] or [()]
        receipt = self._append(intake, bodies)
        first = receipt.leaf_index
        index.add_hops(intake.items, items, first, self.rows)
        if view is not None:
            assert intake.event is not None, "capture gives every hop its event"
            index.add_event(hop, intake.event, view, items, first, receipt.rcv_ms, late, self.rows)
            self._known.events[view.event_id] = first
        return receipt

    def _append(self, intake: Intake, bodies: list[_Body]) -> Receipt:
        """The leaves of one envelope, one a body, and the envelope with what it discloses."""
        state, rows, rcv_ms = self._state, self.rows, self._rcv_ms
        envelope, head = intake.parcel.envelope, intake.payload.head
        first, env_hash, payload_hash = state.size, envelope.env_hash, envelope.payload_hash
        records = [
            Leaf(
                state.origin, head.kind, head.issuer, head.device, head.seq, head.prev, rcv_ms, env_hash, body, part,
                len(bodies),
            ).record()
            for part, body in enumerate(bodies, 1)
        ]  # fmt: skip
        for leaf_index, record in enumerate(records, first):
            leaf_hash = record_hash(record)
            rows.leaf.append((rows.platform, leaf_index, record, leaf_hash, first))
            state.tree.append(leaf_hash)
        rows.envelope.append(
            (
                rows.platform,
                first,
                envelope.payload_type,
                envelope.payload,
                envelope.key_id,
                envelope.signature,
                payload_hash,
                head.seq,
                head.prev,
                rcv_ms,
            )
        )
        if intake.disclosures:
            items = frozenset(intake.payload.items) if isinstance(intake.payload, Hop) else frozenset()
            position = {digest: n for n, digest in enumerate(digests(intake.payload))}
            rows.disclosure += [
                (rows.platform, first, position[each.digest], str(each.access(items)), each.text)
                for each in intake.disclosures
            ]
        state.rcv_ms = rcv_ms
        receipt = Receipt(first, records[0], rcv_ms, None if intake.view is None else intake.view.event_id, new=True)
        self._known.add(head.device, Place(head.seq, first, payload_hash, head.prev), receipt)
        return receipt
