"""A serial port: RS-232, USB CDC or a pseudo-terminal, through pyserial.

pyserial's own signs of health mislead: after an unplug `is_open` stays true, `in_waiting` raises a plain OSError, and
opening with settings that the port lacks raises termios.error. All of them become `LinkError` here.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import serial

from devices.link import LinkError

try:
    from termios import error as _termios_error
except ImportError:  # no termios on Windows

    class _termios_error(Exception):  # type: ignore[no-redef]  # noqa: N801, N818
        """Stands where nothing can raise it."""


# SerialException is an OSError; TypeError comes when a port is closed under a read; ValueError for a rate it lacks.
_FAILURES = (OSError, TypeError, ValueError, _termios_error)

# A port whose other side has stopped reading blocks its writer for ever.
WRITE_TIMEOUT_S = 2.0


class SerialLink:
    """8 data bits, no parity, one stop bit: what every reader in `scanners/` uses."""

    def __init__(self, port: str, baud: int) -> None:
        self.port = port
        self.baud = baud
        self._serial: Any = None

    def open(self) -> None:
        self.close()
        with self._translating("cannot be opened"):
            # exclusive: two programs on one port each get half of the bytes.
            self._serial = serial.Serial(self.port, self.baud, write_timeout=WRITE_TIMEOUT_S, exclusive=True)

    def read(self, timeout_s: float) -> bytes:
        port = self._opened()
        with self._translating("is gone"):
            if port.timeout != timeout_s:
                port.timeout = timeout_s
            first = port.read(1)
            if not first:
                return b""
            return bytes(first + port.read(port.in_waiting))

    def write(self, data: bytes) -> None:
        port = self._opened()
        with self._translating("does not take what is written"):
            port.write(data)

    def close(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            with suppress(*_FAILURES):
                port.close()

    def _opened(self) -> Any:
        if self._serial is None:
            raise LinkError(f"serial port {self.port}: is not open")
        return self._serial

    @contextmanager
    def _translating(self, what: str) -> Iterator[None]:
        try:
            yield
        except _FAILURES as error:
            raise LinkError(f"serial port {self.port}: {what}: {error}") from error
