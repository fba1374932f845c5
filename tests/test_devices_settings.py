"""devices/settings.py: a stations.toml is read whole, or one line says what is wrong with it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.settings import StationSettings
from scanners.records import Scan
from trace.errors import NotFoundError, ParseError, ValidationError
from trace.observe import ReadPoint

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = (ROOT / "devices" / "stations.example.toml").read_text(encoding="utf-8")


def written(folder: Path, text: str) -> Path:
    path = folder / "stations.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_example_is_valid(tmp_path: Path) -> None:
    settings = StationSettings.load(written(tmp_path, EXAMPLE))
    assert settings.server == "http://127.0.0.1:8000"
    assert settings.key == tmp_path / "device.key"
    assert settings.outbox == tmp_path / "outbox.db"
    assert (settings.utc_offset, settings.control_port) == ("+08:00", 0)
    dock, gate = settings.readers
    assert dock.where == ReadPoint(
        read_point="https://id.gs1.org/414/9520000000080/254/dock-1",
        biz_location="https://id.gs1.org/414/9520000000080",
        biz_step="receiving",
        disposition="in_progress",
        action="OBSERVE",
    )
    assert (gate.name, gate.url.protocol, gate.url.baud, gate.hold_off_s) == ("gate", "m100", 115_200, 3.0)
    assert (gate.where.biz_location, gate.where.disposition, gate.where.action) == (None, None, "OBSERVE")


def test_scanner_that_replaces_the_separator_is_named_in_its_url(tmp_path: Path) -> None:
    settings = StationSettings.load(written(tmp_path, EXAMPLE.replace("if00?baud=9600", "if00?baud=9600&gs=|")))
    [scan] = settings.readers[0].url.decoder().receive(b"]C110LOT7|21A\r", datetime(2026, 11, 24, tzinfo=UTC))
    assert isinstance(scan, Scan)
    assert scan.text == "10LOT7\x1d21A"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'origin = "suyuan.example/demo"',
            "",
            'stations.toml: origin is missing, expected the name of the log, like origin = "suyuan.example/demo"',
        ),
        (
            "control_port = 0",
            "control_prot = 0",
            "stations.toml: unknown key 'control_prot', expected one of reader, server, origin, issuer, key, outbox, "
            "utc_offset, control_port, log_key",
        ),
        (
            "control_port = 0",
            'log_key = "key"',
            "stations.toml: log_key is 'key', expected the verifier key of the log, like log_key = "
            "\"suyuan.example/demo+1f2e3d4c+A…\" (verifier key 'key': expected <name>+<key hash>+<key>)",
        ),
        (
            "control_port = 0",
            "control_port = true",
            "stations.toml: control_port is True, expected a port number, 0 for any, like control_port = 8200",
        ),
        (
            "http://127.0.0.1:8000",
            "127.0.0.1:8000",
            "stations.toml: server is '127.0.0.1:8000', expected an http or https address without a path, "
            'like server = "http://127.0.0.1:8000"',
        ),
        (
            "000102030405060708090a0b0c0d0e0f",
            "0001",
            "stations.toml: issuer is '0001', expected a pseudonym of 32 hex digits, "
            "like issuer = \"000102030405060708090a0b0c0d0e0f\" (issuer '0001': expected 32 lower-case hex digits)",
        ),
        (
            "+08:00",
            "8",
            "stations.toml: utc_offset is '8', expected an offset, like utc_offset = \"+08:00\" "
            "(eventTimeZoneOffset '8': expected ±hh:mm, at most 14:00, like +08:00)",
        ),
        (
            'biz_step = "shipping"',
            "biz_step = 3",
            'stations.toml, reader 2: biz_step is 3, expected a CBV word, like biz_step = "receiving"',
        ),
        (
            '"OBSERVE"  ',
            '"LOOK"  ',
            "stations.toml, reader 1: action is 'LOOK', expected one of OBSERVE, ADD, DELETE, "
            'like action = "OBSERVE"',
        ),
        (
            "hold_off_s = 3.0",
            "hold_off_s = 0",
            "stations.toml, reader 2: hold_off_s is 0, expected seconds from 0.1 to 3600, like hold_off_s = 3.0",
        ),
        (
            'name = "gate"',
            'name = "dock-scanner"',
            "stations.toml: reader name 'dock-scanner': expected once, got 2 times",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_is_expected(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in EXAMPLE
    with pytest.raises(ValidationError) as caught:
        StationSettings.load(written(tmp_path, EXAMPLE.replace(old, new, 1)))
    assert str(caught.value) == message


def test_an_unknown_protocol_is_heard_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"stations.toml, reader 2: url is 'm1000\+serial.*line, m100"):
        StationSettings.load(written(tmp_path, EXAMPLE.replace("m100+", "m1000+")))


def test_a_file_that_is_not_there_or_no_toml_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read: No such file or directory"):
        StationSettings.load(tmp_path / "stations.toml")
    with pytest.raises(ParseError, match="expected TOML, "):
        StationSettings.load(written(tmp_path, "server = "))
    with pytest.raises(ValidationError) as caught:
        StationSettings.load(written(tmp_path, 'server = "http://127.0.0.1:8000"\nreader = []\n'))
    assert str(caught.value) == (
        'stations.toml: reader is [], expected at least one [[reader]], like reader = [{ name = "dock" }]'
    )
