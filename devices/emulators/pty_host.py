"""A pseudo-terminal for an emulated reader: a program opens the link path as it would open /dev/ttyUSB0.

    role (line_scanner.py, m100.py) <-> this loop <-> master | slave <- link path <- station

The role is pure; this is its cable. Like a UART without flow control it drops what nobody reads, instead of blocking.
"""

import contextlib
import errno
import logging
import os
import select
import threading
import tty
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from trace.errors import ConflictError
from trace.times import Clock

logger = logging.getLogger(__name__)

TICK_S = 0.02
"""How often a role may speak by itself."""


class Role(Protocol):
    """The device side of a protocol."""

    def receive(self, data: bytes) -> None:
        """What the host wrote."""

    def to_send(self) -> bytes:
        """What the device says now."""


class PtyHost:
    """Runs one role on a pseudo-terminal of its own."""

    def __init__(
        self, role: Role, link: Path, *, clock: Clock, tick: Callable[[datetime], object] | None = None
    ) -> None:
        """`link` becomes a symbolic link to the terminal. `tick` is the role's own, if it speaks by itself.

        Raises: ConflictError when `link` is there and is no symbolic link.
        """
        if link.exists() and not link.is_symlink():
            raise ConflictError(f"link {link}: expected a free path or a symbolic link, something else is there")
        self.dropped_bytes = 0
        self._role = role
        self._link = link
        self._clock = clock
        self._tick = tick
        self._lock = threading.Lock()
        # We hold the slave too: otherwise the master fails whenever the station closes its end.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.terminal = os.ttyname(self._slave)
        # Replaced in one step, so that a station that tries again and again never finds half of it.
        beside = link.with_name(f".{link.name}.{os.getpid()}")
        beside.symlink_to(self.terminal)
        beside.replace(link)
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="emulator", daemon=True)
        self._thread.start()

    def do(self, act: Callable[[], object]) -> None:
        """Act upon the role between two of its turns, and let it speak at once."""
        with self._lock:
            act()
        os.write(self._wake_write, b".")

    def close(self) -> None:
        """Pulls the plug: whoever has the terminal open sees it vanish."""
        if self._master < 0:
            return
        os.write(self._wake_write, b"q")
        self._thread.join()
        if self._link.is_symlink() and self._link.readlink() == Path(self.terminal):
            self._link.unlink()
        for fd in (self._master, self._slave, self._wake_read, self._wake_write):
            os.close(fd)
        self._master = -1

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._wake_read], [], [], TICK_S)
            if self._wake_read in ready and b"q" in os.read(self._wake_read, 4096):
                return
            heard = self._heard() if self._master in ready else b""
            with self._lock:
                if heard:
                    self._role.receive(heard)
                if self._tick is not None:
                    self._tick(self._clock.now())
                said = self._role.to_send()
            self._say(said)

    def _heard(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self._master, 4096)
        return b""

    def _say(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EIO):
                    raise
                self.dropped_bytes += len(data)
                logger.debug("nobody reads", extra={"dropped_bytes": self.dropped_bytes})
                return
