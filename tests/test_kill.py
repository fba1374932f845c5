"""kill -9 of the station and of the server in mid-flow: no acknowledged hop is lost, none is doubled.

An emulated scanner keeps sending codes, each once. The station and the server are killed at random moments and started
again. Acknowledged is what the outbox has a receipt for.
"""

import os
import random
import signal
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.database import Database
from app.services import load_secrets, open_services
from app.settings import read_settings
from app.signing import pinned
from tests.running import Process, free_port, wait_until
from trace.audit import Audit
from trace.ledger.checkpoint import verifier_key
from trace.ledger.keys import PrivateKey
from trace.register import register_key
from trace.times import SystemClock

ISSUER = "5a" * 16
STATIONS = """\
server = "http://127.0.0.1:{port}"
origin = "suyuan.yunqiao.example"
issuer = "{issuer}"
key = "station.key"
outbox = "outbox.db"
utc_offset = "+08:00"

[[reader]]
name = "scanner"
url = "line+serial://{link}?baud=9600"
read_point = "https://id.gs1.org/414/9520000000080/254/dock-1"
biz_step = "receiving"
disposition = "in_progress"
"""


@dataclass
class Line:
    """A scanner, a station and a server, and the folder they write to."""

    folder: Path
    port: int
    scanner: Process
    control: str
    station: Process
    server: Process

    def start_station(self) -> None:
        self.station = Process(self.folder / "station.log", "devices", "station", str(self.folder / "stations.toml"))

    def start_server(self) -> None:
        self.server = Process(
            self.folder / "server.log", "app", "serve", "--data", str(self.folder / "data"), "--port", str(self.port)
        )

    def worker(self) -> int | None:
        """The process that owns the data folder, as it says itself."""
        try:
            return int((self.folder / "data" / "server.lock").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    data = tmp_path / "data"
    key = PrivateKey.generate()
    key.save(tmp_path / "station.key")
    with open_services(read_settings(environ={}, data=data), SystemClock()) as services:
        register_key(services.authority, key.public, ISSUER, "device", services.clock.now())
    port, link = free_port(), tmp_path / "scanner"
    (tmp_path / "stations.toml").write_text(STATIONS.format(port=port, issuer=ISSUER, link=link))
    scanner = Process(tmp_path / "scanner.log", "devices", "emulate", "scanner", "--link", str(link))
    control = scanner.wait_for("ready")["control"]
    made = Line(tmp_path, port, scanner, control, scanner, scanner)
    made.start_server()
    made.start_station()
    yield made
    for process in (made.station, made.scanner, made.server):
        process.stop()


class Feed:
    """Sends codes through the scanner, each once, until it is stopped."""

    def __init__(self, control: str) -> None:
        self.sent: list[str] = []
        self._control = control
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._stopped.wait(0.03):
                serial = f"K{len(self.sent):06d}X"  # a cut at either end is no serial of this form
                client.post(f"{self._control}/scan", content=f"]d2010952000000003521{serial}".encode())
                self.sent.append(serial)

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(60)


def outbox(line: Line, query: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{line.folder / 'outbox.db'}?mode=ro", uri=True, timeout=30) as connection:
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def drained(line: Line) -> bool:
    status = line.station.said("ready")
    if not status:
        return False
    try:
        counts = httpx.get(status[0]["control"] + "/status", timeout=5).json()["outbox"]
    except httpx.HTTPError:
        return False
    return int(counts["waiting"]) == 0


def kill_cycles(line: Line, cycles: int, seed: int) -> None:
    chance = random.Random(seed)
    feed = Feed(line.control)
    wait_until(lambda: len(line.station.said("recorded")) > 0, "the first hop")
    for _ in range(cycles):
        threading.Event().wait(chance.uniform(0.05, 0.4))
        if chance.random() < 0.5:
            line.station.kill()
            line.start_station()
            line.station.wait_for("ready")
        elif chance.random() < 0.5:
            # The worker alone: the server's own parent starts another.
            worker = line.worker()
            if worker is not None:
                _kill(worker)
            wait_until(line.answers, "the next worker")
        else:
            # Both: the worker first, or it would be left without a parent.
            worker = line.worker()
            os.kill(line.server.popen.pid, signal.SIGSTOP)
            if worker is not None:
                _kill(worker)
            line.server.kill()
            line.start_server()
            wait_until(line.answers, "the next server")
    feed.stop()
    wait_until(lambda: drained(line), "an empty outbox", patience_s=1800)
    check(line, feed.sent)


def _kill(worker: int) -> None:
    """kill -9 of the process that our own server started and that owns our data folder."""
    try:
        os.kill(worker, signal.SIGKILL)
    except ProcessLookupError:
        return


def check(line: Line, sent: list[str]) -> None:
    """What has a receipt is in the log once; what is in the log was sent."""
    data = line.folder / "data"
    line.station.stop()
    line.server.stop()
    with sqlite3.connect(data / "suyuan.sqlite") as ledger:
        recorded = [row[0].rsplit("/", 1)[-1] for row in ledger.execute("SELECT uri FROM item WHERE uri LIKE '%/21/%'")]
        hops = dict(ledger.execute("SELECT uri, hops FROM item WHERE uri LIKE '%/21/%'").fetchall())
        by_seq = dict(ledger.execute("SELECT seq, leaf_index FROM envelope WHERE payload_type LIKE '%hop%'").fetchall())
    ledger.close()
    receipts = outbox(line, "SELECT seq FROM parcel WHERE state = 'recorded'")
    assert receipts, "something was acknowledged"
    assert {seq for (seq,) in receipts} == set(by_seq), "every receipt has its leaf, every leaf its receipt"
    assert set(recorded) <= set(sent)
    assert {uri: count for uri, count in hops.items() if count != 1} == {}, "none is double"
    assert outbox(line, "SELECT count(*) FROM parcel WHERE state != 'recorded'") == [(0,)], "nothing was refused"
    settings = read_settings(environ={}, data=data)
    database = Database(settings.database)
    audit = Audit(
        settings.platform,
        settings.origin,
        verifier_key(settings.origin, pinned(settings).log),
        load_secrets(settings.keys).item_secret,
    )
    with database.reading() as session:
        assert list(audit.findings(session)) == []
    database.close()


def test_20_kills_in_mid_flow_lose_and_double_nothing(line: Line) -> None:
    kill_cycles(line, cycles=20, seed=20)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_200_kills_in_mid_flow_lose_and_double_nothing(line: Line) -> None:
    kill_cycles(line, cycles=200, seed=200)
