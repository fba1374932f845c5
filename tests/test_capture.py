"""The capturing door: every way in which a parcel can be wrong, and that nothing good is harmed by it."""

import itertools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from build import (
    GTIN,
    ORIGIN,
    START,
    Firm,
    World,
    case_code,
    case_uri,
    event_of,
    item_code,
    item_uri,
    lot_uri,
    new_event_id,
    private_key,
    pseudonym,
    running,
)
from sqlalchemy import select

from tests.signing import own_key
from trace import register
from trace.errors import (
    ConflictError,
    ForkError,
    LedgerError,
    LimitError,
    ParseError,
    RevokedKeyError,
    SignatureError,
    TraceError,
    UnknownKeyError,
    ValidationError,
)
from trace.ledger.canonical import JsonObject, canonical
from trace.ledger.disclosure import Disclosure, split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import ItemLine, Leaf
from trace.ledger.payload import Attested, Signer
from trace.observe import Device
from trace.store import ledger_rows
from trace.store.intake import Receipt
from trace.store.rows import QuarantineRow

pytestmark = pytest.mark.usefixtures("both_databases")

NAMES = (f"firm {n}" for n in itertools.count())
SSCC = "095200000000001841"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        yield world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For parcels that are refused: they leave nothing behind."""
    with running(tmp_path_factory.mktemp("shared")) as world:
        yield world


def size(world: World) -> int:
    with world.services.reading() as session:
        return ledger_rows.require_head(session, 1).size


def twisted(firm: Firm, event: JsonObject, told: list[Disclosure | str] | None = None, **changes: Any) -> Parcel:
    """A parcel signed by the firm's device over a payload that no honest device would make."""
    cut = split(event)
    return firm.sign(canonical(firm.body(cut, **changes)), list(cut.disclosures) if told is None else told)


def refused(world: World, parcel: Parcel | bytes) -> tuple[type[TraceError], str]:
    before = size(world)
    with pytest.raises(TraceError) as error:
        world.send(parcel)
    assert size(world) == before
    return type(error.value), str(error.value)


# ---- what is recorded -------------------------------------------------------------------------------


def test_a_scan_is_recorded_with_its_place_in_the_chain_of_the_item(world: World) -> None:
    firm = world.firm("farm")
    first = world.scan(firm, item_code("A1"), "commissioning", action="ADD")
    world.clock.advance(minutes=5)
    second = world.scan(firm, item_code("A1"))
    leaf, before = Leaf.parse(second.leaf), Leaf.parse(first.leaf)
    assert (first.leaf_index, second.leaf_index, second.new) == (3, 4, True)
    assert (leaf.seq, leaf.prev, leaf.rcv_ms - before.rcv_ms) == (2, firm_payload(world, 3), 300_000)
    assert isinstance(leaf.body, tuple) and isinstance(before.body, tuple)
    assert leaf.body == (ItemLine(before.body[0].key, 2, 3, before.leaf_hash()),)


def firm_payload(world: World, leaf_index: int) -> bytes:
    with world.services.reading() as session:
        return ledger_rows.envelopes_at(session, 1, [leaf_index])[leaf_index].payload_hash


def test_a_thing_named_twice_in_one_event_has_a_line_for_each_mention(world: World) -> None:
    firm = world.firm("plant")
    world.scan(firm, f"]d201{GTIN}10L1".encode())
    elements = [{"epcClass": lot_uri("L1"), "quantity": n} for n in (1, 2)]
    receipt = world.record(firm, event_of(epcList=None, quantityList=elements))
    leaf = Leaf.parse(receipt.leaf)
    assert isinstance(leaf.body, tuple)
    assert [(line.ord, line.prev_index) for line in leaf.body] == [(2, 3), (2, 3)]
    assert leaf.body[0] == leaf.body[1]
    third = Leaf.parse(world.scan(firm, f"]d201{GTIN}10L1".encode()).leaf)
    assert isinstance(third.body, tuple) and third.body[0].ord == 3
    assert world.audit()[0] == []


