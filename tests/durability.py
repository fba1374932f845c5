"""What the fault tests share: databases to try, the process that is killed, and the witness that keeps count.

    Nursery   starts `tests.appender` children, one at a time, and kills them
    Witness   knows what was acknowledged and published, and looks whether the log still says so
    strace    one fault at the n-th call of one thread

A receipt counts once it is in the file `acks`, which no fault touches.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.database import Database
from app.services import load_secrets
from app.settings import Settings
from app.signing import pinned
from tests.build import ORIGIN
from tests.conftest import missing
from tests.running import ROOT, wait_until
from trace.audit import Audit
from trace.ledger.checkpoint import open_checkpoint, verifier_key
from trace.ledger.leaf import record_hash
from trace.ledger.merkle import Tree
from trace.store import ledger_rows

Json = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of database. Another one is another row of `KINDS`."""

    name: str
    url: Callable[[Path], str]
    """The database that goes with this data folder, empty at first."""
    in_data: bool
    """Its files lie in the data folder and our own threads write them: it can be cut off, its calls can be struck."""


KINDS = (Kind("sqlite", lambda data: f"sqlite:///{data / 'suyuan.sqlite'}", in_data=True),)
"""Every kill runs on each row; power cuts and struck calls on those that are `in_data`. A database server of its own is
one more row with `in_data=False`; its power is cut with its cluster on the disk, which is a test to be written then."""
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
kinds_in_data = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.in_data], ids=lambda kind: kind.name)


