"""The append as a whole: groups, repeats, races and restarts, on both databases."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from build import ORIGIN, START, Firm, World, event_of, item_uri, private_key, pseudonym, running, settings

from app.database import Database
from trace import query
from trace.capture import VERIFIERS, Signed, capture_many, check, verify_many
from trace.errors import ConflictError, ForkError, TraceError, UnavailableError, ValidationError
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import Leaf
from trace.ledger.payload import MAX_ITEMS, Hop, Signer
from trace.observe import Device
from trace.store import ledger_rows, pending
from trace.store.intake import Outcome, Receipt
from trace.store.integrator import Integrator
from trace.store.ledger_rows import Gap
from trace.store.pending import PendingSequencer
from trace.times import SetClock
from trace.work import Worker

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        yield world


def signed(firm: Firm, *uris: str, **members: Any) -> Parcel:
    return firm.device.sign(event_of(uris, **members), at=START)


def send_many(world: World, *parcels: Parcel) -> list[Outcome]:
    data = [parcel.to_bytes() for parcel in parcels]
    with world.services.reading() as session:
        return capture_many(session, 1, ORIGIN, data, world.services.sequencer)


def told(outcome: Outcome) -> str:
    return ("new" if outcome.new else "known") if isinstance(outcome, Receipt) else type(outcome).__name__


# ---- many at once ---------------------------------------------------------------------------------------


def test_a_batch_carries_chains_of_devices_and_items(world: World) -> None:
    farm, shop = world.firm("farm"), world.firm("shop")
    parcels = [signed(firm, item_uri("A1"), item_uri(f"B{n}")) for n in range(3) for firm in (farm, shop)]
    outcomes = send_many(world, *parcels)
    assert [told(each) for each in outcomes] == ["new"] * 6
    leaves = [Leaf.parse(each.leaf) for each in outcomes if isinstance(each, Receipt)]
    assert [leaf.body[0].ord for leaf in leaves if isinstance(leaf.body, tuple)] == [1, 2, 3, 4, 5, 6]
    assert [leaf.seq for leaf in leaves] == [1, 1, 2, 2, 3, 3]
    assert world.audit()[0] == []


def test_a_bad_parcel_fails_nobody_else_in_its_batch(world: World) -> None:
    farm, shop = world.firm("farm"), world.firm("shop")
    good = signed(farm, item_uri("A1"))
    wrong = replace(signed(shop, item_uri("A2")).envelope, signature=bytes(64))
    twin = replace(farm, device=Device(farm.key, farm.pseudonym, ORIGIN))
    parcels = [good, Parcel(wrong, ()), signed(twin, item_uri("A3")), good]
    with world.services.reading() as session:
        data = [*(each.to_bytes() for each in parcels), b"{}"]
        outcomes = capture_many(session, 1, ORIGIN, data, world.services.sequencer)
    assert [told(each) for each in outcomes] == ["new", "SignatureError", "ForkError", "known", "ParseError"]
    assert isinstance(outcomes[0], Receipt)
    assert outcomes[3] == replace(outcomes[0], new=False)
    assert world.audit()[0] == []


def test_an_empty_batch_is_no_work(world: World) -> None:
    assert send_many(world) == []


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_signature_of_a_batch_is_checked_whoever_checks_it(world: World, workers: int) -> None:
    firm = world.firm("farm")
    parcels = [signed(firm, item_uri(f"A{n}")) for n in range(90)]
    good = [Signed.of(firm.key.public, parcel.envelope) for parcel in parcels]
    bad = {0, 17, 44, 45, 89}
    mixed = [replace(each, signature=bytes(64)) if n in bad else each for n, each in enumerate(good)]
    assert verify_many(good, workers) == [None] * 90
    assert {n for n, wrong in enumerate(verify_many(mixed, workers)) if wrong is not None} == bad
    assert VERIFIERS >= 1


def test_more_items_than_one_leaf_holds_go_on_in_the_next(tmp_path: Path) -> None:
    """The writer's side of `<part>/<parts>`; what may be signed as one parcel is decided by the payload."""
    with running(tmp_path) as world:
        firm = world.firm("farm")
        with world.services.reading() as session:
            whole = check(session, 1, ORIGIN, signed(firm, *(item_uri(f"A{n}") for n in range(MAX_ITEMS))))
            one_more = check(session, 1, ORIGIN, signed(firm, item_uri("B1"), item_uri("A0")))
        assert isinstance(whole.payload, Hop) and isinstance(one_more.payload, Hop)
        payload = replace(whole.payload, items=whole.payload.items + one_more.payload.items)
        disclosures = whole.disclosures + tuple(d for d in one_more.disclosures if d.digest in one_more.payload.items)
        intake = replace(whole, payload=payload, disclosures=disclosures, items=whole.items + one_more.items)
        integrator = Integrator(1, ORIGIN, world.log.item_secret, world.services.database.appending, world.clock)
        integrator.load()
        outcome = integrator.integrate([intake])[0]
        assert isinstance(outcome, Receipt)
        with world.services.reading() as session:
            leaves = ledger_rows.leaves_at(session, 1, [outcome.leaf_index, outcome.leaf_index + 1])
    parts = [Leaf.parse(leaf.record) for _, leaf in sorted(leaves.items())]
    assert [(leaf.part, leaf.parts, len(leaf.body)) for leaf in parts if isinstance(leaf.body, tuple)] == [
        (1, 2, MAX_ITEMS),
        (2, 2, 2),
    ]
    assert {leaf.envelope_leaf for leaf in leaves.values()} == {outcome.leaf_index}
    again = parts[1].body
    # Named twice in one event: the second mention carries the same place in the chain as the first.
    assert isinstance(again, tuple) and (again[1].ord, again[1].prev_index) == (1, None)


