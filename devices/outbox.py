"""The outbox keeps signed parcels on disk until the server has answered: store and forward, in one SQLite file.

A parcel and the state of the device's chain (`seq`, `prev`) go to disk in one transaction, synced before `add` returns.
So whatever moment the power fails at, every parcel that was promised is there, and the next one continues the chain
without a gap and without a second payload under one number, for which the device would be frozen.

    waiting --recorded--> the newest 10,000 are kept with their receipts
       \\-----refused----> kept for ever with the reason: a person must look

Parcels are opaque bytes here. No network, no signing.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trace.errors import ConflictError, NotFoundError, ParseError
from trace.files import fsync_folder

KEEP_RECORDED = 10_000

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE chain (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    key_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    prev BLOB
);
CREATE TABLE parcel (
    seq INTEGER PRIMARY KEY,
    payload_hash BLOB NOT NULL,
    parcel BLOB NOT NULL,
    note TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'recorded', 'refused')),
    answer_number INTEGER UNIQUE,
    answer TEXT,
    CHECK ((state = 'waiting') = (answer_number IS NULL) AND (state = 'waiting') = (answer IS NULL))
);
CREATE INDEX parcel_by_state ON parcel (state, seq);
"""


@dataclass(frozen=True)
class Waiting:
    """A parcel that the server has not answered yet."""

    seq: int
    parcel: bytes
    note: str
    """Whatever the station wants to know again when the answer comes."""


@dataclass(frozen=True)
class Answered:
    """A parcel that was recorded."""

    cursor: int
    """Order of answering; give it to `receipts_after`."""
    seq: int
    receipt: str
    note: str


@dataclass(frozen=True)
class OutboxCounts:
    waiting: int
    recorded: int
    """Those still kept."""
    refused: int


class Outbox:
    """One file of one device key, opened by one process at a time; its methods may be called from any thread."""

    def __init__(self, path: Path, key_id: str, *, keep_recorded: int = KEEP_RECORDED) -> None:
        """Open the file, or make it.

        Raises: ConflictError when another process has it open, or it belongs to another key; ParseError when the file
        is no outbox; NotFoundError when its folder is not there or may not be written.
        """
        self._path = path
        self._keep_recorded = keep_recorded
        self._lock = threading.Lock()
        # Autocommit, so that every transaction is written out below.
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
        except sqlite3.OperationalError as error:
            raise NotFoundError(f"outbox {path}: cannot be opened: is there a folder that we may write to?") from error
        try:
            self._open(key_id)
        except BaseException:
            self._db.close()
            raise

    def state(self) -> tuple[int, bytes | None]:
        """(`seq`, `prev`): number and payload hash of the newest parcel ever added; (0, None) before the first."""
        with self._lock:
            seq, prev = self._db.execute("SELECT seq, prev FROM chain").fetchone()
        return seq, prev

    def add(self, seq: int, payload_hash: bytes, parcel: bytes, note: str) -> None:
        """Keep a parcel; on return it is on disk and the chain has moved on.

        Raises: ConflictError when `seq` does not continue the chain; sqlite3.Error when the disk does not take it, and
        then nothing has changed.
        """
        with self._transaction():
            (newest,) = self._db.execute("SELECT seq FROM chain").fetchone()
            if seq != newest + 1:
                raise ConflictError(f"outbox {self._path.name}: expected parcel {newest + 1}, got {seq}")
            self._db.execute(
                "INSERT INTO parcel (seq, payload_hash, parcel, note, state) VALUES (?, ?, ?, ?, 'waiting')",
                (seq, payload_hash, parcel, note),
            )
            self._db.execute("UPDATE chain SET seq = ?, prev = ?", (seq, payload_hash))

    def waiting(self, limit: int) -> list[Waiting]:
        """The oldest parcels without an answer, in the order they were signed."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, parcel, note FROM parcel WHERE state = 'waiting' ORDER BY seq LIMIT ?", (limit,)
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def recorded(self, seq: int, receipt: str) -> None:
        """The server has it. Recorded parcels beyond the newest 10,000 are dropped: the ledger has them."""
        self._answer(seq, "recorded", receipt)

    def refused(self, seq: int, reason: str) -> None:
        """The server will never take it. Kept with the reason."""
        self._answer(seq, "refused", reason)

    def counts(self) -> OutboxCounts:
        with self._lock:
            rows = dict(self._db.execute("SELECT state, count(*) FROM parcel GROUP BY state").fetchall())
        return OutboxCounts(rows.get("waiting", 0), rows.get("recorded", 0), rows.get("refused", 0))

    def receipts_after(self, cursor: int, limit: int = 1000) -> list[Answered]:
        """What was recorded after `cursor` (0 for all that is kept), in the order of the answers."""
        with self._lock:
            rows = self._db.execute(
                "SELECT answer_number, seq, answer, note FROM parcel"
                " WHERE answer_number > ? AND state = 'recorded' ORDER BY answer_number LIMIT ?",
                (cursor, limit),
            ).fetchall()
        return [Answered(*row) for row in rows]

    def close(self) -> None:
        """Everything is on disk already; this only lets the next process in."""
        with self._lock:
            self._db.close()

    def _open(self, key_id: str) -> None:
        try:
            # Exclusive: a second process with the same key and chain would fork the chain.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise
            raise ConflictError(f"outbox {self._path}: another process has it open; stop that station first") from error
        except sqlite3.DatabaseError as error:
            raise ParseError(f"outbox {self._path}: expected an SQLite file, {error}") from error
        with self._ending_transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if version == 0 and tables == 0:
                # Not executescript: that would commit what stands before it.
                for statement in _SCHEMA.split(";")[:-1]:
                    self._db.execute(statement)
                self._db.execute("INSERT INTO chain (one, key_id, seq, prev) VALUES (1, ?, 0, NULL)", (key_id,))
                self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            elif version != _SCHEMA_VERSION:
                raise ParseError(f"outbox {self._path}: expected layout {_SCHEMA_VERSION}, got {version}")
            (owner,) = self._db.execute("SELECT key_id FROM chain").fetchone()
            if owner != key_id:
                raise ConflictError(
                    f"outbox {self._path}: holds the chain of key {owner[:16]}…, expected that of key {key_id[:16]}…; "
                    "a new key needs a new outbox file"
                )
        fsync_folder(self._path.resolve().parent)

    def _answer(self, seq: int, state: str, answer: str) -> None:
        with self._transaction():
            done = self._db.execute(
                "UPDATE parcel SET state = ?, answer = ?,"
                " answer_number = (SELECT coalesce(max(answer_number), 0) + 1 FROM parcel)"
                " WHERE seq = ? AND state = 'waiting'",
                (state, answer, seq),
            )
            if done.rowcount != 1:
                raise ConflictError(f"outbox {self._path.name}: parcel {seq} is not waiting for an answer")
            # The newest answer is never dropped (keep_recorded > 0), so answer numbers go on growing.
            self._db.execute(
                "DELETE FROM parcel WHERE state = 'recorded' AND seq <= (SELECT seq FROM parcel"
                " WHERE state = 'recorded' ORDER BY seq DESC LIMIT 1 OFFSET ?)",
                (self._keep_recorded,),
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            with self._ending_transaction():
                yield

    @contextmanager
    def _ending_transaction(self) -> Iterator[None]:
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite has already rolled back after some disk errors.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
