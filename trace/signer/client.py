"""The other end of the signer's socket: keys that sign without being here."""

import logging
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from trace.errors import LedgerError, SignatureError, TraceError, UnavailableError
from trace.ledger.keys import PublicKey
from trace.signer.sockets import short_name
from trace.signer.wire import Answer, AskPublic, AskSignature, Identity, Outcome, frame, read_frame

logger = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""A signature takes a tenth of a millisecond, and one of the log key a few more for the disk."""
RETRY_AFTER_S = 2
HANGS_S = 1.0
"""After it did not answer in time, nobody asks for so long."""


class SignerClient:
    """One connection, made when it is needed and made again when it is lost. May be used from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._hangs_until = 0.0

    def identity(self) -> Identity:
        """Raises: UnavailableError when nobody answers."""
        return Identity.parse(self._ask(AskPublic()).decode("utf-8", "replace"))

    def sign(self, key_id: str, message: bytes) -> bytes:
        """Raises: UnavailableError when nobody answers; LedgerError when the signer refuses these bytes."""
        return self._ask(AskSignature(key_id, message))

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _ask(self, request: AskPublic | AskSignature) -> bytes:
        sent = frame(request.to_bytes())
        with self._lock:
            if time.monotonic() < self._hangs_until:
                raise UnavailableError("the signer does not answer", RETRY_AFTER_S)
            fresh = self._connection is None
            try:
                answer = self._exchange(sent)
            except (OSError, TraceError) as error:
                self._drop()
                if isinstance(error, TimeoutError):
                    # Whoever waits behind us must not wait as long again, one after the other.
                    self._hangs_until = time.monotonic() + HANGS_S
                # An old connection may only have missed the signer's restart; the same question has the same answer.
                if fresh or isinstance(error, TimeoutError):
                    raise UnavailableError("the signer does not answer", RETRY_AFTER_S) from error
                try:
                    answer = self._exchange(sent)
                except (OSError, TraceError) as again:
                    self._drop()
                    raise UnavailableError("the signer does not answer", RETRY_AFTER_S) from again
        reason = answer.body.decode("utf-8", "replace")
        if answer.outcome is Outcome.REFUSED:
            raise LedgerError(f"the signer refuses: {reason}")
        if answer.outcome is Outcome.LATER:
            raise UnavailableError(reason, RETRY_AFTER_S)
        return answer.body

    def _exchange(self, sent: bytes) -> Answer:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.sendall(sent)
        got = read_frame(self._connection, PATIENCE_S, idle_s=PATIENCE_S)
        if got is None:
            raise ConnectionResetError("the signer closed the connection")
        return Answer.from_bytes(got)

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(PATIENCE_S)
            with short_name(self._path) as name:
                connection.connect(name)
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass(frozen=True)
class RemoteKey:
    """A `SigningKey` whose private half the signer holds."""

    client: SignerClient
    public: PublicKey

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """64 bytes, checked before they are believed. Raises: UnavailableError, LedgerError."""
        signature = self.client.sign(self.key_id, message)
        try:
            self.public.verify(signature, message)
        except SignatureError as error:
            raise LedgerError(f"the signer's answer is no signature of key {self.key_id[:16]}…") from error
        return signature


def answers(path: Path) -> Identity | None:
    """Who answers at this socket; None when nobody does."""
    client = SignerClient(path)
    try:
        return client.identity()
    except TraceError:
        return None
    finally:
        client.close()
