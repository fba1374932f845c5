"""What `doctor` looks at: how keys, database and machine stand, and what to do about each. Reads, changes nothing."""

import ctypes.util
import fcntl
import os
import pwd
import shutil
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.database import DamagedError, Database
from app.settings import Settings
from app.signing import PINNED, pinned
from trace.errors import TraceError
from trace.signer.client import SignerClient
from trace.signer.sockets import peer, short_name
from trace.store import ledger_rows
from trace.times import Clock, format_utc, from_ms

FULL_BYTES, TIGHT_BYTES = 200 * 2**20, 2 * 2**30
"""Free space under which the next hours are in danger, and under which somebody should look."""
BEHIND_S = 120
"""The log's receipts never decrease: a clock further behind than this gives wrong times for as long."""
SEALED = b"suyuan-ed25519-sealed "
_LEVELS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


class Weight(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    DANGER = "danger"


@dataclass(frozen=True)
class Found:
    """One thing that was looked at."""

    what: str
    weight: Weight
    said: str
    do: str
    """One sentence; empty when nothing is to be done."""


def examine(settings: Settings, clock: Clock) -> Iterator[Found]:
    """Everything, in the order in which an operator would ask."""
    if not settings.data.is_dir():
        yield Found("data", Weight.NOTE, f"{settings.data}: nothing is here yet", "Start with ./suyuan serve or demo.")
    else:
        yield from _keys(settings)
        yield _signer(settings)
        yield from _files(settings)
        yield from _database(settings, clock)
        yield _lock(settings)
        yield _space(settings)
    yield from _parts()


# ---- keys -----------------------------------------------------------------------------------------


def _keys(settings: Settings) -> Iterator[Found]:
    """Which protection is in force: sealed, own user, both, or only apart."""
    folder = settings.signer_folder
    try:
        files = sorted(folder.glob("*.key"))
        owners = {path.stat().st_uid for path in files}
        sealed = bool(files) and all(_begins(path, SEALED) for path in files)
    except PermissionError:
        yield Found("keys", Weight.OK, f"{folder} is closed to {_name(os.geteuid())}: keys of an own user", "")
        return
    if not files:
        yield Found("keys", Weight.NOTE, f"{folder}: no keys yet", "They are made at the first start.")
        return
    data = settings.data / "server.lock"
    serves = data.stat().st_uid if data.exists() else os.geteuid()
    own = len(owners) == 1 and owners.isdisjoint({0, serves})
    how = f"own user {_name(min(owners))}" if own else f"same user {_name(serves)} as the server"
    how += ", sealed with a passphrase" if sealed else ""
    if own or sealed:
        yield Found("keys", Weight.OK, f"{how}: the web process cannot read them", "")
    else:
        advice = (
            "Set signer_user and web_user and start as root, or seal the keys with ./suyuan signer --protect: "
            "as it is, who breaks into the server reads the keys."
        )
        yield Found("keys", Weight.NOTE, f"{how}, in the clear: a process of its own and no more", advice)
    if settings.signer_user is not None and not own:
        advice = "Start serve as root once; it gives the keys to their user."
        yield Found("keys", Weight.NOTE, f"signer_user {settings.signer_user} is set and not in force", advice)


def _signer(settings: Settings) -> Found:
    """Whether it answers, as whom, and with the keys that are known."""
    client = SignerClient(settings.signer_socket)
    try:
        told = client.identity()
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
            short_name(settings.signer_socket) as name,
        ):
            connection.settimeout(2)
            connection.connect(name)
            pid, uid, _ = peer(connection)
    except (TraceError, OSError) as error:
        advice = "Nothing, if the server is stopped; else its log says why: hops are recorded, nothing is published."
        return Found("signer", Weight.NOTE, f"does not answer: {error}", advice)
    finally:
        client.close()
    if (settings.keys / PINNED).exists() and pinned(settings) != told:
        advice = "Restore the signer's folder from its backup: what it signs now belongs to no known log."
        return Found("signer", Weight.DANGER, f"process {pid} holds other keys than {settings.keys / PINNED}", advice)
    return Found("signer", Weight.OK, f"process {pid} answers, started by {_name(uid)}", "")


