"""Started as root with `signer_user` and `web_user`: whose each file is, and the web process giving up root."""

import os
import stat
import sys
from pathlib import Path

from app.settings import ROOT, Settings, SettingsError
from app.translate import CATALOGUES, compile_catalogues
from trace.signer.users import User, become, close_memory, give, parse_user


def web_user(settings: Settings) -> User | None:
    """Who serves, when that is another than who starts; None otherwise.

    Raises: ValidationError when the machine does not know the user.
    """
    if os.geteuid() != 0 or settings.web_user is None:
        return None
    return parse_user(settings.web_user)


def divide(settings: Settings) -> None:
    """Root's part of a start with two users: the web user may write into the data folder, the signer walk through it.

    What commands of root have left in it is given over. Raises: SettingsError when the code cannot be read by the
    user that shall run it; ValidationError, OSError.
    """
    user = web_user(settings)
    if user is None:
        return
    # Modules are loaded when they are first used, so the interpreter too must be open to it.
    for folder in (ROOT, Path(sys.prefix), Path(os.__file__).parent, settings.data):
        closed = _closed_to(folder, user)
        if closed is not None:
            raise SettingsError(
                f"setting web_user {settings.web_user!r}: {closed} is closed to it; chmod o+rx {closed}"
            )
    compile_catalogues(CATALOGUES)  # the web user may not write into the checkout
    # Not sticky: where fs.protected_regular is 2, root's own commands could not open the web user's files in it.
    give(settings.data, user, 0o711)
    settings.keys.mkdir(mode=0o700, exist_ok=True)
    give(settings.keys, user, 0o700)
    for folder in (settings.data, settings.keys):
        for file in folder.iterdir():
            if stat.S_ISREG(file.lstat().st_mode):
                give(file, user, 0o600)


def become_web_user(settings: Settings) -> None:
    """In the web process, before it opens anything."""
    user = web_user(settings)
    if user is not None:
        become(user)
        close_memory()


def _closed_to(folder: Path, user: User) -> Path | None:
    """The first folder on the way down that the user may not walk through."""
    for each in reversed([folder.resolve(), *folder.resolve().parents]):
        state = each.stat()
        mine = (state.st_uid == user.uid, 0o100), (state.st_gid == user.gid, 0o010), (True, 0o001)
        bit = next(bit for holds, bit in mine if holds)
        if not state.st_mode & bit and each != folder.resolve():
            return each
    return None
