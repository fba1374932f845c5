"""Real processes for tests: the demo, a server, a station, an emulated scanner. Each is ended by its own id."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 90
"""A loaded machine is slow; nothing here asserts how long a thing takes."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    ends = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > ends:
            raise AssertionError(f"waited {patience_s:g} s for {what}")
        time.sleep(0.02)


def run(*args: str, check: bool = False) -> "subprocess.CompletedProcess[str]":
    """`python -m ARGS` in the checkout."""
    return subprocess.run(
        [sys.executable, "-m", *args], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=check
    )


def children(pid: int) -> list[int]:
    """Processes that this one started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


class Process:
    """A child whose standard output is JSON lines or text; its standard error goes to a file."""

    def __init__(self, log: Path, *args: str, prefix: tuple[str, ...] = (), env: dict[str, str] | None = None) -> None:
        """`prefix`: words in front of the command; `env` is added to the environment."""
        self.lines: list[str] = []
        self._log = log.open("ab")
        self.popen = subprocess.Popen(
            [*prefix, sys.executable, "-u", "-m", *args],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        with Path(self._log.name).open("a", encoding="utf-8") as log:
            for line in self.popen.stdout:
                self.lines.append(line.rstrip("\n"))
                log.write(line)
                log.flush()

    def said(self, kind: str) -> list[dict[str, Any]]:
        """JSON lines of this kind, so far."""
        found = []
        for line in list(self.lines):
            if line.startswith("{"):
                value = json.loads(line)
                if value.get("kind") == kind:
                    found.append(value)
        return found

    def wait_for(self, kind: str) -> dict[str, Any]:
        wait_until(lambda: bool(self.said(kind)) or self.popen.poll() is not None, f"a line of kind {kind}")
        assert self.said(kind), f"ended with {self.popen.returncode}: {Path(self._log.name).read_text()[-3000:]}"
        return self.said(kind)[0]

    def kill(self) -> None:
        """kill -9."""
        self.popen.kill()
        self._ended()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
        self._ended()
        return int(self.popen.returncode)

    def _ended(self) -> None:
        self.popen.wait()
        self._log.close()
        self._reader.join(10)
        # A grandchild that outlives its parent still holds the pipe: closing it under the reader would wait for ever.
        if self.popen.stdout is not None and not self._reader.is_alive():
            self.popen.stdout.close()


class RunningDemo:
    """`demo` on a folder of its own."""

    def __init__(self, data: Path, *args: str, port: int | None = None) -> None:
        self.data = data
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = Process(
            data.parent / f"{data.name}.err", "app", "demo", "--data", str(data), "--port", str(self.port), *args
        )

    def wait(self) -> "RunningDemo":
        wait_until(lambda: self.answers() == 200 or self.process.popen.poll() is not None, "the demo")
        wait_until(
            lambda: any("Ctrl-C" in line for line in list(self.process.lines)) or self.process.popen.poll() is not None,
            "what to open",
        )
        assert self.process.popen.poll() is None, (self.data.parent / f"{self.data.name}.err").read_text()
        return self

    def answers(self) -> int:
        try:
            return httpx.get(self.url + "/", headers={"Accept": "text/html"}, timeout=10).status_code
        except httpx.HTTPError:
            return 0

    def password(self, account: str) -> str:
        found = re.search(rf"sign in as {account}, password (\S+)", "\n".join(self.process.lines))
        assert found, self.process.lines
        return found[1]

    def scan(self, code: str) -> dict[str, Any]:
        """`scan` as a user runs it; the JSON object that it prints."""
        done = run("devices", "scan", code, "--url", self.url, "--timeout", "60")
        told: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) == ("error" not in told), done.stderr
        return told

    def stop(self) -> int:
        return self.process.stop(signal.SIGINT)


@contextmanager
def running_demo(folder: Path, *args: str, name: str = "data") -> Iterator[RunningDemo]:
    demo = RunningDemo(folder / name, *args)
    try:
        yield demo.wait()
    finally:
        demo.stop()
