"""A witness as a process: its key, its memory, its HTTP (c2sp.org/tlog-witness). `trace/ledger/witness` decides.

    folder/witness.key       Ed25519, mode 0600
    folder/witness.sqlite    the newest cosigned checkpoint of each log; written and flushed before an answer goes out

Everything hangs on that memory: a witness that forgot could cosign a second history. So it begins with an empty memory
only together with a new key, checks every row at start, and refuses to start on anything it cannot explain.

Served by the standard library, one thread a connection: a witness is asked about once a second by each of its logs, and
one process with one file, one lock and no worker to lose track of is easier to trust than a faster one.
"""

import hashlib
import logging
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from app.database import only_process
from trace.errors import ParseError, TraceError
from trace.files import fsync_folder
from trace.ledger.checkpoint import Head
from trace.ledger.cosignature import cosign, cosignatures
from trace.ledger.keys import PrivateKey
from trace.ledger.note import Note, VerifierKey, cosigner_key
from trace.ledger.witness import MAX_REQUEST_BYTES, NEVER, Answer, Logs, Seen, Submitted, read_request, refusal
from trace.times import Clock, to_ms

logger = logging.getLogger(__name__)

MAX_CONNECTIONS = 64
IDLE_S = 30
"""A connection that says nothing is closed."""

_VERSION = 1
_TABLES = """
CREATE TABLE witness (vkey TEXT NOT NULL);
CREATE TABLE cosigned (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL
) STRICT;
"""
_CHECKPOINT_PATH = re.compile("/([0-9a-f]{64})/checkpoint")


class DamagedStateError(Exception):
    """The witness's folder is not as this witness left it. It must not cosign."""


class Memory:
    """The newest cosigned checkpoint of each log, in a file of its own. One thread at a time."""

    def __init__(self, file: Path) -> None:
        """Raises: DamagedStateError when the file is no database."""
        # autocommit: transactions are said in words.
        self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
        # A rollback journal and EXTRA: when COMMIT returns, file, journal and folder are flushed.
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "locking_mode=EXCLUSIVE"):
            try:
                self._db.execute(f"PRAGMA {pragma}")
            except sqlite3.DatabaseError as error:
                self._db.close()
                raise DamagedStateError(f"{file}: it cannot be read as ours: {error}") from error

    @classmethod
    def create(cls, file: Path, vkey: str) -> None:
        """An empty memory, durably, for one key."""
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        memory = cls(fresh)
        memory._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={_VERSION}; COMMIT;")
        memory._db.execute("INSERT INTO witness VALUES (?)", (vkey,))
        memory.close()
        fresh.rename(file)
        fsync_folder(file.parent)

    def vkey(self) -> str:
        """The key whose memory this is. Raises: DamagedStateError when this is no sound memory."""
        try:
            found = [row[0] for row in self._db.execute("PRAGMA integrity_check")]
            if found != ["ok"]:
                raise DamagedStateError(f"SQLite finds it damaged: {found[0]}")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                raise DamagedStateError(f"version {version}, expected {_VERSION}")
            ((vkey,),) = self._db.execute("SELECT vkey FROM witness").fetchall()
        except (sqlite3.Error, ValueError) as error:
            raise DamagedStateError(f"it cannot be read as ours: {error}") from error
        return str(vkey)

    def rows(self) -> list[tuple[Any, Any, Any, Any]]:
        """Origin, size, root and note of each log. Raises: DamagedStateError."""
        try:
            return self._db.execute("SELECT origin, size, root, note FROM cosigned ORDER BY origin").fetchall()
        except sqlite3.Error as error:
            raise DamagedStateError(f"it cannot be read as ours: {error}") from error

    def seen(self, origin: str) -> Seen:
        row = self._db.execute("SELECT size, root FROM cosigned WHERE origin = ?", (origin,)).fetchone()
        return NEVER if row is None else Seen(*row)

    def note(self, origin: str) -> str | None:
        row = self._db.execute("SELECT note FROM cosigned WHERE origin = ?", (origin,)).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is asked and recorded inside is one step: durable at the end, or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def record(self, origin: str, old: Seen, new: Seen, note: str) -> None:
        """Compare and swap: moves the log from `old` to `new`.

        Raises: DamagedStateError when `old` is not what stands there.
        """
        done = self._db.execute(
            "UPDATE cosigned SET size = ?, root = ?, note = ? WHERE origin = ? AND size = ? AND root = ?",
            (new.size, new.root, note, origin, old.size, old.root),
        ).rowcount
        if done == 0 and old == NEVER:
            done = self._db.execute(
                "INSERT INTO cosigned VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (origin, new.size, new.root, note)
            ).rowcount
        if done != 1:
            raise DamagedStateError(f"{origin}: the newest cosigned checkpoint is not the one of {old.size} leaves")

    def close(self) -> None:
        self._db.close()


