"""The Unix socket between the signer and who asks it."""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONNECTIONS = 64
"""At once; one more is closed unheard."""


def peer(connection: socket.socket) -> tuple[int, int, int]:
    """Process, user and group at the other end, by the kernel's word (SO_PEERCRED, unix(7))."""
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return pid, uid, gid


def listen(path: Path, owner: tuple[int, int] | None) -> socket.socket:
    """A listening socket of mode 0600. `owner` (user, group) is given it, when root makes it for another.

    Requires: the folder's lock, so that what lies at `path` belongs to nobody any more. Raises: OSError.
    """
    if path.exists() and stat.S_ISSOCK(path.lstat().st_mode):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with short_name(path) as name:
            listener.bind(name)
    except BaseException:
        listener.close()
        raise
    finally:
        os.umask(mask)
    if owner is not None:
        os.chown(path, *owner)
    listener.listen(CONNECTIONS)
    return listener


@contextmanager
def short_name(path: Path) -> Iterator[str]:
    """A name of the socket that fits into the 107 bytes of sockaddr_un, however long the folder's is."""
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)