class Nursery:
    """The appender: one child at a time."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("ab")
        self._said: list[Json] = []
        self.pid = 0
        self._popen = subprocess.Popen(
            [sys.executable, "-u", "-m", "tests.appender"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            self._said.append(json.loads(line))

    def start(self, **request: Any) -> int:
        """A child with this request; its process id."""
        self._said.clear()
        self.tell(json.dumps(request))
        self.pid = int(self.wait_for("child")["pid"])
        return self.pid

    def tell(self, line: str) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(line.encode() + b"\n")
        self._popen.stdin.flush()

    def ask(self, command: str, kind: str = "answer") -> Json:
        """What the child answers to a command; `ended` when it did not live to answer."""
        self._said[:] = [each for each in self._said if each["kind"] != kind]
        self.tell(command)
        return self.wait_for(kind)

    def wait_for(self, kind: str) -> Json:
        """The first message of this kind, or that the child has ended."""
        wait_until(lambda: bool(self._of(kind) or self._of("ended")) or self._popen.poll() is not None, kind)
        return (self._of(kind) or self._of("ended"))[0]

    def _of(self, kind: str) -> list[Json]:
        return [each for each in list(self._said) if each["kind"] == kind]

    def is_over(self) -> bool:
        return bool(self._of("ended"))

    def kill(self) -> None:
        """kill -9; returns when the process is gone."""
        if not self.is_over():
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for("ended")
        self.pid = 0

    def end(self) -> None:
        """Let the child stop in good order."""
        self.tell("")
        ended = self.wait_for("ended")
        assert ended["status"] == 0, f"{ended}: {self.words()}"
        self.pid = 0

    def words(self) -> str:
        """Why a child failed, and the end of what was logged."""
        failed = [str(each["error"]) for each in self._of("failed")]
        return "\n".join([*failed, Path(self._log.name).read_text(errors="replace")[-3000:]])

    def close(self) -> None:
        if self.pid and not self.is_over():
            os.kill(self.pid, signal.SIGKILL)
        self._popen.kill()
        self._popen.wait()
        self._reader.join(10)
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()
        self._log.close()


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    made = Nursery(folder / "appender.log")
    try:
        yield made
    finally:
        made.close()


@dataclass
class Witness:
    """Keeps count from outside. Its tree only grows: a leaf that was read once is never read again before the end."""

    data: Path
    url: str
    kept: Path
    receipts: dict[str, Json] = field(default_factory=dict)
    """Payload hash to the one receipt for it."""
    lost: list[str] = field(default_factory=list)
    """Payload hashes that were acknowledged and are not in the log."""
    published: int = 0
    _tree: Tree = field(default_factory=Tree)
    _read: dict[str, int] = field(default_factory=dict)
    _checked: set[str] = field(default_factory=set)

    def request(self, **more: Any) -> Json:
        """What the appender needs to know."""
        self.kept.mkdir(exist_ok=True)
        return {"data": str(self.data), "database": self.url, "kept": str(self.kept), **more}

    def hear(self) -> int:
        """Take in what was acknowledged so far; how many receipts are new.

        A second receipt for the same payload must be the first one.
        """
        before = len(self.receipts)
        for told in self._new_lines("acks"):
            payload = told.pop("payload")
            assert self.receipts.setdefault(payload, told) == told, f"two receipts for {payload}"
        return len(self.receipts) - before

    def wait_for_a_receipt(self) -> None:
        """So that a cycle has something to lose."""
        wait_until(lambda: self.hear() > 0, "a receipt that is new")

    def check(self) -> None:
        """The log has grown out of what it was, and holds what was acknowledged once. May run beside the platform."""
        self.hear()  # before the log is read: what is heard now must be in it
        notes = self._new_lines("seen")
        database = Database(self.url)
        try:
            with database.reading() as session:
                for leaf in ledger_rows.leaves(session, 1, len(self._tree)):
                    assert leaf.index == len(self._tree), f"leaf {len(self._tree)} is missing"
                    self._tree.append(record_hash(leaf.record))
                head = ledger_rows.require_head(session, 1)
                assert (head.size, head.root) == (len(self._tree), self._tree.root()), "the log is not what it was"
                new = [payload for payload in self.receipts if payload not in self._checked]
                indexes = [int(self.receipts[payload]["leaf_index"]) for payload in new]
                leaves = ledger_rows.leaves_at(session, 1, indexes)
                envelopes = ledger_rows.envelopes_at(session, 1, indexes)
                notes += [each.note for each in ledger_rows.checkpoints(session, 1, ORIGIN)[-20:]]
        finally:
            database.close()
        for payload, index in zip(new, indexes, strict=True):
            leaf, envelope = leaves.get(index), envelopes.get(index)
            self._checked.add(payload)
            if leaf is None or envelope is None or envelope.payload_hash.hex() != payload:
                self.lost.append(payload)
            else:
                assert leaf.record == self.receipts[payload]["leaf"]
        key = pinned(Settings(self.data, ORIGIN, self.url)).log
        for note in notes:
            signed = open_checkpoint(note, ORIGIN, key)
            assert signed.size <= len(self._tree), f"signed over {signed.size} leaves, {len(self._tree)} are there"
            assert self._tree.root(signed.size) == signed.root, f"the checkpoint over {signed.size} is of another log"
            self.published = max(self.published, signed.size)

    def look_for_receipts(self) -> None:
        """Which receipts have no leaf any more; nothing else is asked of the log."""
        database = Database(self.url)
        try:
            with database.reading() as session:
                indexes = [int(told["leaf_index"]) for told in self.receipts.values()]
                envelopes = ledger_rows.envelopes_at(session, 1, indexes)
        finally:
            database.close()
        for payload, told in self.receipts.items():
            found = envelopes.get(int(told["leaf_index"]))
            if found is None or found.payload_hash.hex() != payload:
                self.lost.append(payload)

    def forget_what_came_late(self) -> None:
        """What was said while the disk died is not counted; a receipt that comes again is heard again."""
        for name in ("acks", "seen"):
            file = self.kept / name
            if file.exists():
                os.truncate(file, min(self._read.get(name, 0), file.stat().st_size))

    def check_all(self) -> None:
        """The whole audit, and that no payload is there twice."""
        self.check()
        log_key = pinned(Settings(self.data, ORIGIN, self.url)).log
        secret = load_secrets(self.data / "keys").item_secret
        audit = Audit(1, ORIGIN, verifier_key(ORIGIN, log_key), secret)
        database = Database(self.url)
        try:
            with database.reading() as session:
                assert list(audit.findings(session)) == []
                stored = ledger_rows.envelopes_at(session, 1, list(range(len(self._tree))))
        finally:
            database.close()
        payloads = [each.payload_hash for each in stored.values()]
        assert len(payloads) == len(set(payloads)) == len(self._tree), "a payload is there twice"

    def __len__(self) -> int:
        return len(self._tree)

    def _new_lines(self, name: str) -> list[Any]:
        file, start = self.kept / name, self._read.get(name, 0)
        if not file.exists():
            return []
        with file.open("rb") as opened:
            opened.seek(start)
            data = opened.read()
        whole = data[: data.rfind(b"\n") + 1]  # what is being written just now is for the next time
        self._read[name] = start + len(whole)
        return [value for line in whole.split(b"\n") for value in _told(line)]


def _told(line: bytes) -> Iterator[Any]:
    """What a line says: nothing when whoever wrote it was killed in the middle."""
    with suppress(ValueError):
        yield json.loads(line)


def witness(kind: Kind, folder: Path, kept: Path) -> Witness:
    """A data folder and what is known of it outside."""
    data = folder / "data"
    return Witness(data, kind.url(data), kept)


# ---- one fault at one call --------------------------------------------------------------------------------


@contextmanager
def fault(thread: int, call: str, what: str, nth: int, log: Path, *, whole: bool = False) -> Iterator[None]:
    """`what` (`error=EIO`, `signal=KILL`) at the n-th `call` of this thread, from here to the end of the block.

    `whole`: of each thread of this process; strace counts for each on its own.
    """
    if shutil.which("strace") is None:
        missing("strace")
    log.unlink(missing_ok=True)
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:{what}:when={nth}"]
    strace = subprocess.Popen(
        ["strace", *(["-f"] if whole else []), "-p", str(thread), "-o", str(log), *inject],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    try:
        told = strace.stderr.readline()
        if "attached" not in told:
            # A right is not a part that could be installed.
            pytest.skip(f"processes cannot be traced here: {told.strip()}")
        yield
    finally:
        strace.send_signal(signal.SIGINT)
        strace.wait(30)
        strace.stderr.close()


def struck(log: Path) -> bool:
    """Whether the fault of the last block came to pass."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return "(INJECTED)" in text or "killed by SIGKILL" in text


def calls_made(log: Path) -> dict[str, int]:
    """How often each call stands in a trace."""
    counts: dict[str, int] = {}
    for name in re.findall(r"^(?:\d+ +)?([a-z0-9_]+)\(", log.read_text(errors="replace"), re.MULTILINE):
        counts[name] = counts.get(name, 0) + 1
    return counts
