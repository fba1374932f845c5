"""Engines, the one write lock, and the lock file of the one server process.

SQLite: WAL with synchronous=FULL, so that an acknowledged append survives a power cut; every write of the process goes
through one first-come-first-served lock and BEGIN IMMEDIATE, so that no writer ever waits in SQLite's own busy loop.
"""

import fcntl
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

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
    """Sessions for reading and for writing."""

    def __init__(self, url: str) -> None:
        self._lock = FifoLock()
        self._writer = _engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        self._reader = _engine(url, begin="BEGIN", pool_size=8)
        # A stored text with a damaged byte is read with a replacement character: audit names its row, pages go on.
        event.listen(self._reader, "connect", _read_damaged_text)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One write transaction: commits at the end of the block, rolls back when it raises."""
        with self._lock, Session(self._writer) as session, session.begin():
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
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()

    @property
    def engine(self) -> Engine:
        """For tests that look at the tables."""
        return self._writer


def _engine(url: str, begin: str, pool_size: int) -> Engine:
    engine = create_engine(url, pool_size=pool_size, max_overflow=0 if pool_size == 1 else 24, pool_timeout=30)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN is late and deferred; we say it ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "busy_timeout=10000",
            "secure_delete=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine


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
