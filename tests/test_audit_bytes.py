"""Every byte of a log of 1,000 entries is changed: the audit names the entry, each time.

An audit of 1,000 entries takes near half a second and the log has some two million bytes. So many entries are changed
for one audit, one byte each, and chosen so that none can be named for another: no two of one device or one thing, no
registration together with its device or with the next registration. What is told of the whole log (its root) is not
counted. Where a changed number would put a row where another one is, the database refuses; these are counted apart.

    by value    each byte of each value in the ledger's tables; of a number, of its big-endian form
    by file     a byte of the database file, whatever it means: when the audit is silent, every row reads as before
"""

import random
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from build import World, auditor, event_of, item_uri, running, settings
from sqlalchemy import text

from app.database import DamagedError, Database
from trace.audit import Finding
from trace.ledger.leaf import KeyLine, Leaf
from trace.store import ledger_rows

ENTRIES = 1000
FIRMS = 199
KEY_OF = {
    "leaf": ("leaf_index",),
    "envelope": ("leaf_index",),
    "disclosure": ("leaf_index", "position"),
    "key": ("key_id",),
    "head": ("platform",),
    "checkpoint": ("size",),
}
"""What holds the record; the index tables can be made again from it. Each with what finds a row."""
PLACE_OF = {"leaf": "leaf_index", "envelope": "leaf_index", "disclosure": "leaf_index", "key": "registered_leaf"}
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """One byte of one value becomes another."""

    table: str
    row: Row = field(repr=False)
    column: str
    byte: int
    old: Any
    new: Any

    @property
    def leaf(self) -> int | None:
        """The entry that the row belongs to; None for what belongs to the whole log."""
        return self.row[PLACE_OF[self.table]] if self.table in PLACE_OF else None

    @property
    def named(self) -> set[int | None]:
        """Where it may be named: a row that was moved is named where it was or where it is now."""
        moved = self.column == "leaf_index" and self.table != "leaf"
        return {self.leaf, self.new} if moved else {self.leaf}

    @property
    def is_alone(self) -> bool:
        """Nothing behind a hole is looked at, and what has no leaf cannot be told apart."""
        return self.leaf is None or (self.table == "leaf" and self.column in ("leaf_index", "platform"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The platform's two keys, 199 devices, 799 hops of goods that go from firm to firm; three checkpoints."""
    with running(tmp_path_factory.mktemp("log")) as world:
        world.services.sequencer.on_commit = lambda: None  # checkpoints come when they are asked for
        firms = [world.firm(f"firm {n}") for n in range(FIRMS)]
        world.services.publish_now()
        with ThreadPoolExecutor(16) as pool:
            for turn in range(5):
                hops = [(firms[(n + turn) % FIRMS], n) for n in range(FIRMS)][: ENTRIES - 2 - FIRMS - turn * FIRMS]
                list(pool.map(lambda hop: world.record(hop[0], event_of([item_uri(f"S{hop[1]}")])), hops))
        world.services.publish_now()
        world.services.sequencer.stop()
        yield world


def changes_of(log: World, chance: random.Random, sample: int | None = None) -> list[Change]:
    """One change for each byte of each value; or for a sample of the bytes of each entry."""
    places: dict[int | None, list[tuple[str, Row, str, int]]] = {}
    with log.services.reading() as session:
        for table in KEY_OF:
            for row in session.execute(text(f"SELECT * FROM {table}")).mappings():
                here = places.setdefault(row[PLACE_OF[table]] if table in PLACE_OF else None, [])
                for column, value in row.items():
                    here += [(table, row, column, byte) for byte in range(_length(value))]
    return [
        Change(table, row, column, byte, row[column], _changed(row[column], byte, chance))
        for here in places.values()
        for table, row, column, byte in (here if sample is None else chance.sample(here, sample))
    ]


def _length(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return max(1, (value.bit_length() + 8) // 8)
    return len(value.encode() if isinstance(value, str) else value)


def _changed(value: Any, byte: int, chance: random.Random) -> Any:
    other = chance.randrange(1, 256)
    if isinstance(value, int):
        return int.from_bytes(_flipped(value.to_bytes(_length(value), signed=True), byte, other), signed=True)
    return _flipped(value.encode() if isinstance(value, str) else value, byte, other)


def _flipped(data: bytes, byte: int, other: int) -> bytes:
    return data[:byte] + bytes([data[byte] ^ other]) + data[byte + 1 :]


def rounds(log: World, changes: Sequence[Change], chance: random.Random) -> Iterator[list[Change]]:
    """Changes that are made together: of each entry at most one, of neighbours at most one."""
    claims = _claims(log)
    waiting: dict[int, list[Change]] = {}
    for change in changes:
        if change.leaf is not None and not change.is_alone:
            waiting.setdefault(change.leaf, []).append(change)
    for each in waiting.values():
        chance.shuffle(each)
    while waiting:
        taken: set[object] = set()
        together = []
        # Who has most to be changed comes first, so that in the end not one entry alone is left.
        for leaf in sorted(waiting, key=lambda leaf: -len(waiting[leaf])):
            wanted = set().union(*(claims.get(each, set()) for each in waiting[leaf][-1].named))
            if not wanted & taken:
                taken |= wanted
                together.append(waiting[leaf].pop())
                if not waiting[leaf]:
                    del waiting[leaf]
        yield together


def _claims(log: World) -> dict[int | None, set[object]]:
    """What a change of an entry may be named at besides: the same device, the same thing, the next registration."""
    claims: dict[int | None, set[object]] = {}
    with log.services.reading() as session:
        for stored in ledger_rows.leaves(session, 1):
            leaf = Leaf.parse(stored.record)
            if isinstance(leaf.body, KeyLine):
                claims[stored.index] = {leaf.body.key.key_id, stored.index, stored.index + 1}
            else:
                assert isinstance(leaf.body, tuple)
                claims[stored.index] = {leaf.device, *(line.key for line in leaf.body)}
    return claims


class UndoError(Exception):
    """Rolls a transaction back."""


@contextmanager
def changed(log: World, changes: Sequence[Change]) -> Iterator[tuple[list[Finding], list[Change]]]:
    """What an audit finds after these changes, and which of them the database refused. Then all is as it was."""
    try:
        with log.services.writing() as session:
            driver = session.connection().connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.text_factory = lambda data: data.decode("utf-8", "replace")  # as every reader has it
            for name in [row[0] for row in driver.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
                driver.execute(f"DROP TRIGGER {name}")
            refused = []
            for change in changes:
                keys = KEY_OF[change.table]
                kind = "TEXT" if isinstance(change.old, str) else "BLOB"
                new = "?" if isinstance(change.new, int) else f"CAST(? AS {kind})"
                try:
                    done = driver.execute(
                        f"UPDATE {change.table} SET {change.column} = {new} "
                        f"WHERE {' AND '.join(f'{key} = ?' for key in keys)}",
                        [change.new, *(change.row[key] for key in keys)],
                    )
                    assert done.rowcount == 1
                except sqlite3.IntegrityError:
                    refused.append(change)
            yield list(auditor(log.services).findings(session)), refused
            raise UndoError
    except UndoError:
        pass


def unseen_in(log: World, together: Sequence[Change]) -> list[Change]:
    with changed(log, together) as (found, refused):
        named = {finding.leaf_index for finding in found}
        return [change for change in together if change not in refused and not change.named & named]


def test_the_log_has_1000_entries_and_is_in_order(log: World) -> None:
    with changed(log, []) as (found, _):
        assert found == []
    with log.services.reading() as session:
        assert ledger_rows.require_head(session, 1).size == ENTRIES


def test_two_bytes_of_every_entry_are_changed_and_each_is_named(log: World) -> None:
    chance = random.Random(1000)
    changes = changes_of(log, chance, sample=2)
    assert len(changes) == 2 * (ENTRIES + 1)
    alone = [[change] for change in changes if change.is_alone]
    together = list(rounds(log, changes, chance))
    assert sum(map(len, alone)) + sum(map(len, together)) == len(changes)
    assert [each for group in (*alone, *together) for each in unseen_in(log, group)] == []


@pytest.mark.long
@pytest.mark.timeout(6 * 3600)
def test_each_byte_of_every_entry_is_changed_and_named(log: World) -> None:
    chance = random.Random(1001)
    changes = changes_of(log, chance)
    done, refused_by_the_database = 0, 0
    alone = ([change] for change in changes if change.is_alone)
    for together in (*alone, *rounds(log, changes, chance)):
        with changed(log, together) as (found, refused):
            named = {finding.leaf_index for finding in found}
        refused_by_the_database += len(refused)
        done += len(together)
        assert [change for change in together if change not in refused and not change.named & named] == []
    assert done == len(changes)
    assert refused_by_the_database < len(changes) / 100


# ---- the file ---------------------------------------------------------------------------------------------


def dump(file: Path) -> dict[str, list[tuple[Any, ...]]] | None:
    """Every row of the ledger's tables as it lies in the table itself; None when it cannot be read."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    connection.text_factory = bytes
    try:
        return {name: connection.execute(f"SELECT * FROM {name} NOT INDEXED").fetchall() for name in KEY_OF}
    except sqlite3.Error:
        return None
    finally:
        connection.close()


def silent_changes(log: World, folder: Path, amount: int, seed: int) -> int:
    """Bytes of the file that can be changed with no word from the audit; each leaves every row as it was."""
    whole, file = folder / "whole.sqlite", folder / "suyuan.sqlite"
    with log.services.reading() as session:
        driver = session.connection().connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        copy = sqlite3.connect(whole)
        driver.backup(copy)
        copy.close()
    honest, data, chance, silent = dump(whole), whole.read_bytes(), random.Random(seed), 0
    assert honest is not None
    for _ in range(amount):
        at, other = chance.randrange(len(data)), chance.randrange(1, 256)
        shutil.copy(whole, file)
        with file.open("r+b") as opened:
            opened.seek(at)
            opened.write(bytes([data[at] ^ other]))
        database = Database(settings(folder).database)
        try:
            with database.examining() as session:
                found = list(auditor(log.services).findings(session))
        except DamagedError:
            continue
        finally:
            database.close()
        if not found:
            silent += 1
            assert dump(file) == honest, f"byte {at} xor {other}"
    return silent


def test_bytes_of_the_file_are_changed_and_no_row_changes_in_silence(log: World, tmp_path: Path) -> None:
    assert silent_changes(log, tmp_path, 8, seed=8) < 8


@pytest.mark.long
@pytest.mark.timeout(2 * 3600)
def test_5000_bytes_of_the_file_are_changed_and_no_row_changes_in_silence(log: World, tmp_path: Path) -> None:
    assert silent_changes(log, tmp_path, 5000, seed=5000) < 4000
