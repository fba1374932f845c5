"""Line scanners: identifiers, separators, cuts, noise."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.emulators.line_scanner import LineScannerEmulator
from scanners.line import LINE_LIMIT_BYTES, LineDecoder
from scanners.records import Junk, Record, Scan

STEADY = settings(deadline=None, derandomize=True)
AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
GS1 = b"]d201069012345678921126112010LOT7\x1d21ABC123"
GS1_SCAN = Scan(GS1, "]d2", "01069012345678921126112010LOT7\x1d21ABC123", AT)


def decode(*chunks: bytes, decoder: LineDecoder | None = None) -> list[Record]:
    decoder = decoder or LineDecoder()
    return [record for chunk in chunks for record in decoder.receive(chunk, AT)]


def bytewise(stream: bytes) -> list[Record]:
    return decode(*(bytes([byte]) for byte in stream))


def both(stream: bytes) -> list[Record]:
    """Whole and one byte at a time; they must agree."""
    whole = decode(stream)
    assert bytewise(stream) == whole
    return whole


@pytest.mark.parametrize("suffix", [b"\r", b"\n", b"\r\n", b"\n\r", b"\r\n\r\n"])
def test_each_line_end_gives_one_scan(suffix: bytes) -> None:
    assert both(GS1 + suffix + GS1 + suffix) == [GS1_SCAN, GS1_SCAN]


def test_line_end_cut_between_cr_and_lf_gives_no_empty_scan() -> None:
    assert decode(GS1 + b"\r", b"\n" + GS1, b"\r", b"\n") == [GS1_SCAN, GS1_SCAN]


def test_separator_stays_in_the_text_and_identifier_in_raw() -> None:
    assert both(b"]C1\x1d10LOT\x1d21A\x1d\r") == [
        Scan(b"]C1\x1d10LOT\x1d21A\x1d", "]C1", "\x1d10LOT\x1d21A\x1d", AT),
    ]


def test_configured_replacement_of_gs_is_gs_in_the_text_and_stays_in_raw() -> None:
    replaced = GS1.replace(b"\x1d", b"|")
    assert decode(replaced + b"\r", decoder=LineDecoder(gs=b"|")) == [Scan(replaced, "]d2", GS1_SCAN.text, AT)]
    assert both(replaced + b"\r") == [Scan(replaced, "]d2", GS1_SCAN.text.replace("\x1d", "|"), AT)]


def test_replacement_of_gs_spares_characters_that_hold_its_byte() -> None:
    gb = "]d010LOT丂|21A".encode("gb18030").replace("丂".encode("gb18030"), b"\x81\x7c")
    [scan] = decode(gb + b"\r", decoder=LineDecoder(gs=b"|"))
    assert isinstance(scan, Scan)
    assert scan.text == "10LOT" + b"\x81\x7c".decode("gb18030") + "\x1d21A"


@pytest.mark.parametrize("gs", [b"||", b"\x00", b"\xff", b" ", b";"])
def test_replacement_of_gs_that_cannot_be_told_apart_is_refused(gs: bytes) -> None:
    with pytest.raises(ValueError, match=r"gs .*: expected one printable ASCII character that does not end a line"):
        LineDecoder(gs=gs, suffix=b";\r")


def test_iso_15434_separators_and_tab_are_data() -> None:
    content = "[)>\x1e06\x1d9N111234567842\x1d1TLOT\x1e\x04"
    assert both(b"]d1" + content.encode() + b"\r") == [Scan(b"]d1" + content.encode(), "]d1", content, AT)]
    assert both(b"a\tb\r") == [Scan(b"a\tb", None, "a\tb", AT)]


def test_scanner_without_identifiers_gives_no_symbology() -> None:
    assert both(b"81234567890123456789\r\n") == [Scan(b"81234567890123456789", None, "81234567890123456789", AT)]


def test_unknown_identifier_is_kept_for_whoever_knows_it() -> None:
    assert both(b"]?9XYZ\r") == [Scan(b"]?9XYZ", "]?9", "XYZ", AT)]


def test_identifiers_of_the_gs1_syntax_engine_come_through(shared_data: Path) -> None:
    lines = (shared_data / "epcis" / "gs1-syntax-engine" / "processScanData.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in lines.splitlines()]
    scans = [row["scanData"].encode() for row in rows if row["valid"] and len(row["scanData"]) > 3]
    assert len(scans) >= 8
    for raw in scans:
        [scan] = both(raw + b"\r\n")
        assert isinstance(scan, Scan)
        assert (scan.raw, (scan.symbology or "") + scan.text) == (raw, raw.decode())


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("批号七".encode(), "批号七"),
        ("批号七".encode("gb18030"), "批号七"),
        (b"caf\xe9", "café"),
        (b"\xff\xfe1", "ÿþ1"),
    ],
)
def test_text_is_utf8_else_gb18030_else_latin_1(encoded: bytes, text: str) -> None:
    assert both(b"]Q1" + encoded + b"\r") == [Scan(b"]Q1" + encoded, "]Q1", text, AT)]


def test_identifier_without_data_is_junk() -> None:
    assert both(b"]d2\r\n]\r\n") == [
        Junk("AIM identifier without data", b"]d2", AT),
        Junk("AIM identifier without data", b"]", AT),
    ]


@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (b"\x00\x00\x07", "control character 0x00 at byte 0, no AIM identifier before it"),
        (b"ab\x1bc", "control character 0x1B at byte 2, no AIM identifier before it"),
        (b"\xfe\xff", "bytes that are no text before the AIM identifier"),
        (b"\xc3", "bytes that are no text before the AIM identifier"),
    ],
)
def test_scan_behind_noise_is_saved(noise: bytes, reason: str) -> None:
    assert both(noise + GS1 + b"\r\n") == [Junk(reason, noise, AT), GS1_SCAN]


def test_noise_inside_data_makes_junk_and_saves_the_next_scan() -> None:
    assert both(b"]d2010690\x00\x00" + GS1 + b"\r") == [
        Junk("control character 0x00 at byte 9", b"]d2010690\x00\x00", AT),
        GS1_SCAN,
    ]
    assert both(b"]d2010690\x00123\r" + GS1 + b"\r") == [
        Junk("control character 0x00 at byte 9", b"]d2010690\x00123", AT),
        GS1_SCAN,
    ]


def test_noise_without_an_identifier_is_junk_with_its_reason() -> None:
    assert both(b"12\x7f34\r") == [
        Junk("control character 0x7F at byte 2, no AIM identifier before it", b"12\x7f34", AT)
    ]


def test_readable_text_before_something_like_an_identifier_is_data() -> None:
    assert both(b"see [2]A1 above\r") == [Scan(b"see [2]A1 above", None, "see [2]A1 above", AT)]
    chinese = "批号]A1".encode()
    assert both(chinese + b"\r") == [Scan(chinese, None, "批号]A1", AT)]


def test_prefix_is_stripped_and_not_demanded() -> None:
    decoder = LineDecoder(prefix=b"\x02", suffix=b"\x03")
    assert decode(b"\x02" + GS1 + b"\x03" + GS1 + b"\x03", decoder=decoder) == [GS1_SCAN, GS1_SCAN]


def test_longest_line_is_a_scan_and_one_byte_more_is_junk() -> None:
    longest = b"]Q1" + b"7" * (LINE_LIMIT_BYTES - 3)
    assert both(longest + b"\r") == [Scan(longest, "]Q1", "7" * (LINE_LIMIT_BYTES - 3), AT)]
    reason = "line of more than 8192 bytes: skipped up to the next CR or LF"
    assert both(longest + b"7" * 9000 + b"\r" + GS1 + b"\r") == [Junk(reason, longest, AT), GS1_SCAN]


def test_slow_line_is_waited_for_and_a_cut_one_is_reported() -> None:
    decoder = LineDecoder(cut_off_s=2)
    assert decoder.idle(AT) == []
    assert decoder.receive(GS1[:10], AT) == []
    assert decoder.idle(AT + timedelta(seconds=1.9)) == []
    later = AT + timedelta(seconds=1.9)
    assert decoder.receive(GS1[10:], later) == []
    assert decoder.idle(later + timedelta(seconds=2)) == [
        Junk("cut off: no CR or LF for 2 s; is the scanner's suffix set?", GS1, later)
    ]
    assert decode(b"\r\n" + GS1 + b"\r\n", decoder=decoder) == [GS1_SCAN]


def test_silence_ends_the_skipping_of_a_line_without_end() -> None:
    decoder = LineDecoder()
    assert len(decoder.receive(b"7" * 9000, AT)) == 1
    assert decoder.idle(AT + timedelta(seconds=2)) == []
    assert decode(GS1 + b"\r", decoder=decoder) == [GS1_SCAN]


def test_new_link_forgets_half_a_line_of_the_old_one() -> None:
    decoder = LineDecoder()
    decoder.receive(GS1[:10], AT)
    decoder.start(AT)
    assert decode(GS1 + b"\r", decoder=decoder) == [GS1_SCAN]
    assert decoder.to_send() == b""


def test_emulator_sends_what_a_scanner_sends() -> None:
    emulator = LineScannerEmulator()
    emulator.scan(GS1)
    assert emulator.to_send() == GS1 + b"\r\n"
    assert emulator.to_send() == b""


def test_damage_on_the_wire_costs_one_scan() -> None:
    emulator = LineScannerEmulator()
    emulator.scan(GS1)
    emulator.wire.garbage(b"\x00\xff\x00")
    emulator.scan(GS1)
    emulator.wire.cut_next(9)
    emulator.scan(GS1)
    emulator.wire.garbage(b"\r")
    emulator.scan(GS1)
    assert both(emulator.to_send()) == [
        GS1_SCAN,
        Junk("control character 0x00 at byte 0, no AIM identifier before it", b"\x00\xff\x00", AT),
        GS1_SCAN,
        Scan(b"]d2010690", "]d2", "010690", AT),  # cut, but a line: the check digit rules of GS1 find it out
        GS1_SCAN,
    ]


pieces = st.one_of(st.sampled_from([GS1, b"\r", b"\n", b"\r\n", b"]d2", b"]", b"\x00", b"\xff"]), st.binary(max_size=5))


@STEADY
@given(st.lists(pieces), st.lists(st.integers(0, 300), max_size=6))
def test_any_cutting_gives_the_same_records(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    ends = sorted({cut % (len(stream) + 1) for cut in cuts})
    chunks = [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]
    assert decode(*chunks) == decode(stream) == bytewise(stream)


@STEADY
@given(st.lists(pieces))
def test_no_byte_but_line_ends_is_lost(parts: list[bytes]) -> None:
    stream = b"".join(parts) + b"\r"
    kept = b"".join(record.raw if isinstance(record, Scan) else record.data for record in decode(stream))  # type: ignore[union-attr]
    assert kept == stream.translate(None, b"\r\n")
