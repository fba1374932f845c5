"""Engines, the one write lock, and the lock file of the one server process.

SQLite: WAL with synchronous=FULL, so that an acknowledged append survives a power cut; every write of the process goes
through one first-come-first-served lock and BEGIN IMMEDIATE, so that no writer ever waits in SQLite's own busy loop.

PostgreSQL: many processes. Writes of the application take their turn by an advisory lock, so that they mean the same
as on SQLite; the append does not, it is safe by the swap of the head (docs/decisions/0007).
"""

import fcntl
import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

__all__ = ["AlreadyRunningError", "DamagedError", "Database", "FifoLock", "OperationalError", "only_process"]

MIGRATIONS = Path(__file__).parent / "migrations"


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=10000",
    "cache_size=-65536",  # 64 MiB: the inner pages of the indexes stay in memory
    "wal_autocheckpoint=4000",  # a page that is hot is copied once, not at each megabyte
    "secure_delete=ON",  # what was erased is overwritten, not only forgotten
)


class AlreadyRunningError(Exception):
    """Another process owns this data folder."""


class DamagedError(Exception):
    """The file is no database, or a damaged one."""


class FifoLock:
    """A lock that is handed on in the order of asking; `threading.Lock` promises no order."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._held = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._held and not self._waiting:
                self._held = True
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()  # stays held, by the next
            else:
                self._held = False


class Database:
    """Sessions for reading and for writing, on either database."""

    def __init__(self, url: str) -> None:
        self.postgresql = url.startswith("postgresql")
        self._lock = FifoLock()
        if self.postgresql:
            self._writer = _postgresql(url, "READ COMMITTED")
            self._reader = _postgresql(url, "REPEATABLE READ")
        else:
            self._writer = _sqlite(url, begin="BEGIN IMMEDIATE", pool_size=1)
            self._reader = _sqlite(url, begin="BEGIN", pool_size=8)
            # A stored text with a damaged byte is read with a replacement character: audit names its row, pages go on.
            event.listen(self._reader, "connect", _read_damaged_text)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One write transaction: commits at the end of the block, rolls back when it raises. One at a time."""
        with self._lock, Session(self._writer) as session, session.begin():
            if self.postgresql:
                session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _number("writing")})
            yield session

    @contextmanager
    def appending(self) -> Iterator[Session]:
        """The transaction of the append: on PostgreSQL it waits for no other writer; the head's swap decides."""
        if not self.postgresql:
            with self.writing() as session:
                yield session
            return
        with Session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One consistent view; nothing is written."""
        with Session(self._reader) as session:
            yield session
            session.rollback()

    @contextmanager
    def examining(self) -> Iterator[Session]:
        """Like `reading`, of a database that nobody vouches for.

        Raises: DamagedError when it cannot be read.
        """
        try:
            with self.reading() as session:
                yield session
        except (DatabaseError, TypeError, AttributeError, UnicodeDecodeError) as error:
            # SQLite lets a column hold any type; what code expects text stumbles over bytes.
            reason = str(error.orig) if isinstance(error, DatabaseError) else str(error)
            raise DamagedError(f"the database cannot be read as ours: {reason}") from error

    def migrate(self) -> None:
        """Bring the tables to the newest version."""
        with self._lock, self._writer.connect() as connection:
            if self.postgresql:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _number("migrate")})
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def forget(self) -> None:
        """After an erasure: what is gone from the tables leaves the write-ahead log too (SQLite)."""
        if self._writer.dialect.name != "sqlite":
            return  # the old rows go with the server's own vacuum, its log with its own rotation
        with self._lock:
            connection = self._writer.raw_connection()
            try:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Only one process at a time is inside, of all that use this database. PostgreSQL only."""
        with self._plain_connection() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (_number(name),))
            yield

    @contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        """Whether this process is the one inside; does not wait. PostgreSQL only."""
        with self._plain_connection() as connection:
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_number(name),)).fetchone()
            yield row[0]

    @contextmanager
    def listening(self, channel: str) -> Iterator[Callable[[float], None]]:
        """`wait(seconds)` returns when somebody notified the channel, or when the time is over. PostgreSQL only."""
        with self._plain_connection() as connection:
            connection.execute(f"LISTEN {channel}")

            def wait(seconds: float) -> None:
                for _ in connection.notifies(timeout=seconds, stop_after=1):
                    return

            yield wait

    @contextmanager
    def _plain_connection(self) -> Iterator[Any]:
        """A connection of its own, outside any transaction; what it holds goes with it, however the process ends."""
        lent = self._writer.raw_connection()
        connection: Any = lent.driver_connection
        lent.detach()
        try:
            connection.autocommit = True
            yield connection
        finally:
            connection.close()

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    @property
    def engine(self) -> Engine:
        """For tests that look at the tables."""
        return self._writer


def _sqlite(url: str, begin: str, pool_size: int) -> Engine:
    engine = create_engine(url, pool_size=pool_size, max_overflow=0 if pool_size == 1 else 24, pool_timeout=30)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN is late and deferred; we say it ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _postgresql(url: str, isolation: str) -> Engine:
    # An acknowledged append survives a power cut, whatever the server's own default is.
    return create_engine(
        url,
        isolation_level=isolation,
        pool_size=8,
        max_overflow=24,
        pool_timeout=30,
        pool_pre_ping=True,
        connect_args={"options": "-c synchronous_commit=on"},
    )


def _number(name: str) -> int:
    """A name as PostgreSQL takes it for an advisory lock."""
    return int.from_bytes(hashlib.sha256(b"suyuan " + name.encode("utf-8")).digest()[:8], signed=True)


def _read_damaged_text(connection: Any, _record: Any) -> None:
    connection.text_factory = lambda data: data.decode("utf-8", "replace")


@contextmanager
def only_process(folder: Path) -> Iterator[None]:
    """Own the data folder; the lock goes with the process, however it ends.

    Raises: AlreadyRunningError naming the process that has it.
    """
    fd = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "?"
            raise AlreadyRunningError(f"{folder} is in use by process {owner}; one server a data folder") from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(fd)
