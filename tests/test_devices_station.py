"""devices/station.py and reader.py: from played links to a loopback twin of the server."""

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from capture_twin import CaptureTwin, problem, serving

from devices.backoff import Backoff
from devices.coalesce import TAG_HOLD_OFF_S
from devices.journal import Journal
from devices.link import Link, LinkError
from devices.outbox import Outbox
from devices.reader import Reader, ReaderLoop
from devices.reader_url import ReaderUrl
from devices.recorder import Recorder
from devices.replay_link import ReplayLink
from devices.station import Station
from devices.uplink import http_client
from scanners.m100 import BB, Command, Frame, FrameType, stop
from trace.ledger.checkpoint import sign_checkpoint, verifier_key
from trace.ledger.keys import PrivateKey
from trace.ledger.payload import Seen
from trace.observe import ReadPoint

START = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)
KEY = PrivateKey(bytes(range(32)))
LOG_KEY = PrivateKey(bytes(range(1, 33)))
ISSUER = "000102030405060708090a0b0c0d0e0f"
ORIGIN = "suyuan.example/test"
WHERE = ReadPoint("https://id.gs1.org/414/9520000000080/254/dock-1", None, "receiving", "in_progress")

MILK = b"]d20106901234567892\x1d21"
SGTIN_96 = bytes.fromhex("3034257bf7194e4000001a85")
ALIEN = bytes.fromhex("e2003412012345678901abcd")


class TickingClock:
    """Ten milliseconds pass with each look at it."""

    def __init__(self) -> None:
        self._now = START
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            self._now += timedelta(milliseconds=10)
            return self._now


class QuietAfter(ReplayLink):
    """Plays its chunks and then stays silent, like a reader nobody uses."""

    def read(self, timeout_s: float) -> bytes:
        try:
            return super().read(timeout_s)
        except LinkError:
            threading.Event().wait(0.002)
            return b""


class Unpluggable:
    """Gives its links one after the other to whoever opens; the last one stays silent at its end."""

    def __init__(self, *plays: Iterable[bytes]) -> None:
        *broken, last = plays
        self.links: list[ReplayLink] = [*map(ReplayLink, broken), QuietAfter(last)]
        self._left = iter(self.links)

    def __call__(self, url: ReaderUrl) -> Link:
        return next(self._left)


def tag_frame(epc: bytes, pc: int = 0x3000) -> bytes:
    return Frame(FrameType.NOTIFICATION, Command.MULTI_POLL, b"\xc9" + pc.to_bytes(2) + epc + crc(pc, epc)).to_bytes(BB)


def crc(pc: int, epc: bytes) -> bytes:
    """CRC-16/IBM-3740, complemented (EPC Gen2, section 6.3.2.1.5), bit by bit."""
    register = 0xFFFF
    for byte in pc.to_bytes(2) + epc:
        register ^= byte << 8
        for _ in range(8):
            register = (register << 1 ^ 0x1021 if register & 0x8000 else register << 1) & 0xFFFF
    return (register ^ 0xFFFF).to_bytes(2)


