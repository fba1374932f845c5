"""One group of parcels: each is decided in Python, in order, and what it adds is collected for one write.

    known (read before) ---> decide: again? | key | chain | event ---> refused, or leaves + rows

A bad parcel is an answer, not a failure of its group; the parcel behind it sees the log as if it had never come.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from trace.errors import ConflictError, ForkError, TraceError, ValidationError
from trace.ledger.canonical import JsonObject, canonical
from trace.ledger.leaf import Body, CorrectLine, ItemLine, Leaf, item_key, record_hash
from trace.ledger.payload import MAX_ITEMS, CaseStep, Erasure, Hop, digests, items_of
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
            self._check_seen(intake)
            self._check_event(intake)
            if isinstance(intake.payload, Erasure):
                told = self._known.told.get(intake.payload.leaf_index, {})
                statements.check_erasure(self._state.size, intake.payload, told)
        except TraceError as error:
            logger.info("parcel refused", extra={"key_id": head.device, "seq": head.seq, "reason": str(error)})
            return error
        if isinstance(intake.payload, Hop):
            return self._add_hop(intake, intake.payload)
        if isinstance(intake.payload, CaseStep):
            receipt = self._add_items(intake)
        else:
            receipt = self._append(intake, [intake.payload.line()])
        statements.apply(self._state, intake, intake.payload, receipt.leaf_index, self.rows)
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
        head = intake.payload.head
        self._quarantine(intake, reason, freezes=True)
        statements.freeze(self._state, head.device, self._rcv_ms, self.rows)
        logger.error("device forked", extra={"key_id": head.device, "seq": head.seq, "reason": reason})
        return ForkError(f"device {head.device[:16]}…: {reason}; the parcel is in quarantine and the key is frozen")

    def _quarantine(self, intake: Intake, reason: str, *, freezes: bool) -> None:
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
                freezes,
            )
        )

    def _check_seen(self, intake: Intake) -> None:
        """What the device was shown is a state of this log; else somebody shows two logs, and this parcel proves it."""
        seen, state = intake.payload.head.seen, self._state
        if seen is None:
            return
        if seen.size <= state.committed and state.tree.root(seen.size) == seen.root:
            return
        reason = f"seen: the device was shown {seen.size} leaves with a root that this log never had"
        self._quarantine(intake, reason, freezes=False)
        logger.error("split view", extra={"key_id": intake.payload.head.device, "size": seen.size})
        raise ConflictError(f"{reason}; the parcel is in quarantine as evidence")

    def _check_event(self, intake: Intake) -> None:
        if intake.view is None:
            return
        if isinstance(intake.payload, Hop) and intake.payload.corrects is not None:
            self._check_correction(intake, intake.payload, intake.payload.corrects)
            return
        event_time = intake.view.event_time
        if event_time > self._latest:
            now = format_utc(from_ms(self._rcv_ms))
            raise ValidationError(f"eventTime {format_utc(event_time)}: in the future, the log's clock says {now}")
        known = self._known.events.get(intake.view.event_id)
        if known is not None:
            raise ConflictError(f"eventID {intake.view.event_id[:80]}: recorded already as leaf {known}")

    def _check_correction(self, intake: Intake, hop: Hop, corrects: CorrectLine) -> None:
        """EPCIS 2.0, 7.4.1.4: the same event again, with an error declaration, by who recorded it or the authority."""
        what = f"correction of leaf {corrects.leaf_index}"
        wrong = self._known.wrong.get(corrects.leaf_index)
        if wrong is None or not wrong.is_hop or wrong.leaf_hash != corrects.leaf_hash:
            raise ValidationError(f"{what}: expected a recorded hop with that leaf hash")
        party = None if hop.attests is None else hop.attests.party
        by_authority = self._state.keys[hop.head.device].role == "authority"
        if not by_authority and (wrong.issuer, wrong.attested_for) != (hop.head.issuer, party):
            raise ValidationError(f"{what}: it was recorded by another party")
        assert intake.event is not None, "capture gives every hop its event"
        event = {name: value for name, value in intake.event.items() if name != "errorDeclaration"}
        if canonical(event).decode("utf-8") != wrong.body:
            raise ValidationError(f"{what}: expected the event as it was recorded, and errorDeclaration besides")
        if wrong.corrected_by is not None:
            raise ConflictError(f"{what}: declared already by leaf {wrong.corrected_by}")

    # ---- adding -------------------------------------------------------------------------------

    def _add_hop(self, intake: Intake, hop: Hop) -> Receipt:
        late = self._known.is_late(hop.head.device, hop.head.seq)
        receipt = self._add_items(intake)
        first, view = receipt.leaf_index, intake.view
        if view is None:
            return receipt
        assert intake.event is not None, "capture gives every hop its event"
        if hop.corrects is not None:
            self._correct(hop.corrects.leaf_index, first, intake.event, intake)
            return receipt
        items = {facts.uri: self._known.items[facts.uri] for facts in intake.items}
        index.add_event(hop, intake.event, view, items, first, receipt.rcv_ms, late, self.rows)
        self._known.events[view.event_id] = first
        return receipt

    def _correct(self, corrected_leaf: int, leaf_index: int, event: JsonObject, intake: Intake) -> None:
        index.add_correction(
            leaf_index, corrected_leaf, event["errorDeclaration"], intake.items, self.rows, self._known
        )
        known = self._known.wrong
        known[corrected_leaf] = replace(known[corrected_leaf], corrected_by=leaf_index)

    def _add_items(self, intake: Intake) -> Receipt:
        """The leaves of what has item lines: each thing has one hop more."""
        state = self._state
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
        # More lines than a leaf holds go on in further leaves of the same envelope.
        bodies: list[Body] = [tuple(lines[n : n + MAX_ITEMS]) for n in range(0, len(lines), MAX_ITEMS)] or [()]
        receipt = self._append(intake, bodies)
        index.add_hops(intake.items, items, receipt.leaf_index, self.rows)
        return receipt

    def _append(self, intake: Intake, bodies: list[Body]) -> Receipt:
        """The leaves of one envelope, one a body, and the envelope with what it discloses."""
        state, rows, rcv_ms = self._state, self.rows, self._rcv_ms
        envelope, head = intake.parcel.envelope, intake.payload.head
        first, env_hash, payload_hash = state.size, envelope.env_hash, envelope.payload_hash
        corrects = intake.payload.corrects if isinstance(intake.payload, Hop) else None
        records = [
            Leaf(
                state.origin, head.kind, head.issuer, head.device, head.seq, head.prev, rcv_ms, env_hash, body, part,
                len(bodies), corrects,
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
            items = frozenset(items_of(intake.payload))
            position = {digest: n for n, digest in enumerate(digests(intake.payload))}
            rows.disclosure += [
                (rows.platform, first, position[each.digest], str(each.access(items)), each.text)
                for each in intake.disclosures
            ]
        state.rcv_ms = rcv_ms
        receipt = Receipt(first, records[0], rcv_ms, None if intake.view is None else intake.view.event_id, new=True)
        self._known.add(head.device, Place(head.seq, first, payload_hash, head.prev), receipt)
        return receipt
