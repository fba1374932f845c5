"""Asks the witnesses of the policy to cosign what was signed (c2sp.org/tlog-witness), one thread a witness.

    newest signed checkpoint -> POST <url>/add-checkpoint -> cosignature, verified -> stored beside the checkpoint

A slow or lying witness costs nobody anything but its own cosignature: it has time-outs, it is asked less and less often
while it fails, and nothing else waits for it. At the first contact it is also asked what it knows: if that is ahead of
the database or another history, an older copy was restored, and the platform must not sign.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable

import httpx

from app.database import Database
from trace.errors import LedgerError, TraceError
from trace.ledger.checkpoint import Checkpoint, open_checkpoint
from trace.ledger.cosignature import Cosignature, verify_cosignature
from trace.ledger.keys import PublicKey
from trace.ledger.merkle import Nodes
from trace.ledger.note import Note, Signature
from trace.ledger.policy import Party, Policy
from trace.ledger.witness import SIZE_MEDIA_TYPE, AddCheckpoint
from trace.publish import (
    FORKED,
    ahead,
    check_against,
    check_size,
    committed_size,
    cosigned_by,
    inconsistent,
    keep_cosignature,
    newest_signed,
)

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0
"""For a connection and for each read; a whole answer may take twice that."""
AT_START_S = 1.0
FIRST_CONTACT_S = 3.0
"""How long the first checkpoint after a start waits for what witnesses know."""
LONGEST_BACK_OFF_S = 60.0
_MAX_ANSWER_BYTES = 256 * 1024
_TRIES = 3
"""Requests in a row: the second after a 409 that names the size, a third when that moved meanwhile."""


class _RefusedError(Exception):
    """The witness did not cosign; the message says what it answered."""


class Witnesses:
    """The witnesses of a policy that have a URL, each with its thread."""

    def __init__(
        self,
        policy: Policy | None,
        platform: int,
        origin: str,
        log_key: PublicKey,
        database: Database,
        tree: Callable[[], Nodes],
        on_fork: Callable[[LedgerError], None],
    ) -> None:
        parties = {} if policy is None else policy.witnesses
        self._asking = [
            _Asking(name, party, party.url, platform, origin, log_key, database, tree, on_fork)
            for name, party in parties.items()
            if party.url is not None and party.key.checkable
        ]
        self._started = False

    def __len__(self) -> int:
        return len(self._asking)

    def start(self) -> None:
        self._started = True
        for asking in self._asking:
            asking.thread.start()

    def at_start(self) -> None:
        """Wait a moment for what they know, before anything is added to the log."""
        self._wait(AT_START_S)

    def first_contact(self) -> None:
        """Wait, not for long, until each has said what it knows. Later calls return at once."""
        for asking in self._wait(FIRST_CONTACT_S):
            logger.warning("witness %s has not answered yet; signing without what it knows", asking.name)
            asking.contacted.set()

    def _wait(self, seconds: float) -> "list[_Asking]":
        """Those that have not answered by then."""
        ends = time.monotonic() + seconds
        asking = self._asking if self._started else []
        return [each for each in asking if not each.contacted.wait(max(0.0, ends - time.monotonic()))]

    def wake(self) -> None:
        """There is a new checkpoint."""
        for asking in self._asking:
            asking.wake.set()

    def stop(self) -> None:
        for asking in self._asking:
            asking.stop()
        for asking in self._asking:
            if asking.thread.is_alive():
                # One that is kept busy by its witness dies with the process.
                asking.thread.join(2 * TIMEOUT_S)


class _Asking:
    """One witness and its thread."""

    def __init__(
        self,
        name: str,
        party: Party,
        url: str,
        platform: int,
        origin: str,
        log_key: PublicKey,
        database: Database,
        tree: Callable[[], Nodes],
        on_fork: Callable[[LedgerError], None],
    ) -> None:
        self.name = name
        self.thread = threading.Thread(target=self._run, name=f"witness {name}", daemon=True)
        self.wake = threading.Event()
        self.contacted = threading.Event()
        self._ended = threading.Event()
        self._party = party
        self._url = url
        self._where = f"witness {name} ({url})"
        self._platform = platform
        self._origin = origin
        self._log_key = log_key
        self._database = database
        self._tree = tree
        self._on_fork = on_fork
        self._trusts_us = False
        """Whether what it knows was found to be the beginning of what we have; before, a contradiction is a fork."""
        self._known: int | None = None
        """Leaves of the checkpoint that it cosigned last, as far as we know."""

    def _run(self) -> None:
        failures = 0
        with httpx.Client(timeout=TIMEOUT_S) as client:
            while not self._ended.is_set():
                try:
                    self._round(client)
                    failures = 0
                except LedgerError as error:
                    failures += 1
                    if error.code == FORKED:
                        self._on_fork(error)
                    else:
                        logger.exception("%s", self._where)
                except (_RefusedError, httpx.HTTPError, httpx.InvalidURL, TraceError) as error:
                    failures += 1
                    # Said when it begins and when it has lasted; a platform without this witness goes on.
                    level = logging.WARNING if failures in (1, 5) else logging.DEBUG
                    logger.log(level, "%s did not cosign: %s", self._where, str(error) or type(error).__name__)
                except Exception:
                    failures += 1
                    logger.exception("%s", self._where)
                self.contacted.set()
                if self._ended.is_set():
                    return
                if failures:
                    # A new checkpoint does not shorten it, the end does.
                    self._ended.wait(min(LONGEST_BACK_OFF_S, 0.5 * 2 ** min(failures, 10)))
                else:
                    self.wake.wait()
                    self.wake.clear()

    def stop(self) -> None:
        self._ended.set()
        self.wake.set()

    def _round(self, client: httpx.Client) -> None:
        """Get the newest checkpoint cosigned, if it is not."""
        if not self._trusts_us:
            self._what_it_knows(client)
        if self._trusts_us:
            self.contacted.set()
        for _ in range(_TRIES):
            with self._database.reading() as session:
                checkpoint = newest_signed(session, self._platform, self._origin)
                done = cosigned_by(session, self._platform, self._party.key.public)
            # One that does not tell what it knows is asked even so: a 409 tells it.
            if checkpoint is None or (done == checkpoint.size and self._trusts_us):
                return
            if self._known is None:
                self._known = done or 0
            if self._ask(client, checkpoint, min(self._known, checkpoint.size)):
                return
        raise _RefusedError(f"no agreement on a size in {_TRIES} tries")

    def _what_it_knows(self, client: httpx.Client) -> None:
        """The witness's newest checkpoint of this log, against ours. A witness need not tell it: then nothing is known.

        Raises: LedgerError with the code FORKED.
        """
        where = hashlib.sha256(self._origin.encode("utf-8")).hexdigest()
        status, _, text = self._exchange(client, "GET", f"{self._url}/{where}/checkpoint")
        if status != 200:
            return
        try:
            known = open_checkpoint(text, self._origin, self._log_key)
        except TraceError as error:
            # Not signed by us, so it proves nothing against us.
            raise _RefusedError(f"what it calls our newest checkpoint is none: {error}") from error
        with self._database.reading() as session:
            size = committed_size(session, self._platform)
        check_size(size, known, self._where)  # first: a database that is gone has no tree
        check_against(self._tree(), size, known, self._where)
        self._known = known.size
        self._trusts_us = True

    def _ask(self, client: httpx.Client, checkpoint: Checkpoint, old: int) -> bool:
        """Whether it cosigned. False when it named another size to begin from.

        Raises: _RefusedError; LedgerError with the code FORKED when it holds what we never had, at the first contact.
        """
        path = self._tree().consistency_path(old, checkpoint.size) if old else []
        request = AddCheckpoint(old, tuple(path), checkpoint.note)
        status, media_type, text = self._exchange(client, "POST", f"{self._url}/add-checkpoint", request.to_bytes())
        if status == 200:
            cosignature = self._cosignature(checkpoint, text)
            with self._database.writing() as session:
                keep_cosignature(session, self._platform, checkpoint.size, cosignature)
            self._known, self._trusts_us = checkpoint.size, True
            logger.info("cosigned", extra={"size": checkpoint.size, "witness": self.name})
            return True
        if status == 409 and media_type == SIZE_MEDIA_TYPE and text.removesuffix("\n").isdecimal() and len(text) < 21:
            self._named(int(text))
            return False
        if status in (409, 422):
            if not self._trusts_us:
                raise inconsistent(checkpoint.size, self._where)
            # It agreed before, and our leaves cannot have changed without a restart: the fault is on its side, or it
            # lies. A person must look.
            logger.error("%s calls %d leaves inconsistent: %s", self._where, checkpoint.size, text[:200])
        raise _RefusedError(f"HTTP {status}: {text[:200].strip()}")

    def _named(self, size: int) -> None:
        """It named the size that it cosigned last."""
        with self._database.reading() as session:
            committed = committed_size(session, self._platform)
        if size > committed:
            if not self._trusts_us:
                raise ahead(committed, size, self._where)
            raise _RefusedError(f"it says that it cosigned {size} leaves, there are {committed}")
        self._known = size

    def _cosignature(self, checkpoint: Checkpoint, text: str) -> Cosignature:
        """The line of this witness among those of its answer, verified; others are ignored."""
        note = Note.parse(checkpoint.note)
        for line in text.splitlines():
            signature = Signature.parse(line)
            if signature.by(self._party.key):
                return verify_cosignature(note.text, signature, self._party.key)
        raise _RefusedError(f"its answer holds no cosignature of {self._party.key}")

    @staticmethod
    def _exchange(client: httpx.Client, method: str, url: str, body: bytes | None = None) -> tuple[int, str, str]:
        """Status, media type and text of an answer, as far as an answer of a witness may be long."""
        ends = time.monotonic() + 2 * TIMEOUT_S
        with client.stream(method, url, content=body) as response:
            data = b""
            for part in response.iter_bytes():
                data += part
                if len(data) > _MAX_ANSWER_BYTES:
                    raise _RefusedError(f"its answer is longer than {_MAX_ANSWER_BYTES} bytes")
                if time.monotonic() > ends:
                    raise _RefusedError(f"its answer takes longer than {2 * TIMEOUT_S:g} s")
            media_type = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        return response.status_code, media_type, data.decode("utf-8", "replace")
