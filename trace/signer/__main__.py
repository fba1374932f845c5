"""`python -m trace.signer`: composition root of the signer. People run `./suyuan signer`, which knows the settings.

Standard output is JSON lines for programs, standard error is for people.
"""

import getpass
import json
import logging
import os
import signal
import stat
import sys
from pathlib import Path
from types import FrameType

import click

from trace.errors import TraceError
from trace.signer.key_files import Passphrase, is_sealed, open_ring, protect
from trace.signer.server import SignerServer, only_signer
from trace.signer.signed_head import SignedHead
from trace.signer.sockets import listen
from trace.signer.users import User, become, close_memory, end_with, give, parse_user
from trace.signer.wire import ROLES

logger = logging.getLogger("signer")

MAX_PASSPHRASE_BYTES = 1024


@click.command()
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder of the keys; made when missing.")
@click.option("--socket", "socket_", required=True, type=click.Path(path_type=Path), help="Socket to listen on.")
@click.option("--origin", required=True, help="Name of the log.")
@click.option("--user", help="Started as root: become this user. The keys belong to it.")
@click.option("--client-user", help="User who may ask, besides the signer's own and root.")
@click.option("--passphrase-fd", type=click.IntRange(0), help="Descriptor from which the passphrase is read.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="File of mode 0600 that holds it.")
@click.option("--change", type=click.Choice(["protect", "unprotect"]), help="Change how the keys are kept, and end.")
@click.option("--parent", type=int, help="Process to end with.")
def main(
    folder: Path,
    socket_: Path,
    origin: str,
    user: str | None,
    client_user: str | None,
    passphrase_fd: int | None,
    passphrase_file: Path | None,
    change: str | None,
    parent: int | None,
) -> None:
    """Hold the keys and sign until SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.umask(0o077)
    close_memory()
    try:
        given = _passphrase(passphrase_fd, passphrase_file)
        own, client = (None if name is None else parse_user(name) for name in (user, client_user))
        if os.geteuid() != 0:
            own = None  # whoever started it is the user already
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_own(folder, own)
        with only_signer(folder):
            if change is not None:
                _give_away(folder, own)
                _change(folder, change, given)
                return
            _serve(folder, socket_, origin, own, client, given, parent)
    except (TraceError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _serve(
    folder: Path,
    path: Path,
    origin: str,
    own: User | None,
    client: User | None,
    given: Passphrase | None,
    parent: int | None,
) -> None:
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    owner = None if own is None else (client or own)
    listener = listen(path, None if owner is None else (owner.uid, owner.gid))
    if own is not None:
        _give_away(folder, own)
        give(path.parent, own, 0o711)
        become(own)
        close_memory()  # becoming somebody may have opened it
    if parent is not None and not end_with(parent):
        return
    # Asked for when the first sealed file is met; without a terminal there is nobody to ask.
    ring = open_ring(folder, origin, given if given or not _any_sealed(folder) else _prompted())
    uids = frozenset({0, os.geteuid()} | ({client.uid} if client is not None else set()))
    server = SignerServer(ring, origin, SignedHead(folder, origin), listener, uids)

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    logger.info("signer of %s ready, user %d", origin, os.geteuid())
    _say({"kind": "ready", "pid": os.getpid(), "uid": os.geteuid()})
    try:
        server.serve()
    finally:
        server.close()
        path.unlink(missing_ok=True)


def _change(folder: Path, change: str, given: Passphrase | None) -> None:
    old = given if given or not _any_sealed(folder) else _prompted("passphrase until now")
    if change == "unprotect":
        protect(folder, old or _prompted(), None)
    elif given is not None and not _any_sealed(folder):
        protect(folder, given, given)
    else:
        protect(folder, old or _prompted(), Passphrase(_new_passphrase))
    _say({"kind": change, "folder": str(folder)})


def _any_sealed(folder: Path) -> bool:
    return any((folder / f"{role}.key").exists() and is_sealed(folder, role) for role in ROLES)


def _require_own(folder: Path, own: User | None) -> None:
    """The web user owns the folder around it: what it puts in this one's place is not taken for the signer's."""
    state = folder.lstat()
    if own is not None and not (stat.S_ISDIR(state.st_mode) and state.st_uid in (0, own.uid)):
        raise click.ClickException(
            f"{folder}: belongs to user {state.st_uid}, expected {own.uid}; somebody has put it there"
        )


def _give_away(folder: Path, own: User | None) -> None:
    """The folder and what root may have put into it."""
    if own is not None:
        give(folder, own, 0o700)
        for file in folder.iterdir():
            give(file, own, 0o600)


def _passphrase(fd: int | None, file: Path | None) -> Passphrase | None:
    """From a descriptor or a file, its last line end taken off; never from the environment or the command line."""
    if fd is not None:
        with os.fdopen(fd, "rb") as pipe:
            told = pipe.read(MAX_PASSPHRASE_BYTES)
    elif file is not None:
        if file.stat().st_mode & 0o077:
            raise click.ClickException(f"{file}: others may read it; run chmod 600 on it")
        with file.open("rb") as opened:
            told = opened.read(MAX_PASSPHRASE_BYTES)
    else:
        return None
    told = told.removesuffix(b"\n")
    if not told:
        raise click.ClickException("passphrase: empty")
    return Passphrase(lambda: told)


def _prompted(what: str = "passphrase of the platform's keys") -> Passphrase:
    return Passphrase(lambda: _ask(what))


def _ask(what: str) -> bytes:
    if not sys.stdin.isatty():
        raise click.ClickException("the keys are sealed: give --passphrase-file or --passphrase-fd, or a terminal")
    return getpass.getpass(f"{what}: ").encode("utf-8")


def _new_passphrase() -> bytes:
    first = _ask("new passphrase")
    if _ask("new passphrase again") != first:
        raise click.ClickException("the two are not the same; nothing was changed")
    return first


def _say(value: dict[str, object]) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main(prog_name="suyuan signer")