class Rig:
    """A station under test, and a wait for its journal."""

    def __init__(self, folder: Path, server: str, opener: Callable[[ReaderUrl], Link], protocol: str) -> None:
        self.outbox = Outbox(folder / "outbox.db", KEY.key_id)
        self.client = http_client(server)
        numbers = iter(range(1, 10_000))
        self.station = Station(
            [Reader("dock", ReaderUrl.parse(f"{protocol}+serial:///dev/played"), WHERE, TAG_HOLD_OFF_S)],
            key=KEY,
            issuer=ISSUER,
            origin=ORIGIN,
            utc_offset="+08:00",
            server=server,
            outbox=self.outbox,
            client=self.client,
            clock=TickingClock(),
            rng=random.Random(1),
            log_key=verifier_key(ORIGIN, LOG_KEY.public),
            seen_file=folder / "outbox.seen",
            open_link=opener,
            new_event_id=lambda: f"urn:uuid:00000000-0000-4000-8000-{next(numbers):012d}",
        )
        self.station.start()

    def wait(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """All events of a kind, as soon as there are `count`."""
        n = 0
        while True:
            found = [event for event in self.station.journal.after(0, 0).events if event["kind"] == kind]
            if len(found) >= count:
                return found
            news = self.station.journal.after(n, wait_s=30)
            assert news.newest > n, f"no {kind}: {self.station.journal.after(0, 0).events}"
            n = news.newest

    def counts(self) -> dict[str, int]:
        return dict(self.station.status()["readers"][0]["counts"])

    def close(self) -> None:
        self.station.stop()
        self.outbox.close()
        self.client.close()


@pytest.fixture
def twin() -> CaptureTwin:
    return CaptureTwin()


@pytest.fixture
def rigs(tmp_path: Path, twin: CaptureTwin) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []
    with serving(twin) as server:

        def make(*plays: Iterable[bytes], protocol: str = "line") -> Rig:
            made.append(Rig(tmp_path, server, Unpluggable(*plays), protocol))
            return made[-1]

        yield make
        for rig in made:
            rig.close()


def test_a_scan_becomes_a_signed_recorded_event(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    rig = rigs([MILK + b"A", b"1\r\n"])
    (recorded,) = rig.wait("recorded")
    assert recorded == {
        "n": 2,
        "kind": "recorded",
        "reader": "dock",
        "raw": "]d20106901234567892\x1d21A1",
        "digital_link": "https://id.gs1.org/01/06901234567892/21/A1",
        "leaf_index": 0,
        "event_id": "urn:uuid:00000000-0000-4000-8000-000000000001",
    }
    (event,) = twin.events()
    assert event["epcList"] == ["https://id.gs1.org/01/06901234567892/21/A1"]
    assert (event["bizStep"], event["readPoint"]) == ("receiving", {"id": WHERE.read_point})
    assert (event["suyuan:scan"], event["eventTimeZoneOffset"]) == ("]d20106901234567892\x1d21A1", "+08:00")


def test_the_chain_has_no_gap_over_many_scans_and_a_restart(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    first = rigs([MILK + b"%d\r\n" % n for n in range(5)])
    first.wait("recorded", 5)
    first.close()
    second = rigs([MILK + b"X\r\n"])
    second.wait("recorded")
    heads = [hop.head for hop in twin.hops()]
    assert [head.seq for head in heads] == [1, 2, 3, 4, 5, 6]
    assert {(head.issuer, head.device, head.audience) for head in heads} == {(ISSUER, KEY.key_id, ORIGIN)}
    assert second.outbox.state()[0] == 6


def test_a_bad_scan_is_written_down_and_the_next_is_recorded(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    rig = rigs([b"]d20106901234567893\x1d21A1\r\n", b"\x00\x01\r\n", MILK + b"A1\r\n"])
    rig.wait("recorded")
    (bad,) = rig.wait("bad_scan")
    assert (bad["raw"], bad["reader"]) == ("]d20106901234567893\x1d21A1", "dock")
    assert "06901234567893" in bad["detail"]
    (junk,) = rig.wait("junk")
    assert junk["raw"] == "\x00\x01"
    assert len(twin.log) == 1
    assert rig.counts() == {"connected": 1, "scans": 2, "bad": 1, "junk": 1, "observed": 1}


def test_the_same_code_twice_at_once_is_one_scan_and_counted(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    rig = rigs([(MILK + b"A\r\n") * 3 + MILK + b"B\r\n"])
    rig.wait("recorded", 2)
    assert [event["epcList"][0][-1] for event in twin.events()] == ["A", "B"]
    assert rig.counts()["repeated"] == 2
    (repeated,) = rig.wait("repeated")
    assert repeated["raw"] == "]d20106901234567892\x1d21A"
    assert repeated["detail"] == "the same code within 0.4 s: taken for one scan"


def test_the_same_code_again_later_is_a_second_scan(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    silence = [b""] * 60
    rig = rigs([MILK + b"A\r\n", *silence, MILK + b"A\r\n"])
    rig.wait("recorded", 2)
    assert len(twin.log) == 2


def test_an_unplugged_reader_is_opened_and_started_again(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    rig = rigs([MILK + b"A\r\n", MILK + b"half"], [], [MILK + b"B\r\n"])
    rig.wait("recorded", 2)
    assert [event["epcList"][0][-1] for event in twin.events()] == ["A", "B"]
    kinds = [event["kind"] for event in rig.station.journal.after(0, 0).events if event["kind"] != "recorded"]
    assert kinds == ["connected", "junk", "disconnected", "connected", "disconnected", "connected"]
    assert rig.wait("disconnected")[0]["detail"] == "recording: has ended"
    assert rig.wait("junk")[0]["raw"] == (MILK + b"half").decode("latin-1")


def test_what_the_server_refuses_is_said_with_its_reason(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    twin.tricks = [lambda data: problem(403, "device is not registered")]
    rig = rigs([MILK + b"A\r\n"])
    (refused,) = rig.wait("refused")
    assert (refused["raw"], refused["detail"]) == ("]d20106901234567892\x1d21A", "403 device is not registered")
    assert rig.station.status()["outbox"] == {"waiting": 0, "recorded": 0, "refused": 1}


def test_tags_that_enter_together_are_one_event_and_a_tag_that_stays_is_no_second_one(
    rigs: Callable[..., Rig], twin: CaptureTwin
) -> None:
    others = [SGTIN_96[:-1] + bytes([n]) for n in range(3)]
    rounds = [b"".join(map(tag_frame, [SGTIN_96, *others]))] * 40
    rig = rigs(rounds, protocol="m100")
    (recorded,) = rig.wait("recorded")
    assert recorded["digital_link"] == "https://id.gs1.org/01/80614141123458/21/6789"
    assert recorded["raw"] == " ".join(epc.hex() for epc in [SGTIN_96, *others])
    (event,) = twin.events()
    assert len(event["epcList"]) == 4


def test_a_tag_that_was_away_is_observed_anew(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    away = [b""] * 400
    rig = rigs([tag_frame(SGTIN_96), *away, tag_frame(SGTIN_96)], protocol="m100")
    rig.wait("recorded", 2)
    assert len(twin.log) == 2


def test_a_foreign_tag_does_not_cost_its_neighbours_their_hop(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    rig = rigs([tag_frame(SGTIN_96) + tag_frame(ALIEN)], protocol="m100")
    rig.wait("recorded")
    (bad,) = rig.wait("bad_scan")
    assert bad["raw"] == ALIEN.hex()
    assert bad["detail"].startswith("tag E2003412012345678901ABCD (PC 3000): expected a GS1 EPC, got urn:epc:raw:")
    assert [event["epcList"] for event in twin.events()] == [["https://id.gs1.org/01/80614141123458/21/6789"]]


def test_a_uhf_module_is_set_up_at_each_connection(tmp_path: Path, twin: CaptureTwin) -> None:
    opener = Unpluggable([b""], [tag_frame(SGTIN_96)])
    with serving(twin) as server:
        rig = Rig(tmp_path, server, opener, "m100")
        rig.wait("recorded")
        rig.close()
    assert all(link.written.startswith(stop().to_bytes(BB)) for link in opener.links)


def test_a_disk_that_takes_nothing_is_said_and_the_chain_stays_whole(tmp_path: Path) -> None:
    class FullOnce(Outbox):
        full = True

        def add(self, seq: int, payload_hash: bytes, parcel: bytes, note: str) -> None:
            if self.full:
                self.full = False
                raise sqlite3.OperationalError("database or disk is full")
            super().add(seq, payload_hash, parcel, note)

    outbox = FullOnce(tmp_path / "outbox.db", KEY.key_id)
    journal, clock, added = Journal(), TickingClock(), threading.Event()
    recorder = Recorder(
        outbox,
        KEY,
        issuer=ISSUER,
        origin=ORIGIN,
        utc_offset="+08:00",
        new_event_id=lambda: "urn:uuid:00000000-0000-4000-8000-000000000001",
        on_added=added.set,
        seen=lambda: None,
    )
    loop = ReaderLoop(
        Reader("dock", ReaderUrl.parse("line+serial:///dev/played"), WHERE, TAG_HOLD_OFF_S),
        recorder=recorder,
        journal=journal,
        clock=clock,
        backoff=Backoff(0.001, 0.001, random.Random(1)),
        open_link=Unpluggable([MILK + b"A\r\n", MILK + b"B\r\n"]),
    )
    loop.start()
    assert added.wait(30)
    loop.stop()
    (bad,) = [event for event in journal.after(0, 0).events if event["kind"] == "bad_scan"]
    assert bad["detail"] == "outbox: database or disk is full; not kept, scan it again"
    assert [waiting.seq for waiting in outbox.waiting(10)] == [1]
    assert outbox.state()[0] == 1
    outbox.close()


def test_each_hop_says_which_checkpoint_its_device_was_shown(rigs: Callable[..., Rig], twin: CaptureTwin) -> None:
    twin.note = sign_checkpoint(ORIGIN, 7, bytes(32), LOG_KEY).note
    rig = rigs([MILK + b"A\r\n"])
    rig.wait("recorded")
    rig.close()
    again = rigs([MILK + b"B\r\n"])
    again.wait("recorded", 1)
    assert [hop.head.seen for hop in twin.hops()] == [None, Seen(7, bytes(32))]
