"""What the PC word of a tag says, and the check bytes that others computed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scanners.checksums import gen2_tag_crc, sum8, twos8, xor8
from scanners.records import TagRead

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


def family(shared_data: Path, name: str) -> list[dict[str, Any]]:
    vectors: list[dict[str, Any]] = json.loads((shared_data / "hardware" / f"{name}.json").read_bytes())["vectors"]
    return vectors


def good_frames(shared_data: Path, name: str) -> list[bytes]:
    return [bytes.fromhex(v["hex"]) for v in family(shared_data, name) if v["frame_ok"]]


def test_pc_word_tells_length_and_owner_of_the_epc(shared_data: Path) -> None:
    for row in json.loads((shared_data / "hardware" / "pc_words.json").read_bytes())["rows"]:
        expect = row["expect"]
        read = TagRead(b"", int(row["pc"], 16), None, None, None, AT)
        assert read.epc_length_bytes == expect["epc_bytes"], row
        assert read.is_gs1 == (expect["toggle"] == 0), row
        assert read.has_xpc == (expect["xi"] == 1), row
        assert read.afi == (int(expect["afi"], 16) if "afi" in expect else None), row


def test_sum8_agrees_with_every_good_m100_frame(shared_data: Path) -> None:
    frames = good_frames(shared_data, "m100_bb")
    assert [sum8(f[1:-2]) for f in frames] == [f[-2] for f in frames]


def test_twos8_agrees_with_every_good_r2000_frame(shared_data: Path) -> None:
    frames = good_frames(shared_data, "r2000_a0")
    assert [twos8(f[:-1]) for f in frames] == [f[-1] for f in frames]


def test_xor8_agrees_with_every_good_chainway_frame(shared_data: Path) -> None:
    frames = [f for f in good_frames(shared_data, "chainway_a55a") if f.startswith(b"\xa5\x5a")]
    assert [xor8(f[2:-3]) for f in frames] == [f[-3] for f in frames]


def test_gen2_tag_crc_agrees_with_every_tag_that_was_recorded_with_one(shared_data: Path) -> None:
    named = json.loads((shared_data / "hardware" / "checksum_selftest.json").read_bytes())["gen2_tag_crc"]["vectors"]
    checked = 0
    for vector in family(shared_data, "m100_bb") + family(shared_data, "r2000_a0"):
        expect = vector["expect"]
        if vector["id"] in named and "tag_crc" in expect:
            assert gen2_tag_crc(bytes.fromhex(expect["pc"] + expect["epc"])) == int(expect["tag_crc"], 16), vector["id"]
            checked += 1
    assert checked >= 2
