"""A twin of `POST /capture` on loopback: records in memory, answers real receipts, misbehaves when told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trace.ledger.disclosure import Disclosure, rebuild
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import Leaf
from trace.ledger.payload import Hop, parse_payload

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class CaptureTwin:
    """`tricks` answer the next requests, one each; None hangs up. Without tricks it records."""

    tricks: list[Callable[[bytes], Answer | None]] = field(default_factory=list)
    log: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    types: set[str] = field(default_factory=set)
    note: str | None = None
    """What `GET /checkpoint` answers."""
    edge: dict[str, str] = field(default_factory=dict)
    """What `GET /demo/edge` answers."""

    def record(self, data: bytes) -> Answer:
        new = data not in self.log
        if new:
            self.log.append(data)
        return 201 if new else 200, {}, receipt(data, self.log.index(data))

    def commit_and_hang_up(self, data: bytes) -> None:
        self.record(data)

    def answer(self, data: bytes) -> Answer | None:
        self.requests.append(data)
        return self.tricks.pop(0)(data) if self.tricks else self.record(data)

    def hops(self) -> list[Hop]:
        """Payloads in log order."""
        return [hop_of(data) for data in self.log]

    def events(self) -> list[dict[str, Any]]:
        """Whole events, disclosures put back."""
        return [
            rebuild(hop_of(data).event, map(Disclosure.parse, Parcel.from_bytes(data).disclosures)) for data in self.log
        ]


def hop_of(data: bytes) -> Hop:
    hop = parse_payload(Parcel.from_bytes(data).envelope)
    assert isinstance(hop, Hop)
    return hop


def receipt(data: bytes, leaf_index: int) -> bytes:
    """What the server answers to these parcel bytes."""
    hop, env_hash = hop_of(data), Parcel.from_bytes(data).envelope.env_hash
    head = hop.head
    leaf = Leaf(head.audience, "hop", head.issuer, head.device, head.seq, head.prev, 1, env_hash, ())
    answer = {"leaf_index": leaf_index, "leaf": leaf.record(), "rcv": 1, "event_id": hop.event["eventID"]}
    return json.dumps(answer).encode()


def problem(status: int, detail: str) -> Answer:
    return status, {"Content-Type": "application/problem+json"}, json.dumps({"detail": detail}).encode()


@contextmanager
def serving(twin: CaptureTwin) -> Iterator[str]:
    """Address of the twin."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            twin.types.add(f"{self.path} {self.headers['Content-Type']}")
            self.give(twin.answer(data))

        def do_GET(self) -> None:
            if self.path == "/checkpoint" and twin.note is not None:
                self.give((200, {"Content-Type": "text/plain"}, twin.note.encode()))
                return
            self.give(
                (200, {}, json.dumps(twin.edge).encode()) if self.path == "/demo/edge" else problem(404, self.path)
            )

        def give(self, answer: Answer | None) -> None:
            if answer is None:
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
