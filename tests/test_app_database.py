"""The one write lock, the one server process, and sessions that only read."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.access.rows import AccountRow
from app.database import AlreadyRunningError, Database, FifoLock, only_process
from tests.conftest import ROOT


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'suyuan.sqlite'}")
    made.migrate()
    yield made
    made.close()


def account(name: str) -> AccountRow:
    return AccountRow(
        platform=1,
        name=name,
        password_hash="x",
        role="regulator",
        party=None,
        region=None,
        display_zh="",
        display_en="",
    )


def names(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(AccountRow.name).order_by(AccountRow.name)))


# ---- the lock -----------------------------------------------------------------------------------------


class Queue:
    """Threads that ask for a lock one after the other, each only when the one before is waiting."""

    def __init__(self, lock: FifoLock) -> None:
        self.lock = lock
        self.order: list[int] = []
        self.inside = 0
        self.threads: list[threading.Thread] = []

    def ask(self, number: int) -> None:
        waiting_before = len(self.lock._waiting)
        thread = threading.Thread(target=self._take, args=(number,))
        self.threads.append(thread)
        thread.start()
        while len(self.lock._waiting) == waiting_before:
            thread.join(0.001)

    def _take(self, number: int) -> None:
        with self.lock:
            self.inside += 1
            assert self.inside == 1, "two inside"
            self.order.append(number)
            self.inside -= 1

    def finish(self) -> None:
        for thread in self.threads:
            thread.join()


def test_the_lock_is_handed_on_in_the_order_of_asking() -> None:
    lock = FifoLock()
    queue = Queue(lock)
    with lock:
        for number in range(20):
            queue.ask(number)
    queue.finish()
    assert queue.order == list(range(20))


def test_who_releases_and_asks_again_stands_behind_those_who_wait() -> None:
    lock = FifoLock()
    queue = Queue(lock)
    with lock:
        queue.ask(1)
    with lock:
        queue.order.append(2)
    queue.finish()
    assert queue.order == [1, 2]


def test_the_lock_is_free_after_an_error_inside() -> None:
    lock = FifoLock()
    with pytest.raises(ValueError, match="inside"), lock:
        raise ValueError("inside")
    with lock:
        pass
    assert not lock._held


# ---- sessions -------------------------------------------------------------------------------------------


def test_a_write_transaction_is_all_or_nothing(database: Database) -> None:
    with pytest.raises(ValueError, match="half way"), database.writing() as session:
        session.add(account("half"))
        session.flush()
        raise ValueError("half way")
    assert names(database) == []
    with database.writing() as session:
        session.add(account("whole"))
    assert names(database) == ["whole"]


def test_a_reading_session_never_writes(database: Database) -> None:
    with database.reading() as session:
        session.add(account("reader"))
        session.flush()
    assert names(database) == []
    with pytest.raises(ValueError, match="inside"), database.reading() as session:
        session.add(account("reader"))
        session.flush()
        raise ValueError("inside")
    assert names(database) == []


def test_a_reading_session_sees_one_moment(database: Database) -> None:
    with database.reading() as session:
        assert session.scalars(select(AccountRow.name)).all() == []
        with database.writing() as other:
            other.add(account("later"))
        assert session.scalars(select(AccountRow.name)).all() == []
    assert names(database) == ["later"]


def test_what_is_committed_is_safe_from_a_power_cut(database: Database) -> None:
    with database.engine.connect() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert told == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_migrating_twice_changes_nothing(database: Database) -> None:
    with database.writing() as session:
        session.add(account("kept"))
    database.migrate()
    assert names(database) == ["kept"]


# ---- one process -------------------------------------------------------------------------------------------


def test_a_second_owner_of_a_folder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with only_process(tmp_path):
        with pytest.raises(AlreadyRunningError) as caught, only_process(tmp_path):
            pass
        assert str(caught.value) == f"{tmp_path} is in use by process {os.getpid()}; one server a data folder"
    with only_process(tmp_path):
        pass


def test_a_second_process_is_refused_too(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.database import AlreadyRunningError, only_process\n"
        "try:\n"
        "    with only_process(Path(sys.argv[1])): print('mine')\n"
        "except AlreadyRunningError as error: print(error)\n"
    )

    def ask() -> str:
        return subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()

    with only_process(tmp_path):
        assert ask() == f"{tmp_path} is in use by process {os.getpid()}; one server a data folder"
    assert ask() == "mine"


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.database import only_process\n"
        "with only_process(Path(sys.argv[1])):\n"
        "    print('mine', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "mine\n"
        with pytest.raises(AlreadyRunningError, match=f"in use by process {other.pid};"), only_process(tmp_path):
            pass
        other.kill()
        other.wait()
    with only_process(tmp_path):
        pass


def test_a_lock_file_without_a_number_is_no_riddle(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunningError, match=r"in use by process \?;"), only_process(tmp_path):
            pass
    finally:
        os.close(fd)
