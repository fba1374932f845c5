"""The last head that the log key signed, on disk before the signature leaves the process.

    slot 0, 512 bytes | slot 1, 512 bytes

A slot is the body of a checkpoint, three lines, then a line with the hex SHA-256 of them, filled up with LF. Heads are
written into the two in turn and the higher one counts: a write that the power cuts off damages the older one alone.
Nothing of the file moves but these bytes, so that one `fdatasync` without a journal commit is enough.

A file that is three lines and nothing else is taken too: so whoever must restore it copies the beginning of the newest
checkpoint that he trusts. Without the file the signer does not start.
"""

import hashlib
import os
from pathlib import Path

from trace.errors import LimitError, NotFoundError, ParseError
from trace.files import replace_file
from trace.signer.head import Head

NAME = "signed-head"
SLOT_BYTES = 512
"""A sector: written whole or not at all on what disks do."""


class SignedHead:
    """One file in the signer's folder, held open. Used by one thread at a time."""

    def __init__(self, folder: Path, origin: str) -> None:
        """Raises: NotFoundError when the file is missing, ParseError when it is no head of this log."""
        path = folder / NAME
        self._origin = origin
        self._fd = -1
        self.last, slot = read(path, origin)
        if slot is None:
            write(folder, origin, self.last)
            slot = 0
        self._fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._next = 1 - slot

    def move(self, head: Head) -> None:
        """On return the head is on disk. Raises: OSError, and then it does not count as signed."""
        if head == self.last:
            return
        slot = _slot(self._origin, head)
        if os.pwrite(self._fd, slot, self._next * SLOT_BYTES) != SLOT_BYTES:
            raise OSError("written in part")
        os.fdatasync(self._fd)
        self.last = head
        self._next = 1 - self._next

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def write(folder: Path, origin: str, head: Head) -> None:
    """A file with this head in its first slot, durably, in the place of what was there. Raises: OSError."""
    replace_file(folder / NAME, _slot(origin, head) + b"\n" * SLOT_BYTES)


def read(path: Path, origin: str) -> tuple[Head, int | None]:
    """The head and the slot that holds it; None for three lines written by hand.

    Raises: NotFoundError, ParseError.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{path}: missing, so it is not known what was signed last; write into it the first three lines "
            "of the newest checkpoint that you trust"
        ) from error
    if len(data) != 2 * SLOT_BYTES:
        return Head.from_bytes(data, origin), None
    found = []
    for number in (0, 1):
        body, _, digest = data[number * SLOT_BYTES : (number + 1) * SLOT_BYTES].rstrip(b"\n").rpartition(b"\n")
        if hashlib.sha256(body + b"\n").hexdigest().encode("ascii") == digest:
            found.append((Head.from_bytes(body + b"\n", origin), number))
    if not found:
        raise ParseError(f"{path}: neither slot is whole; write into it the first three lines of the newest checkpoint")
    return max(found, key=lambda each: each[0].size)


def _slot(origin: str, head: Head) -> bytes:
    body = head.to_bytes(origin)
    filled = (body + hashlib.sha256(body).hexdigest().encode("ascii") + b"\n").ljust(SLOT_BYTES, b"\n")
    if len(filled) > SLOT_BYTES:
        raise LimitError(f"origin of {len(origin)} characters: too long for a slot of {SLOT_BYTES} bytes")
    return filled
