"""What a bad cable does to the bytes on their way out of an emulated device."""

from collections import deque


class Wire:
    """Bytes that wait to be fetched; the faults hit what is sent next, in the order they were asked for."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._cuts: deque[int] = deque()

    def send(self, message: bytes) -> None:
        """One frame or line."""
        self._out += message[: self._cuts.popleft()] if self._cuts else message

    def garbage(self, data: bytes) -> None:
        """Bytes of no meaning, now."""
        self._out += data

    def cut_next(self, keep_bytes: int) -> None:
        """Of the next message only the first bytes leave the device."""
        self._cuts.append(keep_bytes)

    def take(self) -> bytes:
        sending = bytes(self._out)
        self._out.clear()
        return sending
