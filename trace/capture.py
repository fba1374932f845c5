"""The capturing door: a parcel is read once, checked, and recorded in one durable transaction.

    bytes -> form -> key -> signature -> disclosures -> event -> keys -> sequencer -> receipt

Many at once go the same way; their signatures are checked by several threads, since libsodium lets the others run.
Everything that needs no state of the log is decided here, before the sequencer is bothered. Nothing here commits.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Protocol

from sqlalchemy.orm import Session

from trace.epcis.events import EventView, view
from trace.errors import (
    LimitError,
    ParseError,
    SignatureError,
    TraceError,
    UnavailableError,
    UnknownKeyError,
    ValidationError,
)
from trace.identifiers.drug_codes import DrugTraceCode
from trace.identifiers.gs1_keys import Gtin, Lgtin, Sgtin
from trace.identifiers.identify import identify
from trace.identifiers.uris import key_from_uri, uri_of
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import CASE, Disclosure, case_content, item_uris, pointers, rebuild
from trace.ledger.envelope import Envelope, Parcel, pae
from trace.ledger.keys import PublicKey, SigningKey
from trace.ledger.payload import CaseStep, Hop, KeyRegistration, Signer, Statement, parse_payload
from trace.store import ledger_rows, master_rows
from trace.store.intake import CaseContent, Intake, ItemFacts, Outcome, Receipt
from trace.supervision.blacklist import BlacklistEntry
from trace.times import parse_instant

logger = logging.getLogger(__name__)

VERIFIERS = os.cpu_count() or 1
"""Threads that check signatures of one batch."""
WORTH_A_THREAD = 16
"""Signatures; fewer are checked before another thread has woken up."""

RECEIVED_POINTER = "attests/received"
"""Not a pointer into the event: the bytes that the platform was given, when it signed for somebody."""


class Submit(Protocol):
    """The sequencer, or whatever stands in front of it."""

    def submit(self, intake: Intake, timeout_s: float = ...) -> Receipt: ...

    def submit_many(self, intakes: Sequence[Intake], timeout_s: float = ...) -> list[Outcome]: ...


@dataclass(frozen=True)
class Signed:
    """A signature and the key that it has to be of."""

    key: PublicKey
    signature: bytes
    message: bytes

    @classmethod
    def of(cls, key: PublicKey, envelope: Envelope) -> "Signed":
        return cls(key, envelope.signature, pae(envelope.payload_type, envelope.payload))


def capture(session: Session, platform: int, origin: str, data: bytes, sequencer: Submit) -> Receipt:
    """Record a parcel; waits until it is durable.

    `session` is for reading. Raises: the TraceError that names what is wrong with it; UnavailableError when it is not
    known whether it was recorded: send the same bytes again.
    """
    parcel = Parcel.from_bytes(data)
    return sequencer.submit(check(session, platform, origin, parcel))


def capture_many(
    session: Session, platform: int, origin: str, data: Sequence[bytes], sequencer: Submit
) -> list[Outcome]:
    """Record many parcels; waits until all are durable. One outcome each, in order: a bad one fails no other.

    Parcels of one device have to stand in the order of its chain. `session` is for reading. Raises: UnavailableError
    when it is not known whether they were recorded: send the same bytes again.
    """
    outcomes: list[Outcome | None] = [None] * len(data)
    keys: dict[str, PublicKey] = {}
    opened: list[tuple[int, Parcel, Hop | Statement, Signed]] = []
    for n, each in enumerate(data):
        try:
            parcel = Parcel.from_bytes(each)
            payload = parse_payload(parcel.envelope)
            key = keys.get(parcel.envelope.key_id) or _registered_key(session, platform, parcel, payload)
            keys[parcel.envelope.key_id] = key
        except TraceError as error:
            outcomes[n] = error
        else:
            opened.append((n, parcel, payload, Signed.of(key, parcel.envelope)))
    intakes: list[tuple[int, Intake]] = []
    refused = verify_many([signed for _, _, _, signed in opened])
    for (n, parcel, payload, _), reason in zip(opened, refused, strict=True):
        try:
            if reason is not None:
                raise reason
            intakes.append((n, read(session, platform, origin, parcel, payload)))
        except TraceError as error:
            outcomes[n] = error
    for (n, _), outcome in zip(intakes, sequencer.submit_many([intake for _, intake in intakes]), strict=True):
        outcomes[n] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def verify_many(signed: Sequence[Signed], workers: int = VERIFIERS) -> list[SignatureError | None]:
    """What is wrong with each signature, None when it holds; by so many threads."""
    share = -(-len(signed) // workers) if len(signed) >= WORTH_A_THREAD * workers else len(signed)
    shares = [signed[start : start + share] for start in range(share, len(signed), share)] if share else []
    others = [_verifiers().submit(_verify, each) for each in shares]
    return [*_verify(signed[:share]), *(wrong for other in others for wrong in other.result())]


def _verify(signed: Sequence[Signed]) -> list[SignatureError | None]:
    found: list[SignatureError | None] = []
    for each in signed:
        try:
            each.key.verify(each.signature, each.message)
            found.append(None)
        except SignatureError as error:
            found.append(error)
    return found


@cache
def _verifiers() -> ThreadPoolExecutor:
    """Threads beside the caller's own."""
    return ThreadPoolExecutor(max(VERIFIERS - 1, 1), thread_name_prefix="verifier")


