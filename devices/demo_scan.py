"""A code through everything: emulated scanner, its terminal, the station, the signature, the server, and back.

What `scan` does against a running demo. It talks to control ports and the server only.
"""

import time
from dataclasses import dataclass
from typing import Any

import httpx

from devices.coalesce import SCAN_HOLD_OFF_S
from devices.journal import Kind
from trace.errors import ParseError, UnavailableError, ValidationError

POLL_S = 20.0


@dataclass(frozen=True)
class Recorded:
    """Where the scan stands in the ledger."""

    digital_link: str
    leaf_index: int
    event_id: str


def parse_code(text: str) -> bytes:
    """A code as typed, with `<GS>` for the separator 0x1D, to what a scanner sends."""
    return text.replace("<GS>", "\x1d").encode("utf-8")


def demo_scan(url: str, code: bytes, *, timeout_s: float, client: httpx.Client) -> Recorded:
    """Scan a code with the demo at `url` and wait until it is recorded.

    Raises: ValidationError when the code was bad or the server refused it; UnavailableError when nothing came in time,
    or the demo is not there.
    """
    ends = time.monotonic() + timeout_s
    edge = _json(client, "GET", url.rstrip("/") + "/demo/edge")
    if not isinstance(edge.get("scanner"), str) or not isinstance(edge.get("station"), str):
        raise ParseError(f"{url}/demo/edge: expected addresses of scanner and station, got {sorted(edge)}")
    newest = _json(client, "GET", edge["station"] + "/status").get("newest", 0)
    _json(client, "POST", edge["scanner"] + "/scan", content=code)
    while True:
        left_s = ends - time.monotonic()
        if left_s <= 0:
            trouble = _json(client, "GET", edge["station"] + "/status").get("uplink", {}).get("trouble")
            raise UnavailableError(f"not recorded within {timeout_s:g} s: {trouble or 'the station has not read it'}")
        query = {"after": newest, "wait_s": min(left_s, POLL_S)}
        news = _json(client, "GET", edge["station"] + "/events", params=query)
        newest = news.get("newest", newest)
        for event in news.get("events", []):
            if not _is_about(event, code):
                continue
            if event["kind"] == Kind.REPEATED:
                # Somebody scanned this very code a moment ago; ours counts once that is over.
                time.sleep(2 * SCAN_HOLD_OFF_S)
                _json(client, "POST", edge["scanner"] + "/scan", content=code)
                continue
            if event["kind"] == Kind.RECORDED:
                return Recorded(event["digital_link"], event["leaf_index"], event["event_id"])
            raise ValidationError(event["detail"])


def _is_about(event: dict[str, Any], code: bytes) -> bool:
    raw, sent = str(event.get("raw", "")), code.decode("latin-1")
    match event["kind"]:
        case Kind.RECORDED | Kind.REFUSED | Kind.BAD_SCAN | Kind.REPEATED:
            return raw == sent
        case Kind.JUNK:
            # Garbage is cut where the decoder gave up, so it is a part of what was sent, or more.
            return raw != "" and (raw in sent or sent in raw)
        case _:
            return False


def _json(client: httpx.Client, method: str, url: str, **more: Any) -> dict[str, Any]:
    try:
        answer = client.request(method, url, **more)
        members = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise UnavailableError(f"{url} cannot be reached: {error or type(error).__name__}") from error
    except ValueError as error:
        raise ParseError(f"{url} answered {answer.status_code}, expected JSON") from error
    if not isinstance(members, dict):
        raise ParseError(f"{url} answered {answer.status_code}, expected a JSON object")
    if answer.status_code != 200:
        reason = members.get("error") or members.get("detail") or members.get("title") or "without saying why"
        raise ValidationError(f"{url} answered {answer.status_code}: {reason}")
    return members
