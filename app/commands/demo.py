"""`demo`: a fictional city, served, with an emulated barcode scanner and an emulated UHF reader feeding a station.

The server, the two emulators and the station are child processes; this one fills the city before they start, watches
them, starts again what dies, and ends them all.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import httpx

from app.commands.options import data_option, require_free_port, settings_or_exit
from app.database import AlreadyRunningError, only_process
from app.demo.fill import SignIn, enrol_station, epc_of, fill, make_accounts, story_begins
from app.services import open_services
from app.settings import Settings, SettingsError
from app.users import divide
from trace.errors import UnavailableError
from trace.ledger.keys import PrivateKey
from trace.stopping import stopped_by_signal
from trace.times import SetClock, SystemClock

ROOT = Path(__file__).resolve().parents[2]

_HEAD = ("second-head.note", "second-head.note.new")
_BASE = ("suyuan.sqlite", "suyuan.sqlite-wal", "suyuan.sqlite-shm")
OURS = ("demo.filled", *_BASE, "demo.new", "audited.checkpoint", *_HEAD)
"""Not `server.lock` and `signer/lock`: whoever deletes them lets a second one in."""
_SECRETS = ("item.secret", "link.secret", "web.secret", "admin.secret", "authority.issuer", "platform.issuer")
OUR_FOLDERS = {
    "keys": tuple(f"{name}{end}" for name in ("platform.pub", *_SECRETS) for end in ("", ".new")),
    "signer": tuple(
        f"{name}{end}"
        for name in ("authority.key", "attestation.key", "log.key", "signed-head")
        for end in ("", ".new")
    ),
    "run": ("signer.sock",),
    "edge": (
        "station.key",
        "issuer",
        "log_key",
        "outbox.seen",
        "stations.toml",
        "outbox.db",
        "outbox.db-wal",
        "outbox.db-shm",
        "scanner",
        "uhf",
    ),
    "log": ("server.log", "scanner.log", "uhf.log", "station.log"),
}
"""What a demo writes, with `demo.json`; `--reset` deletes exactly this."""

STATION_USCC = "91990102MADEM10814"
"""The running station stands in the pharma warehouse."""
STATION_GLN = "9520000000080"
FIRST_TAGS = ("]C100195200000000000025", "]d20109520000000035217001")
"""In the UHF reader's field at the first start: a case of amoxicillin, and a single pack."""

READY_S = 60
STOP_S = 8
RESTARTS = 20
"""Of all children together; more is a fault that starting again does not mend."""

_SHOWN = (
    ("/01/09520000000028/21/88000001", "infant formula, from two lots of milk: in order"),
    ("/01/09520000000059/21/C1", "pork, from farm to stall: sold"),
    ("/01/09520000000066/10/VEG-20261120-01", "greens, quick test failed: sale stopped"),
    ("/01/09520000000011/21/A0001", "spirits, in a case read by RFID"),
    ("/id/cn-drug/99000039000000000001", "amoxicillin: sold twice"),
    ("/id/cn-drug/99000049000000000001", "vaccine: 9.3 degrees on the way"),
)


@click.command()
@data_option
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the web server.")
@click.option("--reset", is_flag=True, help="Start afresh: deletes what an earlier demo wrote, and nothing else.")
def demo(data: Path | None, port: int, reset: bool) -> None:
    """Fill the fictional city of Yunqiao (once), serve it on loopback, and scan with emulated readers."""
    settings = settings_or_exit(data)
    require_free_port("127.0.0.1", port)
    signs = _prepare(settings, reset)
    children = _Children(settings, port)
    stopped = stopped_by_signal()
    try:
        children.start()
        _say_what_to_open(port, signs, settings.data)
        while not stopped():
            children.watch()
            time.sleep(0.2)
    finally:
        click.echo("stopping", err=True)
        children.stop()


# ---- before anything runs -------------------------------------------------------------------------


def _prepare(settings: Settings, reset: bool) -> list[SignIn]:
    """Database, story, station key and accounts."""
    if settings.database != f"sqlite:///{settings.data / 'suyuan.sqlite'}":
        raise click.ClickException("setting database is for serve; a demo keeps its own database in its folder")
    os.umask(0o077)
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        # Nothing is changed or deleted under a running server.
        with only_process(settings.data):
            first = _make_room(settings.data, reset)
            (settings.data / "demo.json").write_text('{"ready": false}\n', encoding="utf-8")
        now = SystemClock().now()
        divide(settings)
        clock = SetClock(story_begins(now, timedelta(minutes=settings.zone_offset_minutes)) if first else now)
        with open_services(settings, clock) as services:
            if first:
                _fill(services_clock=clock, services=services, now=now)
                clock.set(now)
                _make_station(settings, services)
                (settings.data / "demo.filled").write_text(f"{now.isoformat()}\n", encoding="utf-8")
            return make_accounts(services)
    except (AlreadyRunningError, SettingsError, UnavailableError) as error:
        raise click.ClickException(str(error)) from error


