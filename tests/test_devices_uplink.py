"""devices/uplink.py against a hostile twin of the server, on loopback."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from capture_twin import Answer, CaptureTwin, problem, receipt, serving

from devices.backoff import Backoff
from devices.outbox import Outbox, Waiting
from devices.receipt import Receipt
from devices.uplink import Delivered, Later, Refused, Uplink, http_client, is_loopback, retry_after_s
from trace.errors import ParseError
from trace.ledger.disclosure import split
from trace.ledger.envelope import PARCEL_MEDIA_TYPE, Parcel
from trace.ledger.keys import PrivateKey
from trace.ledger.payload import Signer
from trace.times import SetClock

NOW = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)
ORIGIN = "suyuan.example/test"


def parcels(count: int) -> list[Parcel]:
    signer = Signer(PrivateKey(bytes(32)), "0" * 32, ORIGIN, random=bytes)
    return [
        signer.hop(split({"type": "ObjectEvent", "eventID": f"urn:uuid:{n}"}, lambda: bytes(16)), NOW)
        for n in range(count)
    ]


@pytest.fixture
def twin() -> CaptureTwin:
    return CaptureTwin()


@pytest.fixture
def address(twin: CaptureTwin) -> Iterator[str]:
    with serving(twin) as address:
        yield address


class Answers:
    """Collects what the uplink reports; `wait` until there are so many."""

    def __init__(self) -> None:
        self.all: list[tuple[int, Delivered | Refused]] = []
        self._changed = threading.Condition()

    def __call__(self, waiting: Waiting, outcome: Delivered | Refused) -> None:
        with self._changed:
            self.all.append((waiting.seq, outcome))
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= count, timeout=30), self.all


@dataclass
class Rig:
    uplink: Uplink
    outbox: Outbox
    answers: Answers

    def add(self, sent: list[Parcel]) -> None:
        first = self.outbox.state()[0] + 1
        for seq, parcel in enumerate(sent, start=first):
            self.outbox.add(seq, parcel.payload_hash, parcel.to_bytes(), "note")


@pytest.fixture
def rig(tmp_path: Path, address: str) -> Iterator[Rig]:
    outbox = Outbox(tmp_path / "outbox.db", "ab" * 32)
    answers = Answers()
    with http_client(address) as client:
        uplink = Uplink(
            outbox,
            address,
            client=client,
            clock=SetClock(NOW),
            backoff=Backoff(0.001, 0.002, random.Random(1)),
            on_answer=answers,
        )
        yield Rig(uplink, outbox, answers)
        if uplink._thread.ident is not None:
            uplink.stop(30)
    outbox.close()


def test_parcels_arrive_in_order_and_their_receipts_are_kept(twin: CaptureTwin, rig: Rig) -> None:
    sent = parcels(3)
    rig.add(sent)
    rig.uplink.start()
    rig.answers.wait(3)
    assert twin.log == [parcel.to_bytes() for parcel in sent]
    assert twin.types == {f"/capture {PARCEL_MEDIA_TYPE}"}
    first = Delivered(Receipt(0, "urn:uuid:0"), receipt(sent[0].to_bytes(), 0).decode())
    assert rig.answers.all[0] == (1, first)
    assert rig.outbox.receipts_after(0)[0].receipt == first.text
    assert rig.outbox.counts().waiting == 0
    assert rig.uplink.trouble is None


def test_an_idle_uplink_wakes_when_something_is_added(twin: CaptureTwin, rig: Rig) -> None:
    rig.uplink.start()
    sent = parcels(2)
    for n, parcel in enumerate(sent, start=1):
        rig.add([parcel])
        rig.uplink.wake()
        rig.answers.wait(n)
    assert twin.log == [parcel.to_bytes() for parcel in sent]


@pytest.mark.parametrize(
    "trick",
    [
        pytest.param(lambda data: problem(500, "oops"), id="500"),
        pytest.param(lambda data: (503, {"Retry-After": "0"}, b"busy"), id="503"),
        pytest.param(lambda data: (429, {"Retry-After": "0"}, b"slow down"), id="429"),
        pytest.param(lambda data: problem(401, "who are you"), id="401"),
        pytest.param(lambda data: problem(408, "too slow"), id="408"),
        pytest.param(lambda data: problem(425, "too early"), id="425"),
        pytest.param(lambda data: (404, {}, b"wrong path"), id="404"),
        pytest.param(lambda data: (302, {"Location": "/login"}, b""), id="redirect"),
        pytest.param(lambda data: (403, {"Content-Type": "text/html"}, b"<h1>blocked by proxy</h1>"), id="proxy 403"),
        pytest.param(lambda data: (200, {"Content-Type": "text/html"}, b"<h1>hotel log-in</h1>"), id="portal 200"),
        pytest.param(lambda data: (201, {}, b"{" * 100_000), id="deep 201"),
        pytest.param(lambda data: (200, {}, b"x" * 300_000), id="long 200"),
        pytest.param(lambda data: (201, {"Content-Length": "500"}, b"{"), id="cut 201"),
        pytest.param(lambda data: (200, {}, receipt(parcels(5)[4].to_bytes(), 9)), id="somebody else's receipt"),
        pytest.param(lambda data: None, id="hung up"),
    ],
)
def test_what_may_pass_with_time_is_sent_again_with_the_same_bytes(
    twin: CaptureTwin, rig: Rig, trick: Callable[[bytes], Answer | None]
) -> None:
    twin.tricks = [trick, trick]
    sent = parcels(2)
    rig.add(sent)
    rig.uplink.start()
    rig.answers.wait(2)
    first, second = (parcel.to_bytes() for parcel in sent)
    assert twin.requests == [first, first, first, second]
    assert twin.log == [first, second]
    assert rig.outbox.counts().recorded == 2


def test_a_connection_cut_after_the_commit_records_once(twin: CaptureTwin, rig: Rig) -> None:
    twin.tricks = [twin.commit_and_hang_up]
    rig.add(parcels(1))
    rig.uplink.start()
    rig.answers.wait(1)
    assert len(twin.requests) == 2
    assert len(twin.log) == 1
    assert rig.outbox.counts().recorded == 1


@pytest.mark.parametrize("status", [400, 403, 409, 413, 422])
def test_a_final_refusal_is_kept_with_its_reason_and_the_next_goes_on(twin: CaptureTwin, rig: Rig, status: int) -> None:
    twin.tricks = [lambda data: problem(status, "seq 1: another payload is recorded")]
    sent = parcels(2)
    rig.add(sent)
    rig.uplink.start()
    rig.answers.wait(2)
    assert rig.answers.all[0] == (1, Refused(f"{status} seq 1: another payload is recorded"))
    assert twin.log == [sent[1].to_bytes()]
    assert (rig.outbox.counts().refused, rig.outbox.counts().recorded) == (1, 1)


def test_no_server_says_where_it_was_sought(rig: Rig, tmp_path: Path) -> None:
    with http_client("http://127.0.0.1:1") as client:
        uplink = Uplink(
            rig.outbox,
            "http://127.0.0.1:1/",
            client=client,
            clock=SetClock(NOW),
            backoff=Backoff(0.001, 0.001, random.Random(1)),
            on_answer=rig.answers,
        )
        outcome = uplink.send(b"{}")
    assert isinstance(outcome, Later)
    assert outcome.reason.startswith("server http://127.0.0.1:1/capture cannot be reached: ")


def test_retry_after_is_read_in_both_spellings_and_bounded() -> None:
    assert retry_after_s(None, NOW) is None
    assert retry_after_s("7", NOW) == 7.0
    assert retry_after_s("99999999", NOW) == 600.0
    assert retry_after_s("Tue, 24 Nov 2026 03:04:35 GMT", NOW) == 30.0
    assert retry_after_s("Tue, 24 Nov 2026 03:00:00 GMT", NOW) == 0.0
    assert retry_after_s("soon", NOW) is None


def test_backoff_doubles_to_its_bound_with_jitter_below_it() -> None:
    backoff = Backoff(0.25, 30.0, random.Random(7))
    steps = [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    for step in steps:
        assert step / 2 <= backoff.next_s() <= step
    backoff.reset()
    assert backoff.next_s() <= 0.25


def test_loopback_is_recognised() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("example.org", "10.0.0.1", "0.0.0.0", "")] == [False] * 4


def test_a_receipt_without_its_members_says_what_it_has() -> None:
    with pytest.raises(ParseError) as caught:
        Receipt.parse(b'{"leaf_index":true,"leaf":"x"}', b"")
    assert str(caught.value) == "receipt: expected leaf_index, leaf and event_id, got ['leaf', 'leaf_index']"
