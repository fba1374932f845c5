"""devices/emulators: emulated readers on real pseudo-terminals, played through their control ports."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devices.emulators.run import EmulatedReader, emulated_scanner, emulated_uhf, parse_tags
from devices.link import LinkError
from devices.pump import pump
from devices.serial_link import SerialLink
from scanners.line import LineDecoder
from scanners.m100 import M100Decoder
from scanners.records import Decoder, Record, Scan, TagRead
from trace.errors import ConflictError, ParseError, ValidationError
from trace.times import SystemClock


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Callable[..., EmulatedReader]]:
    made: list[EmulatedReader] = []

    def run(emulated: Callable[..., EmulatedReader]) -> EmulatedReader:
        made.append(emulated(tmp_path / "reader", control_port=0, clock=SystemClock()))
        return made[-1]

    yield run
    for each in made:
        each.close()


class Listener:
    """A port that is open, and its decoder."""

    def __init__(self, port: Path, decoder: Decoder) -> None:
        self.link = SerialLink(str(port), 9600)
        self.link.open()
        self._pump = pump(self.link, decoder, clock=SystemClock(), stopped=lambda: False)

    def until(self, kind: type[Record], count: int) -> list[Any]:
        found: list[Record] = []
        for turn in self._pump:
            found += [record for record in turn if isinstance(record, kind)]
            if len(found) >= count:
                break
        return found

    def close(self) -> None:
        self._pump.close()  # type: ignore[attr-defined]
        self.link.close()


def test_what_is_posted_to_the_scanner_is_read_at_its_port(
    running: Callable[..., EmulatedReader], client: httpx.Client, tmp_path: Path
) -> None:
    scanner = running(emulated_scanner)
    listener = Listener(tmp_path / "reader", LineDecoder())
    client.post(f"{scanner.control.url}/scan", content=b"]d2010690123456789221A\x1d10L")
    (scan,) = listener.until(Scan, 1)
    assert (scan.raw, scan.symbology) == (b"]d2010690123456789221A\x1d10L", "]d2")
    answer = client.post(f"{scanner.control.url}/scan")
    assert answer.json() == {"error": "scan: expected the bytes of a code as the body, got none"}
    listener.close()


def test_tags_that_are_put_into_the_field_are_read_until_they_leave(
    running: Callable[..., EmulatedReader], client: httpx.Client, tmp_path: Path
) -> None:
    uhf = running(emulated_uhf)
    listener = Listener(tmp_path / "reader", M100Decoder())
    client.put(f"{uhf.control.url}/tags", json=[{"epc": "3034257BF7194E4000001A85"}, {"epc": "e2001234", "pc": "1000"}])
    tags = listener.until(TagRead, 4)
    assert {(tag.pc, tag.epc.hex()) for tag in tags} == {(0x3000, "3034257bf7194e4000001a85"), (0x1000, "e2001234")}
    listener.close()


def test_a_pulled_plug_is_a_link_error_and_a_new_one_takes_the_same_path(
    running: Callable[..., EmulatedReader], client: httpx.Client, tmp_path: Path
) -> None:
    first = running(emulated_scanner)
    listener = Listener(tmp_path / "reader", LineDecoder())
    first.close()
    assert not (tmp_path / "reader").is_symlink()
    with pytest.raises(LinkError):
        listener.until(Scan, 1)
    listener.close()
    second = running(emulated_scanner)
    listener = Listener(tmp_path / "reader", LineDecoder())
    client.post(f"{second.control.url}/scan", content=b"]E06901234567892")
    assert listener.until(Scan, 1)[0].text == "6901234567892"
    listener.close()


def test_a_scanner_nobody_reads_drops_instead_of_blocking(
    running: Callable[..., EmulatedReader], client: httpx.Client
) -> None:
    scanner = running(emulated_scanner)
    for _ in range(40):
        assert client.post(f"{scanner.control.url}/scan", content=b"]Q1" + b"x" * 4000).status_code == 200
    scanner.close()
    assert scanner.host.dropped_bytes > 0


def test_a_file_in_the_way_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "reader").write_text("precious")
    with pytest.raises(ConflictError) as caught:
        emulated_scanner(tmp_path / "reader", control_port=0, clock=SystemClock())
    assert str(caught.value) == (
        f"link {tmp_path / 'reader'}: expected a free path or a symbolic link, something else is there"
    )


def test_tags_are_read_strictly() -> None:
    assert parse_tags(b'[{"epc":"e2001234"},{"epc":"30340000","pc":"1400"}]') == [
        (0x1000, bytes.fromhex("e2001234")),
        (0x1400, bytes.fromhex("30340000")),
    ]
    cases: list[tuple[bytes, type[Exception], str]] = [
        (b"{}", ParseError, 'tags: expected a list like [{"epc": "3034257BF7194E4000001A85"}]'),
        (b'[{"epc":"xy"}]', ParseError, "epc 'xy': expected hex digits"),
        (b"[{}]", ParseError, "epc None: expected hex digits"),
        (b'[{"epc":"e2"}]', ValidationError, "epc e2: expected 2 to 62 bytes, a whole number of words"),
        (b'[{"epc":"e200","pc":"30"}]', ValidationError, "pc 30: expected 2 bytes, got 1"),
    ]
    for body, error, message in cases:
        with pytest.raises(error) as caught:
            parse_tags(body)
        assert str(caught.value) == message
