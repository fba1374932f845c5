"""UHF reader modules with the M100/QM100 command set: YRM100, JRD-4035 (M5Stack), R200, YPD-R200 and relatives.

    BB | type | command | length hi, lo | parameters ... | check | 7E          YPD-R200: AA ... DD, same body

type 00 command (host), 01 response, 02 notification; length of the parameters; check = sum of type..parameters modulo
256. 115,200 8N1. Source: M5Stack "Unit RFID-UHF Protocol" (the vendor manual of M100/QM100), R200 manual V2.3.3.

A tag, in answer to a poll (22) or while polling (27):

    BB 02 22 0011 | C9 RSSI dBm, signed | 3400 PC | 30751FEB705C5904E3D50D70 EPC | 3A76 tag CRC | EF 7E

Traps: a check byte can be 7E or DD, so neither delimits a frame; the EPC is as long as the PC word says; `BB 01 FF 0001
15` ("no tag") is the normal answer of an empty field; a sleeping module swallows the first byte and does not answer
that command; polling ends silently after its count; region and power are lost when the module restarts.
Five examples in the vendor's manual have a wrong check byte.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from struct import pack, unpack

from scanners.checksums import gen2_tag_crc, sum8
from scanners.framing import Framer, Noise, Refused, Shape
from scanners.records import EventKind, Junk, ReaderEvent, Record, TagRead, length_after_pc_bytes

PARAMETERS_LIMIT_BYTES = 512
"""No answer is longer: a read returns at most the PC, 62 bytes of EPC and some words. Bounds what garbage can claim."""

_AROUND_BYTES = 7
_HEAD_BYTES = 5


@dataclass(frozen=True)
class Dialect:
    """The two bytes around a frame; everything between them is the same."""

    header: int
    end: int


BB = Dialect(0xBB, 0x7E)
AA = Dialect(0xAA, 0xDD)
DIALECTS = {"bb": BB, "aa": AA}


class FrameType(IntEnum):
    """Who says it and why."""

    COMMAND = 0x00
    RESPONSE = 0x01
    NOTIFICATION = 0x02


class Command(IntEnum):
    """Command codes; a response carries the code of its command, an error ERROR."""

    INFO = 0x03
    SET_REGION = 0x07
    GET_REGION = 0x08
    GET_SELECT = 0x0B
    SET_SELECT = 0x0C
    SET_SELECT_MODE = 0x12
    POLL = 0x22
    MULTI_POLL = 0x27
    STOP = 0x28
    READ = 0x39
    WRITE = 0x49
    KILL = 0x65
    LOCK = 0x82
    GET_CHANNEL = 0xAA
    SET_CHANNEL = 0xAB
    SET_HOPPING = 0xAD
    SET_POWER = 0xB6
    GET_POWER = 0xB7
    SET_DEMODULATOR = 0xF0
    GET_DEMODULATOR = 0xF1
    ERROR = 0xFF


class Region(IntEnum):
    """Frequency plans. In China only CHINA_900 is allowed for new sets (MIIT rule of 22 April 2024)."""

    CHINA_900 = 0x01
    """920-925 MHz."""
    AMERICA = 0x02
    EUROPE = 0x03
    CHINA_800 = 0x04
    """840-845 MHz: no new type approvals since 2024. For old approved sets only."""
    KOREA = 0x06


class Bank(IntEnum):
    """Memory banks of a Gen2 tag."""

    RESERVED = 0
    EPC = 1
    TID = 2
    USER = 3


class Info(IntEnum):
    """What INFO asks for."""

    HARDWARE = 0
    SOFTWARE = 1
    MANUFACTURER = 2


NO_TAG = 0x15

READER_ERRORS = {
    0x09: "read: tag not found",
    0x10: "write: tag not found",
    0x12: "kill: tag not found",
    0x13: "lock: tag not found",
    0x14: "block permalock: tag not found",
    NO_TAG: "no tag answered, or its CRC was wrong",
    0x16: "access password is wrong",
    0x17: "command or parameter is unknown",
    0x1A: "NXP change config: tag not found",
    0x1B: "NXP change EAS: tag not found",
    0x1D: "NXP EAS alarm: no tag answered",
    0x20: "frequency hopping: every channel is occupied",
    0x2A: "NXP read protect: tag not found",
    0x2B: "NXP reset read protect: tag not found",
    0x2E: "Impinj QT: tag not found",
}
"""Section 4 of the vendor's manual."""

_TAG_OPERATIONS = {0xA0: "read", 0xB0: "write", 0xC0: "lock", 0xD0: "kill", 0xE0: "block permalock"}
"""High half of an error that the tag itself sent."""

