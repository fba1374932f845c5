"""Users of the machine by number: whose a file is, and giving up root for good."""

import ctypes
import os
import pwd
import re
import resource
import signal
import stat
from dataclasses import dataclass
from pathlib import Path

from trace.errors import ValidationError

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}|[1-9]\d{0,8}(:[1-9]\d{0,8})?", re.ASCII)


@dataclass(frozen=True)
class User:
    """By numbers."""

    uid: int
    gid: int


def is_user(text: str) -> bool:
    """Whether this has the form of a user: `suyuan-signer`, `1200`, or `1200:1201` (user and group)."""
    return _NAME.fullmatch(text) is not None


def parse_user(text: str) -> User:
    """A name of this machine, or numbers; these need no entry in passwd.

    Raises: ValidationError when there is none of that name, or it is root.
    """
    if not is_user(text):
        raise ValidationError(f"user {text[:40]!r}: expected a name or number, like suyuan-signer or 1200")
    if text[0].isdigit():
        uid, _, gid = text.partition(":")
        return User(int(uid), int(gid or uid))
    try:
        entry = pwd.getpwnam(text)
    except KeyError as error:
        raise ValidationError(f"user {text!r}: unknown on this machine; adduser --system --group {text}") from error
    if entry.pw_uid == 0:
        raise ValidationError(f"user {text!r}: is root; expected a user of its own")
    return User(entry.pw_uid, entry.pw_gid)


def become(user: User) -> None:
    """Give up root: all groups, then group, then user, with no way back. Of all threads (setuid(2), nptl(7)).

    Raises: OSError when it cannot be done.
    """
    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if os.getresuid() != (user.uid,) * 3 or os.getresgid() != (user.gid,) * 3:
        raise PermissionError(f"still user {os.getresuid()}, group {os.getresgid()}")


def close_memory() -> None:
    """No core file, and no other process of the same user may read this one's memory (prctl PR_SET_DUMPABLE)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def end_with(parent: int) -> bool:
    """Ask the kernel for SIGTERM when the parent dies; False when it is dead already. `become` undoes it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    return os.getppid() == parent


def give(path: Path, user: User, mode: int) -> None:
    """Make a file or folder the user's. What is not plainly ours (a link, a file with a second name) is left alone.

    Raises: OSError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        state = os.fstat(fd)
        if stat.S_ISDIR(state.st_mode) or (stat.S_ISREG(state.st_mode) and state.st_nlink == 1):
            os.fchown(fd, user.uid, user.gid)
            os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")


_LIBC = ctypes.CDLL(None, use_errno=True)
