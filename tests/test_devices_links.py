"""devices/reader_url.py, serial_link.py on real pseudo-terminals, replay_link.py, pump.py, ports.py."""

import os
import tty
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.link import LinkError
from devices.ports import ports
from devices.pump import pump
from devices.reader_url import ReaderUrl
from devices.replay_link import ReplayLink
from devices.serial_link import SerialLink
from scanners.line import LineDecoder
from scanners.records import Junk, Scan
from trace.errors import ParseError
from trace.times import SetClock

NOW = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)


class Cable:
    """A pseudo-terminal: what is written to the master is what the reader says."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self._slave = slave

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            os.close(self._slave)
            self.master = -1


@pytest.fixture
def cable() -> Iterator[Cable]:
    cable = Cable()
    yield cable
    cable.unplug()


def test_a_serial_link_carries_bytes_both_ways_as_they_are(cable: Cable) -> None:
    link = SerialLink(cable.port, 9600)
    link.open()
    every_byte = bytes(range(256))
    os.write(cable.master, every_byte)
    heard = b""
    while len(heard) < 256:
        heard += link.read(5.0)
    assert heard == every_byte
    link.write(every_byte)
    assert os.read(cable.master, 1000) == every_byte
    assert link.read(0.01) == b""
    link.close()
    link.close()


def test_an_unplugged_port_is_a_link_error_in_every_direction(cable: Cable) -> None:
    link = SerialLink(cable.port, 9600)
    link.open()
    cable.unplug()
    with pytest.raises(LinkError, match=f"serial port {cable.port}: is gone: "):
        link.read(5.0)
    with pytest.raises(LinkError, match=f"serial port {cable.port}: does not take what is written: "):
        link.write(b"x")
    link.close()
    with pytest.raises(LinkError) as caught:
        link.read(0.01)
    assert str(caught.value) == f"serial port {cable.port}: is not open"


def test_a_port_that_is_not_there_or_no_port_at_all_is_a_link_error(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match=r"cannot be opened: .*No such file"):
        SerialLink(str(tmp_path / "nothing"), 9600).open()
    (tmp_path / "file").write_text("not a terminal")
    with pytest.raises(LinkError, match="cannot be opened: "):
        SerialLink(str(tmp_path / "file"), 9600).open()


def test_one_port_has_one_owner(cable: Cable) -> None:
    link = SerialLink(cable.port, 9600)
    link.open()
    with pytest.raises(LinkError, match=r"cannot be opened: .*exclusively lock"):
        SerialLink(cable.port, 9600).open()
    link.close()


def test_a_reader_url_is_taken_apart() -> None:
    url = ReaderUrl.parse("m100+serial:///dev/ttyUSB1?baud=115200&dialect=aa")
    assert (url.protocol, url.port, url.baud, dict(url.options)) == ("m100", "/dev/ttyUSB1", 115_200, {"dialect": "aa"})
    assert str(url) == "m100+serial:///dev/ttyUSB1?baud=115200&dialect=aa"
    assert isinstance(url.link(), SerialLink)
    assert ReaderUrl.parse("line+serial://COM3").port == "COM3"
    assert ReaderUrl.parse("line+serial:///dev/tty%20x").port == "/dev/tty x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/dev/ttyUSB0", "expected protocol+serial://port, like line+serial:///dev/ttyUSB0?baud=9600, got scheme ''"),
        (
            "line+usb:///x",
            "expected protocol+serial://port, like line+serial:///dev/ttyUSB0?baud=9600, got scheme 'line+usb'",
        ),
        ("line+serial://", "expected a port after '://', like line+serial:///dev/ttyUSB0?baud=9600, got none"),
        ("line+serial:///x?a=1&a=2", "option 'a' is given twice"),
        (
            "line+serial:///x?baud=96000",
            "baud is '96000', expected one of 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, "
            "921600",
        ),
    ],
)
def test_a_bad_reader_url_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ParseError) as caught:
        ReaderUrl.parse(text)
    assert str(caught.value) == f"reader URL {text!r}: {message}"


def test_the_pump_gives_out_what_a_decoder_holds_before_the_link_fails() -> None:
    link = ReplayLink([b"]E06901234", b"567892\r\n", b"", b"half a li"])
    records = []
    with pytest.raises(LinkError, match="recording: has ended"):
        for turn in pump(link, LineDecoder(), clock=SetClock(NOW), stopped=lambda: False):
            records += turn
    assert records[0] == Scan(b"]E06901234567892", "]E0", "6901234567892", NOW)
    assert isinstance(records[1], Junk)
    assert records[1].data == b"half a li"


def test_ports_can_be_listed_where_there_are_none() -> None:
    assert isinstance(ports(), list)
