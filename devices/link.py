"""A link carries bytes between us and a reader: a serial port, a recording. It knows nothing of frames.

Every way in which a cable can fail arrives as `LinkError`, so that the station has one thing to catch.
"""

from typing import Protocol


class LinkError(Exception):
    """The link is gone, busy or refuses: close it and open it again later. Never leaves the edge."""


class Link(Protocol):
    """One owner thread a link; only `close` may be called from another."""

    def open(self) -> None:
        """Raises: LinkError when there is nothing to open, or somebody else has it."""

    def read(self, timeout_s: float) -> bytes:
        """What has arrived, as soon as anything has; empty after `timeout_s` of silence.

        Raises: LinkError when the link is gone, which silence alone never says.
        """

    def write(self, data: bytes) -> None:
        """All of it. Raises: LinkError also when the other side does not take it in time."""

    def close(self) -> None:
        """Never raises, may be called twice."""