def test_an_event_of_bare_gtins_has_a_leaf_without_item_lines(world: World) -> None:
    receipt = world.scan(world.firm("shop"), f"]d201{GTIN}".encode())
    assert Leaf.parse(receipt.leaf).body == ()


def test_five_hundred_items_are_one_entry(world: World) -> None:
    firm = world.firm("plant")
    receipt = world.record(firm, event_of([item_uri(f"S{n}") for n in range(500)]))
    leaf = Leaf.parse(receipt.leaf)
    assert isinstance(leaf.body, tuple) and len(leaf.body) == 500


# ---- replay -----------------------------------------------------------------------------------------


def test_the_same_parcel_gets_the_same_receipt(world: World) -> None:
    firm = world.firm("farm")
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    first = world.send(parcel)
    world.clock.advance(days=3)
    assert world.send(parcel) == replace(first, new=False)
    assert size(world) == first.leaf_index + 1


def test_fifty_at_once_get_one_entry(world: World) -> None:
    firm = world.firm("farm")
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    with ThreadPoolExecutor(50) as pool:
        receipts = list(pool.map(world.send, [parcel] * 50))
    assert {receipt.leaf_index for receipt in receipts} == {3}
    assert sum(receipt.new for receipt in receipts) == 1
    assert size(world) == 4