def check(session: Session, platform: int, origin: str, parcel: Parcel) -> Intake:
    """Everything about a parcel that does not depend on the order of the log.

    Raises: ParseError, LimitError, ValidationError, UnknownKeyError, SignatureError.
    """
    payload = parse_payload(parcel.envelope)
    signed = Signed.of(_registered_key(session, platform, parcel, payload), parcel.envelope)
    signed.key.verify(signed.signature, signed.message)
    return read(session, platform, origin, parcel, payload)


def read(session: Session, platform: int, origin: str, parcel: Parcel, payload: Hop | Statement) -> Intake:
    """What a parcel says, its signature being good.

    Raises: ParseError, LimitError, ValidationError.
    """
    disclosures = tuple(Disclosure.parse(text) for text in parcel.disclosures)
    if isinstance(payload, CaseStep):
        _match_digests(disclosures, payload.items, payload.head.sd, None)
        case = _case(payload, origin, disclosures)
        return Intake(parcel, payload, disclosures, None, None, (ItemFacts(case.uri, None, None, None, None),), case)
    if not isinstance(payload, Hop):
        _match_digests(disclosures, (), payload.head.sd, None)
        return Intake(parcel, payload, disclosures, None, None, ())
    received = None if payload.attests is None else payload.attests.received
    _match_digests(disclosures, payload.items, payload.head.sd, received)
    event = rebuild(payload.event, disclosures)
    looked_at = view(event)
    _check_lengths(looked_at)
    _match_pointers(disclosures, payload.items, event)
    _match_correction(payload, event)
    return Intake(parcel, payload, disclosures, event, looked_at, _facts(session, platform, origin, event, looked_at))


