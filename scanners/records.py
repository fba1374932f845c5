"""What comes out of a decoder: a scan, a tag read, a word of the reader about itself, or junk.

Bytes become records here and get their meaning in `trace.identifiers`. A decoder never raises on what a device sent:
bytes that fit nothing come out as `Junk`, so that nothing is lost and a bad cable shows in the counters.
`at` is always the instant that the caller passed in with the last byte of the record.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

_XPC_INDICATOR = 0x0200
_TOGGLE = 0x0100


@dataclass(frozen=True)
class Scan:
    """One bar code, as the scanner sent it."""

    raw: bytes
    """The data without prefix and suffix, the AIM identifier included."""
    symbology: str | None
    """AIM symbology identifier (ISO/IEC 15424) like `]d2`; None when the scanner sends none."""
    text: str
    """What follows the identifier; the separator FNC1 is the character 0x1D."""
    at: datetime


@dataclass(frozen=True)
class TagRead:
    """One answer of a Gen2 tag (ISO/IEC 18000-63): EPC bank without its stored CRC."""

    epc: bytes
    """As long as the PC word says, never assumed to be 12 bytes."""
    pc: int
    """Protocol control word, 16 bits: `LLLLL UMI XI T AAAAAAAA`."""
    rssi_dbm: int | None
    antenna: int | None
    """Port number as the reader counts it; None for readers with one antenna."""
    tag_crc: int | None
    """The tag's CRC-16 over PC, XPC and EPC, checked here; None when the reader keeps it to itself."""
    at: datetime
    xpc: bytes = b""
    """Extended protocol control words that a tag with XI set sends between PC and EPC: 0, 2 or 4 bytes."""

    @property
    def epc_length_bytes(self) -> int:
        """What the PC word says of the EPC. In a packet L counts the XPC words too (Gen2 2.1, section 6.3.2.1.2.2)."""
        return length_after_pc_bytes(self.pc) - len(self.xpc)

    @property
    def has_xpc(self) -> bool:
        return bool(self.pc & _XPC_INDICATOR)

    @property
    def is_gs1(self) -> bool:
        """Toggle bit T is 0: the EPC follows the Tag Data Standard. Otherwise ISO 15961 rules it, see `afi`."""
        return not self.pc & _TOGGLE

    @property
    def afi(self) -> int | None:
        """Application family identifier (ISO/IEC 15961) of a tag that is not GS1's."""
        return None if self.is_gs1 else self.pc & 0xFF


def length_after_pc_bytes(pc: int) -> int:
    """Bytes that a tag sends after this PC word and before its CRC; L counts words of 16 bits."""
    return (pc >> 11) * 2


class EventKind(StrEnum):
    """What a reader says when it does not report a tag."""

    FIRMWARE = "firmware"
    """Model or version, in answer to the start-up."""
    NO_TAG = "no_tag"
    """A round ended without a tag: a result, not an error. Sent again and again while the field is empty."""
    COMMAND_DONE = "command_done"
    COMMAND_FAILED = "command_failed"
    """The reader refused a command, or never answered it."""
    TAG_ERROR = "tag_error"
    """The tag itself refused: locked, overrun, too little power."""


@dataclass(frozen=True)
class ReaderEvent:
    """A word of the reader about itself."""

    kind: EventKind
    detail: str
    at: datetime


@dataclass(frozen=True)
class Junk:
    """Bytes that fit nothing. `reason` says why, in words for the person who looks at the cable."""

    reason: str
    data: bytes
    at: datetime


Record = Scan | TagRead | ReaderEvent | Junk


class Decoder(Protocol):
    """One protocol, sans-I/O: bytes and instants in, records and bytes out. It never asks for the time.

    Any cutting of the same bytes gives the same records.
    """

    def receive(self, data: bytes, at: datetime) -> list[Record]:
        """Bytes that came from the device."""

    def idle(self, at: datetime) -> list[Record]:
        """Nothing came until `at`. Call it as often as you like while the line is silent: the decoder holds its own
        limits, ends a claim that was cut off, and repeats a command that was not answered."""

    def start(self, at: datetime) -> None:
        """The link is open (again): forget the bytes of the old one and queue the start-up commands."""

    def to_send(self) -> bytes:
        """What to write to the device now. Each byte is given out once."""
