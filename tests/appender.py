"""A platform that is there to be killed: the real services, appending, in a process of its own (`python -m`).

The program imports everything once and forks a child for each request, so that a start costs milliseconds:

    standard input    {"data": folder, "database": URL, "kept": folder, ...}      one request a line
    standard output   {"kind": "child", "pid"}   {"kind": "ready", ...}   {"kind": "ended", "status"}

A child opens the services on `data` and either lets terminals append until it is killed (`terminals` > 0), or does what
the next lines say, one command a line. What terminals and readers know lies in `kept`, on a disk that is not cut:

    sent-N     the newest parcel of terminal N: written before it is sent, sent again after each start
    acks       one receipt a line, written when the platform had answered
    seen       every checkpoint that a reader could get
"""

import ctypes
import json
import os
import random
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from app import create_app
from app.services import Services, open_services
from app.settings import Settings
from tests.build import DOCK, OFFSET, ORIGIN, item_code, new_event_id, private_key, pseudonym
from trace.capture import capture
from trace.errors import UnavailableError
from trace.ledger.envelope import Parcel
from trace.ledger.payload import parse_payload
from trace.observe import Device, observe_scan
from trace.query import newest_checkpoint
from trace.register import register_key
from trace.store import ledger_rows
from trace.times import SystemClock

PR_SET_PTRACER = 0x59616D61
"""Linux, include/uapi/linux/prctl.h."""
ITEMS = 30
"""Things that the terminals pass on among each other."""

Json = dict[str, Any]


def say(kind: str, **members: Any) -> None:
    os.write(1, json.dumps({"kind": kind, **members}).encode() + b"\n")


def main() -> None:
    while line := sys.stdin.readline():
        if not line.startswith("{"):
            continue  # a command that the last child did not live to read
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run(**json.loads(line))
                status = 0
            except Exception as error:
                say("failed", error=f"{type(error).__name__}: {error}")
                raise
            finally:
                sys.stderr.flush()
                os._exit(status)
        say("child", pid=child)
        _, ended = os.waitpid(child, 0)
        say("ended", status=os.waitstatus_to_exitcode(ended))


def run(
    data: str, database: str, kept: str, terminals: int = 0, pragmas: tuple[str, ...] = (), await_tracer: bool = False
) -> None:
    """One child. `pragmas` weaken the database behind the platform's back, for negative controls."""
    # Where only parents may trace their children: this one may be traced by anybody of the same user.
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    if await_tracer:
        parent = os.getppid()
        while os.getppid() == parent and "TracerPid:\t0\n" in Path("/proc/self/status").read_text():
            time.sleep(0.001)
    if pragmas:
        # Heard before the engine's own listener, which begins the transaction: inside one these would be refused.
        event.listen(Engine, "begin", lambda connection: [connection.exec_driver_sql(each) for each in pragmas])
    with open_services(Settings(Path(data), ORIGIN, database), SystemClock()) as services:
        known = [Terminal(services, Path(kept), n) for n in range(max(terminals, 1))]
        threads = {thread.name: thread.native_id for thread in threading.enumerate()}
        say("ready", sequencer=threads.get("sequencer"), publisher=threads.get("publisher"))
        if terminals:
            threading.Thread(target=read_checkpoints, args=(services, Path(kept)), daemon=True).start()
            for terminal in known:
                threading.Thread(target=terminal.append_for_ever, daemon=True).start()
            sys.stdin.readline()  # until killed; or, to end well, until a line comes
        else:
            obey(services, known[0])


def obey(services: Services, terminal: "Terminal") -> None:
    """`new`: a new parcel through `POST /capture`. `again`: the newest one once more. `published`: up to where."""
    browser = create_app(services).test_client()
    while command := sys.stdin.readline().strip():
        if command == "new":
            terminal.sign()
        if command in ("new", "again"):
            answer = browser.post("/capture", data=terminal.parcel.to_bytes(), content_type="application/json")
            if answer.status_code < 300:
                terminal.keep(answer.get_json())
            say("answer", status=answer.status_code, told=answer.get_json())
        elif command == "published":
            with services.reading() as session:
                checkpoint = newest_checkpoint(session, services.log)
                head = ledger_rows.require_head(session, 1)
            say("published", size=0 if checkpoint is None else checkpoint.size, head=head.size)
        else:
            raise AssertionError(f"command {command!r}: expected new, again or published")


@dataclass
class Terminal:
    """One device with an outbox for one parcel."""

    services: Services
    kept: Path
    number: int

    def __post_init__(self) -> None:
        key, issuer = private_key(f"terminal {self.number}"), pseudonym(f"terminal {self.number}")
        with self.services.reading() as session:
            is_known = key.key_id in ledger_rows.keys(session, 1)
        if not is_known:
            register_key(self.services.authority, key.public, issuer, "device", self.services.clock.now())
        self.device = Device(key, issuer, ORIGIN)
        self._outbox = self.kept / f"sent-{self.number}"
        self._chance = random.Random(os.getpid() + self.number)
        self.has_sent = self._outbox.exists()
        if self.has_sent:
            self.parcel = Parcel.from_bytes(self._outbox.read_bytes())
            head = parse_payload(self.parcel.envelope).head
            self.device = Device(key, issuer, ORIGIN, head.seq, self.parcel.payload_hash)
        else:
            self.sign()

    def sign(self) -> None:
        """The next parcel, kept before anybody sees it."""
        now = self.services.clock.now()
        code = item_code(f"T{self._chance.randrange(ITEMS):04d}")
        seen = observe_scan(code, DOCK, at=now, utc_offset=OFFSET, origin=ORIGIN, event_id=new_event_id())
        self.parcel = self.device.sign(seen.event, at=now)
        fresh = self._outbox.with_suffix(".new")
        fresh.write_bytes(self.parcel.to_bytes())
        fresh.rename(self._outbox)

    def keep(self, receipt: Json) -> None:
        append(self.kept / "acks", {"payload": self.parcel.payload_hash.hex(), **receipt})

    def append_for_ever(self) -> None:
        while True:
            try:
                with self.services.reading() as session:
                    receipt = capture(session, 1, ORIGIN, self.parcel.to_bytes(), self.services.sequencer)
            except UnavailableError:
                time.sleep(0.02)
                continue
            self.keep(receipt.to_dict())
            self.sign()


def read_checkpoints(services: Services, kept: Path) -> None:
    last = None
    while True:
        with services.reading() as session:
            found = newest_checkpoint(session, services.log)
        if found is not None and found.note != last:
            last = found.note
            append(kept / "seen", last)
        time.sleep(0.003)


def append(file: Path, value: Any) -> None:
    """One line. It begins anew, because the one before it may have been cut off by a kill."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(fd, b"\n" + json.dumps(value).encode() + b"\n")
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