# ---- again and again ------------------------------------------------------------------------------------


def test_the_same_envelope_a_hundred_times_in_parallel_and_after_a_restart_is_one_row(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        firm = world.firm("farm")
        parcel = signed(firm, item_uri("A1"))
        with ThreadPoolExecutor(16) as pool:
            receipts = list(pool.map(world.send, [parcel] * 100))
        receipts += [each for each in send_many(world, *[parcel] * 20) if isinstance(each, Receipt)]
    with running(tmp_path) as world:
        receipts += [world.send(parcel) for _ in range(3)]
        with world.services.reading() as session:
            stored = ledger_rows.envelopes_at(session, 1, list(range(20)))
        assert sum(each.payload_hash == parcel.payload_hash for each in stored.values()) == 1
        assert world.audit()[0] == []
    assert len(receipts) == 123
    assert sum(receipt.new for receipt in receipts) == 1
    assert len({replace(receipt, new=False) for receipt in receipts}) == 1


# ---- gaps and late ones ---------------------------------------------------------------------------------


def test_gaps_are_visible_and_what_comes_late_is_marked(world: World) -> None:
    firm = world.firm("farm")
    parcels = [signed(firm, item_uri(f"A{n}")) for n in range(1, 9)]
    for n in (2, 3, 6, 8):
        world.send(parcels[n - 1])
    assert chain(world, firm).gaps == (Gap(1, 1), Gap(4, 5), Gap(7, 7))
    world.clock.advance(hours=5)
    world.send(parcels[3])
    world.send(parcels[0])
    found = chain(world, firm)
    assert (found.newest_seq, found.recorded) == (8, 6)
    assert found.gaps == (Gap(5, 5), Gap(7, 7))
    assert [late.seq for late in found.late] == [4, 1]
    assert {late.received_at for late in found.late} == {world.clock.now()}
    assert [hop.late for serial in ("A4", "A6") for hop in world.story(item_uri(serial)).hops] == [True, False]
    assert world.audit()[0] == []


def test_a_late_one_that_does_not_fit_is_a_fork(world: World) -> None:
    firm = world.firm("farm")
    parcels = [signed(firm, item_uri(f"A{n}")) for n in range(1, 4)]
    world.send(parcels[2])
    firm.device = Device(firm.key, firm.pseudonym, ORIGIN, 1, parcels[0].payload_hash)
    other = signed(firm, item_uri("B2"))
    with pytest.raises(ForkError, match=r"seq 3 is recorded and names another payload before it"):
        world.send(other)
    assert world.audit()[0] == []


def chain(world: World, firm: Firm) -> query.DeviceChain:
    with world.services.reading() as session:
        return query.device_chain(session, world.log, firm.key_id)


# ---- against a naive model ------------------------------------------------------------------------------


@dataclass
class Model:
    """One by one, from what the formats say and from nothing else."""

    payloads: dict[tuple[str, int], Parcel]
    events: set[str]
    items: dict[str, int]
    frozen: set[str]
    prevs: dict[tuple[str, int], bytes | None]

    def send(self, parcel: Parcel, seq: int, prev: bytes | None, event_id: str, uris: list[str]) -> str:
        device = parcel.envelope.key_id
        here = self.payloads.get((device, seq))
        if here is not None and here.payload_hash == parcel.payload_hash:
            return "known"
        if device in self.frozen:
            return "ForkError"
        before, after = self.payloads.get((device, seq - 1)), self.payloads.get((device, seq + 1))
        names = self.prevs.get((device, seq + 1))
        if (
            here is not None
            or (before is not None and before.payload_hash != prev)
            or (after is not None and names != parcel.payload_hash)
        ):
            self.frozen.add(device)
            return "ForkError"
        if event_id in self.events:
            return "ConflictError"
        self.payloads[device, seq] = parcel
        self.prevs[device, seq] = prev
        self.events.add(event_id)
        for uri in dict.fromkeys(uris):
            self.items[uri] = self.items.get(uri, 0) + 1
        return "new"


@pytest.mark.parametrize("seed", range(6))
def test_random_groups_give_the_log_that_one_by_one_gives(world: World, seed: int) -> None:
    """Good, repeated, forked, out of order and conflicting parcels of five devices, in groups of any size."""
    chance = random.Random(seed)
    firms = [world.firm(f"firm {n}") for n in range(5)]
    made: list[tuple[Parcel, int, bytes | None, str, list[str]]] = []
    for _ in range(120):
        firm = chance.choice(firms)
        if chance.random() < 0.06:
            # A copy of the key somewhere else, behind by a few.
            back = max(firm.device.seq - chance.randrange(3), 0)
            earlier = [each for each in made if each[0].envelope.key_id == firm.key_id and each[1] == back]
            prev = earlier[0][0].payload_hash if earlier else None
            if (back == 0) == (prev is None):
                firm = replace(firm, device=Device(firm.key, firm.pseudonym, ORIGIN, back, prev))
        uris = [item_uri(f"A{chance.randrange(12)}") for _ in range(chance.randrange(1, 4))]
        event = event_of(list(dict.fromkeys(uris)))
        if made and chance.random() < 0.05:
            event["eventID"] = chance.choice(made)[3]
        seq, prev = firm.device.seq + 1, firm.device.prev
        made.append((firm.device.sign(event, at=START), seq, prev, event["eventID"], event["epcList"]))
    sent = [made[min(max(n + chance.randrange(-4, 5), 0), len(made) - 1)] for n in range(len(made))]
    model = Model({}, set(), {}, set(), {})
    start, size = 0, len(world_leaves(world))
    while start < len(sent):
        group = sent[start : start + chance.choice((1, 2, 7, 30))]
        start += len(group)
        outcomes = send_many(world, *(parcel for parcel, *_ in group))
        wanted = [model.send(*each) for each in group]
        assert [told(each) for each in outcomes] == wanted
        size += wanted.count("new")
    leaves = world_leaves(world)
    assert len(leaves) == size
    ords: dict[str, int] = {}
    for leaf in leaves:
        for line in leaf.body if isinstance(leaf.body, tuple) else ():
            ords[b64u(line.key)] = line.ord
    assert sorted(ords.values()) == sorted(model.items.values())
    assert world.audit()[0] == []


def world_leaves(world: World) -> list[Leaf]:
    with world.services.reading() as session:
        return [Leaf.parse(leaf.record) for leaf in ledger_rows.leaves(session, 1)]


# ---- two that integrate at once -------------------------------------------------------------------------


def test_two_integrators_at_once_never_fork_and_never_double(tmp_path: Path, both_databases: str) -> None:
    """Without the lease, which is there for efficiency alone."""
    if both_databases == "sqlite":
        pytest.skip("on SQLite a lock file keeps the second process out, see test_sequencer")
    told_settings = settings(tmp_path)
    database = Database(told_settings.database)
    log = (1, ORIGIN, bytes(32), database.appending, SetClock(START), database.listening)
    workers = [Worker(*log, lambda: nullcontext(True)) for _ in range(2)]
    front = PendingSequencer(1, database.appending, database.listening)
    chain = Signer(private_key("authority"), pseudonym("authority"), ORIGIN)
    devices = [Signer(private_key(f"device {n}"), pseudonym(f"device {n}"), ORIGIN) for n in range(8)]

    def registration(key: str, role: str) -> Parcel:
        public = b64u(private_key(key).public.raw)
        body = {"alg": 1, "public": public, "issuer": pseudonym(key), "role": role}
        return chain.statement("keyreg", body, split({}), START)

    def send(parcel: Parcel) -> Receipt:
        with database.reading() as session:
            intake = check(session, 1, ORIGIN, parcel)
        for _ in range(50):
            try:
                return front.submit(intake)
            except UnavailableError:
                continue
        raise AssertionError("never recorded")

    def work(device: Signer) -> list[Receipt]:
        return [send(device.hop(split(event_of([item_uri(f"A{n % 3}")])), START)) for n in range(12)]

    try:
        front.start()
        for worker in workers:
            worker.start()
        send(registration("authority", "authority"))
        for n in range(8):
            send(registration(f"device {n}", "device"))
        with ThreadPoolExecutor(8) as pool:
            receipts = [receipt for answers in pool.map(work, devices) for receipt in answers]
        assert sorted(receipt.leaf_index for receipt in receipts) == list(range(9, 9 + 96))
        with database.reading() as session:
            assert ledger_rows.require_head(session, 1).size == 105
    finally:
        for worker in workers:
            worker.stop()
        front.stop()
        database.close()


@pytest.mark.parametrize(
    "outcome",
    [
        Receipt(7, "leaf\n", 5, None, True),
        ValidationError("no", code="key_order", at=3),
        UnavailableError("later", 9),
        ForkError("twice"),
        ConflictError("taken"),
    ],
)
def test_an_answer_is_the_same_on_the_other_side(outcome: Outcome) -> None:
    again = pending.outcome_from_json(pending.outcome_to_json(outcome))
    assert type(again) is type(outcome)
    if isinstance(outcome, TraceError) and isinstance(again, TraceError):
        assert (str(again), vars(again)) == (str(outcome), vars(outcome))
    else:
        assert again == outcome
