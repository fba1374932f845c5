"""`serve` as a process, for tests: with a device that is registered, and its signer to be found."""

from pathlib import Path

import httpx

from app.services import open_services
from app.settings import read_settings
from tests.build import OFFSET, item_code
from tests.running import Process, children, free_port, wait_until
from trace.ledger.keys import PrivateKey
from trace.observe import Device, ReadPoint, observe_scan
from trace.register import register_key
from trace.times import SystemClock

DEVICE, ISSUER = PrivateKey(bytes(range(32))), "5a" * 16
DOCK = ReadPoint("https://id.gs1.org/414/9520000000080", None, "receiving", "in_progress")


class Serving:
    """`serve` as a process, with a device that is registered."""

    def __init__(self, data: Path, *args: str, prefix: tuple[str, ...] = (), env: dict[str, str] | None = None) -> None:
        self.told = read_settings(environ={}, data=data)
        self.port = free_port()
        self.device = Device(DEVICE, ISSUER, self.told.origin)
        self._args, self._env, self._prefix = args, env, prefix

    def __enter__(self) -> "Serving":
        log = self.told.data.parent / "serve.log"
        args = ("app", "serve", "--data", str(self.told.data), "--port", str(self.port), *self._args)
        self.process = Process(log, *args, prefix=self._prefix, env=self._env)
        wait_until(lambda: self.answers() or self.process.popen.poll() is not None, "the server")
        assert self.process.popen.poll() is None, log.read_text()[-3000:]
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def published(self) -> int:
        told: dict[str, int] = httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=30).json()
        return told["published"]

    def scan(self, serial: str) -> int:
        """A hop of the device; gives its leaf."""
        seen = observe_scan(
            item_code(serial), DOCK, at=SystemClock().now(), utc_offset=OFFSET, origin=self.told.origin,
            event_id=f"https://suyuan.yunqiao.example/event/{serial}",
        )  # fmt: skip
        parcel = self.device.sign(seen.event, at=SystemClock().now())
        answer = httpx.post(
            f"http://127.0.0.1:{self.port}/capture",
            content=parcel.to_bytes(),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        return int(answer.json()["leaf_index"])

    def signer(self) -> int:
        """Its process; waits for one."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [pid for pid in children(self.process.popen.pid) if b"\0trace.signer\0" in cmdline(pid)]
            return bool(found)

        wait_until(look, "a signer")
        return found[0]

    def worker(self) -> int:
        return int((self.told.data / "server.lock").read_text())


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def enrolled(data: Path) -> Path:
    """A data folder in which the device is registered."""
    with open_services(read_settings(environ={}, data=data), SystemClock()) as services:
        register_key(services.authority, DEVICE.public, ISSUER, "device", services.clock.now())
    return data