def _make_room(data: Path, reset: bool) -> bool:
    """Whether the story is still to be told here; what an interrupted start or `--reset` leaves behind is deleted."""
    filled, begun = (data / "demo.filled").exists(), (data / "demo.json").exists()
    if not filled and not begun:
        if (data / "suyuan.sqlite").exists():
            raise click.ClickException(f"{data} holds a platform that no demo made; name another folder with --data")
        return True
    if filled and not reset:
        return False
    if not reset:
        click.echo("an earlier start was interrupted while filling: starting afresh", err=True)
    _delete_ours(data)
    return True


def _delete_ours(data: Path) -> None:
    """Our own files; folders only when nothing else is in them."""
    for name in OURS:
        (data / name).unlink(missing_ok=True)
    for folder, names in OUR_FOLDERS.items():
        for name in names:
            (data / folder / name).unlink(missing_ok=True)
        if (data / folder).is_dir() and not any((data / folder).iterdir()):
            (data / folder).rmdir()
    (data / "demo.json").unlink(missing_ok=True)  # last: it says that what is still here is a demo's


def _fill(services: Any, services_clock: SetClock, now: datetime) -> None:
    with click.progressbar(length=1, label="telling the story of the city", file=sys.stderr) as bar:

        def progress(done: int, of: int) -> None:
            bar.length = of
            bar.update(1)

        fill(services, services_clock, now, progress)


def _make_station(settings: Settings, services: Any) -> None:
    edge = settings.data / "edge"
    edge.mkdir(exist_ok=True)
    key = PrivateKey.generate()
    key.save(edge / "station.key")
    issuer = enrol_station(services, STATION_USCC, key.public)
    (edge / "issuer").write_text(issuer, encoding="ascii")
    (edge / "log_key").write_text(services.log.verifier_key, encoding="ascii")


# ---- child processes ------------------------------------------------------------------------------


