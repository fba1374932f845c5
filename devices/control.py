"""The control port of a station or an emulator: a few JSON routes for people and programs of the same machine.

    station    GET /status    GET /events?after=N&wait_s=S
    emulator   GET /status    POST /scan (bytes)    PUT /tags (JSON)

There is no password, so it must stay on this machine: it binds to loopback only, and refuses requests that a web page
or a rebound DNS name could have sent here (foreign Origin or Host).
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from devices.journal import Journal
from devices.uplink import is_loopback
from trace.errors import LimitError, NotFoundError, ParseError, TraceError, ValidationError

logger = logging.getLogger(__name__)

MOST_BODY_BYTES = 256 * 1024
MOST_WAIT_S = 30.0
SOCKET_TIMEOUT_S = 10.0
"""A client that stops in the middle of its request is dropped."""


@dataclass(frozen=True)
class Request:
    query: Mapping[str, str]
    body: bytes


Route = Callable[[Request], Any]
"""Gives a JSON value, or raises a TraceError, whose message is the answer."""


class ControlServer:
    """Serves `routes`, keyed `GET /status`, until closed."""

    def __init__(self, routes: Mapping[str, Route], *, port: int, host: str = "127.0.0.1") -> None:
        """Port 0 takes a free one. Raises: ValidationError when `host` is not this machine; OSError when in use."""
        if not is_loopback(host):
            raise ValidationError(f"control host {host!r}: expected a loopback address, like 127.0.0.1")
        self._server = _Server((host, port), routes)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="control", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def station_routes(journal: Journal, status: Callable[[], dict[str, Any]]) -> dict[str, Route]:
    """`GET /events` gives `{"newest": N, "events": [...]}`: ask next with `after=N`. It waits `wait_s` for news."""

    def events(request: Request) -> dict[str, Any]:
        after = int(_number(request.query, "after", 2**53))
        news = journal.after(after, wait_s=_number(request.query, "wait_s", MOST_WAIT_S))
        return {"newest": news.newest, "events": news.events}

    return {"GET /status": lambda request: status(), "GET /events": events}


def _number(query: Mapping[str, str], name: str, most: float) -> float:
    text = query.get(name, "0")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ParseError(f"{name} {text!r}: expected a number from 0 to {most:g}")
    return value


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], routes: Mapping[str, Route]) -> None:
        self.routes = routes
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away; the standard library would print a traceback.
        logger.debug("control request failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SOCKET_TIMEOUT_S

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        logger.debug(format, *args)

    def _serve(self) -> None:
        try:
            self._refuse_strangers()
            parts = urlsplit(self.path)
            route = self.server.routes.get(f"{self.command} {parts.path}")
            if route is None:
                raise NotFoundError(f"{self.command} {parts.path}: expected one of {', '.join(self.server.routes)}")
            answer = route(Request(dict(parse_qsl(parts.query)), self._body()))
            self._answer(200, answer)
        except TraceError as error:
            self._answer(404 if isinstance(error, NotFoundError) else 400, {"error": str(error)})

    def _refuse_strangers(self) -> None:
        for name in ("Host", "Origin"):
            value = self.headers.get(name)
            if value is None:
                continue
            host = urlsplit(value if name == "Origin" else f"//{value}").hostname or ""
            if not is_loopback(host):
                raise ValidationError(f"{name} {value!r}: expected this machine, like 127.0.0.1")

    def _body(self) -> bytes:
        text = self.headers.get("Content-Length", "0")
        if not text.isdecimal() or len(text) > 9:
            raise ParseError(f"Content-Length {text[:20]!r}: expected a number of bytes")
        if int(text) > MOST_BODY_BYTES:
            raise LimitError(f"body of {text} bytes, at most {MOST_BODY_BYTES} are taken")
        return self.rfile.read(int(text))

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
