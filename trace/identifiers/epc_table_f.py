"""Table F: how each GS1 application identifier is written on a tag (EPC Tag Data Standard 2.3, section 15.3).

    AI digits of 4 bits each | first component | second component

Both the TDS 2 schemes and the AIDC data behind them use it. The first two digits of an AI say how long it is (table K).
AIs (03) and (8014) are left out on purpose: they are not for EPC tags.
"""

from collections.abc import Callable

from trace.errors import ParseError, ValidationError
from trace.identifiers.ai_table import application_identifier
from trace.identifiers.element_string import Element
from trace.identifiers.epc_methods import (
    Alphanumeric,
    BitReader,
    BitWriter,
    Country,
    DateOrRange,
    DateTime,
    Digits,
    DigitsAndRest,
    Flag,
    Method,
    Minus,
    Number,
    Sequence,
    VariableNumber,
    VariableTime,
)

# n = digits of 4 bits, b = one number of so many digits, v = up to so many digits, a = alphanumeric up to so many
# characters, g = digits and a rest, others by name. Length indicators are as wide as the most characters need.
# (7254) is printed with 30 characters and the 6 bits of 40, which is what the General Specifications allow; (8007) has
# room for 24 of the 34 that they allow.
_ROWS = """
00 n18 | 01-02 n14 | 10 a20 | 11-13 date | 15-17 date | 20 b2 | 21-22 a20 | 235 a28 | 240-241 a30 | 242 v6 | 243 a20
250-251 a30 | 253 n13 a17 | 254 a20 | 255 n13 v12 | 30 v8 | 37 v8
3100-3105 b6 | 3110-3115 b6 | 3120-3125 b6 | 3130-3135 b6 | 3140-3145 b6 | 3150-3155 b6 | 3160-3165 b6
3200-3205 b6 | 3210-3215 b6 | 3220-3225 b6 | 3230-3235 b6 | 3240-3245 b6 | 3250-3255 b6 | 3260-3265 b6 | 3270-3275 b6
3280-3285 b6 | 3290-3295 b6 | 3300-3305 b6 | 3310-3315 b6 | 3320-3325 b6 | 3330-3335 b6 | 3340-3345 b6 | 3350-3355 b6
3360-3365 b6 | 3370-3375 b6 | 3400-3405 b6 | 3410-3415 b6 | 3420-3425 b6 | 3430-3435 b6 | 3440-3445 b6 | 3450-3455 b6
3460-3465 b6 | 3470-3475 b6 | 3480-3485 b6 | 3490-3495 b6 | 3500-3505 b6 | 3510-3515 b6 | 3520-3525 b6 | 3530-3535 b6
3540-3545 b6 | 3550-3555 b6 | 3560-3565 b6 | 3570-3575 b6 | 3600-3605 b6 | 3610-3615 b6 | 3620-3625 b6 | 3630-3635 b6
3640-3645 b6 | 3650-3655 b6 | 3660-3665 b6 | 3670-3675 b6 | 3680-3685 b6 | 3690-3695 b6
3900-3909 v15 | 3910-3919 b3 v15 | 3920-3929 v15 | 3930-3939 b3 v15 | 3940-3943 b4 | 3950-3953 b6
400-401 a30 | 402 b17 | 403 a30 | 410-417 n13 | 420 a20 | 421 b3 a9 | 422 b3 | 423 v15 | 424 b3 | 425 v15 | 426 b3
427 a3 | 4300-4301 a35 | 4302-4306 a70 | 4307 country | 4308 a30 | 4309 b20 | 4310-4311 a35 | 4312-4316 a70
4317 country | 4318 a20 | 4319 a30 | 4320 a35 | 4321-4323 flag | 4324-4325 time | 4326 date | 4330-4333 b6 minus
7001 b13 | 7002 a30 | 7003 time | 7004 v4 | 7005 a12 | 7006 date | 7007 range | 7008 a3 | 7009 a10 | 7010 a2
7011 precision | 7020-7022 a20 | 7023 g30 | 7030-7039 b3 a27 | 7040-7041 a4 | 710-716 a20 | 7230-7239 a30 | 7240 a20
7241 n2 | 7242 a25 | 7250 b8 | 7251 b12 | 7252 b1 | 7253 a40 | 7254 a40 | 7255 a10 | 7256 a90 | 7257 a70
7258 sequence | 7259 a40
8001 b14 | 8002 a20 | 8003 n14 a16 | 8004 g30 | 8005 b6 | 8006 n18 | 8007 a24 | 8008 precision | 8009 a50 | 8010 g30
8011 v12 | 8012 a20 | 8013 a25 | 8017-8018 n18 | 8019 v10 | 8020 a25 | 8026 n18 | 8030 a90 | 8110 a70 | 8111 b4
8112 a70 | 8200 a70 | 90 a30 | 91-99 a90
"""

