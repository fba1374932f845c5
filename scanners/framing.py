"""Frames out of a stream: a length and a checksum decide, never a delimiter, because any byte value occurs in data.

A *claim* is a header byte with a plausible length behind it. A claim that turns out wrong costs its first byte only:
the bytes behind it are searched again, because garbage may swallow the beginning of good frames. A claim that silence
cut off is treated alike. What belongs to no frame is kept and comes out as `Noise`, in the order of the stream.

The buffer holds at most one incomplete claim, and the shape bounds its length.
"""

from collections.abc import Callable
from dataclasses import dataclass

NOISE_LIMIT_BYTES = 1024
"""A run of noise is reported when it gets this long, so that a wrong baud rate shows and memory is bounded."""

_NO_HEADER = "no frame starts here"


class Refused(Exception):  # noqa: N818  (h11 calls its peer errors by what happened, too)
    """These bytes are no frame; the message says why. Never leaves a decoder."""


@dataclass(frozen=True)
class Shape:
    """What makes a frame of one protocol. Both functions see bytes of the device and must not trust them."""

    header: int
    """First byte of every frame."""
    head_bytes: int
    """As many bytes as `length` needs to see."""
    length: Callable[[bytes], int | None]
    """Of up to `head_bytes` bytes from the header on: length of the whole frame, None while there are too few.

    Raises: Refused when they can begin no frame. Bound the length here.
    """
    check: Callable[[bytes], None]
    """Of a whole frame. Raises: Refused."""


@dataclass(frozen=True)
class Noise:
    """Bytes that belong to no frame."""

    reason: str
    data: bytes


class Framer:
    """Cuts a stream into whole, checked frames."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._buffer = bytearray()
        self._noise = bytearray()
        self._reason = _NO_HEADER

    @property
    def is_clear(self) -> bool:
        """No byte waits for its frame or its report."""
        return not self._buffer and not self._noise

    def receive(self, data: bytes) -> list[bytes | Noise]:
        self._buffer += data
        return self._scan(silence=False)

    def silence(self) -> list[bytes | Noise]:
        """The line was silent for longer than a frame has gaps: no claim is waited for any more."""
        found = self._scan(silence=True)
        self._end_noise(found)
        return found

    def clear(self) -> None:
        self._buffer.clear()
        self._noise.clear()
        self._reason = _NO_HEADER

    def _scan(self, *, silence: bool) -> list[bytes | Noise]:
        found: list[bytes | Noise] = []
        while self._buffer:
            start = self._buffer.find(self._shape.header)
            if start != 0:
                self._drop(len(self._buffer) if start < 0 else start, _NO_HEADER, found)
                continue
            try:
                frame = self._claim()
                if frame is None and silence:
                    raise Refused(f"cut off after {len(self._buffer)} bytes")
            except Refused as refusal:
                self._drop(1, str(refusal), found)
                continue
            if frame is None:
                break
            self._end_noise(found)
            found.append(frame)
            del self._buffer[: len(frame)]
        return found

    def _claim(self) -> bytes | None:
        length = self._shape.length(bytes(self._buffer[: self._shape.head_bytes]))
        if length is None or len(self._buffer) < length:
            return None
        frame = bytes(self._buffer[:length])
        self._shape.check(frame)
        return frame

    def _drop(self, count: int, reason: str, found: list[bytes | Noise]) -> None:
        while count:
            taken = min(count, NOISE_LIMIT_BYTES - len(self._noise))
            self._noise += self._buffer[:taken]
            del self._buffer[:taken]
            count -= taken
            # The first refused claim explains a run better than the bytes that were dropped behind it.
            if self._reason == _NO_HEADER:
                self._reason = reason
            if len(self._noise) == NOISE_LIMIT_BYTES:
                self._end_noise(found)

    def _end_noise(self, found: list[bytes | Noise]) -> None:
        if self._noise:
            found.append(Noise(self._reason, bytes(self._noise)))
            self._noise.clear()
        self._reason = _NO_HEADER
