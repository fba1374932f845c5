"""How TDS 2 writes values as bits: the encoding methods of EPC Tag Data Standard 2.3, section 14.5.

    digits of 4 bits         GTIN, SSCC and other keys, so that a reader can filter on a company prefix
    alphanumeric             3 bits: which alphabet; then the length; then the characters in as few bits as that takes
    numeric                  the length, then the digits as one number
    numeric and a rest       digits of 4 bits up to F; or up to E, and the rest alphanumeric
    dates                    7 bits of year, 4 of month, 5 of day, 5 of hour, 6 of minute, 6 of second

A `Method` is one row of table F's columns b to h: it reads from `Bits` and writes to them, always both ways.
"""

from dataclasses import dataclass
from typing import Protocol

from trace.errors import ParseError, ValidationError
from trace.identifiers.charsets import NUMERIC


class BitReader:
    """Bits of a tag, from the first to the last."""

    def __init__(self, bits: int, total: int) -> None:
        self._bits = bits
        self.total = total
        self.left = total
        self.field = "EPC"
        """What is being read, for people."""
        self.start = 0
        """Bit where it begins."""

    def begin(self, field: str) -> None:
        self.field, self.start = field, self.at

    @property
    def at(self) -> int:
        """How many bits have been read."""
        return self.total - self.left

    def take(self, width: int) -> int:
        """Raises: ParseError when fewer are left."""
        if width > self.left:
            raise ParseError(f"expected {width} bits more, got {self.left}.")
        self.left -= width
        return self._bits >> self.left & ((1 << width) - 1)

    def rest(self) -> int:
        """All that is left, as a number, without reading it."""
        return self._bits & ((1 << self.left) - 1)


class BitWriter:
    """Bits for a tag."""

    def __init__(self) -> None:
        self.value = 0
        self.width = 0

    def put(self, value: int, width: int) -> None:
        self.value = self.value << width | value
        self.width += width


class Method(Protocol):
    def read(self, bits: BitReader) -> str:
        """Raises: ParseError."""

    def write(self, text: str, bits: BitWriter) -> None:
        """Raises: ValidationError when the text is not of this kind."""


@dataclass(frozen=True, slots=True)
class Digits:
    """14.5.4 "Fixed-Length Numeric": 4 bits a digit."""

    count: int

    def read(self, bits: BitReader) -> str:
        text = f"{bits.take(4 * self.count):0{self.count}X}"
        if not NUMERIC.holds(text):
            raise ParseError(f"expected {self.count} digits of 4 bits, got {text}.")
        return text

    def write(self, text: str, bits: BitWriter) -> None:
        _require_digits(text, self.count)
        bits.put(int(text, 16), 4 * self.count)


@dataclass(frozen=True, slots=True)
class Number:
    """14.5.2 "Fixed-Bit-Length Numeric String": so many digits as one number."""

    count: int

    def read(self, bits: BitReader) -> str:
        return _read_number(bits, self.count)

    def write(self, text: str, bits: BitWriter) -> None:
        _require_digits(text, self.count)
        bits.put(int(text), _number_width(self.count))


@dataclass(frozen=True, slots=True)
class VariableNumber:
    """14.5.13 "Variable-length numeric string without encoding indicator"."""

    most: int

    def read(self, bits: BitReader) -> str:
        return _read_number(bits, _read_length(bits, self.most))

    def write(self, text: str, bits: BitWriter) -> None:
        if not NUMERIC.holds(text) or len(text) > self.most:
            raise ValidationError(f"{text[:40]!r}: expected up to {self.most} digits.")
        bits.put(len(text), self.most.bit_length())
        bits.put(int(text or "0"), _number_width(len(text)))


@dataclass(frozen=True, slots=True)
class Alphanumeric:
    """14.5.6 "Variable-length alphanumeric": in the alphabet that takes fewest bits."""

    most: int

    def read(self, bits: BitReader) -> str:
        alphabet = bits.take(3)
        length = _read_length(bits, self.most)
        if alphabet >= len(_ALPHABETS):
            raise ParseError(f"encoding indicator is {alphabet}, expected 0 to 5.")
        return _ALPHABETS[alphabet].read(bits, length)

    def write(self, text: str, bits: BitWriter) -> None:
        if len(text) > self.most:
            raise ValidationError(f"{text[:100]!r}: expected at most {self.most} characters, got {len(text)}.")
        fitting = [each for each in _ALPHABETS if each.holds(text)]
        if not fitting:
            raise ValidationError(f"{text!r}: expected characters of GS1 AI character set 82 or 39.")
        # Ties go to the lower indicator: base 64 before URN Code 40, as 14.5.6 advises for 8 characters.
        chosen = min(fitting, key=lambda each: each.width(len(text)))
        bits.put(_ALPHABETS.index(chosen), 3)
        bits.put(len(text), self.most.bit_length())
        chosen.write(text, bits)


