"""RFC 8785 and what is refused before it: whatever two JSON parsers could read in two ways."""

import hashlib
import itertools
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import LimitError, ParseError
from trace.ledger.canonical import canonical, parse_canonical, parse_json

NAMES = ["arrays", "french", "structures", "unicode", "values", "weird"]


def parse(text: str | bytes) -> object:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_json(data, "body", max_bytes=2_000_000)


def refusal(text: str | bytes) -> str:
    with pytest.raises((ParseError, LimitError)) as refused:
        parse(text)
    return f"{type(refused.value).__name__}: {refused.value}"


@pytest.mark.parametrize("name", NAMES)
def test_published_documents_get_their_published_form(shared_data: Path, name: str) -> None:
    """cyberphone/json-canonicalization, the vectors of RFC 8785."""
    folder = shared_data / "ledger" / "jcs"
    value = parse((folder / "input" / f"{name}.json").read_bytes())
    form = bytes.fromhex((folder / "outhex" / f"{name}.txt").read_text())
    assert canonical(value) == form
    if isinstance(value, dict):
        assert parse_canonical(form, "body", max_bytes=2_000_000) == value


def test_published_numbers_are_written_as_ecmascript_writes_them(shared_data: Path) -> None:
    """The first ten thousand lines of the test file of RFC 8785, appendix B."""
    published = json.loads((shared_data / "ledger" / "jcs" / "es6_numbers.json").read_text())
    for bits, text in published["samples"]:
        assert canonical(_double(bytes.fromhex(bits.zfill(16)))).decode() == text
    digest, size, lines = hashlib.sha256(), 0, 0
    wanted = {each["lines"]: (each["sha256"], each["bytes"]) for each in published["checksums"]}
    for bits in itertools.islice(_numbers(published["static_u64_hex"]), 10_000):
        line = f"{bits.hex().lstrip('0') or '0'},{canonical(_double(bits)).decode()}\n".encode()
        digest.update(line)
        size, lines = size + len(line), lines + 1
        if lines in wanted:
            assert (digest.hexdigest(), size) == wanted[lines]


def _double(bits: bytes) -> float:
    return float(struct.unpack(">d", bits)[0])


def _numbers(static: list[str]) -> Iterator[bytes]:
    yield from map(bytes.fromhex, static)
    for n in range(2000):
        yield (0x0010000000000000 + n).to_bytes(8, "big")
    block = bytes(32)
    while True:
        block = hashlib.sha256(block).digest()
        for n in range(0, 32, 8):
            bits = block[n : n + 8][::-1]
            if _double(bits) != 0 and math.isfinite(_double(bits)):
                yield bits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a":1,"a":2}', "ParseError: member 'a' stands twice in one object"),
        ('[{"b":{"x":1,"y":2,"x":1}}]', "ParseError: member 'x' stands twice in one object"),
        ("[NaN]", "ParseError: NaN is not JSON"),
        ("[Infinity]", "ParseError: Infinity is not JSON"),
        ("[-Infinity]", "ParseError: -Infinity is not JSON"),
        ("[1e400]", "ParseError: number 1e400: beyond double precision"),
        ("[-1.5E999]", "ParseError: number -1.5E999: beyond double precision"),
        ("[9007199254740992]", "ParseError: integer 9007199254740992: beyond 2^53-1, write it as a string"),
        ("[-9007199254740992]", "ParseError: integer -9007199254740992: beyond 2^53-1, write it as a string"),
        ('"\\ud800"', "ParseError: body: a lone surrogate is not a character"),
        ('{"\\udc00":1}', "ParseError: body: a lone surrogate is not a character"),
        (b"\xef\xbb\xbf{}", "ParseError: body: not JSON at character 0: Unexpected UTF-8 BOM (decode using utf-8-sig)"),
        (b'{"a":"\xff"}', "ParseError: body: not UTF-8 at byte 6"),
        ("", "ParseError: body: not JSON at character 0: Expecting value"),
        ("{} {}", "ParseError: body: not JSON at character 3: Extra data"),
        ('{"a":1 "b"}', "ParseError: body: not JSON at character 7: Expecting ',' delimiter"),
        ("[01]", "ParseError: body: not JSON at character 2: Expecting ',' delimiter"),
        ('["\t"]', "ParseError: body: not JSON at character 2: Invalid control character at"),
        ("[" * 17 + "]" * 17, "LimitError: body: nested deeper than 16 levels"),
        ("[" * 1_000_000, "LimitError: body: nested deeper than 16 levels"),
        ('{"a":' * 300_000, "LimitError: body: nested deeper than 16 levels"),
    ],
)
def test_what_parsers_disagree_on_is_refused(text: str | bytes, message: str) -> None:
    assert refusal(text) == message


