"""The newest checkpoint that this station has seen: it goes into every payload, as `seen` (docs/formats.md, 2.1).

So each signed hop says which state of the log its device was shown. A log that shows one state to the station and
another to a regulator is found out by the first hop that reaches an honest reader, and the two signed notes prove it.
Without the log's key nothing is looked at, and `seen` stays null.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from trace.errors import TraceError
from trace.files import replace_file
from trace.ledger.checkpoint import Checkpoint, open_checkpoint, parse_verifier_key
from trace.ledger.payload import Seen

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
MAX_NOTE_BYTES = 16_384


class HeadWatch:
    """Looks after deliveries, on the uplink's thread; read from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        client: httpx.Client,
        server: str,
        log_key: str,
        on_alarm: Callable[[str], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`path` keeps the newest note over restarts. `log_key` is the verifier key of the log.

        Raises: ParseError when the key is none; SignatureError or ParseError when the kept note is not of this log.
        """
        self._path = path
        self._client = client
        self._url = server.rstrip("/") + "/checkpoint"
        self._origin, self._key = parse_verifier_key(log_key)
        self._on_alarm = on_alarm
        self._now_s = now_s
        self._looked_at_s: float | None = None
        self._newest = self._open(path.read_text(encoding="utf-8")) if path.exists() else None

    def seen(self) -> Seen | None:
        newest = self._newest
        return None if newest is None else Seen(newest.size, newest.root)

    def look(self) -> None:
        """Fetch the checkpoint, at most once a minute. Trouble is told and stops nothing: hops are recorded anyway."""
        now_s = self._now_s()
        if self._looked_at_s is not None and now_s - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = now_s
        try:
            answer = self._client.get(self._url)
            if answer.status_code != 200 or len(answer.content) > MAX_NOTE_BYTES:
                logger.info("no checkpoint", extra={"status": answer.status_code})
                return
            found = self._open(answer.content.decode("utf-8"))
        except (httpx.HTTPError, UnicodeDecodeError) as error:
            logger.info("no checkpoint", extra={"reason": str(error)})
            return
        except TraceError as error:
            self._on_alarm(f"the server's checkpoint is not one of the log {self._origin}: {error}")
            return
        self._take(found)

    def _take(self, found: Checkpoint) -> None:
        newest = self._newest
        if newest is not None and found.size == newest.size and found.root != newest.root:
            self._keep_evidence(found)
            self._on_alarm(
                f"the log {self._origin} has signed two different states of {found.size} leaves; both notes are kept "
                f"beside {self._path.name}: give them to the regulator"
            )
            return
        if newest is not None and found.size < newest.size:
            self._on_alarm(f"the log {self._origin} went back from {newest.size} to {found.size} leaves")
            return
        if newest is None or found.size > newest.size:
            _write(self._path, found.note)
            self._newest = found

    def _keep_evidence(self, other: Checkpoint) -> None:
        assert self._newest is not None, "two notes make the evidence"
        for note in (self._newest, other):
            _write(self._path.with_name(f"split-{note.size}-{note.root.hex()[:8]}.note"), note.note)

    def _open(self, note: str) -> Checkpoint:
        return open_checkpoint(note, self._origin, self._key)


def _write(path: Path, note: str) -> None:
    replace_file(path, note.encode("utf-8"), mode=0o666)