def _files(settings: Settings) -> Iterator[Found]:
    """Modes of everything that is secret."""
    secret = [*_inside(settings.signer_folder), *_inside(settings.keys), settings.signer_socket]
    database = _file(settings)
    if database is not None:
        secret += [database, database.with_name(f"{database.name}-wal"), database.with_name(f"{database.name}-shm")]
    looked = 0
    for path in secret:
        try:
            state = path.lstat()
        except OSError:
            continue  # not there, or closed to us, and then to everybody
        looked += 1
        if state.st_mode & 0o077 and not stat.S_ISDIR(state.st_mode):
            said = f"{path}: mode {stat.S_IMODE(state.st_mode):04o}, owner {_name(state.st_uid)}"
            yield Found("files", Weight.DANGER, said, f"Run chmod 600 {path}: other users of this machine may read it.")
            looked = -len(secret)
    if looked > 0:
        yield Found("files", Weight.OK, f"{looked} keys, secrets and database files are for their owners alone", "")


# ---- database -------------------------------------------------------------------------------------


def _database(settings: Settings, clock: Clock) -> Iterator[Found]:
    file = _file(settings)
    if file is not None and not file.exists():
        yield Found("database", Weight.NOTE, f"{file}: no ledger yet", "It is made at the first start.")
        return
    if file is not None and not os.access(file, os.R_OK | os.W_OK):
        yield Found("database", Weight.NOTE, f"{file}: closed to {_name(os.geteuid())}", "Run doctor as root.")
        return
    database = Database(settings.database)
    try:
        with database.examining() as session:
            # Set anew on every connection, by the same code for all of them.
            connection = session.connection()
            if file is None:
                commit = str(connection.exec_driver_sql("SHOW synchronous_commit").scalar_one())
                said, durable = f"synchronous_commit={commit}", commit in ("on", "remote_apply")
            else:
                level = int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
                journal = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())
                said = f"synchronous={_LEVELS.get(level, level)}, journal_mode={journal}"
                durable = level >= 2 and journal == "wal"
            head = ledger_rows.head(session, settings.platform)
        if durable:
            yield Found("database", Weight.OK, said, "")
        else:
            wanted = "synchronous=FULL and WAL" if file is not None else "synchronous_commit=on"
            advice = f"Set {wanted}: an acknowledged hop may be lost when the power fails."
            yield Found("database", Weight.DANGER, said, advice)
    except DamagedError as error:
        yield Found("database", Weight.DANGER, str(error), "Run ./suyuan audit, and restore a backup beside the file.")
        return
    finally:
        database.close()
    now, received = clock.now(), None if head is None else from_ms(head.rcv_ms)
    if received is not None and (received - now).total_seconds() > BEHIND_S:
        said = f"the machine says {format_utc(now)}, the newest leaf was received at {format_utc(received)}"
        yield Found(
            "clock", Weight.DANGER, said, "Set the clock (timedatectl set-ntp true) before anything is recorded."
        )
    else:
        yield Found("clock", Weight.OK, f"{format_utc(now)}, not behind the log", "")


def _lock(settings: Settings) -> Found:
    path = settings.data / "server.lock"
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return Found("lock", Weight.OK, "never taken: no server has run here", "")
    except PermissionError:
        return Found("lock", Weight.NOTE, f"{path}: closed to {_name(os.geteuid())}", "Run doctor as root.")
    try:
        owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Found("lock", Weight.OK, f"held by the server, process {owner}", "")
        return Found("lock", Weight.OK, "free: no server runs here", "")
    finally:
        os.close(fd)


# ---- the machine ----------------------------------------------------------------------------------


def _space(settings: Settings) -> Found:
    free = shutil.disk_usage(settings.data).free
    said = f"{free / 2**30:.1f} GiB free at {settings.data}"
    if free < FULL_BYTES:
        return Found("space", Weight.DANGER, said, "Make room now: a full disk stops recording.")
    if free < TIGHT_BYTES:
        return Found("space", Weight.NOTE, said, "Make room: a busy county writes a gigabyte in some days.")
    return Found("space", Weight.OK, said, "")


def _parts() -> Iterator[Found]:
    """Optional programs."""
    for name, there, use, package in (
        ("libzbar", ctypes.util.find_library("zbar"), "the second reader of photos", "libzbar0"),
        ("chromium", shutil.which("chromium"), "tests of pages alone", "chromium"),
    ):
        if there is None:
            yield Found(name, Weight.NOTE, f"missing; {use}", f"To have it: apt-get install {package}.")
        else:
            yield Found(name, Weight.OK, f"there; {use}", "")


def _file(settings: Settings) -> Path | None:
    """The database file; None for another database than SQLite."""
    sqlite = "sqlite:///"
    return Path(settings.database.removeprefix(sqlite)) if settings.database.startswith(sqlite) else None


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _begins(path: Path, with_: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(with_)) == with_


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