@dataclass
class _Child:
    name: str
    args: Sequence[str]
    log: Path
    on_line: Callable[[dict[str, Any]], None]
    process: "subprocess.Popen[str] | None" = None
    ready: threading.Event = field(default_factory=threading.Event)
    told: dict[str, Any] = field(default_factory=dict)
    """The line in which it said that it is ready."""

    def start(self) -> None:
        self.ready.clear()
        errors = self.log.open("a", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.args],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        errors.close()
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None, "started with a pipe"
        with self.log.open("a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                log.flush()
                try:
                    said = json.loads(line)
                except json.JSONDecodeError:
                    continue
                if said.get("kind") == "ready":
                    self.told = said
                    self.ready.set()
                self.on_line(said)

    def stop(self) -> None:
        process = self.process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class _Children:
    """Server, emulators and station, in the order in which they need each other."""

    def __init__(self, settings: Settings, port: int) -> None:
        self._settings = settings
        self._url = f"http://127.0.0.1:{port}"
        self._edge = settings.data / "edge"
        self._attached: set[str] = set()
        self._restarts = 0
        logs = settings.data / "log"
        logs.mkdir(exist_ok=True)

        def child(name: str, *args: str) -> _Child:
            return _Child(name, args, logs / f"{name}.log", self._on_line if name == "station" else lambda said: None)

        self.server = child("server", "app", "serve", "--data", str(settings.data), "--port", str(port))
        self.scanner = child("scanner", "devices", "emulate", "scanner", "--link", str(self._edge / "scanner"))
        self.uhf = child("uhf", "devices", "emulate", "uhf", "--link", str(self._edge / "uhf"))
        self.station = child("station", "devices", "station", str(self._edge / "stations.toml"))

    @property
    def _all(self) -> tuple[_Child, ...]:
        return (self.server, self.scanner, self.uhf, self.station)

    def start(self) -> None:
        self._write_stations()
        os.environ["SUYUAN_DEMO_STATE"] = str(self._settings.data / "demo.json")
        os.environ["PYTHONPATH"] = str(ROOT)
        self.server.start()
        self._wait_for_server()
        first = not (self._edge / "outbox.db").exists()
        for child in (self.scanner, self.uhf):
            child.start()
            self._wait(child)
        self.station.start()
        self._wait(self.station)
        if first:
            self._put_tags()
        self._say_ready()

    def watch(self) -> None:
        """Start again whatever has died."""
        dead = [child for child in self._all if child.process is not None and child.process.poll() is not None]
        if not dead:
            return
        self._write_state({"ready": False})
        for child in dead:
            self._restarts += 1
            if self._restarts > RESTARTS:
                raise click.ClickException(f"{child.name} keeps ending; its last words are in {child.log}")
            click.echo(f"{child.name} ended, starting it again", err=True)
            if child is self.station:
                self._attached.clear()
            child.start()
            if child is self.server:
                self._wait_for_server()
            else:
                self._wait(child)
        self._say_ready()

    def stop(self) -> None:
        self._write_state({"ready": False})
        for child in (self.station, self.uhf, self.scanner, self.server):
            child.stop()

    def _on_line(self, said: dict[str, Any]) -> None:
        if said.get("kind") == "connected":
            self._attached.add(str(said.get("reader")))
        elif said.get("kind") == "disconnected":
            self._attached.discard(str(said.get("reader")))

    def _wait(self, child: _Child) -> None:
        if not child.ready.wait(READY_S):
            raise click.ClickException(f"{child.name} did not start; its last words are in {child.log}")

    def _wait_for_server(self) -> None:
        ends = time.monotonic() + READY_S
        while time.monotonic() < ends:
            if self.server.process is not None and self.server.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self._url}/healthz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.05)
        raise click.ClickException(f"the server did not start; its last words are in {self.server.log}")

    def _say_ready(self) -> None:
        ends = time.monotonic() + READY_S
        while not {"scanner", "uhf"} <= self._attached:
            if time.monotonic() > ends:
                raise click.ClickException(f"the readers are not attached; see {self.station.log}")
            time.sleep(0.02)
        state = {name: getattr(self, name).told["control"] for name in ("scanner", "uhf", "station")}
        self._write_state({"ready": True, **state})

    def _write_state(self, state: dict[str, Any]) -> None:
        file = self._settings.data / "demo.json"
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(state) + "\n", encoding="utf-8")
        fresh.replace(file)

    def _put_tags(self) -> None:
        tags = [{"pc": f"{pc:04x}", "epc": epc.hex()} for pc, epc in map(epc_of, FIRST_TAGS)]
        httpx.put(f"{self.uhf.told['control']}/tags", json=tags, timeout=5).raise_for_status()

    def _write_stations(self) -> None:
        place = f"https://id.gs1.org/414/{STATION_GLN}"
        issuer = (self._edge / "issuer").read_text(encoding="ascii").strip()
        log_key = (self._edge / "log_key").read_text(encoding="ascii")
        (self._edge / "stations.toml").write_text(
            f"""\
server = "{self._url}"
origin = "{self._settings.origin}"
issuer = "{issuer}"
key = "station.key"
outbox = "outbox.db"
log_key = "{log_key}"
utc_offset = "+08:00"

[[reader]]
name = "scanner"
url = "line+serial://{quote(str(self._edge / "scanner"))}?baud=9600"
read_point = "{place}/254/dock-1"
biz_location = "{place}"
biz_step = "receiving"
disposition = "in_progress"

[[reader]]
name = "uhf"
url = "m100+serial://{quote(str(self._edge / "uhf"))}?baud=115200"
read_point = "{place}/254/gate-2"
biz_location = "{place}"
biz_step = "storing"
disposition = "in_progress"
""",
            encoding="utf-8",
        )


def _die_with_parent() -> None:
    """Ask the kernel to end this child when the demo is killed, however hard (prctl PR_SET_PDEATHSIG)."""
    _LIBC.prctl(1, signal.SIGTERM)


_LIBC = ctypes.CDLL(None)


def _say_what_to_open(port: int, signs: list[SignIn], data: Path) -> None:
    base = f"http://127.0.0.1:{port}"
    lines = ["", "Suyuan 溯源: the demo city of Yunqiao is open. Nothing in it exists.", "", f"  Consumer    {base}/"]
    lines += [f"    {base}{path}   {what}" for path, what in _SHOWN]
    homes = {"operator": "/enterprise/", "regulator": "/regulator/blacklist"}
    titles = {"operator": "Handheld ", "regulator": "Regulator"}
    lines += [
        f"  {titles[sign.role]}   {base}{homes[sign.role]}   sign in as {sign.name}, password {sign.password}"
        for sign in signs
    ]
    lines += [
        "",
        f"  Scan     ./suyuan scan ']d201095200000000351729123110LOT7<GS>21ABC' --url {base}",
        f"  Audit    ./suyuan audit --data {data}",
        "",
        "Passwords are new at each start. Ctrl-C stops everything.",
    ]
    click.echo("\n".join(lines))
