"""Decoders by name, as a stations.toml asks for them."""

from datetime import UTC, datetime

import pytest

from scanners.records import Scan
from scanners.registry import FACTORIES, decoder

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", FACTORIES)
def test_every_registry_name_gives_a_decoder_that_takes_bytes(name: str) -> None:
    made = decoder(name)
    made.start(AT)
    made.to_send()
    assert made.receive(b"", AT) == []
    assert made.to_send() == b""


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("llrpx", {}, "decoder 'llrpx': expected one of line, m100"),
        ("line", {"sufix": ""}, "decoder line, option 'sufix': expected one of prefix, suffix, gs, cut_off_s"),
        ("line", {"prefix": 2}, "decoder line, option prefix = 2: expected str"),
        ("line", {"cut_off_s": True}, "decoder line, option cut_off_s = True: expected float"),
        ("line", {"gs": "GS"}, "gs b'GS': expected one printable ASCII character that does not end a line"),
        ("line", {"suffix": ""}, "suffix b'': expected at least one byte, like CR LF"),
        (
            "m100",
            {"region": "china"},
            "decoder m100, region 'china': expected one of china_900, america, europe, china_800, korea",
        ),
        ("m100", {"dialect": "cc"}, "decoder m100, dialect 'cc': expected one of bb, aa"),
        ("m100", {"power_dbm": 40}, "power 40 dBm: expected 0 to 33"),
    ],
)
def test_wrong_name_or_option_says_what_there_is(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:
        decoder(name, options)
    assert str(error.value) == message


def test_replacement_of_gs_is_read_from_the_options() -> None:
    [scan] = decoder("line", {"gs": "^"}).receive(b"]C110LOT^21A\r", AT)
    assert isinstance(scan, Scan)
    assert scan.text == "10LOT\x1d21A"
