"""M100 modules: the frames that others printed and recorded, resynchronising, start-up, polling."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.emulators.m100 import M100Emulator
from scanners import m100
from scanners.checksums import gen2_tag_crc
from scanners.m100 import AA, BB, Demodulator, Frame, FrameType, M100Decoder, TagAnswer
from scanners.records import EventKind, Junk, ReaderEvent, Record, TagRead

STEADY = settings(deadline=None, derandomize=True)
AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
PASSWORD = bytes.fromhex("0000ffff")
EPC = bytes.fromhex("30751feb705c5904e3d50d70")
VENDOR_TAG = bytes.fromhex("bb02220011c9340030751feb705c5904e3d50d703a76ef7e")
VENDOR_READ = TagRead(EPC, 0x3400, -55, None, 0x3A76, AT)
CAPTURED_TAG = bytes.fromhex("bb02220011c43000e200001d7315016521408fc6b83ec27e")
CAPTURED_READ = TagRead(bytes.fromhex("e200001d7315016521408fc6"), 0x3000, -60, None, 0xB83E, AT)
NO_TAG = bytes.fromhex("bb01ff000115167e")
NO_TAG_EVENT = ReaderEvent(EventKind.NO_TAG, "no tag answered, or its CRC was wrong (15)", AT)


def vectors(shared_data: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((shared_data / "hardware" / "m100_bb.json").read_bytes())["vectors"]
    return found


def dialect_of(data: bytes) -> m100.Dialect:
    return AA if data[0] == AA.header else BB


def decode(*chunks: bytes, dialect: m100.Dialect = BB) -> list[Record]:
    """All records, those that silence brings out included."""
    decoder = M100Decoder(dialect=dialect)
    records = [record for chunk in chunks for record in decoder.receive(chunk, AT)]
    return records + decoder.idle(AT + timedelta(seconds=0.1))


def both(stream: bytes, dialect: m100.Dialect = BB) -> list[Record]:
    """Whole and one byte at a time; they must agree."""
    whole = decode(stream, dialect=dialect)
    assert decode(*(bytes([byte]) for byte in stream), dialect=dialect) == whole
    return whole


# ---- published frames -----------------------------------------------------------------------

# What our builders make of the parameters that the vector names.
BUILDERS: dict[str, Callable[[dict[str, Any]], Frame]] = {
    "multi_poll": lambda e: m100.multi_poll(e["count"]),
    "stop_multi_poll": lambda e: m100.stop(),
    "set_select": lambda e: m100.set_select(
        bytes.fromhex(e["mask"]), bank=m100.Bank(e["membank"]), pointer_bits=e["ptr_bits"]
    ),
    "get_select": lambda e: m100.get_select(),
    "read": lambda e: m100.read(
        m100.Bank(e["bank"]), e["word_ptr"], e["word_count"], password=bytes.fromhex(e["access_pwd"])
    ),
    "write": lambda e: m100.write(
        m100.Bank(e["bank"]), e["word_ptr"], bytes.fromhex(e["data"]), password=bytes.fromhex(e["access_pwd"])
    ),
    "set_region": lambda e: m100.set_region(m100.Region(e["region"])),
    "set_channel": lambda e: m100.set_channel(e["channel"]),
    "set_fhss": lambda e: m100.set_hopping(e["on"] == 1),
    "set_demod": lambda e: m100.set_demodulator(Demodulator(e["mixer"], e["if_gain"], e["threshold"])),
}

# Commands that the vectors hold and that we do not send.
NOT_BUILT = {"scan_rssi", "idle", "nxp_readprotect", "nxp_eas_alarm", "nxp_change_config"}


def test_command_builders_make_the_printed_frames(shared_data: Path) -> None:
    built = set()
    for vector in vectors(shared_data):
        name = vector["expect"].get("name")
        if vector["dir"] != "h2d" or name in NOT_BUILT:
            continue
        data = bytes.fromhex(vector["hex"])
        assert BUILDERS[name](vector["expect"]).to_bytes(dialect_of(data)).hex() == vector["hex"], vector["id"]
        built.add(name)
    assert built == set(BUILDERS)


@pytest.mark.parametrize(
    ("frame", "printed"),
    [
        (m100.info(m100.Info.HARDWARE), "bb00030001 00 04 7e"),
        (m100.info(m100.Info.SOFTWARE), "bb00030001 01 05 7e"),
        (m100.poll(), "bb00220000 22 7e"),
        (m100.get_region(), "bb00080000 08 7e"),
        (m100.get_channel(), "bb00aa0000 aa 7e"),
        (m100.set_power(20), "bb00b60002 07d0 8f 7e"),
        (m100.set_power(18.5), "bb00b60002 073a f9 7e"),
        (m100.get_power(), "bb00b70000 b7 7e"),
        (m100.get_demodulator(), "bb00f10000 f1 7e"),
        (m100.set_select_mode(1), "bb00120001 01 14 7e"),
        (m100.lock(0x02_0080, password=PASSWORD), "bb00820007 0000ffff 020080 09 7e"),
        (m100.kill(password=PASSWORD), "bb00650004 0000ffff 67 7e"),
    ],
)
def test_further_commands_are_as_the_vendors_manual_prints_them(frame: Frame, printed: str) -> None:
    assert frame.to_bytes() == bytes.fromhex(printed)


def test_every_good_frame_parses_and_writes_back(shared_data: Path) -> None:
    for vector in vectors(shared_data):
        data = bytes.fromhex(vector["hex"])
        if vector["frame_ok"]:
            frame = Frame.from_bytes(data, dialect_of(data))
            assert frame.to_bytes(dialect_of(data)) == data
            assert (frame.type is FrameType.COMMAND) == (vector["dir"] == "h2d"), vector["id"]


def test_every_answer_decodes_as_its_source_says(shared_data: Path) -> None:
    for vector in vectors(shared_data):
        data, expect = bytes.fromhex(vector["hex"]), vector["expect"]
        if not vector["frame_ok"] or vector["dir"] == "h2d":
            continue
        frame = Frame.from_bytes(data, dialect_of(data))
        [record] = both(data, dialect_of(data))
        if "rssi_dbm" in expect:
            assert record == TagRead(
                epc=bytes.fromhex(expect["epc"]),
                pc=int(expect["pc"], 16),
                rssi_dbm=expect["rssi_dbm"],
                antenna=None,
                tag_crc=int(expect["tag_crc"], 16),
                at=AT,
            ), vector["id"]
            continue
        assert isinstance(record, ReaderEvent), vector["id"]
        if "error" in expect:
            assert frame.command == m100.Command.ERROR
            assert frame.parameters == bytes([expect["error"]])
            wanted = EventKind.NO_TAG if expect["error"] == m100.NO_TAG else EventKind.COMMAND_FAILED
            assert record == ReaderEvent(wanted, m100.error_text(expect["error"]), AT)
            assert "unknown" not in record.detail
            continue
        assert record.kind is EventKind.COMMAND_DONE, vector["id"]
        if "epc" in expect or (expect.get("ok") and len(frame.parameters) > 1):
            answer = TagAnswer.from_bytes(frame.parameters)
            assert answer.epc.hex() == expect.get("epc", answer.epc.hex())
            assert f"{answer.pc:04x}" == expect.get("pc", f"{answer.pc:04x}")
            assert answer.content.hex() == expect.get("data", "00")
        elif expect.get("ok"):
            assert frame.parameters == b"\0"
        elif "threshold" in expect:
            settings = Demodulator.from_bytes(frame.parameters)
            assert settings.threshold == expect["threshold"]
            assert settings.to_bytes() == frame.parameters
        else:
            assert expect.keys() & {"membank", "channel", "alarm", "ch_low"}, vector["id"]


def test_misprinted_frames_are_junk_and_the_stream_goes_on(shared_data: Path) -> None:
    refused = 0
    for vector in vectors(shared_data):
        if not vector["frame_ok"]:
            data = bytes.fromhex(vector["hex"])
            computed = vector["note"].rpartition("chk calc ")[2]
            reason = f"checksum is {data[-2]:02X}, computed {computed}"
            assert both(data + CAPTURED_TAG) == [Junk(reason, data, AT), CAPTURED_READ], vector["id"]
            refused += 1
    assert refused == 4


def test_stream_fixtures_give_their_frames(shared_data: Path) -> None:
    by_id = {vector["id"]: vector["expect"] for vector in vectors(shared_data)}
    for row in json.loads((shared_data / "hardware" / "stream_fixtures.json").read_bytes())["rows"]:
        if row["family"] != "m100_bb":
            continue
        chunks = [bytes.fromhex(chunk) for chunk in row["chunks"]]
        records = decode(*chunks)
        assert records == both(b"".join(chunks))
        assert len(records) == len(row["expect_ids"])
        assert not any(isinstance(record, Junk) for record in records)
        for wanted, record in zip(row["expect_ids"], records, strict=True):
            if "epc" in by_id.get(wanted, {}):
                assert isinstance(record, TagRead)
                assert record.epc.hex() == by_id[wanted]["epc"]


# ---- tags -----------------------------------------------------------------------------------


def tag_frame(after_rssi: bytes, crc: bytes | None = None) -> bytes:
    crc = gen2_tag_crc(after_rssi).to_bytes(2, "big") if crc is None else crc
    return Frame(FrameType.NOTIFICATION, m100.Command.MULTI_POLL, b"\xc9" + after_rssi + crc).to_bytes()


@pytest.mark.parametrize("words", [0, 2, 4, 6, 9, 31])
def test_epc_is_as_long_as_the_pc_word_says(words: int) -> None:
    pc, epc = words << 11, bytes(range(1, 2 * words + 1))
    [read] = both(tag_frame(pc.to_bytes(2, "big") + epc))
    assert isinstance(read, TagRead)
    assert (read.epc, read.pc, read.epc_length_bytes) == (epc, pc, 2 * words)


def test_tag_without_crc_is_read() -> None:
    assert both(tag_frame(b"\x10\x00\x01\x02\x03\x04", crc=b"")) == [
        TagRead(b"\x01\x02\x03\x04", 0x1000, -55, None, None, AT)
    ]


def test_tag_whose_crc_is_wrong_is_junk() -> None:
    data = tag_frame(b"\x10\x00\x01\x02\x03\x04", crc=b"\x00\x00")
    crc = gen2_tag_crc(b"\x10\x00\x01\x02\x03\x04")
    assert both(data) == [Junk(f"tag CRC is 0000, computed {crc:04X}", data, AT)]


def test_tag_whose_pc_contradicts_the_frame_is_junk() -> None:
    data = tag_frame(b"\x30\x00\x01\x02\x03\x04")
    assert both(data) == [Junk("PC 3000 says 12 bytes of EPC and 2 of CRC, the frame has 6", data, AT)]


def test_extended_control_words_are_not_taken_for_the_epc() -> None:
    # L counts 1 XPC word and 2 words of EPC; XI is set.
    assert both(tag_frame(bytes.fromhex("1a00 0001 e2801170"))) == [
        TagRead(
            bytes.fromhex("e2801170"),
            0x1A00,
            -55,
            None,
            gen2_tag_crc(bytes.fromhex("1a000001e2801170")),
            AT,
            xpc=b"\0\1",
        )
    ]
    [read] = both(tag_frame(bytes.fromhex("2200 8001 0002 e2801170")))
    assert isinstance(read, TagRead)
    assert (read.xpc.hex(), read.epc.hex(), read.epc_length_bytes) == ("80010002", "e2801170", 4)


def test_tag_of_another_standard_says_so() -> None:
    [read] = both(tag_frame(bytes.fromhex("31c1") + b"ABCDEFGHIJKL"))
    assert isinstance(read, TagRead)
    assert (read.is_gs1, read.afi) == (False, 0xC1)


# ---- errors and events ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind", "detail"),
    [
        ("15", EventKind.NO_TAG, "no tag answered, or its CRC was wrong (15)"),
        ("17", EventKind.COMMAND_FAILED, "command or parameter is unknown (17)"),
        ("160e3400" + EPC.hex(), EventKind.COMMAND_FAILED, "access password is wrong (16)"),
        ("a3", EventKind.TAG_ERROR, "read: the tag says memory overrun (A3)"),
        ("b4", EventKind.TAG_ERROR, "write: the tag says memory is locked (B4)"),
        ("c7", EventKind.TAG_ERROR, "lock: the tag says unknown (C7)"),
        ("77", EventKind.COMMAND_FAILED, "unknown error (77)"),
    ],
)
def test_errors_are_events_in_words(code: str, kind: EventKind, detail: str) -> None:
    data = Frame(FrameType.RESPONSE, m100.Command.ERROR, bytes.fromhex(code)).to_bytes()
    assert both(data) == [ReaderEvent(kind, detail, AT)]


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (Frame(FrameType.RESPONSE, 0x03, b"\0M100 V1.00"), (EventKind.FIRMWARE, "hardware M100 V1.00")),
        (
            Frame(FrameType.RESPONSE, 0x07, b"\1"),
            (EventKind.COMMAND_FAILED, "set region (07): answered 01, expected 00"),
        ),
        (Frame(FrameType.RESPONSE, 0x99, b"\1"), (EventKind.COMMAND_DONE, "command (99): 01")),
        (
            Frame(FrameType.RESPONSE, 0x39, bytes.fromhex("0a2400 1111000000021122 e280")),
            (EventKind.COMMAND_DONE, "read (39): PC 2400, EPC 1111000000021122, E280"),
        ),
    ],
)
def test_responses_are_events_in_words(frame: Frame, event: tuple[EventKind, str]) -> None:
    assert both(frame.to_bytes()) == [ReaderEvent(*event, AT)]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (m100.poll(), "poll (22): a command, expected an answer; does the line echo?"),
        (Frame(FrameType.NOTIFICATION, 0x39), "read (39): a notification, expected one of a poll"),
        (Frame(FrameType.NOTIFICATION, 0x22, b"\xc9"), "tag report of 1 bytes: expected RSSI, PC and EPC"),
        (Frame(FrameType.RESPONSE, 0xFF), "error without a code"),
        (
            Frame(FrameType.RESPONSE, 0x39, b"\x0e\x34"),
            "tag answer of 2 bytes: its first byte claims 14 bytes of PC and EPC",
        ),
        (
            Frame(FrameType.RESPONSE, 0x39, bytes.fromhex("0430001111")),
            "PC 3000 says 12 bytes of EPC, the frame has 2",
        ),
    ],
)
def test_sound_frames_without_sense_are_junk(frame: Frame, reason: str) -> None:
    data = frame.to_bytes()
    assert both(data + NO_TAG) == [Junk(reason, data, AT), NO_TAG_EVENT]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "frame of 0 bytes: expected at least 7"),
        ("aa0022000022dd", "header is AA, expected BB"),
        ("bb0322000025", "frame type is 03, expected 00, 01 or 02"),
        ("bb002202010000", "frame claims 513 bytes of parameters, at most 512 are possible"),
        ("bb0022000022", "frame of 6 bytes: expected 7"),
        ("bb0022000022dd", "end byte is DD, expected 7E"),
        ("bb00220000237e", "checksum is 23, computed 22"),
    ],
)
def test_what_is_no_frame_says_why(data: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        Frame.from_bytes(bytes.fromhex(data))
    assert str(error.value) == message


@pytest.mark.parametrize("size", [0, 3, 66])
def test_write_takes_whole_words(size: int) -> None:
    with pytest.raises(ValueError) as error:
        m100.write(m100.Bank.USER, 0, bytes(size))
    assert str(error.value) == f"content of {size} bytes: expected whole words of 2 bytes, 64 at most"


# ---- resynchronising ------------------------------------------------------------------------

sound = st.sampled_from([VENDOR_TAG, CAPTURED_TAG, NO_TAG])
# No type byte 00-02 behind a header: a claim by chance whose check byte is right is a frame to everyone.
garbage = st.binary(max_size=12).map(lambda data: data.replace(b"\xbb", b""))


@STEADY
@given(st.lists(st.tuples(garbage, sound), max_size=6), st.lists(st.integers(0, 300), max_size=6))
def test_garbage_between_frames_loses_none(parts: list[tuple[bytes, bytes]], cuts: list[int]) -> None:
    stream = b"".join(noise + frame for noise, frame in parts)
    ends = sorted({cut % (len(stream) + 1) for cut in cuts})
    chunks = [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]
    records = decode(*chunks)
    assert records == both(stream)
    known = {VENDOR_TAG: VENDOR_READ, CAPTURED_TAG: CAPTURED_READ, NO_TAG: NO_TAG_EVENT}
    assert [r for r in records if not isinstance(r, Junk)] == [known[frame] for _, frame in parts]


@pytest.mark.parametrize("lost", range(len(VENDOR_TAG)))
def test_lost_byte_costs_only_its_frame(lost: int) -> None:
    damaged = VENDOR_TAG[:lost] + VENDOR_TAG[lost + 1 :]
    records = both(CAPTURED_TAG + damaged + CAPTURED_TAG + NO_TAG)
    assert [r for r in records if not isinstance(r, Junk)] == [CAPTURED_READ, CAPTURED_READ, NO_TAG_EVENT]
    assert b"".join(r.data for r in records if isinstance(r, Junk)) == damaged


@pytest.mark.parametrize("at_byte", range(len(VENDOR_TAG)))
def test_flipped_byte_costs_only_its_frame(at_byte: int) -> None:
    damaged = bytearray(VENDOR_TAG)
    damaged[at_byte] ^= 0x40
    records = both(CAPTURED_TAG + bytes(damaged) + CAPTURED_TAG + NO_TAG)
    assert [r for r in records if not isinstance(r, Junk)] == [CAPTURED_READ, CAPTURED_READ, NO_TAG_EVENT]


def test_false_header_before_a_frame_costs_nothing() -> None:
    assert both(b"\xbb\x02\x22\x00\x30" + VENDOR_TAG + NO_TAG) == [
        Junk("cut off after 37 bytes", b"\xbb\x02\x22\x00\x30", AT),
        VENDOR_READ,
        NO_TAG_EVENT,
    ]


def test_short_silence_waits_for_the_rest_of_a_frame() -> None:
    decoder = M100Decoder()
    assert decoder.receive(VENDOR_TAG[:9], AT) == []
    assert decoder.idle(AT + timedelta(milliseconds=99)) == []
    assert decoder.receive(VENDOR_TAG[9:], AT) == [VENDOR_READ]


# ---- start-up and polling, against the emulator ---------------------------------------------


def converse(decoder: M100Decoder, emulator: M100Emulator, at: datetime) -> list[Record]:
    """Both sides talk until neither has anything to say."""
    records: list[Record] = []
    while sending := decoder.to_send():
        emulator.receive(sending)
        records += decoder.receive(emulator.to_send(), at)
    return records


def test_start_up_sets_region_and_power_and_polls() -> None:
    decoder, emulator = M100Decoder(power_dbm=26), M100Emulator()
    decoder.start(AT)
    assert converse(decoder, emulator, AT) == [
        ReaderEvent(EventKind.COMMAND_DONE, "stop (28): 00", AT),
        ReaderEvent(EventKind.FIRMWARE, "hardware M100 26dBm V1.0", AT),
        ReaderEvent(EventKind.FIRMWARE, "software V2.3.5", AT),
        ReaderEvent(EventKind.COMMAND_DONE, "set region (07): 00", AT),
        ReaderEvent(EventKind.COMMAND_DONE, "set power (B6): 00", AT),
    ]
    assert (emulator.region, emulator.power_dbm, emulator.is_polling) == (m100.Region.CHINA_900, 26, True)
    emulator.set_tags([(0x3400, EPC), (0x3000, CAPTURED_READ.epc)])
    emulator.tick(AT)
    assert decoder.receive(emulator.to_send(), AT) == [
        VENDOR_READ,
        TagRead(CAPTURED_READ.epc, 0x3000, -55, None, 0xB83E, AT),
    ]
    emulator.set_tags([])
    emulator.tick(AT)
    assert decoder.receive(emulator.to_send(), AT) == [NO_TAG_EVENT]


def test_sleeping_module_that_swallows_the_first_command_is_asked_again() -> None:
    decoder, emulator = M100Decoder(), M100Emulator()
    decoder.start(AT)
    assert decoder.to_send() == m100.stop().to_bytes()  # swallowed
    assert decoder.idle(AT + timedelta(seconds=0.4)) == []
    assert decoder.to_send() == b""
    later = AT + timedelta(seconds=0.5)
    assert decoder.idle(later) == []
    assert len(converse(decoder, emulator, later)) == 5
    assert emulator.is_polling


def test_module_that_never_answers_is_reported_once_and_asked_on() -> None:
    decoder = M100Decoder()
    decoder.start(AT)
    records = []
    sent = decoder.to_send()
    for tenth in range(1, 51):
        records += decoder.idle(AT + timedelta(seconds=tenth / 10))
        sent += decoder.to_send()
    assert records == [
        ReaderEvent(EventKind.COMMAND_FAILED, "stop (28): no answer to 3 tries", AT + timedelta(seconds=1.5))
    ]
    assert sent == m100.stop().to_bytes() * 11


def test_late_answer_does_not_pass_for_that_of_the_next_command() -> None:
    decoder = M100Decoder()
    decoder.start(AT)
    stopped = bytes.fromhex("bb01280001002a7e")
    hardware = Frame(FrameType.RESPONSE, 0x03, b"\0M100").to_bytes()
    decoder.to_send()
    decoder.receive(stopped, AT)
    assert decoder.to_send() == m100.info(m100.Info.HARDWARE).to_bytes()
    decoder.receive(stopped, AT)
    assert decoder.to_send() == b""
    decoder.receive(hardware, AT)
    assert decoder.to_send() == m100.info(m100.Info.SOFTWARE).to_bytes()
    decoder.receive(hardware, AT)
    assert decoder.to_send() == b""


def test_refused_setting_is_named_and_the_start_up_goes_on() -> None:
    decoder = M100Decoder()
    decoder.start(AT)
    decoder.to_send()
    refused = Frame(FrameType.RESPONSE, 0xFF, b"\x17").to_bytes()
    assert decoder.receive(NO_TAG + refused, AT) == [
        NO_TAG_EVENT,
        ReaderEvent(EventKind.COMMAND_FAILED, "stop (28): command or parameter is unknown (17)", AT),
    ]
    assert decoder.to_send() == m100.info(m100.Info.HARDWARE).to_bytes()


def test_polling_that_ended_or_a_module_that_restarted_is_set_up_again() -> None:
    decoder, emulator = M100Decoder(), M100Emulator()
    decoder.start(AT)
    converse(decoder, emulator, AT)
    restarted = M100Emulator()
    later = AT + timedelta(seconds=1.9)
    assert decoder.idle(later) == []
    assert decoder.to_send() == b""
    decoder.receive(NO_TAG, later)
    later += timedelta(seconds=2)
    assert decoder.idle(later) == []
    converse(decoder, restarted, later)
    assert (restarted.region, restarted.is_polling) == (m100.Region.CHINA_900, True)


def test_noise_does_not_pass_for_polling() -> None:
    decoder, emulator = M100Decoder(), M100Emulator()
    decoder.start(AT)
    converse(decoder, emulator, AT)
    for second in (1, 2):
        decoder.receive(b"\x00\xff", AT + timedelta(seconds=second))
        decoder.idle(AT + timedelta(seconds=second))
    assert decoder.to_send() == m100.stop().to_bytes()


def test_new_link_begins_from_the_first_command() -> None:
    decoder = M100Decoder()
    decoder.start(AT)
    decoder.receive(VENDOR_TAG[:9], AT)
    decoder.start(AT)
    assert decoder.to_send() == m100.stop().to_bytes()
    assert decoder.receive(VENDOR_TAG, AT) == [VENDOR_READ]


def test_decoder_that_was_not_started_sends_nothing() -> None:
    decoder = M100Decoder()
    decoder.receive(NO_TAG, AT)
    assert decoder.idle(AT + timedelta(hours=1)) == []
    assert decoder.to_send() == b""


# ---- the emulator, against frames of others -------------------------------------------------


def ask(emulator: M100Emulator, command: str) -> str:
    emulator.receive(bytes.fromhex(command))
    return emulator.to_send().hex()


def test_emulator_answers_as_the_vendors_manual_prints() -> None:
    emulator = M100Emulator()
    assert ask(emulator, "bb00220000227e") == NO_TAG.hex()
    emulator.set_tags([(0x3400, EPC)])
    assert ask(emulator, "bb00220000227e") == VENDOR_TAG.hex()
    assert ask(emulator, "bb0007000101097e") == "bb0107000100097e"
    assert ask(emulator, "bb00080000087e") == "bb01080001010b7e"
    assert ask(emulator, "bb00b6000207d08f7e") == "bb01b6000100b87e"
    assert ask(emulator, "bb00b70000b77e") == "bb01b7000207d0917e"
    assert ask(emulator, "bb00ab000101ad7e") == "bb01ab000100ad7e"
    assert ask(emulator, "bb00ad0001ffad7e") == "bb01ad000100af7e"
    assert ask(emulator, "bb00f10000f17e") == "bb01f10004030601b0b07e"
    assert ask(emulator, "bb000c00130100000020600030751feb705c5904e3d50d70ad7e") == "bb010c0001000e7e"
    assert ask(emulator, "bb000b00000b7e") == "bb010b00130100000020600030751feb705c5904e3d50d70ad7e"
    assert ask(emulator, "bb003900090000ffff0300000002457e") == "bb01ff0001090a7e"
    assert ask(emulator, "bb00f30000f37e") == "bb01ff000117187e"
    assert ask(emulator, "bb00280000287e") == "bb01280001002a7e"
    assert ask(emulator, "bb00280000297e") == ""


def test_emulator_repeats_the_captured_tag() -> None:
    emulator = M100Emulator(rssi_dbm=-60)
    emulator.set_tags([(0x3000, CAPTURED_READ.epc)])
    assert ask(emulator, "bb00220000227e") == CAPTURED_TAG.hex()


def test_emulator_polls_as_often_as_it_was_told() -> None:
    emulator = M100Emulator()
    assert ask(emulator, m100.multi_poll(2).to_bytes().hex()) == ""
    for _ in range(3):
        emulator.tick(AT)
    assert emulator.to_send() == NO_TAG * 2


def test_emulator_speaks_the_other_dialect() -> None:
    emulator = M100Emulator(dialect=AA)
    emulator.set_tags([(0x3400, EPC)])
    assert ask(emulator, "aa0022000022dd") == "aa02220011c9340030751feb705c5904e3d50d703a76efdd"


def test_faults_of_the_emulator_cost_their_frame_alone() -> None:
    emulator = M100Emulator()
    emulator.set_tags([(0x3400, EPC)])
    emulator.receive(m100.multi_poll(4).to_bytes())
    emulator.wire.cut_next(10)
    emulator.tick(AT)
    emulator.tick(AT)
    emulator.wire.garbage(b"\xbb\x01\x00")
    emulator.spoil_next_checksum()
    emulator.tick(AT)
    emulator.tick(AT)
    records = both(emulator.to_send())
    assert [r for r in records if not isinstance(r, Junk)] == [VENDOR_READ, VENDOR_READ]