class PlatformSigner:
    """A key of the platform itself (attestation, authority) and its chain, one signature at a time.

    The chain moves only when the log has answered. If it is not known whether a parcel was recorded, that very parcel
    is sent again before anything new is signed, so that the key never signs twice under one sequence number.
    """

    def __init__(
        self,
        key: SigningKey,
        issuer: str,
        origin: str,
        platform: int,
        reading: Callable[[], Any],
        sequencer: Submit,
        exclusive: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`reading()` opens a session for reading; inside `exclusive()` no other process signs with this key."""
        self._key = key
        self.issuer = issuer
        self._origin = origin
        self._platform = platform
        self._reading = reading
        self._sequencer = sequencer
        self._lock = threading.Lock()
        self._exclusive = exclusive
        self._undecided: Parcel | None = None

    @property
    def public(self) -> PublicKey:
        return self._key.public

    def settle(self) -> Receipt | None:
        """Find out what became of the last parcel, if nobody knows: its receipt, or None when it was refused.

        Raises: UnavailableError while it cannot be known.
        """
        with self._lock, self._exclusive():
            return self._settle()

    def record(self, make: Callable[[Signer], Parcel]) -> Receipt:
        """Sign what `make` builds and record it. Raises: as `capture`."""
        with self._lock, self._exclusive():
            self._settle()
            with self._reading() as session:
                seq, prev = ledger_rows.last_of_device(session, self._platform, self._key.key_id)
            return self._submit(make(Signer(self._key, self.issuer, self._origin, seq, prev)))

    def _settle(self) -> Receipt | None:
        if self._undecided is None:
            return None
        try:
            return self._submit(self._undecided)
        except UnavailableError:
            raise
        except TraceError as error:
            # Refused, so its number is free; who asked for it was told to ask again.
            logger.warning("undecided parcel refused", extra={"key_id": self._key.key_id, "reason": str(error)})
            return None

    def _submit(self, parcel: Parcel) -> Receipt:
        self._undecided = parcel
        try:
            with self._reading() as session:
                intake = check(session, self._platform, self._origin, parcel)
            receipt = self._sequencer.submit(intake)
        except UnavailableError:
            raise
        except TraceError:
            self._undecided = None
            raise
        self._undecided = None
        return receipt


def _registered_key(session: Session, platform: int, parcel: Parcel, payload: Any) -> PublicKey:
    key_id = parcel.envelope.key_id
    state = ledger_rows.key(session, platform, key_id)
    if state is not None:
        return state.key
    # The authority's own registration carries the key that signs it; the sequencer takes that as the first leaf only.
    if isinstance(payload, KeyRegistration) and payload.key.key_id == key_id:
        return payload.key
    raise UnknownKeyError(f"key {key_id[:16]}…: not registered in this log")


def _match_digests(
    disclosures: tuple[Disclosure, ...], items: tuple[str, ...], sd: frozenset[str], received: str | None
) -> None:
    """Each digest has its disclosure and each disclosure its digest: at intake nothing may be withheld."""
    told = [each.digest for each in disclosures]
    committed = [*items, *sd, *(() if received is None else (received,))]
    wanted = set(committed)
    # Else one disclosure would have two places, and an audit could not tell a missing one from this.
    if len(wanted) != len(committed):
        raise ValidationError("payload: a digest stands in two of items, _sd and attests")
    if len(set(told)) != len(told):
        raise ValidationError("disclosures: one stands twice")
    if set(told) != wanted:
        missing, extra = len(wanted - set(told)), len(set(told) - wanted)
        raise ValidationError(f"disclosures: {missing} digests of the payload have none, {extra} belong to no digest")
    for each in disclosures:
        if (each.digest == received) != (each.pointer == RECEIVED_POINTER):
            raise ValidationError(f"disclosure {each.pointer[:80]!r}: expected {RECEIVED_POINTER} under attests alone")


def _match_pointers(disclosures: tuple[Disclosure, ...], items: tuple[str, ...], event: JsonObject) -> None:
    """The event is cut where docs/formats.md 2.4 cuts it: who may be told a member follows from its pointer."""
    keys, others = pointers(event)
    by_digest = {each.digest: each.pointer for each in disclosures}
    if tuple(by_digest[digest] for digest in items) != keys:
        raise ValidationError("items: expected the event's keys with a chain, in the order of docs/formats.md 2.4")
    strange = sorted({*by_digest.values()} - {*keys, *others, RECEIVED_POINTER})
    if strange:
        raise ValidationError(f"disclosure {strange[0][:80]!r}: expected the cuts of docs/formats.md 2.4")


def _match_correction(payload: Hop, event: JsonObject) -> None:
    """An error declaration stands in a correction and nowhere else (EPCIS 2.0, 7.4.1.4)."""
    if payload.corrects is None:
        if "errorDeclaration" in event:
            raise ValidationError("errorDeclaration: expected in a payload of type correct, which names the hop")
        return
    declaration = event.get("errorDeclaration")
    if not isinstance(declaration, dict) or not isinstance(declaration.get("declarationTime"), str):
        raise ValidationError("correct: expected an errorDeclaration with its declarationTime")
    parse_instant(declaration["declarationTime"], "declarationTime")


def _case(payload: CaseStep, origin: str, disclosures: tuple[Disclosure, ...]) -> CaseContent:
    """What a step of a case says. Raises: ParseError, ValidationError."""
    uri, public, internal = case_content(disclosures)
    home = f"https://{origin.split('/')[0]}/id/case/"
    if uri is None or not uri.startswith(home) or re.fullmatch("[0-9a-f]{32}", uri.removeprefix(home)) is None:
        raise ValidationError(f"case {str(uri)[:120]!r}: expected {home} and 32 hex digits")
    if next(each for each in disclosures if each.digest == payload.items[0]).pointer != CASE:
        raise ValidationError("items: expected the digest of /case")
    entry = BlacklistEntry.from_members(public) if payload.head.kind == "blacklist" else None
    return CaseContent(uri, public, internal, entry)


def _check_lengths(event: EventView) -> None:
    """What the index keeps has to fit its columns; a database may be strict about that or not."""
    for name, text, most in (
        ("eventID", event.event_id, 200),
        ("bizStep", event.biz_step, 200),
        ("disposition", event.disposition, 200),
        ("readPoint", event.read_point, 400),
    ):
        if text is not None and len(text) > most:
            raise LimitError(f"{name}: {len(text)} characters, at most {most} are taken")
        if text is not None and "\x00" in text:
            raise ValidationError(f"{name}: the character NUL is no text")


def _facts(
    session: Session, platform: int, origin: str, event: JsonObject, looked_at: EventView
) -> tuple[ItemFacts, ...]:
    """What the index keeps of each key with a chain, one a mention; every key must be in its canonical spelling."""
    for uri in (*looked_at.classes, *looked_at.inputs, *looked_at.outputs):
        key_from_uri(uri, origin)
    described = _described(event, looked_at)
    keys = [(uri, key_from_uri(uri, origin)) for uri in item_uris(event)]
    prefixes = master_rows.gtins_of_drug_prefixes(
        session, platform, {key.identification for _, key in keys if isinstance(key, DrugTraceCode)}
    )
    fresh = _fresh(looked_at)
    facts = []
    for uri, key in keys:
        gtin = key.gtin if isinstance(key, Sgtin | Lgtin) else None
        if isinstance(key, DrugTraceCode) and key.identification in prefixes:
            gtin = Gtin.parse(prefixes[key.identification])
        is_lot = isinstance(key, Lgtin)
        lot, produced, expiry = described if uri in fresh else (None, None, None)
        lot_uri = uri_of(Lgtin(gtin, lot), origin) if gtin is not None and lot is not None and not is_lot else None
        facts.append(ItemFacts(uri, None if gtin is None else str(gtin), lot_uri, produced, expiry))
    return tuple(facts)


def _fresh(looked_at: EventView) -> frozenset[str]:
    """The keys that `ilmd` or the scan describes: all of an object event, the outputs of a transformation."""
    return frozenset(looked_at.outputs or (*looked_at.epcs, *looked_at.classes))


def _described(event: JsonObject, looked_at: EventView) -> tuple[str | None, str | None, str | None]:
    """Lot, production date and expiry, from ilmd or from the raw scan of one code."""
    ilmd = event.get("ilmd")
    if isinstance(ilmd, dict):
        lot, produced, expiry = (
            ilmd.get(f"cbvmda:{name}") for name in ("lotNumber", "productionDate", "itemExpirationDate")
        )
        for value in (lot, produced, expiry):
            if value is not None and not isinstance(value, str):
                raise ParseError(f"ilmd: expected text, got {str(value)[:40]!r}")
        return lot, _day("productionDate", produced), _day("itemExpirationDate", expiry)
    raw = event.get("suyuan:scan")
    if isinstance(raw, str) and looked_at.event_type == "ObjectEvent":
        found = identify(raw, today=looked_at.event_time.date())
        return (
            found.lot,
            None if found.produced is None else found.produced.isoformat(),
            None if found.expiry is None else found.expiry.isoformat(),
        )
    return None, None, None


def _day(name: str, text: str | None) -> str | None:
    """CBV takes a date, or a date with a time; the index keeps the day."""
    if text is None:
        return None
    try:
        day = date.fromisoformat(text[:10])
    except ValueError:
        day = None
    if day is None or text[10:11] not in ("", "T"):
        raise ValidationError(f"ilmd: cbvmda:{name} {text[:40]!r}: expected a date, like 2026-11-24")
    return day.isoformat()
