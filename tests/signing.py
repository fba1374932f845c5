"""A signer for tests: the real server on a real socket, in a thread, because a process a test is slow."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.settings import Settings
from trace.ledger.keys import PrivateKey
from trace.signer.client import answers
from trace.signer.key_files import open_ring
from trace.signer.server import SignerServer, only_signer
from trace.signer.signed_head import SignedHead
from trace.signer.sockets import listen


@contextmanager
def signer_thread(settings: Settings, uids: frozenset[int] = frozenset({0})) -> Iterator[SignerServer]:
    """Answers at the socket of these settings, for the time of the block."""
    settings.signer_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.signer_socket.parent.mkdir(exist_ok=True)
    with only_signer(settings.signer_folder):
        ring = open_ring(settings.signer_folder, settings.origin, None)
        head = SignedHead(settings.signer_folder, settings.origin)
        listener = listen(settings.signer_socket, None)
        server = SignerServer(ring, settings.origin, head, listener, uids | {os.geteuid()})
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.close()
            thread.join()
            head.close()
            settings.signer_socket.unlink()


@contextmanager
def signer_beside(settings: Settings) -> Iterator[None]:
    """The same, unless one answers there already."""
    if answers(settings.signer_socket) is not None:
        yield
        return
    with signer_thread(settings):
        yield


def own_key(settings: Settings, role: str) -> PrivateKey:
    """A key of the platform itself, as only a thief of the signer's folder has it."""
    return PrivateKey.load(settings.signer_folder / f"{role}.key")
