"""The publishing door: what is signed has been read back and hashed again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from build import ORIGIN, World, item_code, running, settings
from sqlalchemy import text

from app.database import Database
from tests.signing import own_key
from trace.errors import LedgerError, SignatureError
from trace.ledger.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from trace.ledger.keys import PrivateKey
from trace.ledger.merkle import Tree
from trace.publish import Publisher
from trace.store import ledger_rows


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path) as world:
        yield world


def log_key(world: World) -> PrivateKey:
    return own_key(world.services.settings, "log")


def publish(world: World, publisher: Publisher | None = None) -> Checkpoint | None:
    """As after a restart, unless a publisher is given."""
    publisher = publisher or Publisher(1, log_key(world))
    with world.services.writing() as session:
        return publisher.publish(session)


def execute(world: World, *statements: str) -> None:
    with world.services.writing() as session:
        for statement in statements:
            session.execute(text(statement))


def quiet(world: World) -> None:
    """Sign what there is and end the publisher's thread, so that the test alone signs."""
    world.services._stopping = True
    world.services._wake.set()
    world.services._thread.join()
    world.services.sequencer.on_commit = lambda: None


def checkpoints(world: World) -> list[Checkpoint]:
    with world.services.reading() as session:
        return ledger_rows.checkpoints(session, 1, ORIGIN)


def test_a_committed_head_is_signed_once(world: World) -> None:
    quiet(world)
    world.scan(world.firm("farm"), item_code("A1"))
    signed = publish(world)
    assert signed is not None and signed.size == 4
    assert open_checkpoint(signed.note, ORIGIN, log_key(world).public) == signed
    with world.services.reading() as session:
        assert signed.root == Tree(ledger_rows.leaf_hashes(session, 1, 0, 4)).root()
        assert ledger_rows.newest_checkpoint(session, 1, ORIGIN) == signed
    assert publish(world) is None


def test_what_is_committed_is_published_without_asking(world: World) -> None:
    world.scan(world.firm("farm"), item_code("A1"))
    world.services.sequencer.stop()
    world.services._stopping = True
    world.services._wake.set()
    world.services._thread.join()
    assert checkpoints(world)[-1].size == 4


def test_one_publisher_goes_on_with_what_is_new(world: World) -> None:
    quiet(world)
    publisher, firm = Publisher(1, log_key(world)), world.firm("farm")
    sizes = []
    for n in range(3):
        world.scan(firm, item_code(f"A{n}"))
        signed = publish(world, publisher)
        assert signed is not None
        sizes.append(signed.size)
    assert sizes == [4, 5, 6]
    assert world.audit()[0] == []


DAMAGE = (
    "DROP TRIGGER leaf_no_update",
    "UPDATE leaf SET record = replace(record, 'rcv 1', 'rcv 2') WHERE leaf_index = {}",
)


@pytest.mark.parametrize(
    ("leaf_index", "message"),
    [
        (1, "the first 2 leaves no longer give the root that was signed"),
        (3, "the stored leaves do not give the head of 4 leaves; not signed"),
    ],
)
def test_a_leaf_that_was_changed_is_not_signed(world: World, leaf_index: int, message: str) -> None:
    quiet(world)
    before = checkpoints(world)
    world.scan(world.firm("farm"), item_code("A1"))
    execute(world, *(statement.format(leaf_index) for statement in DAMAGE))
    with pytest.raises(LedgerError) as error:
        publish(world)
    assert str(error.value) == message
    assert checkpoints(world) == before


def test_a_leaf_that_is_put_right_is_signed_by_the_same_publisher(world: World) -> None:
    quiet(world)
    publisher = Publisher(1, log_key(world))
    world.scan(world.firm("farm"), item_code("A1"))
    execute(world, *(statement.format(3) for statement in DAMAGE))
    with pytest.raises(LedgerError):
        publish(world, publisher)
    execute(world, "UPDATE leaf SET record = replace(record, 'rcv 2', 'rcv 1')")
    signed = publish(world, publisher)
    assert signed is not None and signed.size == 4
    assert world.audit()[0] == []


@pytest.mark.parametrize("leaf_index", [2, 3])
def test_a_leaf_that_is_missing_is_not_signed_over(world: World, leaf_index: int) -> None:
    quiet(world)
    world.scan(world.firm("farm"), item_code("A1"))
    execute(world, "DROP TRIGGER leaf_no_delete", f"DELETE FROM leaf WHERE leaf_index = {leaf_index}")
    with pytest.raises(LedgerError) as error:
        publish(world)
    assert str(error.value) == f"leaf {leaf_index} is missing"


def test_an_older_state_that_was_restored_is_not_signed(world: World) -> None:
    quiet(world)
    with world.services.writing() as session:
        ledger_rows.add_checkpoint(session, 1, sign_checkpoint(ORIGIN, 9, bytes(32), log_key(world)))
    world.scan(world.firm("farm"), item_code("A1"))
    with pytest.raises(LedgerError) as error:
        publish(world)
    assert str(error.value) == (
        "a checkpoint over 9 leaves was signed, the log has 4: an older state was restored; do not sign, "
        "recover the missing leaves first"
    )


def test_a_checkpoint_by_another_key_stops_the_publisher(world: World) -> None:
    quiet(world)
    with world.services.writing() as session:
        ledger_rows.add_checkpoint(session, 1, sign_checkpoint(ORIGIN, 3, bytes(32), PrivateKey.generate()))
    world.scan(world.firm("farm"), item_code("A1"))
    with pytest.raises(SignatureError):
        publish(world)


def test_the_log_goes_on_when_nothing_can_be_signed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    firm = world.firm("farm")
    execute(world, "CREATE TRIGGER broken BEFORE INSERT ON checkpoint BEGIN SELECT RAISE(ABORT, 'disk'); END")
    assert world.scan(firm, item_code("A1")).new
    quiet(world)
    assert "not published" in caplog.messages
    assert world.story("https://id.gs1.org/01/09520000000028/21/A1").hops[0].published is False


def test_an_empty_database_has_nothing_to_sign(tmp_path: Path) -> None:
    database = Database(settings(tmp_path).database)
    try:
        database.migrate()
        with database.writing() as session:
            assert Publisher(1, PrivateKey.generate()).publish(session) is None
    finally:
        database.close()