class Witness:
    """Cosigns checkpoints of the logs it knows. Use `open_witness`."""

    def __init__(self, name: str, key: PrivateKey, memory: Memory, logs: Logs, clock: Clock) -> None:
        self.name = name
        self.key = cosigner_key(name, key.public)
        self._private = key
        self._memory = memory
        self._logs = logs
        self._clock = clock
        self._one_at_a_time = threading.Lock()

    def add_checkpoint(self, data: bytes) -> Answer:
        """What POST /add-checkpoint answers to this body."""
        submitted = read_request(data, self._logs)
        if isinstance(submitted, Answer):
            return submitted
        with self._one_at_a_time, self._memory.transaction():
            seen = self._memory.seen(submitted.head.origin)
            refused = refusal(submitted, seen)
            if refused is not None:
                return refused
            line = self._cosign(submitted, seen)
        # Only now, after the commit, does anybody learn of the cosignature.
        return Answer(200, f"{line}\n")

    def checkpoint(self, origin_hash: str) -> str | None:
        """The newest cosigned checkpoint of the log whose origin has this SHA-256 in hex; None for none."""
        with self._one_at_a_time:
            for origin, _, _, note in self._memory.rows():
                if hashlib.sha256(origin.encode("utf-8")).hexdigest() == origin_hash:
                    return str(note)
        return None

    def _cosign(self, submitted: Submitted, seen: Seen) -> str:
        head, note = submitted.head, submitted.note
        line = cosign(note.text, to_ms(self._clock.now()) // 1000, self.name, self._private)
        cosigned = Note(note.text, (*note.signatures, line))
        self._memory.record(head.origin, seen, Seen(head.size, head.root), str(cosigned))
        return str(line)


@contextmanager
def open_witness(folder: Path, name: str | None, logs: Logs, clock: Clock) -> Iterator[Witness]:
    """The witness of this folder, its memory checked; a new one where the folder is empty.

    Raises: DamagedStateError when the folder is not as a witness leaves it; AlreadyRunningError when another process
    has it; ParseError when the name is none.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_file, memory_file = folder / "witness.key", folder / "witness.sqlite"
    with only_process(folder):
        if not key_file.exists():
            _begin(key_file, memory_file, name)
        if not memory_file.exists():
            raise DamagedStateError(
                f"{memory_file} is gone, {key_file.name} is there: what this key cosigned is forgotten, so it must not "
                "cosign any more. Begin a new witness, with a new key, in an empty folder"
            )
        key = PrivateKey.load(key_file)
        memory = Memory(memory_file)
        try:
            known = _checked(memory, key, name, memory_file)
            yield Witness(known.name, key, memory, logs, clock)
        finally:
            memory.close()


def _begin(key_file: Path, memory_file: Path, name: str | None) -> None:
    """A new key and its empty memory; the memory first, so that no key is ever without one."""
    if memory_file.exists():
        memory = Memory(memory_file)
        try:
            begun = memory.rows()
        finally:
            memory.close()
        if begun:
            raise DamagedStateError(
                f"{key_file} is gone, {memory_file.name} is there: put the key back, or begin a new witness in an "
                "empty folder"
            )
    if name is None:
        raise ParseError("a new witness needs a name, like witness.example/county")
    key = PrivateKey.generate()
    Memory.create(memory_file, str(cosigner_key(name, key.public)))
    key.save(key_file)


def _checked(memory: Memory, key: PrivateKey, name: str | None, file: Path) -> VerifierKey:
    """The key under its name. Raises: DamagedStateError when a row is not what this witness cosigned."""
    try:
        known = VerifierKey.parse(memory.vkey())
        if known.public != key.public:
            raise DamagedStateError(f"it is the memory of {known}, the key beside it is another")
        if name is not None and name != known.name:
            raise DamagedStateError(f"this witness is named {known.name}, not {name}; a new name needs a new folder")
        for origin, size, root, text in memory.rows():
            note = Note.parse(text)
            if Head.parse(note.text) != Head(origin, size, root) or len(cosignatures(note, [known])) != 1:
                raise DamagedStateError(f"{origin}: the stored checkpoint is not the one that was cosigned")
    except (DamagedStateError, TraceError, TypeError) as error:
        raise DamagedStateError(f"{file}: {error}. The witness does not start: it could cosign twice") from error
    return known


# ---- HTTP ---------------------------------------------------------------------------------------


class WitnessServer(ThreadingHTTPServer):
    """Serves one witness; connections beyond the limit are closed unheard."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], witness: Witness) -> None:
        self.witness = witness
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.warning("connection ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    server_version = "suyuan-witness"
    sys_version = ""
    timeout = IDLE_S
    server: WitnessServer

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if re.fullmatch("[0-9]{1,9}", length) is None:
            self._answer(Answer(411, "expected a body with its Content-Length\n"), close=True)
        elif int(length) > MAX_REQUEST_BYTES:
            self._answer(Answer(413, f"{length} bytes, at most {MAX_REQUEST_BYTES} are read\n"), close=True)
        else:
            data = self.rfile.read(int(length))
            if self.path != "/add-checkpoint":
                self._answer(Answer(404, "expected POST /add-checkpoint\n"))
            elif len(data) < int(length):
                self._answer(Answer(400, "the body is cut\n"), close=True)
            else:
                self._answer(self.server.witness.add_checkpoint(data))

    def do_GET(self) -> None:
        path = _CHECKPOINT_PATH.fullmatch(self.path)
        note = None if path is None else self.server.witness.checkpoint(path[1])
        if note is None:
            self._answer(Answer(404, "expected GET /<SHA-256 of the origin, hex>/checkpoint of a cosigned log\n"))
        else:
            self._answer(Answer(200, note))

    def _answer(self, answer: Answer, close: bool = False) -> None:
        body = answer.body.encode("utf-8")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if close:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is http.server's)
        logger.info("%s %s", self.address_string(), format % args)
