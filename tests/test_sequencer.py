"""The sequencer: one owner, one transaction, nothing lost and nothing half written."""

import multiprocessing
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from build import (
    ORIGIN,
    START,
    World,
    event_of,
    item_code,
    item_uri,
    new_event_id,
    private_key,
    pseudonym,
    running,
    settings,
)
from sqlalchemy.orm import Session

from app.database import AlreadyRunningError, Database, FifoLock, only_process
from trace.capture import capture, check
from trace.errors import LedgerError, TraceError, UnavailableError, ValidationError
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import Leaf
from trace.ledger.payload import Signer
from trace.store import ledger_rows
from trace.store.intake import Receipt
from trace.store.integrator import Begin
from trace.store.sequencer import Sequencer
from trace.times import SetClock

pytestmark = pytest.mark.usefixtures("both_databases")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        yield world


BROKEN = r"the log could not be written: Integrity\w+"


def head(world: World) -> Any:
    with world.services.reading() as session:
        return ledger_rows.require_head(session, 1)


# ---- a log of its own, without the platform's keys -----------------------------------------------------


@contextmanager
def bare(folder: Path, origin: str = ORIGIN, wrap: Callable[[Begin], Begin] = lambda begin: begin) -> Iterator[Any]:
    """`send(parcel)` on an empty log."""
    database = Database(settings(folder).database)
    database.migrate()
    sequencer = Sequencer(1, origin, bytes(32), wrap(database.writing), SetClock(START))

    def send(parcel: Parcel) -> Receipt:
        with database.reading() as session:
            return capture(session, 1, ORIGIN, parcel.to_bytes(), sequencer)

    try:
        sequencer.start()
        yield send
    finally:
        sequencer.stop()
        database.close()


def key_body(key: str, role: str, issuer: str | None = None) -> JsonObject:
    public = b64u(private_key(key).public.raw)
    return {"alg": 1, "public": public, "issuer": pseudonym(issuer or key), "role": role}


def registration(key: str, role: str, issuer: str | None = None) -> Parcel:
    """A key that registers itself."""
    signer = Signer(private_key(key), pseudonym(key), ORIGIN)
    return signer.statement("keyreg", key_body(key, role, issuer), split({}), START)


@pytest.mark.parametrize(
    "parcel",
    [
        registration("authority", "device"),
        registration("authority", "authority", issuer="somebody"),
    ],
)
def test_the_first_leaf_registers_the_authority_and_nothing_else(tmp_path: Path, parcel: Parcel) -> None:
    with bare(tmp_path) as send:
        with pytest.raises(ValidationError) as error:
            send(parcel)
        assert str(error.value) == "the first leaf of a log must register the authority, signed by itself"
        assert send(registration("authority", "authority")).leaf_index == 0


def test_a_second_authority_does_not_register_itself(tmp_path: Path) -> None:
    with bare(tmp_path) as send:
        send(registration("authority", "authority"))
        with pytest.raises(TraceError) as error:
            send(registration("rival", "authority"))
        assert str(error.value) == f"key {private_key('rival').key_id[:16]}…: not registered in the log trace.example"


def test_a_database_of_another_log_is_refused(tmp_path: Path) -> None:
    with bare(tmp_path) as send:
        send(registration("authority", "authority"))
    with pytest.raises(LedgerError) as error, bare(tmp_path, origin="other.example"):
        pass
    assert str(error.value) == "the database holds the log trace.example, the settings say other.example"


# ---- restart --------------------------------------------------------------------------------------------


