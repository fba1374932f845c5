"""Fields of the EPC binary encodings before TDS 2.0 (EPC Tag Data Standard, sections 14.3 and 14.4).

A segment stands between one or two fields of the tag URI and the bits of the tag, both ways. `read` takes the bits as a
number and how many of them are left, appends its fields and gives what is left then; `write` is its inverse. What the
segments are strung to is the table in `epc_binary`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from trace.errors import ParseError, ValidationError
from trace.identifiers.charsets import NUMERIC

Written = tuple[int, int]
"""Value and number of bits."""


class Segment(Protocol):
    @property
    def name(self) -> str:
        """What people call it: `serial number`."""

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        """Raises: ParseError when these bits cannot be."""

    def write(self, fields: Iterator[str]) -> Written:
        """Raises: ValidationError when the field does not fit."""


PREFIX_BITS = (40, 37, 34, 30, 27, 24, 20)
"""By partition 0 to 6: company prefix of 12 to 6 digits, the same in all tables of section 14.6."""

_LIMITS = tuple(10**digits for digits in range(20))


@dataclass(frozen=True, slots=True)
class Integer:
    """14.3.1: a number, no leading zeros."""

    name: str
    width: int

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        if left < self.width:
            raise ParseError(f"{self.name}: expected {self.width} bits, got {left}.")
        left -= self.width
        fields.append(str(bits >> left & ((1 << self.width) - 1)))
        return left

    def write(self, fields: Iterator[str]) -> Written:
        text = next(fields)
        if not fits_a_number(text, self.width):
            most = (1 << self.width) - 1
            raise ValidationError(f"{self.name} {text!r}, expected a number up to {most} without leading zeros.")
        return int(text), self.width


@dataclass(frozen=True, slots=True)
class Text:
    """14.3.2: characters of 7 bits, filled with zeros."""

    name: str
    characters: int

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        width = 7 * self.characters
        left -= width
        fields.append(_text(bits >> left & ((1 << width) - 1), width, self.name))
        return left

    def write(self, fields: Iterator[str]) -> Written:
        return _text_bits(next(fields), 7 * self.characters, self.name)


@dataclass(frozen=True, slots=True)
class Partition:
    """14.3.3: company prefix and reference, as many digits together as the key has."""

    name: str
    widths: tuple[int, ...]
    """Bits of the reference, by partition."""
    digits: int
    """Of the reference for partition 0; one more for each partition."""

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left, partition = _read_prefix(bits, left, fields)
        width, digits = self.widths[partition], self.digits + partition
        left -= width
        number = bits >> left & ((1 << width) - 1)
        if number >= _LIMITS[digits]:
            raise ParseError(f"reference is {number}, expected at most {digits} digits.")
        fields.append(f"{number:0{digits}d}" if digits else "")
        return left

    def write(self, fields: Iterator[str]) -> Written:
        partition, prefix = _prefix_bits(fields)
        width = self.widths[partition]
        return prefix << width | int(next(fields) or "0"), 3 + PREFIX_BITS[partition] + width


@dataclass(frozen=True, slots=True)
class UnpaddedPartition:
    """14.3.4: company prefix and a number of any length that fits, no leading zeros."""

    name: str
    widths: tuple[int, ...]
    digits: int
    """Most digits of the reference for partition 0 (12.3.1, table of 14.6); one more for each partition."""

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left, partition = _read_prefix(bits, left, fields)
        width = self.widths[partition]
        left -= width
        fields.append(str(bits >> left & ((1 << width) - 1)))
        return left

    def write(self, fields: Iterator[str]) -> Written:
        partition, prefix = _prefix_bits(fields)
        width, digits = self.widths[partition], self.digits + partition
        reference = next(fields)
        if not fits_a_number(reference, width) or len(reference) > digits:
            most = min((1 << width) - 1, _LIMITS[digits] - 1)
            raise ValidationError(f"reference {reference!r}, expected a number up to {most} without leading zeros.")
        return prefix << width | int(reference), 3 + PREFIX_BITS[partition] + width


@dataclass(frozen=True, slots=True)
class TextPartition:
    """14.3.5: company prefix, and characters of 7 bits filled with zeros."""

    name: str
    widths: tuple[int, ...]
    characters: int
    """Most characters for partition 0; one more for each partition. A few bits may be left over."""

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left, partition = _read_prefix(bits, left, fields)
        width = self.widths[partition]
        left -= width
        fields.append(_text(bits >> left & ((1 << width) - 1), width, "reference", self.characters + partition))
        return left

    def write(self, fields: Iterator[str]) -> Written:
        partition, prefix = _prefix_bits(fields)
        width = self.widths[partition]
        value, _ = _text_bits(next(fields), width, "reference", self.characters + partition)
        return prefix << width | value, 3 + PREFIX_BITS[partition] + width


@dataclass(frozen=True, slots=True)
class NumericString:
    """14.3.6: digits with leading zeros, kept by a 1 in front."""

    name: str
    width: int

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left -= self.width
        text = str(bits >> left & ((1 << self.width) - 1))
        if text[0] != "1" or len(text) == 1:
            raise ParseError(f"{self.name} is {text}, expected a 1 and digits behind it.")
        fields.append(text[1:])
        return left

    def write(self, fields: Iterator[str]) -> Written:
        text = next(fields)
        if not text or not NUMERIC.holds(text) or 2 * 10 ** len(text) >= 1 << self.width:
            raise ValidationError(f"{self.name} {text[:40]!r}, expected digits that fit {self.width} bits.")
        return int("1" + text), self.width


@dataclass(frozen=True, slots=True)
class Cage:
    """14.3.7 in characters of 6 bits; in the USDOD tag (DoD Passive RFID guide) of 8. A filler precedes a code of 5."""

    name: str
    character_bits: int

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        width, mask = self.character_bits, (1 << self.character_bits) - 1
        codes = [bits >> shift & mask for shift in range(left - width, left - 7 * width, -width)]
        text = "".join(map(_six_bit if width == 6 else chr, codes))
        fields.append(text.removeprefix(" "))
        return left - 6 * width

    def write(self, fields: Iterator[str]) -> Written:
        value, mask = 0, (1 << self.character_bits) - 1
        for char in next(fields).rjust(6):
            value = value << self.character_bits | ord(char) & mask
        return value, 6 * self.character_bits


@dataclass(frozen=True, slots=True)
class SixBitText:
    """14.3.8: characters of 6 bits up to a zero."""

    name: str

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        text, left = _six_bit_text(bits, left, self.name)
        fields.append(text)
        return left

    def write(self, fields: Iterator[str]) -> Written:
        return _six_bit_bits(next(fields))


@dataclass(frozen=True, slots=True)
class SixBitPartition:
    """14.3.9: company prefix, and characters of 6 bits up to a zero."""

    name: str
    characters: int
    """Most characters for partition 0; one more for each partition."""

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left, partition = _read_prefix(bits, left, fields)
        text, left = _six_bit_text(bits, left, "reference")
        most = self.characters + partition
        if not 1 <= len(text) <= most:
            raise ParseError(f"reference {text!r}: expected 1 to {most} characters, got {len(text)}.")
        fields.append(text)
        return left

    def write(self, fields: Iterator[str]) -> Written:
        partition, prefix = _prefix_bits(fields)
        reference = next(fields)
        most = self.characters + partition
        if len(reference) > most:
            raise ValidationError(f"reference {reference!r}, expected at most {most} characters.")
        value, width = _six_bit_bits(reference)
        return prefix << width | value, 3 + PREFIX_BITS[partition] + width


@dataclass(frozen=True, slots=True)
class TwoDigits:
    """14.3.10 "Fixed Width Integer" in 7 bits: two digits."""

    name: str

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left -= 7
        number = bits >> left & 0x7F
        if number > 99:
            raise ParseError(f"{self.name} is {number}, expected at most 2 digits.")
        fields.append(f"{number:02d}")
        return left

    def write(self, fields: Iterator[str]) -> Written:
        return int(next(fields)), 7


@dataclass(frozen=True, slots=True)
class Reserved:
    """Zero bits that belong to the coding."""

    name: str
    width: int

    def read(self, bits: int, left: int, fields: list[str]) -> int:
        left -= self.width
        if bits >> left & ((1 << self.width) - 1):
            raise ParseError(f"expected {self.width} zero bits at the end.")
        return left

    def write(self, fields: Iterator[str]) -> Written:
        return 0, self.width


def fits_a_number(text: str, width: int) -> bool:
    """A leading zero would be lost in a number."""
    if not text or len(text) > 20 or not NUMERIC.holds(text):
        return False
    return (text == "0" or text[0] != "0") and int(text) < 1 << width


def _read_prefix(bits: int, left: int, fields: list[str]) -> tuple[int, int]:
    """What is left, and the partition; appends the company prefix."""
    left -= 3
    partition = bits >> left & 7
    if partition > 6:
        raise ParseError("partition is 7, expected 0 to 6.")
    width = PREFIX_BITS[partition]
    left -= width
    digits = 12 - partition
    number = bits >> left & ((1 << width) - 1)
    if number >= _LIMITS[digits]:
        raise ParseError(f"company prefix is {number}, expected at most {digits} digits.")
    fields.append(f"{number:0{digits}d}")
    return left, partition


def _prefix_bits(fields: Iterator[str]) -> Written:
    """Partition, and partition with company prefix behind it."""
    prefix = next(fields)
    partition = 12 - len(prefix)
    return partition, partition << PREFIX_BITS[partition] | int(prefix)


def _text(bits: int, width: int, name: str, most: int | None = None) -> str:
    """Zeros stand only behind the last character."""
    spare = width % 7
    codes = [bits >> shift & 0x7F for shift in range(width - 7, spare - 1, -7)]
    text = "".join(map(chr, codes)).rstrip("\0")
    if "\0" in text or bits & ((1 << spare) - 1):
        raise ParseError(f"expected no zero character inside the {name}.")
    if not 1 <= len(text) <= (most or len(codes)):
        raise ParseError(f"{name} {text!r}: expected 1 to {most or len(codes)} characters, got {len(text)}.")
    return text


def _text_bits(text: str, width: int, name: str, most: int | None = None) -> Written:
    if len(text) > (most or width // 7):
        raise ValidationError(f"{name} {text!r}, expected at most {most or width // 7} characters.")
    value = 0
    for char in text:
        value = value << 7 | ord(char)
    return value << (width - 7 * len(text)), width


def _six_bit(code: int) -> str:
    """Table G-1: the low 6 bits of ASCII. 100000, the filler of a CAGE code, becomes a space."""
    return chr(code | 0x40 if code < 0x20 else code)


def _six_bit_text(bits: int, left: int, name: str) -> tuple[str, int]:
    text: list[str] = []
    while left >= 6:
        left -= 6
        code = bits >> left & 0x3F
        if not code:
            return "".join(text), left
        text.append(_six_bit(code))
    raise ParseError(f"{name} {''.join(text)[:40]!r}: expected a zero character behind it.")


def _six_bit_bits(text: str) -> Written:
    value = 0
    for char in text:
        value = value << 6 | ord(char) & 0x3F
    return value << 6, 6 * (len(text) + 1)
