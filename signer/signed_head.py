"""The last head that the log key signed, on disk before the signature leaves the process.

The file is the body of a checkpoint, three lines. So whoever must restore it copies them from the newest checkpoint
that he trusts; without the file the signer does not start.
"""

import os
from pathlib import Path

from signer.head import Head
from trace.errors import NotFoundError
from trace.ledger.keys import fsync_folder

NAME = "signed-head"


class SignedHead:
    """One file in the signer's folder."""

    def __init__(self, folder: Path, origin: str) -> None:
        """Raises: NotFoundError when the file is missing, ParseError when it is no head of this log."""
        self._path = folder / NAME
        self._origin = origin
        try:
            data = self._path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(
                f"{self._path}: missing, so it is not known what was signed last; write into it the first three lines "
                "of the newest checkpoint that you trust"
            ) from error
        self.last = Head.from_bytes(data, origin)

    def move(self, head: Head) -> None:
        """On return the head is on disk. Raises: OSError, and then nothing has changed."""
        if head != self.last:
            write(self._path.parent, self._origin, head)
            self.last = head


def write(folder: Path, origin: str, head: Head) -> None:
    """Durably, in the place of what was there. Raises: OSError."""
    fresh = folder / f"{NAME}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, head.to_bytes(origin))
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.replace(folder / NAME)
    fsync_folder(folder)