def test_a_restart_goes_on_where_the_log_ended(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        firm = world.firm("farm")
        world.scan(firm, item_code("A1"))
        before = head(world)
    with running(tmp_path) as world:
        assert head(world) == before
        leaf = Leaf.parse(world.scan(firm, item_code("A1")).leaf)
        assert isinstance(leaf.body, tuple)
        assert (leaf.body[0].ord, leaf.body[0].prev_index) == (2, before.size - 1)
        assert world.audit()[0] == []


def test_time_does_not_run_backwards_in_the_log(world: World) -> None:
    firm = world.firm("farm")
    first = Leaf.parse(world.scan(firm, item_code("A1")).leaf)
    world.clock.advance(days=-2)
    second = Leaf.parse(world.record(firm, event_of([item_uri("A1")], eventTime="2026-11-20T00:00:00Z")).leaf)
    assert second.rcv_ms == first.rcv_ms


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE leaf SET leaf_hash = (SELECT root FROM head) WHERE leaf_index = 1",
        "DELETE FROM leaf WHERE leaf_index = 3",
        "UPDATE head SET size = size + 1",
        "UPDATE head SET root = (SELECT leaf_hash FROM leaf WHERE leaf_index = 0)",
    ],
)
def test_a_damaged_log_is_not_served(tmp_path: Path, damage: str) -> None:
    with running(tmp_path) as world:
        world.scan(world.firm("farm"), item_code("A1"))
        world.allow_changes("leaf")
        world.execute(damage)
    with (
        pytest.raises(
            LedgerError, match=r"^log of \d leaves: \d are stored and do not give the stored root; run audit$"
        ),
        running(tmp_path),
    ):
        pass


# ---- when the database fails ------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["leaf", "envelope", "disclosure", "item", "item_hop", "event", "head"])
def test_what_could_not_be_written_whole_is_not_written_at_all(world: World, table: str) -> None:
    firm = world.firm("farm")
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    before = head(world)
    world.sabotage("UPDATE" if table == "head" else "INSERT", table)
    with pytest.raises(UnavailableError) as error:
        world.send(parcel)
    assert re.fullmatch(BROKEN, str(error.value))
    assert error.value.retry_after_s == 2
    assert head(world) == before
    assert world.audit()[0] == []
    world.repair()
    receipt = world.send(parcel)
    assert (receipt.leaf_index, receipt.new) == (before.size, True)
    assert world.audit()[0] == []


def test_a_parcel_that_the_database_chokes_on_harms_nobody_else_in_its_group(world: World) -> None:
    firms = [world.firm(f"firm {n}") for n in range(10)]
    poison = new_event_id()
    world.sabotage("INSERT", "event", f"NEW.event_id = '{poison}'")
    parcels = [firm.device.sign(event_of([item_uri("A1")]), at=START) for firm in firms[1:]]
    parcels.append(firms[0].device.sign(event_of([item_uri("A1")], eventID=poison), at=START))

    def send(parcel: Parcel) -> str:
        try:
            return "new" if world.send(parcel).new else "known"
        except UnavailableError as error:
            return str(error)

    # With the write lock held, those that come meanwhile make one group.
    with ThreadPoolExecutor(10) as pool:
        with world.holding_up():
            answers = [pool.submit(send, parcel) for parcel in parcels]
        outcomes = [answer.result() for answer in answers]
    assert outcomes[:9] == ["new"] * 9
    assert re.fullmatch(BROKEN, outcomes[9])
    assert world.audit()[0] == []


def test_a_mistake_of_our_own_does_not_end_the_sequencer(world: World, both_databases: str) -> None:
    if both_databases == "postgresql":
        pytest.skip("the work process reads each parcel itself, so it cannot be given a wrong intake")
    firm, other = world.firm("farm"), world.firm("shop")
    with world.services.reading() as session:
        intake = check(session, 1, ORIGIN, firm.device.sign(event_of([item_uri("A1")]), at=START))
    # Capture gives every hop its event; without it the entry cannot be written.
    broken = replace(intake, event=None)
    with pytest.raises(UnavailableError) as error:
        world.services.sequencer.submit(broken)
    assert str(error.value) == "the log could not be written: AssertionError"
    assert world.scan(other, item_code("A1")).new


class Flaky:
    """A database that fails when told, at the moment a transaction begins."""

    def __init__(self, begin: Begin) -> None:
        self.begin = begin
        self.failures = 0

    @contextmanager
    def __call__(self) -> Iterator[Session]:
        if self.failures > 0:
            self.failures -= 1
            raise OSError("disk is gone")
        with self.begin() as session:
            yield session


