"""A UHF module with the M100 command set, in the device role (`scanners.m100` draws the frames).

Held to frames that others recorded and printed, not to our decoder. What it leaves out: memory banks (READ, WRITE, LOCK
and KILL find no tag), sleep, and the NXP and Impinj extensions (unknown command).
"""

from collections.abc import Iterable
from datetime import datetime

from devices.emulators.faults import Wire
from scanners.checksums import gen2_tag_crc
from scanners.framing import Framer
from scanners.m100 import BB, NO_TAG, Command, Dialect, Frame, FrameType, Region, shape

_UNKNOWN_COMMAND = 0x17
_TAG_NOT_FOUND: dict[int, int] = {Command.READ: 0x09, Command.WRITE: 0x10, Command.KILL: 0x12, Command.LOCK: 0x13}
_INFO = (b"M100 26dBm V1.0", b"V2.3.5", b"Suyuan emulator")


class M100Emulator:
    """Tags come and go by `set_tags`; `tick` is the passing of one inventory round."""

    def __init__(self, *, dialect: Dialect = BB, rssi_dbm: int = -55) -> None:
        self.wire = Wire()
        self._dialect = dialect
        self._rssi_dbm = rssi_dbm
        self._framer = Framer(shape(dialect))
        self._tags: list[tuple[int, bytes]] = []
        self._rounds_left = 0
        self._spoil = 0
        # What the setters set, by the command that asks for it; factory values of the manual's examples.
        self._settings: dict[int, bytes] = {
            Command.GET_REGION: bytes([Region.AMERICA]),
            Command.GET_POWER: bytes.fromhex("07d0"),
            Command.GET_CHANNEL: b"\0",
            Command.GET_SELECT: bytes.fromhex("01000000200000"),
            Command.GET_DEMODULATOR: bytes.fromhex("030601b0"),
        }

    def set_tags(self, tags: Iterable[tuple[int, bytes]]) -> None:
        """(PC word, EPC) of what is in the field from now on."""
        self._tags = list(tags)

    def spoil_next_checksum(self) -> None:
        """The next frame leaves with a wrong check byte."""
        self._spoil += 1

    @property
    def is_polling(self) -> bool:
        return self._rounds_left > 0

    @property
    def region(self) -> Region:
        return Region(self._settings[Command.GET_REGION][0])

    @property
    def power_dbm(self) -> float:
        return int.from_bytes(self._settings[Command.GET_POWER], "big") / 100

    def receive(self, data: bytes) -> None:
        for piece in self._framer.receive(data):
            if isinstance(piece, bytes):  # noise is no command, and a module says nothing about it
                frame = Frame.from_bytes(piece, self._dialect)
                if frame.type is FrameType.COMMAND:
                    self._obey(frame)

    def tick(self, at: datetime) -> None:
        """One round of polling, if it polls. When the count is used up it falls silent."""
        if self._rounds_left:
            self._rounds_left -= 1
            self._round(Command.MULTI_POLL)

    def to_send(self) -> bytes:
        return self.wire.take()

    def _obey(self, frame: Frame) -> None:
        command, parameters = frame.command, frame.parameters
        if command == Command.INFO and parameters and parameters[0] < len(_INFO):
            self._respond(command, parameters[:1] + _INFO[parameters[0]])
        elif command == Command.POLL:
            self._round(command)
        elif command == Command.MULTI_POLL and len(parameters) == 3:
            self._rounds_left = int.from_bytes(parameters[1:], "big")
        elif command == Command.STOP:
            self._rounds_left = 0
            self._respond(command, b"\0")
        elif command in _SETTERS and parameters:
            self._settings[_SETTERS[command]] = parameters
            self._respond(command, b"\0")
        elif command in self._settings:
            self._respond(command, self._settings[command])
        elif command == Command.SET_HOPPING:
            self._respond(command, b"\0")
        elif command == Command.SET_SELECT_MODE:
            self._respond(Command.SET_SELECT, b"\0")  # so the manual, section 2.7.2
        else:
            self._respond(Command.ERROR, bytes([_TAG_NOT_FOUND.get(command, _UNKNOWN_COMMAND)]))

    def _round(self, command: int) -> None:
        if not self._tags:
            self._respond(Command.ERROR, bytes([NO_TAG]))
        for pc, epc in self._tags:
            sent_by_tag = pc.to_bytes(2, "big") + epc
            report = self._rssi_dbm.to_bytes(1, "big", signed=True) + sent_by_tag
            crc = gen2_tag_crc(sent_by_tag).to_bytes(2, "big")
            self._send(Frame(FrameType.NOTIFICATION, command, report + crc))

    def _respond(self, command: int, parameters: bytes) -> None:
        self._send(Frame(FrameType.RESPONSE, command, parameters))

    def _send(self, frame: Frame) -> None:
        message = bytearray(frame.to_bytes(self._dialect))
        if self._spoil:
            self._spoil -= 1
            message[-2] ^= 0xFF
        self.wire.send(bytes(message))


_SETTERS: dict[int, int] = {
    Command.SET_REGION: Command.GET_REGION,
    Command.SET_POWER: Command.GET_POWER,
    Command.SET_CHANNEL: Command.GET_CHANNEL,
    Command.SET_SELECT: Command.GET_SELECT,
    Command.SET_DEMODULATOR: Command.GET_DEMODULATOR,
}