_TAG_ERRORS = {
    0x0: "other error",
    0x3: "memory overrun",
    0x4: "memory is locked",
    0xB: "too little power",
    0xF: "error without a code",
}
"""Low half: Gen2 error codes (EPC Gen2 air interface, annex I)."""


@dataclass(frozen=True)
class Frame:
    """One frame, in either direction."""

    type: FrameType
    command: int
    """A `Command`, or a code that this file does not know."""
    parameters: bytes = b""

    @classmethod
    def from_bytes(cls, data: bytes, dialect: Dialect = BB) -> "Frame":
        """Exactly one frame.

        Raises: ValueError when it is not one.
        """
        try:
            length = _length(data[:_HEAD_BYTES], dialect)
            if length != len(data):
                raise Refused(f"frame of {len(data)} bytes: expected {length or 'at least 7'}")
            _check(data, dialect)
        except Refused as refusal:
            raise ValueError(str(refusal)) from None
        return cls(FrameType(data[1]), data[2], data[_HEAD_BYTES:-2])

    def to_bytes(self, dialect: Dialect = BB) -> bytes:
        body = pack(">BBH", self.type, self.command, len(self.parameters)) + self.parameters
        return bytes([dialect.header]) + body + bytes([sum8(body), dialect.end])


def shape(dialect: Dialect) -> Shape:
    """What the framer needs to know."""
    return Shape(
        header=dialect.header,
        head_bytes=_HEAD_BYTES,
        length=lambda head: _length(head, dialect),
        check=lambda frame: _check(frame, dialect),
    )


def _length(head: bytes, dialect: Dialect) -> int | None:
    if head and head[0] != dialect.header:
        raise Refused(f"header is {head[0]:02X}, expected {dialect.header:02X}")
    if len(head) > 1 and head[1] > FrameType.NOTIFICATION:
        raise Refused(f"frame type is {head[1]:02X}, expected 00, 01 or 02")
    if len(head) < _HEAD_BYTES:
        return None
    parameters = int.from_bytes(head[3:5], "big")
    if parameters > PARAMETERS_LIMIT_BYTES:
        raise Refused(f"frame claims {parameters} bytes of parameters, at most {PARAMETERS_LIMIT_BYTES} are possible")
    return _AROUND_BYTES + parameters


def _check(frame: bytes, dialect: Dialect) -> None:
    if frame[-1] != dialect.end:
        raise Refused(f"end byte is {frame[-1]:02X}, expected {dialect.end:02X}")
    if frame[-2] != sum8(frame[1:-2]):
        raise Refused(f"checksum is {frame[-2]:02X}, computed {sum8(frame[1:-2]):02X}")


# ---- commands -------------------------------------------------------------------------------


def info(what: Info) -> Frame:
    return Frame(FrameType.COMMAND, Command.INFO, bytes([what]))


def poll() -> Frame:
    """One inventory round."""
    return Frame(FrameType.COMMAND, Command.POLL)


def multi_poll(rounds: int = 0xFFFF) -> Frame:
    """`rounds` inventory rounds, one after the other. It has no response of its own."""
    return Frame(FrameType.COMMAND, Command.MULTI_POLL, b"\x22" + pack(">H", rounds))


def stop() -> Frame:
    return Frame(FrameType.COMMAND, Command.STOP)


def set_region(region: Region) -> Frame:
    return Frame(FrameType.COMMAND, Command.SET_REGION, bytes([region]))


def get_region() -> Frame:
    return Frame(FrameType.COMMAND, Command.GET_REGION)


def set_channel(channel: int) -> Frame:
    """In CHINA_900, channel n is 920.125 + 0.25 n MHz."""
    return Frame(FrameType.COMMAND, Command.SET_CHANNEL, bytes([channel]))


def get_channel() -> Frame:
    return Frame(FrameType.COMMAND, Command.GET_CHANNEL)


def set_hopping(on: bool) -> Frame:
    return Frame(FrameType.COMMAND, Command.SET_HOPPING, b"\xff" if on else b"\x00")


def set_power(power_dbm: float) -> Frame:
    """Output power of the module, without antenna gain.

    Raises: ValueError outside 0 to 33 dBm; what the module can do is less, and it says so.
    """
    if not 0 <= power_dbm <= 33:
        raise ValueError(f"power {power_dbm:g} dBm: expected 0 to 33")
    return Frame(FrameType.COMMAND, Command.SET_POWER, pack(">H", round(power_dbm * 100)))


def get_power() -> Frame:
    return Frame(FrameType.COMMAND, Command.GET_POWER)


