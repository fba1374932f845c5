"""The signer as a child of who needs it: started, watched, started again when it dies, ended with its parent."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from trace.errors import UnavailableError
from trace.signer.client import answers

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60
"""Opening sealed keys takes a second on a slow machine; more is a fault."""
STOP_S = 8
LOOK_S = 0.5
"""How often a signer that is not ours is asked whether it is still there."""
PAUSES_S = (0.05, 0.2, 0.5, 1, 2, 5)
"""Before each next start in a row that ended at once; the last one for ever: hops are recorded without a signer."""


class SignerChild:
    """`python -m trace.signer` with these arguments. `with` starts it and ends it.

    A signer that answers already is used as long as it answers.
    """

    def __init__(self, args: Sequence[str], socket: Path, passphrase: bytes | None = None) -> None:
        """`passphrase` is kept here for the restarts, and goes through a pipe."""
        self._args = args
        self._socket = socket
        self._passphrase = passphrase
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="signer watcher", daemon=True)

    def __enter__(self) -> "SignerChild":
        """Raises: UnavailableError when it does not come up; its reason is on standard error."""
        if answers(self._socket) is not None:
            logger.info("a signer answers already; it is left alone as long as it does")
        else:
            self._process = self._start()
            if not self._is_ready(self._process):
                self._end(self._process)
                raise UnavailableError("the signer did not start; it says above why", retry_after_s=5)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._process is not None:
            self._end(self._process)
        if self._watcher.is_alive():
            self._watcher.join()

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def _start(self) -> "subprocess.Popen[bytes]":
        more: list[str] = []
        fds: tuple[int, ...] = ()
        if self._passphrase is not None:
            reading, writing = os.pipe()
            os.write(writing, self._passphrase)
            os.close(writing)
            more, fds = ["--passphrase-fd", str(reading)], (reading,)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "trace.signer", *self._args, "--parent", str(os.getpid()), *more],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                pass_fds=fds,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent, which ends it last
            )
        finally:
            for fd in fds:
                os.close(fd)

    def _is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        assert process.stdout is not None, "started with a pipe"
        alarm = threading.Timer(READY_S, process.kill)
        alarm.start()
        try:
            line = process.stdout.readline()  # ends when the process does
        finally:
            alarm.cancel()
        return bool(line) and json.loads(line).get("kind") == "ready" and answers(self._socket) is not None

    def _watch(self) -> None:
        failed = 0
        while not self._stopping.is_set():
            if self._process is not None:
                self._process.wait()
                self._close_pipe(self._process)
                if not self._stopping.is_set():
                    logger.error("the signer ended with %s", self._process.returncode)
            # Somebody else's may be there: one that was started by hand, or that of a server which has just died.
            while answers(self._socket) is not None:
                self._process = None
                if self._stopping.wait(LOOK_S):
                    return
            if self._stopping.wait(PAUSES_S[min(failed, len(PAUSES_S) - 1)]):
                return
            logger.warning("starting a signer")
            failed = 0 if self._start_again() else failed + 1

    def _start_again(self) -> bool:
        try:
            self._process = self._start()
        except OSError:
            logger.exception("the signer could not be started")
            self._process = None
            return False
        ready = self._is_ready(self._process)
        if self._stopping.is_set():
            self._end(self._process)
        return ready

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._close_pipe(process)

    def _close_pipe(self, process: "subprocess.Popen[bytes]") -> None:
        if process.stdout is not None:
            process.stdout.close()
