"""devices/head_watch.py: what a station believes of the log, against a server on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from capture_twin import CaptureTwin, serving

from devices.head_watch import LOOK_EVERY_S, HeadWatch
from devices.uplink import http_client
from trace.errors import ParseError, SignatureError
from trace.ledger.checkpoint import sign_checkpoint, verifier_key
from trace.ledger.keys import PrivateKey
from trace.ledger.payload import Seen

ORIGIN = "suyuan.example/test"
LOG = PrivateKey(bytes(range(32)))
OTHER = PrivateKey(bytes(32))
LOG_KEY = verifier_key(ORIGIN, LOG.public)


def note(size: int, root: bytes = bytes(32), key: PrivateKey = LOG) -> str:
    return sign_checkpoint(ORIGIN, size, root, key).note


class Rig:
    """A watch whose clock the test moves."""

    def __init__(self, folder: Path, server: str, twin: CaptureTwin) -> None:
        self.path = folder / "outbox.seen"
        self.twin = twin
        self.alarms: list[str] = []
        self.now_s = 0.0
        self._server = server
        self._client = http_client(server)
        self.watch = self.open()

    def open(self) -> HeadWatch:
        return HeadWatch(
            self.path,
            client=self._client,
            server=self._server,
            log_key=LOG_KEY,
            on_alarm=self.alarms.append,
            now_s=lambda: self.now_s,
        )

    def look(self, answer: str | None) -> Seen | None:
        self.twin.note = answer
        self.now_s += LOOK_EVERY_S
        self.watch.look()
        return self.watch.seen()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    twin = CaptureTwin()
    with serving(twin) as server:
        yield Rig(tmp_path, server, twin)


def test_the_newest_checkpoint_is_seen_and_outlives_a_restart(rig: Rig) -> None:
    assert rig.watch.seen() is None
    assert rig.look(note(3)) == Seen(3, bytes(32))
    assert rig.look(note(3)) == Seen(3, bytes(32))
    assert rig.look(note(9, b"\x01" * 32)) == Seen(9, b"\x01" * 32)
    assert rig.open().seen() == Seen(9, b"\x01" * 32)
    assert rig.alarms == []


def test_it_is_asked_for_once_a_minute(rig: Rig) -> None:
    rig.look(note(3))
    rig.twin.note = note(4)
    rig.now_s += LOOK_EVERY_S - 1
    rig.watch.look()
    assert rig.watch.seen() == Seen(3, bytes(32))


def test_no_answer_and_nonsense_change_nothing(rig: Rig) -> None:
    rig.look(note(3))
    assert rig.look(None) == Seen(3, bytes(32))
    assert rig.look("x" * 20_000) == Seen(3, bytes(32))
    assert rig.alarms == []
    assert rig.look("no checkpoint") == Seen(3, bytes(32))
    assert len(rig.alarms) == 1


def test_a_checkpoint_that_another_key_signed_is_an_alarm(rig: Rig) -> None:
    assert rig.look(note(3, key=OTHER)) is None
    (alarm,) = rig.alarms
    assert alarm.startswith("the server's checkpoint is not one of the log suyuan.example/test: ")


def test_a_log_that_went_back_is_an_alarm_and_is_not_believed(rig: Rig) -> None:
    rig.look(note(9))
    assert rig.look(note(8)) == Seen(9, bytes(32))
    assert rig.alarms == ["the log suyuan.example/test went back from 9 to 8 leaves"]


def test_two_states_of_one_size_are_kept_as_evidence(rig: Rig) -> None:
    first, second = note(9), note(9, b"\x01" * 32)
    rig.look(first)
    assert rig.look(second) == Seen(9, bytes(32))
    (alarm,) = rig.alarms
    assert alarm.startswith("the log suyuan.example/test has signed two different states of 9 leaves; ")
    kept = {path.read_text() for path in rig.path.parent.glob("split-9-*.note")}
    assert kept == {first, second}


def test_a_kept_checkpoint_that_is_not_the_logs_stops_the_start(rig: Rig) -> None:
    rig.path.write_text(note(3, key=OTHER))
    with pytest.raises(SignatureError):
        rig.open()
    rig.path.write_text("nonsense")
    with pytest.raises(ParseError):
        rig.open()
