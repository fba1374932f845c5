"""The signer's socket: who may ask, and one thread a connection that answers in turn.

Nothing that a client does ends this: garbage gets a reason and a closed connection, a client that dies is forgotten,
one that stops in the middle of a frame is let go after `PATIENCE_S`.
"""

import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trace.errors import ConflictError, TraceError, UnavailableError
from trace.signer.key_files import Ring
from trace.signer.rules import check_checkpoint, check_payload
from trace.signer.signed_head import SignedHead
from trace.signer.sockets import CONNECTIONS, peer
from trace.signer.wire import Answer, AskPublic, AskSignature, Outcome, frame, parse_request, read_frame

logger = logging.getLogger(__name__)

PATIENCE_S = 5.0
LOCK_S = 2.0


class SignerServer:
    """Answers on a listening socket until it is closed. Owns the socket, not its file."""

    def __init__(
        self, ring: Ring, origin: str, head: SignedHead, listener: socket.socket, uids: frozenset[int]
    ) -> None:
        """`uids` are the users who may ask."""
        self._identity = ring.identity(origin).to_text().encode("utf-8")
        self._keys = ring.by_key_id()
        self._origin = origin
        self._head = head
        self._head_lock = threading.Lock()
        self._listener = listener
        self._uids = uids
        self._guard = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False

    def serve(self) -> None:
        """Until `close`."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                logger.exception("no connection taken")
                threading.Event().wait(0.1)  # out of descriptors: some will be given back
                continue
            with self._guard:
                full = self._closed or len(self._open) >= CONNECTIONS
                if not full:
                    self._open.add(connection)
            if full:
                connection.close()
                continue
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            still = list(self._open)
        # Wakes `accept` and every `recv`; closing alone would not.
        for each in (self._listener, *still):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self._listener.close()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection:
                pid, uid, _ = peer(connection)
                if uid not in self._uids:
                    logger.error("stranger refused", extra={"uid": uid, "pid": pid})
                    return
                while (body := read_frame(connection, PATIENCE_S)) is not None:
                    connection.sendall(frame(self._answer(body, pid).to_bytes()))
        except TraceError as error:
            logger.warning("connection closed: %s", error)
        except OSError:
            logger.debug("client gone", exc_info=True)
        finally:
            with self._guard:
                self._open.discard(connection)

    def _answer(self, body: bytes, pid: int) -> Answer:
        try:
            asked = parse_request(body)
            if isinstance(asked, AskPublic):
                return Answer(Outcome.OK, self._identity)
            return Answer(Outcome.OK, self._sign(asked))
        except UnavailableError as error:
            logger.exception("cannot sign now")
            return Answer(Outcome.LATER, str(error).encode("utf-8"))
        except TraceError as error:
            logger.error("refused to sign: %s", error, extra={"pid": pid})
            return Answer(Outcome.REFUSED, str(error).encode("utf-8"))
        except Exception:
            # Our own mistake must not end the process that everybody waits for.
            logger.exception("request failed")
            return Answer(Outcome.LATER, b"the signer made a mistake; its log has it")

    def _sign(self, asked: AskSignature) -> bytes:
        found = self._keys.get(asked.key_id)
        if found is None:
            raise ConflictError(f"key {asked.key_id[:16]}…: not one of this platform's")
        role, key = found
        if role != "log":
            check_payload(role, asked.key_id, self._origin, asked.message)
            return key.sign(asked.message)
        with self._head_lock:
            head = check_checkpoint(self._origin, asked.message, self._head.last)
            try:
                self._head.move(head)  # on disk first: a signature that is out cannot be taken back
            except OSError as error:
                raise UnavailableError(f"the signed head could not be written: {error.strerror}", 2) from error
            return key.sign(asked.message)


@contextmanager
def only_signer(folder: Path) -> Iterator[None]:
    """Own the folder of the keys; the lock goes with the process, however it ends.

    Raises: ConflictError when another signer has it.
    """
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    ends = time.monotonic() + LOCK_S
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                # One that was told to end a moment ago may still hold it.
                if time.monotonic() > ends:
                    raise ConflictError(f"{folder}: another signer has these keys open; one a platform") from error
                time.sleep(0.02)
        yield
    finally:
        os.close(fd)