def test_a_number_of_a_million_digits_is_refused_at_once() -> None:
    assert (
        refusal("[" + "9" * 1_000_000 + "]") == f"ParseError: integer {'9' * 20}: beyond 2^53-1, write it as a string"
    )


def test_both_ends_of_the_integers_are_taken() -> None:
    assert parse("[9007199254740991,-9007199254740991,0]") == [2**53 - 1, 1 - 2**53, 0]


def test_brackets_in_strings_are_no_depth() -> None:
    text = json.dumps(["[" * 100 + '\\"' + "{" * 100])
    assert parse(text) == json.loads(text)


def test_sixteen_levels_are_taken() -> None:
    assert parse("[" * 16 + "]" * 16) == json.loads("[" * 16 + "]" * 16)


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(LimitError) as refused:
        parse_json(b"x" * 11, "body", max_bytes=10)
    assert str(refused.value) == "body: 11 bytes, at most 10 are taken"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"b":1,"a":2}', "body: differs from its RFC 8785 form at byte 2"),
        ('{"a": 2}', "body: differs from its RFC 8785 form at byte 5"),
        ('{"a":2}\n', "body: differs from its RFC 8785 form at byte 7"),
        ('{"a":1.0}', "body: differs from its RFC 8785 form at byte 6"),
        ('{"a":-0}', "body: differs from its RFC 8785 form at byte 5"),
        ('{"a":"\\u0041"}', "body: differs from its RFC 8785 form at byte 6"),
        ("[]", "body: expected a JSON object, got list"),
        ('"x"', "body: expected a JSON object, got str"),
    ],
)
def test_a_payload_in_another_spelling_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_canonical(text.encode(), "body", max_bytes=1000)
    assert str(refused.value) == message


def test_a_value_that_has_no_form_is_refused() -> None:
    with pytest.raises(ParseError, match=r"^not expressible in RFC 8785: "):
        canonical({"a": float("inf")})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**53, 2**53 - 1)
    | st.floats(-(2**53), 2**53, exclude_min=True, exclude_max=True)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_the_form_means_the_same_and_is_its_own_form(value: dict[str, object]) -> None:
    form = canonical(value)
    again = parse_canonical(form, "body", max_bytes=2_000_000)
    assert again == value
    assert canonical(again) == form


@given(
    st.binary(max_size=60)
    | st.text(alphabet='{}[]":,\\u0123eE.-+ntf\ud800', max_size=40).map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_read_or_refused_with_a_message(data: bytes) -> None:
    try:
        parse(data)
    except (ParseError, LimitError) as error:
        assert str(error)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON_VALUES)
def test_the_fast_way_writes_what_the_library_writes(value: Any) -> None:
    try:
        wanted = rfc8785.dumps(value)
    except rfc8785.CanonicalizationError:
        with pytest.raises(ParseError):
            canonical(value)
        return
    assert canonical(value) == wanted


@pytest.mark.parametrize("text", ["\x00\x1f\x7f\x80", '"\\/\b\f\n\r\t', "\u2028\u2029\ufeff", "𝄞é", "</script>"])
def test_strings_are_escaped_as_the_standard_says(text: str) -> None:
    assert canonical({"a": [text]}) == rfc8785.dumps({"a": [text]})