def set_select(mask: bytes, *, bank: Bank = Bank.EPC, pointer_bits: int = 32) -> Frame:
    """Only tags whose memory equals `mask` from `pointer_bits` on; bit 32 of the EPC bank is where the EPC begins.
    Target, action and truncate stay 0."""
    return Frame(FrameType.COMMAND, Command.SET_SELECT, pack(">BIBB", bank, pointer_bits, len(mask) * 8, 0) + mask)


def get_select() -> Frame:
    return Frame(FrameType.COMMAND, Command.GET_SELECT)


def set_select_mode(mode: int) -> Frame:
    """0 select before every operation, 1 never, 2 before all but polling. The manual answers it as SET_SELECT."""
    return Frame(FrameType.COMMAND, Command.SET_SELECT_MODE, bytes([mode]))


def read(bank: Bank, word_pointer: int, words: int, *, password: bytes = bytes(4)) -> Frame:
    """`words` of 16 bits. A password of zeros is not sent to the tag."""
    return Frame(FrameType.COMMAND, Command.READ, password + pack(">BHH", bank, word_pointer, words))


def write(bank: Bank, word_pointer: int, content: bytes, *, password: bytes = bytes(4)) -> Frame:
    """Not idempotent: after a time-out read back first. Whole words, at most 32.

    A longer or shorter EPC (from word 2 of the EPC bank on) needs its length in the PC word too (word 1).
    """
    if not content or len(content) % 2 or len(content) > 64:
        raise ValueError(f"content of {len(content)} bytes: expected whole words of 2 bytes, 64 at most")
    parameters = password + pack(">BHH", bank, word_pointer, len(content) // 2) + content
    return Frame(FrameType.COMMAND, Command.WRITE, parameters)


def lock(payload: int, *, password: bytes) -> Frame:
    """`payload`: 10 bits of mask and 10 bits of action (EPC Gen2 air interface, section 6.3.2.12.3.5). Can be final."""
    return Frame(FrameType.COMMAND, Command.LOCK, password + payload.to_bytes(3, "big"))


def kill(*, password: bytes) -> Frame:
    """Ends a tag for ever."""
    return Frame(FrameType.COMMAND, Command.KILL, password)


@dataclass(frozen=True)
class Demodulator:
    """Receiver settings as the module codes them."""

    mixer_gain: int
    """Code 0 to 6 for 0, 3, 6, 9, 12, 15, 16 dB."""
    if_gain: int
    """Code 0 to 7 for 12, 18, 21, 24, 27, 30, 36, 40 dB."""
    threshold: int
    """Lower reads farther and less surely; the manual recommends 0x01B0 at least."""

    @classmethod
    def from_bytes(cls, data: bytes) -> "Demodulator":
        if len(data) != 4:
            raise ValueError(f"demodulator settings of {len(data)} bytes: expected 4")
        return cls(*unpack(">BBH", data))

    def to_bytes(self) -> bytes:
        return pack(">BBH", self.mixer_gain, self.if_gain, self.threshold)


def set_demodulator(settings: Demodulator) -> Frame:
    return Frame(FrameType.COMMAND, Command.SET_DEMODULATOR, settings.to_bytes())


def get_demodulator() -> Frame:
    return Frame(FrameType.COMMAND, Command.GET_DEMODULATOR)


# ---- answers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class TagAnswer:
    """What a response about one tag holds: `length of PC and EPC | PC | EPC | content`. Content is the memory that was
    read, or one byte 00 after another operation."""

    pc: int
    epc: bytes
    content: bytes

    @classmethod
    def from_bytes(cls, data: bytes) -> "TagAnswer":
        """Raises: ValueError when the lengths contradict each other."""
        length = data[0] if data else 0
        if length < 2 or len(data) < 1 + length:
            raise ValueError(f"tag answer of {len(data)} bytes: its first byte claims {length} bytes of PC and EPC")
        pc = int.from_bytes(data[1:3], "big")
        if length_after_pc_bytes(pc) != length - 2:
            raise ValueError(f"PC {pc:04X} says {length_after_pc_bytes(pc)} bytes of EPC, the frame has {length - 2}")
        return cls(pc, data[3 : 1 + length], data[1 + length :])


def tag_read(parameters: bytes, at: datetime) -> TagRead:
    """The parameters of a poll notification.

    Raises: ValueError when PC word, length and tag CRC contradict each other.
    """
    if len(parameters) < 3:
        raise ValueError(f"tag report of {len(parameters)} bytes: expected RSSI, PC and EPC")
    rssi_dbm, pc = unpack(">bH", parameters[:3])
    claimed = length_after_pc_bytes(pc)
    rest = parameters[3:]
    if len(rest) not in (claimed, claimed + 2):
        raise ValueError(f"PC {pc:04X} says {claimed} bytes of EPC and 2 of CRC, the frame has {len(rest)}")
    tag_crc = int.from_bytes(rest[claimed:], "big") if len(rest) > claimed else None
    # The reader has checked it; again, because it also catches an EPC cut from the wrong place.
    if tag_crc is not None and tag_crc != gen2_tag_crc(parameters[1 : 3 + claimed]):
        raise ValueError(f"tag CRC is {tag_crc:04X}, computed {gen2_tag_crc(parameters[1 : 3 + claimed]):04X}")
    read = TagRead(epc=rest[:claimed], pc=pc, rssi_dbm=rssi_dbm, antenna=None, tag_crc=tag_crc, at=at)
    if not read.has_xpc:
        return read
    # XEB, the first bit of XPC_W1, announces a second word (EPC Gen2 air interface, section 6.3.2.1.2.5).
    xpc_bytes = 4 if rest[:1] >= b"\x80" else 2
    if claimed < xpc_bytes:
        raise ValueError(f"PC {pc:04X} announces XPC words, but {claimed} bytes follow")
    return TagRead(rest[xpc_bytes:claimed], pc, rssi_dbm, None, tag_crc, at, xpc=rest[:xpc_bytes])


def error_text(code: int) -> str:
    """What an error code means, for people."""
    operation = _TAG_OPERATIONS.get(code & 0xF0)
    if operation is not None:
        return f"{operation}: the tag says {_TAG_ERRORS.get(code & 0x0F, 'unknown')} ({code:02X})"
    return f"{READER_ERRORS.get(code, 'unknown error')} ({code:02X})"


# ---- the decoder ----------------------------------------------------------------------------

_GAP = timedelta(seconds=0.1)
"""Silence that ends an incomplete frame: far above the gaps of a UART (20 ms), in the range of serial-to-TCP boxes."""

_ANSWER = timedelta(seconds=0.5)
"""Time to answer a setting; the modules take some 10 ms. Then it is sent again."""

_TRIES_BEFORE_REPORT = 3

_ROUND = timedelta(seconds=2)
"""A polling module reports tags or "no tag" many times a second; silence means that it has finished or restarted."""

_Event = tuple[EventKind, str]


class M100Decoder:
    """Configures a module, keeps it polling, and turns what it says into records.

    One command is in flight at a time, and only its own response ends it, so that a late response to a repeated command
    cannot pass for the next one's; an error names no command, so it ends whatever is in flight. Before `start` the
    decoder only listens (replay of a recording).
    """

    def __init__(self, *, region: Region = Region.CHINA_900, power_dbm: float = 20.0, dialect: Dialect = BB) -> None:
        self._dialect = dialect
        self._framer = Framer(shape(dialect))
        # A module may still be polling for a process that died, and a sleeping one swallows the first command: both
        # are what `stop` is for.
        self._set_up = (
            stop(),
            info(Info.HARDWARE),
            info(Info.SOFTWARE),
            set_region(region),
            set_power(power_dbm),
        )
        self._queue: deque[Frame] = deque()
        self._in_flight: Frame | None = None
        self._tries = 0
        self._sent_at: datetime | None = None
        self._is_polling = False
        self._heard_at: datetime | None = None
        """Any bytes: decides over gaps in frames."""
        self._spoke_at: datetime | None = None
        """A sound frame: decides whether the module still polls. Noise of a dead one does not count."""
        self._out = bytearray()

    def receive(self, data: bytes, at: datetime) -> list[Record]:
        self._heard_at = at
        return self._records(self._framer.receive(data), at)

    def idle(self, at: datetime) -> list[Record]:
        records: list[Record] = []
        if self._heard_at is not None and at - self._heard_at >= _GAP and not self._framer.is_clear:
            records = self._records(self._framer.silence(), self._heard_at)
        if self._sent_at is None:
            return records
        if self._in_flight is not None and at - self._sent_at >= _ANSWER:
            if self._tries == _TRIES_BEFORE_REPORT:
                detail = f"{_name(self._in_flight.command)}: no answer to {self._tries} tries"
                records.append(ReaderEvent(EventKind.COMMAND_FAILED, detail, at))
            self._send(self._in_flight, at)
        elif self._is_polling and at - max(self._sent_at, self._spoke_at or self._sent_at) >= _ROUND:
            self._begin(at)
        return records

    def start(self, at: datetime) -> None:
        self._framer.clear()
        self._out.clear()
        self._heard_at = self._spoke_at = None
        self._begin(at)

    def to_send(self) -> bytes:
        sending = bytes(self._out)
        self._out.clear()
        return sending

    def _begin(self, at: datetime) -> None:
        """All settings again, not only the poll: nobody tells us when the module was restarted and forgot them."""
        self._queue = deque(self._set_up)
        self._is_polling = False
        self._next(at)

    def _next(self, at: datetime) -> None:
        self._in_flight = None
        self._tries = 0
        if self._queue:
            self._in_flight = self._queue.popleft()
            self._send(self._in_flight, at)
        else:
            self._out += multi_poll().to_bytes(self._dialect)
            self._sent_at = at
            self._is_polling = True

    def _send(self, frame: Frame, at: datetime) -> None:
        self._out += frame.to_bytes(self._dialect)
        self._sent_at = at
        self._tries += 1

    def _records(self, pieces: list[bytes | Noise], at: datetime) -> list[Record]:
        records: list[Record] = []
        for piece in pieces:
            if isinstance(piece, Noise):
                records.append(Junk(piece.reason, piece.data, at))
                continue
            try:
                records.append(self._record(Frame.from_bytes(piece, self._dialect), at))
            except ValueError as error:
                records.append(Junk(str(error), piece, at))
        return records

    def _record(self, frame: Frame, at: datetime) -> Record:
        """Raises: ValueError when a sound frame has parameters that make no sense."""
        if frame.type is FrameType.COMMAND:
            # Not the module: a half-duplex converter that gives our own bytes back.
            raise ValueError(f"{_name(frame.command)}: a command, expected an answer; does the line echo?")
        self._spoke_at = at
        if frame.type is FrameType.NOTIFICATION:
            if frame.command not in (Command.POLL, Command.MULTI_POLL):
                raise ValueError(f"{_name(frame.command)}: a notification, expected one of a poll")
            return tag_read(frame.parameters, at)
        kind, detail = _refusal(frame.parameters) if frame.command == Command.ERROR else _answer(frame)
        waited_for = self._in_flight
        if waited_for is not None:
            if kind is EventKind.COMMAND_FAILED and frame.command == Command.ERROR:
                detail = f"{_name(waited_for.command)}: {detail}"
                self._next(at)
            elif _belongs(frame, waited_for):
                self._next(at)
        return ReaderEvent(kind, detail, at)


def _belongs(response: Frame, command: Frame) -> bool:
    if response.command != command.command:
        return False
    # Hardware and software version have one code; the first byte tells which it was.
    return command.command != Command.INFO or response.parameters[:1] == command.parameters[:1]


def _refusal(parameters: bytes) -> _Event:
    if not parameters:
        raise ValueError("error without a code")
    code = parameters[0]
    if code == NO_TAG:
        return EventKind.NO_TAG, error_text(code)
    return EventKind.TAG_ERROR if code & 0xF0 in _TAG_OPERATIONS else EventKind.COMMAND_FAILED, error_text(code)


def _answer(frame: Frame) -> _Event:
    """A response that is no error, in words."""
    name, parameters = _name(frame.command), frame.parameters
    if frame.command == Command.INFO:
        what = {0: "hardware", 1: "software", 2: "manufacturer"}.get(parameters[0] if parameters else -1, "unknown")
        text = parameters[1:].decode("ascii", "replace").strip("\0 ")
        return EventKind.FIRMWARE, f"{what} {text}"
    if frame.command in (Command.READ, Command.WRITE, Command.LOCK, Command.KILL):
        answer = TagAnswer.from_bytes(parameters)
        return (
            EventKind.COMMAND_DONE,
            f"{name}: PC {answer.pc:04X}, EPC {answer.epc.hex().upper()}, {answer.content.hex().upper()}",
        )
    if frame.command in _ACKNOWLEDGED and parameters != b"\0":
        return EventKind.COMMAND_FAILED, f"{name}: answered {parameters.hex().upper() or 'nothing'}, expected 00"
    return EventKind.COMMAND_DONE, f"{name}: {parameters.hex().upper()}"


_ACKNOWLEDGED = {
    Command.STOP,
    Command.SET_REGION,
    Command.SET_CHANNEL,
    Command.SET_HOPPING,
    Command.SET_POWER,
    Command.SET_SELECT,
    Command.SET_DEMODULATOR,
}
"""Answered by one byte, 00 for done."""


def _name(command: int) -> str:
    known = Command(command).name.lower().replace("_", " ") if command in Command._value2member_map_ else "command"
    return f"{known} ({command:02X})"