def test_a_state_that_cannot_be_read_again_is_read_by_the_next_group(tmp_path: Path) -> None:
    flaky: list[Flaky] = []

    def wrap(begin: Begin) -> Begin:
        flaky.append(Flaky(begin))
        return flaky[0]

    with bare(tmp_path, wrap=wrap) as send:
        chain = Signer(private_key("authority"), pseudonym("authority"), ORIGIN)
        first = chain.statement("keyreg", key_body("authority", "authority"), split({}), START)
        assert send(first).leaf_index == 0
        second = chain.statement("keyreg", key_body("device", "device"), split({}), START)
        flaky[0].failures = 2  # the append, and the reading that follows it
        with pytest.raises(UnavailableError) as error:
            send(second)
        assert str(error.value) == "the log could not be written: OSError"
        assert send(second).leaf_index == 1


def test_a_second_writer_is_found_by_the_head_it_moved(world: World) -> None:
    firm = world.firm("farm")
    world.execute("UPDATE head SET size = size + 1")
    with pytest.raises(UnavailableError) as error:
        world.scan(firm, item_code("A1"))
    assert str(error.value) == "the log could not be written: LedgerError"
    world.execute("UPDATE head SET size = size - 1")
    assert world.scan(firm, item_code("A2")).new
    assert world.audit()[0] == []


# ---- waiting ------------------------------------------------------------------------------------------------


def test_nobody_waits_for_a_sequencer_that_is_not_running(world: World) -> None:
    firm = world.firm("farm")
    world.services.sequencer.stop()
    with pytest.raises(UnavailableError) as error:
        world.scan(firm, item_code("A1"))
    assert str(error.value) == "the sequencer is not running"


def test_who_waits_too_long_is_told_to_send_again(world: World) -> None:
    firm = world.firm("farm")
    parcel = firm.device.sign(event_of([item_uri("A1")]), at=START)
    with world.services.reading() as session:
        intake = check(session, 1, ORIGIN, parcel)
    with world.holding_up(), pytest.raises(UnavailableError) as error:
        world.services.sequencer.submit(intake, timeout_s=0.01)
    assert str(error.value) == "not recorded within 0.01 s"
    # It may have been recorded all the same; the same bytes give the one receipt.
    assert world.send(parcel).leaf_index == 3
    assert head(world).size == 4


def test_what_waits_is_finished_before_the_end(world: World) -> None:
    firms = [world.firm(f"firm {n}") for n in range(5)]
    parcels = [firm.device.sign(event_of([item_uri("A1")]), at=START) for firm in firms]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(world.send, parcels))
    world.services.sequencer.stop()
    assert sorted(answer.leaf_index for answer in answers) == list(range(7, 12))


def test_the_write_lock_lets_one_in_and_forgets_nobody() -> None:
    lock, inside, most = FifoLock(), 0, 0

    def work(_: int) -> None:
        nonlocal inside, most
        for _ in range(50):
            with lock:
                inside += 1
                most = max(most, inside)
                inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert most == 1


# ---- one process ----------------------------------------------------------------------------------------------


def own(folder: Path, owned: Any, done: Any) -> None:
    with only_process(folder):
        owned.set()
        done.wait(60)


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    owned, done = context.Event(), context.Event()
    process = context.Process(target=own, args=(tmp_path, owned, done))
    process.start()
    try:
        assert owned.wait(60)
        with pytest.raises(AlreadyRunningError) as error, only_process(tmp_path):
            pass
        assert str(error.value) == f"{tmp_path} is in use by process {process.pid}; one server a data folder"
    finally:
        done.set()
        process.join()
    with only_process(tmp_path):
        pass


def test_a_second_server_in_the_same_process_is_refused_too(tmp_path: Path, both_databases: str) -> None:
    if both_databases == "postgresql":
        pytest.skip("many processes serve one PostgreSQL database")
    with running(tmp_path), pytest.raises(AlreadyRunningError), running(tmp_path):
        pass