@dataclass(frozen=True, slots=True)
class DigitsAndRest:
    """14.5.5 "Delimited/Terminated Numeric": GIAI and CPI begin with a company prefix and go on with anything."""

    most: int

    def read(self, bits: BitReader) -> str:
        text = ""
        while True:
            digit = bits.take(4)
            if digit == 0xF:
                break
            if digit == 0xE:
                text += _REST.read(bits)
                break
            if digit > 9:
                raise ParseError(f"expected a digit, a delimiter E or a terminator F, got {digit:X}.")
            text += str(digit)
            if len(text) > self.most:
                raise ParseError(f"{text!r}: expected at most {self.most} characters and their end.")
        if not 1 <= len(text) <= self.most:
            raise ParseError(f"{text!r}: expected 1 to {self.most} characters, got {len(text)}.")
        return text

    def write(self, text: str, bits: BitWriter) -> None:
        rest = text.lstrip("0123456789")
        digits = text[: len(text) - len(rest)]
        if not digits or len(text) > self.most:
            raise ValidationError(f"{text[:40]!r}: expected digits in front and at most {self.most} characters.")
        bits.put(int(digits + ("E" if rest else "F"), 16), 4 * len(digits) + 4)
        if rest:
            _REST.write(rest, bits)


@dataclass(frozen=True, slots=True)
class DateTime:
    """14.5.8 (YYMMDD) and 14.5.9 (YYMMDDhhmm); parts of two digits."""

    digits: int

    def read(self, bits: BitReader) -> str:
        text = "".join(f"{bits.take(width):02d}" for width in _DATE_WIDTHS[: self.digits // 2])
        fault = _fault_in_time(text)
        if fault is not None:
            raise ParseError(fault)
        return text

    def write(self, text: str, bits: BitWriter) -> None:
        _require_digits(text, self.digits)
        fault = _fault_in_time(text)
        if fault is not None:
            raise ValidationError(fault)
        for place, width in enumerate(_DATE_WIDTHS[: self.digits // 2]):
            bits.put(int(text[2 * place : 2 * place + 2]), width)


@dataclass(frozen=True, slots=True)
class DateOrRange:
    """14.5.10: one bit, then one date or two."""

    def read(self, bits: BitReader) -> str:
        return "".join(_DATE.read(bits) for _ in range(1 + bits.take(1)))

    def write(self, text: str, bits: BitWriter) -> None:
        bits.put(len(text) > 6, 1)
        _DATE.write(text[:6], bits)
        if len(text) > 6:
            _DATE.write(text[6:], bits)


@dataclass(frozen=True, slots=True)
class VariableTime:
    """14.5.11: two bits for how precise, then the date and as much of the time."""

    def read(self, bits: BitReader) -> str:
        return DateTime(_PRECISION[bits.take(2)]).read(bits)

    def write(self, text: str, bits: BitWriter) -> None:
        if len(text) not in _PRECISION:
            raise ValidationError(f"{text[:40]!r}: expected 6, 8, 10 or 12 digits.")
        bits.put(_PRECISION.index(len(text)), 2)
        DateTime(len(text)).write(text, bits)


@dataclass(frozen=True, slots=True)
class Country:
    """14.5.12: ISO 3166-1 alpha-2, 6 bits a letter."""

    def read(self, bits: BitReader) -> str:
        codes = bits.take(6), bits.take(6)
        if max(codes) > 25:
            raise ParseError(f"country is {codes[0]} {codes[1]}, expected two letters of 0 to 25.")
        return "".join(chr(65 + code) for code in codes)

    def write(self, text: str, bits: BitWriter) -> None:
        if len(text) != 2 or not all("A" <= char <= "Z" for char in text):
            raise ValidationError(f"{text[:40]!r}: expected two letters A to Z.")
        for char in text:
            bits.put(ord(char) - 65, 6)


@dataclass(frozen=True, slots=True)
class Flag:
    """14.5.7 "Single data bit": 0 or 1."""

    def read(self, bits: BitReader) -> str:
        return str(bits.take(1))

    def write(self, text: str, bits: BitWriter) -> None:
        if text not in ("0", "1"):
            raise ValidationError(f"{text[:40]!r}: expected 0 or 1.")
        bits.put(int(text), 1)


@dataclass(frozen=True, slots=True)
class Minus:
    """14.5.14: a minus sign, or nothing."""

    def read(self, bits: BitReader) -> str:
        return "-" if bits.take(1) else ""

    def write(self, text: str, bits: BitWriter) -> None:
        if text not in ("", "-"):
            raise ValidationError(f"{text[:40]!r}: expected nothing or a minus sign.")
        bits.put(len(text), 1)


@dataclass(frozen=True, slots=True)
class Sequence:
    """14.5.15: `1/3`, both digits 1 to 9."""

    def read(self, bits: BitReader) -> str:
        first, last = bits.take(4), bits.take(4)
        if not (1 <= first <= 9 and 1 <= last <= 9):
            raise ParseError(f"sequence is {first}/{last}, expected digits 1 to 9.")
        return f"{first}/{last}"

    def write(self, text: str, bits: BitWriter) -> None:
        if len(text) != 3 or text[1] != "/" or not {text[0], text[2]} <= set("123456789"):
            raise ValidationError(f"{text[:40]!r}: expected two digits 1 to 9 with / between.")
        bits.put(int(text[0] + text[2], 16), 8)


@dataclass(frozen=True, slots=True)
class _Characters:
    """Table E: an alphabet in which every character is a number of so many bits."""

    characters: str
    bits_each: int

    def holds(self, text: str) -> bool:
        return all(char in self.characters for char in text) and "\0" not in text

    def width(self, length: int) -> int:
        return self.bits_each * length

    def read(self, bits: BitReader, length: int) -> str:
        return "".join(self._character(bits.take(self.bits_each)) for _ in range(length))

    def write(self, text: str, bits: BitWriter) -> None:
        for char in text:
            bits.put(self.characters.index(char), self.bits_each)

    def _character(self, code: int) -> str:
        char = self.characters[code : code + 1]
        if char in ("", "\0"):
            raise ParseError(f"character is {code}, expected one of the alphabet.")
        return char


@dataclass(frozen=True, slots=True)
class _OneNumber:
    """Table E, 000: all digits as one number."""

    def holds(self, text: str) -> bool:
        return NUMERIC.holds(text)

    def width(self, length: int) -> int:
        return _number_width(length)

    def read(self, bits: BitReader, length: int) -> str:
        return _read_number(bits, length)

    def write(self, text: str, bits: BitWriter) -> None:
        bits.put(int(text or "0"), _number_width(len(text)))


@dataclass(frozen=True, slots=True)
class UrnCode40:
    """Table E, 101: three characters in 16 bits (14.5.6.5)."""

    def holds(self, text: str) -> bool:
        return set(text) <= _CODE_40_SET

    def width(self, length: int) -> int:
        return 16 * -(-length // 3)

    def read(self, bits: BitReader, length: int) -> str:
        text = ""
        for _ in range(0, length, 3):
            number = bits.take(16) - 1
            if not 0 <= number < 64000:
                raise ParseError(f"URN Code 40 group is {number + 1}, expected 1 to 64000.")
            text += "".join(_CODE_40[code] for code in (number // 1600, number // 40 % 40, number % 40))
        text = text.replace("\0", "")
        if len(text) != length:
            raise ParseError(f"URN Code 40: expected {length} characters, got {len(text)}.")
        return text

    def write(self, text: str, bits: BitWriter) -> None:
        codes = [_CODE_40.index(char) for char in text] + [0] * (-len(text) % 3)
        for place in range(0, len(codes), 3):
            first, second, third = codes[place : place + 3]
            bits.put(1600 * first + 40 * second + third + 1, 16)


# Optional serial components are read with length 0, so no method asks for a least length.
def _read_length(bits: BitReader, most: int) -> int:
    length = bits.take(most.bit_length())
    if length > most:
        raise ParseError(f"length is {length}, expected at most {most}.")
    return length


def _number_width(digits: int) -> int:
    """Bits for so many digits (table B): 0, 4, 7, 10, 14 ..."""
    return int(10**digits - 1).bit_length()


def _read_number(bits: BitReader, digits: int) -> str:
    number = bits.take(_number_width(digits))
    text = f"{number:0{digits}d}" if digits else ""
    if len(text) > digits:
        raise ParseError(f"number is {number}, expected at most {digits} digits.")
    return text


def _require_digits(text: str, count: int) -> None:
    if len(text) != count or not NUMERIC.holds(text):
        raise ValidationError(f"{text[:40]!r}: expected {count} digits.")


def _fault_in_time(text: str) -> str | None:
    if len(text) % 2:  # a year of 7 bits above 99
        return f"year is {text[:3]}, expected 00 to 99."
    month, day = int(text[2:4]), int(text[4:6])
    if not 1 <= month <= 12 or day > _LAST_DAY[month - 1]:
        return f"{text[:6]!r}: expected YYMMDD, day 00 for the whole month."
    hour, minute, second = (int(text[place : place + 2] or "0") for place in (6, 8, 10))
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        return f"{text!r}: expected a time up to 24:00, got {text[6:]}."
    return None


_LAST_DAY = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""TDS asks for no more; whether the year has the day is for the linter of the AI."""

_DATE_WIDTHS = (7, 4, 5, 5, 6, 6)
_DATE = DateTime(6)
_PRECISION = (8, 10, 12, 6)
"""Digits, by format indicator (14.5.11)."""

_REST = Alphanumeric(30)

_CODE_40 = "\0ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:0123456789"
_CODE_40_SET = set(_CODE_40[1:])

_MARKS = "!\"#%&'()*+,-./:;<=>?_"
_ASCII = "".join(chr(code) if chr(code).isalnum() or chr(code) in _MARKS else "\0" for code in range(128))
"""Sets 82 and 39 at their place (table 14-9)."""

_Alphabet = _Characters | _OneNumber | UrnCode40
_ALPHABETS: tuple[_Alphabet, ...] = (
    _OneNumber(),
    _Characters("0123456789ABCDEF", 4),
    _Characters("0123456789abcdef", 4),
    _Characters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 6),
    _Characters(_ASCII, 7),
    UrnCode40(),
)
"""By encoding indicator."""