def test_a_restart_forgets_no_receipt(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        firm = world.firm("farm")
        parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
        first = world.send(parcel)
    with running(tmp_path) as world:
        assert world.send(parcel) == replace(first, new=False)
        assert world.scan(firm, item_code("A1")).leaf_index == first.leaf_index + 1
        assert world.audit()[0] == []


def test_a_statement_sent_again_gets_its_receipt_too(world: World) -> None:
    key = private_key("new").public
    body = {"alg": 1, "public": b64u(key.raw), "issuer": pseudonym("boss"), "role": "device"}
    boss = world.firm("boss", role="enterprise")
    statement = Signer(boss.key, boss.pseudonym, ORIGIN).statement("keyreg", body, split({}), START)
    first = world.send(statement)
    assert first.event_id is None
    assert world.send(statement) == replace(first, new=False)


# ---- the chain of the device --------------------------------------------------------------------------


def twins(firm: Firm) -> Device:
    """A copy of the device at this moment: the key is in two places."""
    return Device(firm.key, firm.pseudonym, ORIGIN, firm.device.seq, firm.device.prev)


def test_two_payloads_under_one_number_are_a_fork(world: World) -> None:
    firm = world.firm("farm")
    copy = twins(firm)
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    receipt = world.send(parcel)
    forged = copy.sign(event_of([item_uri("A2")]), at=START)
    name = firm.key_id[:16]
    assert refused(world, forged) == (
        ForkError,
        f"device {name}…: seq 1 is leaf 3 already; the parcel is in quarantine and the key is frozen",
    )
    frozen = f"key {name}…: frozen since 2026-11-24T01:00:00.000Z, it signed twice under one sequence number"
    # Neither of the two goes on, and what is recorded keeps its receipt.
    assert refused(world, firm.device.sign(event_of([item_uri("A3")]), at=START)) == (ForkError, frozen)
    assert refused(world, forged) == (ForkError, frozen)
    assert world.send(parcel) == replace(receipt, new=False)
    with world.services.reading() as session:
        (kept,) = session.scalars(select(QuarantineRow)).all()
        assert (kept.key_id, kept.seq, kept.reason) == (firm.key_id, 1, "seq 1 is leaf 3 already")
        assert Parcel.from_bytes(kept.parcel) == forged
    assert world.audit()[0] == []


def test_a_frozen_key_stays_frozen_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        firm = world.firm("farm")
        copy = twins(firm)
        world.scan(firm, item_code("A1"))
        with pytest.raises(ForkError):
            world.send(copy.sign(event_of([item_uri("A2")]), at=START))
    with running(tmp_path) as world, pytest.raises(ForkError, match=r"frozen since"):
        world.scan(firm, item_code("A3"))


def test_a_fork_harms_no_other_device(world: World) -> None:
    firm, other = world.firm("farm"), world.firm("shop")
    copy = twins(firm)
    world.scan(firm, item_code("A1"))
    with pytest.raises(ForkError):
        world.send(copy.sign(event_of([item_uri("A2")]), at=START))
    assert world.scan(other, item_code("A1")).new


def test_a_payload_that_names_another_before_it_is_a_fork(world: World) -> None:
    firm = world.firm("farm")
    world.scan(firm, item_code("A1"))
    parcel = twisted(firm, event_of([item_uri("A1")]), prev=b64u(bytes(32)))
    assert refused(world, parcel) == (
        ForkError,
        f"device {firm.key_id[:16]}…: prev of seq 2 is not the payload recorded as seq 1; "
        "the parcel is in quarantine and the key is frozen",
    )


def test_a_gap_is_taken_and_filled_when_the_late_parcel_comes(world: World) -> None:
    firm = world.firm("truck")
    late = firm.device.sign(event_of([item_uri("A1")]), at=START)
    assert world.scan(firm, item_code("A2")).leaf_index == 3
    receipt = world.send(late)
    leaf = Leaf.parse(receipt.leaf)
    assert (receipt.leaf_index, leaf.seq) == (4, 1)
    assert world.audit()[0] == []


def test_a_late_parcel_that_is_not_the_missing_one_is_a_fork(world: World) -> None:
    firm = world.firm("truck")
    copy = twins(firm)
    firm.device.sign(event_of([item_uri("A1")]), at=START)
    world.scan(firm, item_code("A2"))
    assert refused(world, copy.sign(event_of([item_uri("A3")]), at=START)) == (
        ForkError,
        f"device {firm.key_id[:16]}…: seq 2 is recorded and names another payload before it; "
        "the parcel is in quarantine and the key is frozen",
    )


# ---- who signed ---------------------------------------------------------------------------------------


def test_a_signature_over_other_bytes_is_refused(shared: World) -> None:
    firm = shared.firm(next(NAMES))
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    wrong = f"signature does not belong to these bytes and key {firm.key_id[:16]}…"
    for envelope in (
        replace(parcel.envelope, signature=bytes(64)),
        replace(parcel.envelope, signature=parcel.envelope.signature[:32] + bytes(32)),
        replace(parcel.envelope, payload=parcel.envelope.payload.replace(b"OBSERVE", b"DELETE")),
    ):
        assert refused(shared, replace(parcel, envelope=envelope)) == (SignatureError, wrong)
    short = replace(parcel.envelope, signature=parcel.envelope.signature[:-1])
    assert refused(shared, replace(parcel, envelope=short)) == (
        SignatureError,
        f"signature of key {firm.key_id[:16]}…: expected 64 bytes, got 63",
    )


def test_a_key_that_nobody_registered_is_refused(shared: World) -> None:
    key = private_key("stranger")
    stranger = Firm(pseudonym("stranger"), Device(key, pseudonym("stranger"), ORIGIN), key)
    parcel = stranger.device.sign(event_of([item_uri("A1")]), at=START)
    assert refused(shared, parcel) == (UnknownKeyError, f"key {key.key_id[:16]}…: not registered in this log")


def test_a_stranger_cannot_register_himself(shared: World) -> None:
    key = private_key("stranger")
    for role in ("device", "authority"):
        body = {"alg": 1, "public": b64u(key.public.raw), "issuer": pseudonym("stranger"), "role": role}
        parcel = Signer(key, pseudonym("stranger"), ORIGIN).statement("keyreg", body, split({}), START)
        assert refused(shared, parcel) == (
            UnknownKeyError,
            f"key {key.key_id[:16]}…: not registered in the log trace.example",
        )


def test_a_key_signs_for_its_own_issuer_only(shared: World) -> None:
    firm, other = shared.firm(next(NAMES)), shared.firm(next(NAMES))
    parcel = twisted(firm, event_of([item_uri("A1")]), iss=other.pseudonym)
    assert refused(shared, parcel) == (
        ValidationError,
        f"key {firm.key_id[:16]}… belongs to issuer {firm.pseudonym}, the payload says {other.pseudonym}",
    )


def test_a_revoked_key_is_refused_and_its_past_stays(world: World) -> None:
    firm = world.firm("farm")
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    receipt = world.send(parcel)
    register.revoke_key(world.services.authority, firm.key_id, None, START)
    late = firm.device.sign(event_of([item_uri("A1")]), at=START)
    assert refused(world, late) == (RevokedKeyError, f"key {firm.key_id[:16]}…: revoked at leaf 4")
    assert world.send(parcel) == replace(receipt, new=False)
    assert world.audit()[0] == []


def statement(firm: Firm, kind: str, body: JsonObject) -> Parcel:
    return Signer(firm.key, firm.pseudonym, ORIGIN).statement(kind, body, split({}), START)


def registration(name: str, issuer: str, role: str = "device") -> JsonObject:
    return {"alg": 1, "public": b64u(private_key(name).public.raw), "issuer": issuer, "role": role}


def test_only_the_authority_registers_and_an_enterprise_its_own_devices(world: World) -> None:
    device, boss = world.firm("device"), world.firm("boss", role="enterprise")
    assert refused(world, statement(device, "keyreg", registration("new", device.pseudonym))) == (
        ValidationError,
        "a key of role device may not register a key of role device",
    )
    for role, issuer in (("device", device.pseudonym), ("enterprise", boss.pseudonym), ("authority", boss.pseudonym)):
        assert refused(world, statement(boss, "keyreg", registration("new", issuer, role))) == (
            ValidationError,
            f"a key of role enterprise may not register a key of role {role}",
        )
    assert world.send(statement(boss, "keyreg", registration("new", boss.pseudonym))).new
    mine = Firm(boss.pseudonym, Device(private_key("new"), boss.pseudonym, ORIGIN), private_key("new"))
    assert world.scan(mine, item_code("A1")).new
    assert world.audit()[0] == []


def test_a_key_is_registered_once(world: World) -> None:
    firm = world.firm("farm")
    with pytest.raises(ConflictError) as error:
        register.register_key(world.services.authority, firm.key.public, pseudonym("thief"), "device", START)
    assert str(error.value) == f"key {firm.key_id[:16]}…: registered already"
    # The authority's own chain goes on behind what was refused.
    assert world.firm("shop").device.seq == 0


def test_who_may_revoke(world: World) -> None:
    boss, other, device = world.firm("boss", role="enterprise"), world.firm("other"), world.firm("device")
    unknown = private_key("nobody").key_id
    revoke = {"key": other.key_id, "compromisedFrom": 3}
    assert refused(world, statement(boss, "keyrev", revoke)) == (
        ValidationError,
        "a key of role enterprise may not revoke a key of another party",
    )
    assert refused(world, statement(device, "keyrev", {"key": device.key_id, "compromisedFrom": None})) == (
        ValidationError,
        "a key of role device may not revoke a key of another party",
    )
    assert refused(world, statement(boss, "keyrev", {"key": unknown, "compromisedFrom": None})) == (
        UnknownKeyError,
        f"key {unknown[:16]}…: not registered, so it cannot be revoked",
    )
    register.revoke_key(world.services.authority, other.key_id, 3, START)
    with pytest.raises(ConflictError) as error:
        register.revoke_key(world.services.authority, other.key_id, None, START)
    assert str(error.value) == f"key {other.key_id[:16]}…: revoked already at leaf 5"
    own = world.send(statement(boss, "keyrev", {"key": boss.key_id, "compromisedFrom": None}))
    assert own.new
    assert world.audit()[0] == []


def test_a_device_may_not_sign_for_others_and_the_platform_for_itself(world: World) -> None:
    firm = world.firm("farm")
    received = Disclosure.make("attests/received", b64u(b"x"), bytes(16))
    cut = split(event_of([item_uri("A1")]))
    for_other = Attested(pseudonym("other"), received.digest)
    attested = Signer(firm.key, firm.pseudonym, ORIGIN).hop(
        replace(cut, disclosures=(*cut.disclosures, received)), START, attests=for_other
    )
    assert refused(world, attested) == (ValidationError, "a key of role device may not sign for others")
    for signer, role in ((world.services.attestation, "attestation"), (world.services.authority, "authority")):
        # The signer refuses already; the log does not rely on it.
        with pytest.raises(LedgerError, match="the signer refuses: "):
            signer.record(lambda key: key.hop(cut, START))
        stolen = Signer(own_key(world.services.settings, role), signer.issuer, ORIGIN, 98, bytes(32)).hop(cut, START)
        assert refused(world, stolen) == (ValidationError, f"a key of role {role} signs no hop of its own")


# ---- what was signed ----------------------------------------------------------------------------------


def test_a_parcel_for_another_log_is_refused(shared: World) -> None:
    firm = shared.firm(next(NAMES))
    parcel = twisted(firm, event_of([item_uri("A1")]), aud="other.example")
    assert refused(shared, parcel) == (
        ValidationError,
        "payload is meant for the log 'other.example', this is 'trace.example'",
    )


def test_a_clock_may_be_five_minutes_ahead_and_no_more(world: World) -> None:
    firm = world.firm("farm")
    assert world.record(firm, event_of([item_uri("A1")], eventTime="2026-11-24T01:05:00.000Z")).new
    late = firm.device.sign(event_of([item_uri("A1")], eventTime="2026-11-24T09:05:00.001+08:00"), at=START)
    assert refused(world, late) == (
        ValidationError,
        "eventTime 2026-11-24T01:05:00.001Z: in the future, the log's clock says 2026-11-24T01:00:00.000Z",
    )
    # It was right all along, only early: nothing of the refusal is kept.
    world.clock.advance(seconds=1)
    assert world.send(late).new


def test_an_event_of_last_century_is_taken(world: World) -> None:
    assert world.record(world.firm("farm"), event_of([item_uri("A1")], eventTime="1969-07-20T20:17:40Z")).new


def test_another_event_under_a_known_id_is_a_conflict(world: World) -> None:
    firm = world.firm("farm")
    event_id = new_event_id()
    world.record(firm, event_of([item_uri("A1")], eventID=event_id))
    again = firm.device.sign(event_of([item_uri("A2")], eventID=event_id), at=START)
    assert refused(world, again) == (ConflictError, f"eventID {event_id}: recorded already as leaf 3")


LOT_ELEMENT = {"epcClass": lot_uri("L1"), "quantity": 5}
PATH = f"https://id.gs1.org/01/{GTIN}"
EVENT_REFUSALS: list[tuple[JsonObject, type[TraceError], str]] = [
    ({"bizStep": "teleporting"}, ValidationError, "bizStep 'teleporting': expected a CBV word or a URI"),
    (
        {"eventTime": "yesterday"},
        ParseError,
        "eventTime 'yesterday': expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00",
    ),
    ({"epcList": [7]}, ValidationError, "epcList: expected a list of URIs"),
    ({"epcList": []}, ValidationError, "ObjectEvent: names nothing; expected EPCs or quantities"),
    (
        {"epcList": [item_uri("A1").replace("https", "http")]},
        ParseError,
        f"URI 'http://id.gs1.org/01/{GTIN}/21/A1': expected the canonical spelling '{PATH}/21/A1'.",
    ),
    (
        {"epcList": [f"https://example.com/01/{GTIN}/21/A1"]},
        ParseError,
        f"URI 'https://example.com/01/{GTIN}/21/A1': expected the canonical spelling '{PATH}/21/A1'.",
    ),
    (
        {"epcList": [f"{PATH}/10/L1/21/A1"]},
        ParseError,
        "(01)(10)(21): expected the AIs of one GS1 key, such as (01)(21), (00), (414)(254) or (8003).",
    ),
    (
        {"epcList": [item_uri("A%2fB")]},
        ParseError,
        f"URI '{PATH}/21/A%2fB': expected the canonical spelling '{PATH}/21/A%2FB'.",
    ),
    (
        {"epcList": [item_uri("%41")]},
        ParseError,
        f"URI '{PATH}/21/%41': expected the canonical spelling '{PATH}/21/A'.",
    ),
    (
        {"epcList": [item_uri("A1") + "?17=281130"]},
        ParseError,
        f"URI '{PATH}/21/A1?17=281130': expected the canonical spelling '{PATH}/21/A1'.",
    ),
    (
        {"quantityList": [{"epcClass": f"{PATH}/10/L%31"}]},
        ParseError,
        f"URI '{PATH}/10/L%31': expected the canonical spelling '{PATH}/10/L1'.",
    ),
    (
        {"quantityList": [LOT_ELEMENT | {"quantity": -1}]},
        ValidationError,
        "quantityList: quantity -1: expected more than 0",
    ),
    (
        {"action": "ADD", "ilmd": {"cbvmda:lotNumber": "L" * 21}},
        ParseError,
        f"lot number '{'L' * 21}': expected 1 to 20 characters, got 21.",
    ),
    ({"action": "ADD", "ilmd": {"cbvmda:lotNumber": 7}}, ParseError, "ilmd: expected text, got '7'"),
    (
        {"action": "ADD", "ilmd": {"cbvmda:productionDate": "yesterday"}},
        ValidationError,
        "ilmd: cbvmda:productionDate 'yesterday': expected a date, like 2026-11-24",
    ),
    (
        {"action": "ADD", "ilmd": {"cbvmda:itemExpirationDate": "2026-02-30"}},
        ValidationError,
        "ilmd: cbvmda:itemExpirationDate '2026-02-30': expected a date, like 2026-11-24",
    ),
    (
        {"action": "ADD", "ilmd": {"cbvmda:itemExpirationDate": "2026-11-24 or so"}},
        ValidationError,
        "ilmd: cbvmda:itemExpirationDate '2026-11-24 or so': expected a date, like 2026-11-24",
    ),
]


@pytest.mark.parametrize(("changes", "error", "message"), EVENT_REFUSALS, ids=itertools.count())
def test_an_event_that_is_wrong_is_refused(
    shared: World, changes: JsonObject, error: type[TraceError], message: str
) -> None:
    firm = shared.firm(next(NAMES))
    parcel = firm.device.sign(event_of(**{"epcList": [item_uri("A1")]} | changes), at=START)
    assert refused(shared, parcel) == (error, message)


def test_the_official_check_digits_hold_for_keys_too(shared: World) -> None:
    firm = shared.firm(next(NAMES))
    parcel = firm.device.sign(event_of([case_uri("095200000000001840")]), at=START)
    assert refused(shared, parcel) == (
        ParseError,
        "Digital Link 'https://id.gs1.org/00/095200000000001840': (00) '095200000000001840': "
        "check digit is 0, computed 1.",
    )


def test_a_date_with_a_time_is_a_date(world: World) -> None:
    ilmd = {"cbvmda:productionDate": "2026-11-20T08:00:00Z", "cbvmda:itemExpirationDate": "2028-11-30"}
    world.record(world.firm("plant"), event_of([item_uri("A1")], action="ADD", ilmd=ilmd))
    story = world.story(item_uri("A1"))
    assert (str(story.produced), str(story.expiry)) == ("2026-11-20", "2028-11-30")


ITEM_ORDER = "items: expected the event's keys with a chain, in the order of docs/formats.md 2.4"
Twist = Callable[[Firm], Parcel]


def _cut(*uris: str, **members: Any) -> Any:
    return split(event_of(list(uris), **members))


def _missing(firm: Firm) -> Parcel:
    event = event_of([item_uri("A1")])
    return twisted(firm, event, list(split(event).disclosures[:1]))


def _signed(firm: Firm, cut: Any, told: Any = None, **changes: Any) -> Parcel:
    return firm.sign(canonical(firm.body(cut, **changes)), cut.disclosures if told is None else told)


def _one_missing(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    return _signed(firm, cut, cut.disclosures[1:])


def _one_extra(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    return _signed(firm, cut, [*cut.disclosures, Disclosure.make("/x", 1, bytes(16))])


def _one_twice(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    return _signed(firm, cut, [*cut.disclosures, cut.disclosures[0]])


def _digest_in_two_places(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    return _signed(firm, cut, _sd=sorted([*cut.sd, *cut.items]))


def _order_turned(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"), item_uri("A2"))
    return _signed(firm, cut, items=list(cut.items[::-1]))


def _key_hidden(firm: Firm) -> Parcel:
    """A key that is committed to, but has no hop chain."""
    cut = _cut(item_uri("A1"), item_uri("A2"))
    return _signed(firm, cut, items=[cut.items[0]], _sd=sorted([*cut.sd, cut.items[1]]))


def _no_key_at_all(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    return _signed(firm, cut, items=[*cut.items, *cut.sd], _sd=[])


def _key_elsewhere(firm: Firm) -> Parcel:
    """The item line would be bound to another member that has the same value."""
    cut = _cut(item_uri("A1"))
    other = Disclosure.make("/note", item_uri("A1"), bytes(16))
    return _signed(firm, cut, [*cut.disclosures, other], items=[other.digest], _sd=sorted([*cut.sd, *cut.items]))


def _cut_too_large(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"), action="ADD", ilmd={"cbvmda:lotNumber": "L1"})
    whole = Disclosure.make("/ilmd", {"cbvmda:lotNumber": "L1"}, bytes(16))
    kept = [each for each in cut.disclosures if not each.pointer.startswith("/ilmd")]
    sd = sorted(each.digest for each in [*kept[1:], whole])
    return _signed(firm, cut, [*kept, whole], _sd=sd)


def _pointer_to_nothing(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    strange = Disclosure.make("note", "for my friends", bytes(16))
    return _signed(firm, cut, [*cut.disclosures, strange], _sd=sorted([*cut.sd, strange.digest]))


def _public_member_twice(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    strange = Disclosure.make("/bizStep", "shipping", bytes(16))
    return _signed(firm, cut, [*cut.disclosures, strange], _sd=sorted([*cut.sd, strange.digest]))


def _received_without_attests(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    strange = Disclosure.make("attests/received", "AA", bytes(16))
    return _signed(firm, cut, [*cut.disclosures, strange], _sd=sorted([*cut.sd, strange.digest]))


def _attests_something_else(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    strange = Disclosure.make("/note", "AA", bytes(16))
    attests = {"for": firm.pseudonym, "received": strange.digest}
    return _signed(firm, cut, [*cut.disclosures, strange], attests=attests)


def _infinity(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    strange = b64u(b'["' + b64u(bytes(16)).encode() + b'","/weight",1e400]')
    digest = Disclosure(strange, "/weight", None).digest
    return _signed(firm, cut, [*cut.disclosures, strange], _sd=sorted([*cut.sd, digest]))


def _five_hundred_and_one(firm: Firm) -> Parcel:
    return _signed(firm, _cut(*(item_uri(f"S{n}") for n in range(501))))


def _many_disclosures(firm: Firm) -> Parcel:
    return firm.sign(b"{}", ["e30"] * 4097)


def _not_canonical(firm: Firm) -> Parcel:
    cut = _cut(item_uri("A1"))
    return firm.sign(json.dumps(firm.body(cut)).encode(), cut.disclosures)


@pytest.mark.parametrize(
    ("twist", "error", "message"),
    [
        (_one_missing, ValidationError, "disclosures: 1 digests of the payload have none, 0 belong to no digest"),
        (_one_extra, ValidationError, "disclosures: 0 digests of the payload have none, 1 belong to no digest"),
        (_missing, ValidationError, "disclosures: 2 digests of the payload have none, 1 belong to no digest"),
        (_one_twice, ValidationError, "disclosures: one stands twice"),
        (_digest_in_two_places, ValidationError, "payload: a digest stands in two of items, _sd and attests"),
        (_order_turned, ValidationError, ITEM_ORDER),
        (_key_hidden, ValidationError, ITEM_ORDER),
        (_no_key_at_all, ValidationError, ITEM_ORDER),
        (_key_elsewhere, ValidationError, ITEM_ORDER),
        (_cut_too_large, ValidationError, "disclosure '/ilmd': expected the cuts of docs/formats.md 2.4"),
        (_pointer_to_nothing, ValidationError, "disclosure 'note': expected the cuts of docs/formats.md 2.4"),
        (_public_member_twice, ParseError, "disclosure pointer '/bizStep': bizStep is a public member"),
        (
            _received_without_attests,
            ValidationError,
            "disclosure 'attests/received': expected attests/received under attests alone",
        ),
        (_attests_something_else, ValidationError, "disclosure '/note': expected attests/received under attests alone"),
        (_infinity, ParseError, "number 1e400: beyond double precision"),
        (_five_hundred_and_one, LimitError, "payload: 501 items, at most 500 in one parcel"),
        (_many_disclosures, LimitError, "parcel: 4097 disclosures, at most 4096 are taken"),
        (_not_canonical, ParseError, "payload: differs from its RFC 8785 form at byte 2"),
    ],
)
def test_a_parcel_that_is_put_together_wrongly_is_refused(
    shared: World, twist: Twist, error: type[TraceError], message: str
) -> None:
    firm = shared.firm(next(NAMES))
    assert refused(shared, twist(firm)) == (error, message)
    assert shared.scan(firm, item_code("A1")).new, "the device goes on"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "parcel: not JSON at character 0: Expecting value"),
        (b"\xff\xfe", "parcel: not UTF-8 at byte 0"),
        (b"[" * 1_000_000, "parcel: nested deeper than 16 levels"),
        (b" " * 1_500_001, "parcel: 1500001 bytes, at most 1500000 are taken"),
        (b"{}", "parcel: expected an object with ['disclosures', 'envelope'], got []"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_parcel_is_refused(shared: World, data: bytes, message: str) -> None:
    assert refused(shared, data)[1] == message


# ---- what else happens at the same time ---------------------------------------------------------------


def test_a_bad_parcel_in_a_crowd_harms_nobody(world: World) -> None:
    firms = [world.firm(f"firm {n}") for n in range(12)]
    world.scan(firms[0], item_code("A0"))
    parcels: list[tuple[Parcel, type[TraceError] | None]] = []
    for n, firm in enumerate(firms):
        parcels.append((firm.device.sign(event_of([item_uri(f"A{n}")]), at=START), None))
        parcels.append((twisted(firm, event_of([item_uri("B")]), aud="other.example"), ValidationError))
        parcels.append(
            (firm.device.sign(event_of([item_uri("B")], eventTime="2027-01-01T00:00:00Z"), at=START), ValidationError)
        )

    def outcome(parcel: Parcel) -> type[TraceError] | None:
        try:
            world.send(parcel)
        except TraceError as error:
            return type(error)
        return None

    before = size(world)
    with ThreadPoolExecutor(len(parcels)) as pool:
        assert list(pool.map(outcome, [parcel for parcel, _ in parcels])) == [error for _, error in parcels]
    assert size(world) == before + len(firms)
    assert world.audit()[0] == []


def test_two_devices_that_scan_one_item_at_once_make_one_chain(world: World) -> None:
    firms = [world.firm(f"firm {n}") for n in range(20)]
    parcels = [firm.device.sign(event_of([item_uri("A1")]), at=START) for firm in firms]
    with ThreadPoolExecutor(20) as pool:
        receipts: list[Receipt] = sorted(pool.map(world.send, parcels), key=lambda receipt: receipt.leaf_index)
    bodies = [Leaf.parse(receipt.leaf).body for receipt in receipts]
    assert [body[0].ord for body in bodies if isinstance(body, tuple)] == list(range(1, 21))
    assert world.audit()[0] == []


def test_packing_things_that_are_counted_takes_nothing_out_of_its_case(world: World) -> None:
    firm = world.firm("plant")
    other = "095200000000001858"
    world.pack(firm, case_code(SSCC), [item_code("A1")])
    amounts = {"childQuantityList": [LOT_ELEMENT], "epcList": None, "type": "AggregationEvent"}
    for action in ("ADD", "DELETE"):
        world.record(firm, event_of(**amounts, parentID=case_uri(other), action=action))
    assert world.story(case_uri(SSCC)).inside == (item_uri("A1"),)
