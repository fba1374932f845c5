"""The signer as the server knows it: where it listens, how it is started, and which public keys it must have.

The public keys are kept in `keys/platform.pub` from the first contact on: the server starts without a signer, and a
signer with other keys is found out. No private key is read here, ever.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.settings import Settings
from trace.errors import LedgerError, UnavailableError
from trace.files import fsync_folder, replace_file
from trace.ledger.keys import SigningKey
from trace.signer.child import SignerChild
from trace.signer.client import RemoteKey, SignerClient
from trace.signer.head import NOTHING
from trace.signer.wire import Identity

logger = logging.getLogger(__name__)

PINNED = "platform.pub"
FIRST_CONTACT_S = 20
"""How long a server that has never met its signer waits for it."""


@dataclass(frozen=True)
class SignerKeys:
    """What the platform signs with; the private halves are elsewhere."""

    authority: SigningKey
    attestation: SigningKey
    log: SigningKey
    client: SignerClient

    def require_signer(self) -> None:
        """Raises: UnavailableError when it does not answer: asked for before a lock is taken that others wait for."""
        self.client.identity()


def signer_args(settings: Settings) -> list[str]:
    """Arguments of `python -m trace.signer` for this platform."""
    args = ["--folder", str(settings.signer_folder), "--socket", str(settings.signer_socket)]
    args += ["--origin", settings.origin]
    if settings.signer_user is not None and settings.web_user is not None:
        args += ["--user", settings.signer_user, "--client-user", settings.web_user]
    return args


@contextmanager
def platform_signer(settings: Settings, passphrase: bytes | None = None) -> Iterator[None]:
    """A signer for the time of the block: the one that answers already, else a child that is watched.

    Raises: UnavailableError when it does not start.
    """
    move_keys(settings)
    with SignerChild(signer_args(settings), settings.signer_socket, passphrase):
        yield


def signer_keys(settings: Settings, client: SignerClient) -> SignerKeys:
    """The platform's keys by their public halves.

    Raises: LedgerError when the signer that answers has others; UnavailableError when none has ever answered.
    """
    known = pinned(settings) if (settings.keys / PINNED).exists() else None
    told = _first_contact(client) if known is None else _asked(client)
    if known is None and told is not None:
        _pin(settings, told)
    if known is not None and told is not None and told != known:
        raise LedgerError(
            f"the signer at {settings.signer_socket} holds other keys than those of {settings.keys / PINNED}: "
            "another platform's folder, or the signer's folder was lost; restore it from its backup"
        )
    own = known or told
    assert own is not None, "the first contact gives one or raises"
    authority, attestation, log = (RemoteKey(client, key) for key in (own.authority, own.attestation, own.log))
    return SignerKeys(authority, attestation, log, client)


def pinned(settings: Settings) -> Identity:
    """The public keys of this platform. Raises: FileNotFoundError before its first start; ParseError."""
    return Identity.parse((settings.keys / PINNED).read_text(encoding="ascii"))


def move_keys(settings: Settings) -> None:
    """Private keys of a first version lay beside the secrets of the web process: they go where the signer looks."""
    old = [path for path in settings.keys.glob("*.key") if path.stem in ("authority", "attestation", "log")]
    if not old:
        return
    folder = settings.signer_folder
    folder.mkdir(mode=0o700, exist_ok=True)
    head = folder / "signed-head"
    if not head.exists():
        # What was signed before is in the database, and the publisher looks there.
        head.touch(mode=0o600)
        head.write_bytes(NOTHING.to_bytes(settings.origin))
    for path in old:
        path.rename(folder / path.name)
    fsync_folder(folder)
    fsync_folder(settings.keys)


def _asked(client: SignerClient) -> Identity | None:
    try:
        return client.identity()
    except UnavailableError:
        return None


def _first_contact(client: SignerClient) -> Identity:
    ends = time.monotonic() + FIRST_CONTACT_S
    while (told := _asked(client)) is None:
        if time.monotonic() > ends:
            raise UnavailableError("no signer answers, and its public keys are not known yet; start ./suyuan signer")
        time.sleep(0.05)
    return told


def _pin(settings: Settings, told: Identity) -> None:
    replace_file(settings.keys / PINNED, told.to_text().encode("ascii"))
