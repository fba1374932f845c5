"""A recording that is played as a link: for `frames`, and for tests of everything above a link."""

from collections.abc import Iterable

from devices.link import LinkError


class ReplayLink:
    """Gives the chunks one a read, an empty chunk as silence, then fails as an unplugged cable does.

    Opened again, it goes on where it stopped. `written` keeps what it was sent.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.written = bytearray()

    def open(self) -> None:
        pass

    def read(self, timeout_s: float) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise LinkError("recording: has ended")

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        pass