_BY_LETTER: dict[str, Callable[[int], Method]] = {
    "n": Digits,
    "b": Number,
    "v": VariableNumber,
    "a": Alphanumeric,
    "g": DigitsAndRest,
}
_BY_NAME: dict[str, Method] = {
    "date": DateTime(6),
    "time": DateTime(10),
    "range": DateOrRange(),
    "precision": VariableTime(),
    "country": Country(),
    "flag": Flag(),
    "minus": Minus(),
    "sequence": Sequence(),
}


def _method(text: str) -> Method:
    if text in _BY_NAME:
        return _BY_NAME[text]
    return _BY_LETTER[text[0]](int(text[1:]))


def _table() -> dict[str, tuple[Method, ...]]:
    table = {}
    for row in _ROWS.replace("\n", "|").split("|"):
        words = row.split()
        if words:
            first, _, last = words[0].partition("-")
            for number in range(int(first), int(last or first) + 1):
                table[str(number).zfill(len(first))] = tuple(map(_method, words[1:]))
    return table


TABLE_F = _table()
"""AI to the methods of its components."""

TABLE_K = {ai[:2]: len(ai) for ai in TABLE_F}
"""First two digits of an AI to its length."""


def read_value(ai: str, bits: BitReader) -> str:
    """The value of an AI, without a look at what it means.

    Raises: ParseError.
    """
    return "".join(method.read(bits) for method in TABLE_F[ai])


def write_value(ai: str, value: str, bits: BitWriter) -> None:
    """Raises: ValidationError."""
    methods = TABLE_F[ai]
    if len(methods) == 1:
        methods[0].write(value, bits)
        return
    first = methods[0]
    assert isinstance(first, Digits | Number), "all first components of two are of fixed length"
    first.write(value[: first.count], bits)
    methods[1].write(value[first.count :], bits)


def read_element(bits: BitReader) -> Element:
    """AI and value, checked against the dictionary.

    Raises: ParseError.
    """
    start = bits.take(8)
    digits = f"{start:02X}"
    length = TABLE_K.get(digits)
    if length is None:
        raise ParseError(f"AIDC data header {digits}: expected the first two digits of an AI.")
    if length > 2:
        digits += f"{bits.take(4 * (length - 2)):0{length - 2}X}"
    if digits not in TABLE_F:
        raise ParseError(f"AIDC data header {digits}: no such AI in table F.")
    try:
        value = read_value(digits, bits)
    except ParseError as error:
        raise ParseError(f"({digits}): {error}") from error
    application_identifier(digits).check(value)
    return digits, value


def write_element(element: Element, bits: BitWriter) -> None:
    """Raises: ValidationError when table F has no such AI, or the value is not valid."""
    ai, value = element
    if ai not in TABLE_F:
        raise ValidationError(f"({ai[:10]}) is not for EPC tags: no such AI in table F.")
    try:
        application_identifier(ai).check(value)
    except ParseError as error:
        raise ValidationError(str(error)) from error
    bits.put(int(ai, 16), 4 * len(ai))
    try:
        write_value(ai, value, bits)
    except ValidationError as error:
        raise ValidationError(f"({ai}): {error}") from error
