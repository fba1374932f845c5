"""The extended protocol control word of a tag: what it can do and what happened to it (EPC Tag Data Standard 2.3, 9.4).

    XEB | RFU 3 | SA | SS | FS | SN | B | C | SLI | TN | U | K | NR | H        bits 210h to 21Fh of the EPC bank

For tags whose toggle bit is not set; others have the bits of ISO/IEC 18000-63. Sensor bits are those of Gen2 V3.
"""

from dataclasses import dataclass
from typing import Self

from trace.errors import ParseError


@dataclass(frozen=True, slots=True)
class XpcWord:
    """XPC_W1."""

    second_word: bool
    """XEB: an XPC_W2 follows."""
    sensor_alarm: bool
    simple_sensor: bool
    full_function_sensor: bool
    snapshot_sensor: bool
    battery_assisted: bool
    computed_response: bool
    selected: bool
    """SLI: the SL flag is asserted."""
    notification: bool
    untraceable: bool
    killable: bool
    non_removable: bool
    hazardous: bool

    @classmethod
    def from_bytes(cls, word: bytes) -> Self:
        """Of the first two bytes.

        Raises: ParseError.
        """
        if len(word) < 2:
            raise ParseError(f"XPC word {word.hex()!r}: expected 2 bytes, got {len(word)}.")
        bits = int.from_bytes(word[:2])
        flags = [bool(bits >> place & 1) for place in range(15, -1, -1)]
        return cls(flags[0], *flags[4:])
