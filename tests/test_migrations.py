"""The tables: what the migrations make is what the rows say, and the ledger refuses to be changed."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from build import ORIGIN, World, item_code, running, settings
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError

import trace.store.witness_rows  # noqa: F401  (their tables are in the same metadata)
from app.database import Database
from trace.errors import ForkError
from trace.observe import Device
from trace.store import witness_rows
from trace.store.rows import Base

pytestmark = pytest.mark.usefixtures("both_databases")

REFUSED = [
    (table, act)
    for table in ("leaf", "envelope", "checkpoint", "disclosure", "quarantine", "cosignature")
    for act in ("UPDATE", "DELETE")
]


@pytest.fixture
def database(tmp_path: Path, both_databases: str) -> Iterator[Database]:
    database = Database(settings(tmp_path).database)
    database.migrate()
    yield database
    database.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, both_databases: str) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("world")) as world:
        farm = world.firm("farm")
        twin = replace(farm, device=Device(farm.key, farm.pseudonym, ORIGIN))
        world.scan(farm, item_code("A1"))
        with pytest.raises(ForkError):
            world.scan(twin, item_code("A2"))
        world.services.publish_now()
        with world.services.writing() as session:
            witness_rows.add_cosignature(session, 1, 4, "00" * 32, "line", 1)
        yield world


def test_the_migrations_make_the_tables_of_the_rows(database: Database) -> None:
    with database.engine.connect() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata) == []
        )


def test_migrating_twice_changes_nothing(database: Database) -> None:
    database.migrate()
    with database.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0005"


def test_every_primary_key_begins_with_the_platform(database: Database) -> None:
    tables = inspect(database.engine)
    first = {
        table: tables.get_pk_constraint(table)["constrained_columns"][0]
        for table in tables.get_table_names()
        if table != "alembic_version"
    }
    assert set(first) == set(Base.metadata.tables)
    assert set(first.values()) == {"platform"}


def test_the_triggers_are_there_after_the_upgrade(database: Database) -> None:
    with database.engine.connect() as connection:
        catalogue = (
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname NOT LIKE '%_truncate'"
            if database.postgresql
            else "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        )
        found = set(connection.scalars(text(catalogue)))
    issued = [(table, act) for table in ("issue_batch", "issued_serial") for act in ("UPDATE", "DELETE")]
    assert found == {f"{table}_no_{act.lower()}" for table, act in (*REFUSED, *issued)}


@pytest.mark.parametrize(("table", "act"), REFUSED)
def test_the_ledger_is_append_only(world: World, table: str, act: str) -> None:
    statement = f"DELETE FROM {table}" if act == "DELETE" else f"UPDATE {table} SET platform = platform"
    with pytest.raises(IntegrityError) as error, world.services.writing() as session:
        session.execute(text(statement))
    but = " but erasing its text" if (table, act) == ("disclosure", "UPDATE") else ""
    assert message(error.value) == f"the ledger is append-only: no {act} on {table}{but}"
    assert world.audit()[0] == []


@pytest.mark.parametrize("twist", ["text = 'x'", "text = '', access = 'public'", "text = '', position = position + 50"])
def test_erasing_a_disclosure_changes_nothing_else(world: World, twist: str) -> None:
    with pytest.raises(IntegrityError) as error, world.services.writing() as session:
        session.execute(text(f"UPDATE disclosure SET {twist}"))
    assert message(error.value) == "the ledger is append-only: no UPDATE on disclosure but erasing its text"


@pytest.mark.parametrize("table", sorted({table for table, _ in REFUSED}))
def test_a_ledger_table_is_not_emptied_at_a_stroke(world: World, table: str) -> None:
    if not world.services.settings.postgresql:
        pytest.skip("SQLite has no TRUNCATE")
    with pytest.raises(IntegrityError) as error:
        world.execute(f"TRUNCATE {table}")
    assert message(error.value) == f"the ledger is append-only: no DELETE on {table}"


def message(error: IntegrityError) -> str:
    return str(error.orig).partition("\n")[0]


def test_an_acknowledged_write_survives_a_power_cut(database: Database) -> None:
    """What the database is told, as far as it can promise it."""
    if database.postgresql:
        with database.engine.connect() as connection:
            assert connection.scalar(text("SHOW synchronous_commit")) == "on"
        return
    with database.engine.connect() as connection:
        told = [connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert told == ["wal", 2, 1]


def test_the_file_is_a_whole_database(world: World) -> None:
    if world.services.settings.postgresql:
        pytest.skip("PostgreSQL has many files")
    with sqlite3.connect(world.services.settings.data / "suyuan.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
