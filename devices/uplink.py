"""The uplink takes parcels from the outbox to the server, in the order they were signed, one at a time.

It gives up on nothing that may succeed later: no network, a broken proxy, a server that is down or busy. Only two
answers end a parcel, and both must come from our server and not from something in between: a receipt for this very
parcel, or a final refusal as application/problem+json.
"""

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx

from devices.backoff import Backoff
from devices.outbox import Outbox, Waiting
from devices.receipt import MAX_RECEIPT_BYTES, Receipt
from trace.errors import TraceError
from trace.ledger.envelope import PARCEL_MEDIA_TYPE
from trace.times import Clock

logger = logging.getLogger(__name__)

FINAL = frozenset({400, 403, 409, 413, 422})
"""The bytes are at fault: the same bytes will be refused again. Everything else may pass with time."""

FIRST_WAIT_S = 0.25
MOST_WAIT_S = 30.0
MOST_RETRY_AFTER_S = 600
"""A server that asks for more is asked again earlier: its clock or ours may be wrong."""

ANSWER_TIMEOUT_S = 60.0
"""For the whole answer, however slowly its bytes drip."""
_TIMEOUT = httpx.Timeout(30.0, connect=5.0)


@dataclass(frozen=True)
class Delivered:
    """The server has recorded it."""

    receipt: Receipt
    text: str


@dataclass(frozen=True)
class Refused:
    """The server will never record it."""

    reason: str


@dataclass(frozen=True)
class Later:
    """Nothing is decided: send the same bytes again."""

    reason: str
    after_s: float | None
    """As the server asked."""


Outcome = Delivered | Refused | Later


def http_client(url: str) -> httpx.Client:
    """With time-outs, and past the machine's proxy when the server is this machine."""
    return httpx.Client(timeout=_TIMEOUT, trust_env=not is_loopback(urlsplit(url).hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


class Uplink:
    """One thread that delivers. `wake` it when something was added."""

    def __init__(
        self,
        outbox: Outbox,
        server: str,
        *,
        client: httpx.Client,
        clock: Clock,
        backoff: Backoff,
        on_answer: Callable[[Waiting, Delivered | Refused], None],
    ) -> None:
        """`server` is its address without a path. `on_answer` is called after the outbox knows, on our thread."""
        self._outbox = outbox
        self._url = server.rstrip("/") + "/capture"
        self._client = client
        self._clock = clock
        self._backoff = backoff
        self._on_answer = on_answer
        self._added = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self.trouble: str | None = None
        """Why the oldest parcel is still here; None when the last one went through."""

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._added.set()

    def stop(self, timeout_s: float) -> None:
        """Returns when the thread has ended, or after `timeout_s`: what is under way then is sent again next time."""
        self._stopped.set()
        self._added.set()
        self._thread.join(timeout_s)

    def send(self, parcel: bytes) -> Outcome:
        """One attempt."""
        try:
            status, headers, body = self._post(parcel)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Later(f"server {self._url} cannot be reached: {error or type(error).__name__}", None)
        if status in (200, 201):
            try:
                return Delivered(Receipt.parse(body, parcel), body.decode("utf-8"))
            except TraceError as error:
                return Later(f"server {self._url} answered {status}, expected a receipt: {error}", None)
        problem = _problem(headers, body)
        if status in FINAL and problem is not None:
            return Refused(f"{status} {problem}")
        reason = f"server {self._url} answered {status} {problem or 'without saying why'}"
        return Later(reason, retry_after_s(headers.get("Retry-After"), self._clock.now()))

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._added.clear()
            try:
                waiting = self._outbox.waiting(limit=20)
            except sqlite3.Error as error:
                logger.exception("outbox cannot be read")
                self.trouble = f"outbox: {error}"
                self._stopped.wait(self._backoff.next_s())
                continue
            if not waiting:
                self._added.wait()
            for each in waiting:
                if not self._settle(each):
                    break

    def _settle(self, each: Waiting) -> bool:
        """Send until there is an answer; False when stopped before."""
        while not self._stopped.is_set():
            try:
                outcome = self.send(each.parcel)
                if isinstance(outcome, Delivered):
                    self._outbox.recorded(each.seq, outcome.text)
                elif isinstance(outcome, Refused):
                    logger.error("parcel refused", extra={"seq": each.seq, "reason": outcome.reason})
                    self._outbox.refused(each.seq, outcome.reason)
            except Exception as error:
                # A full disk, or our own mistake: the parcel is still waiting, and the next try may go through.
                logger.exception("uplink failed")
                outcome = Later(f"uplink: {error}", None)
            if not isinstance(outcome, Later):
                self._backoff.reset()
                self.trouble = None
                self._on_answer(each, outcome)
                return True
            if self.trouble != outcome.reason:
                logger.warning("not delivered yet", extra={"seq": each.seq, "reason": outcome.reason})
            self.trouble = outcome.reason
            self._stopped.wait(max(self._backoff.next_s(), outcome.after_s or 0.0))
        return False

    def _post(self, parcel: bytes) -> tuple[int, httpx.Headers, bytes]:
        ends = time.monotonic() + ANSWER_TIMEOUT_S
        body = bytearray()
        headers = {"Content-Type": PARCEL_MEDIA_TYPE, "Accept": "application/json, application/problem+json"}
        with self._client.stream("POST", self._url, content=parcel, headers=headers) as answer:
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_RECEIPT_BYTES or time.monotonic() > ends:
                    raise httpx.ReadError(f"answer longer than {MAX_RECEIPT_BYTES} bytes or {ANSWER_TIMEOUT_S:g} s")
        return answer.status_code, answer.headers, bytes(body)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Retry-After in seconds, at most ten minutes (RFC 9110, section 10.2.3); None when absent or unreadable."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), MOST_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - now).total_seconds(), 0.0), MOST_RETRY_AFTER_S)


def _problem(headers: httpx.Headers, body: bytes) -> str | None:
    """The words of an RFC 9457 answer, None when it is none."""
    if headers.get("Content-Type", "").split(";")[0].strip().lower() != "application/problem+json":
        return None
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict):
        return None
    return str(members.get("detail") or members.get("title") or "without saying why")[:2000]
