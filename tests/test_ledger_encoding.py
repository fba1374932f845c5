"""Binary as text: one spelling each, everything else refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace.errors import ParseError
from trace.ledger.encoding import b64, b64u, from_b64, from_b64u, from_hex


@given(st.binary(max_size=100))
def test_both_spellings_are_round_trips(data: bytes) -> None:
    assert from_b64(b64(data), "hash") == data
    assert from_b64u(b64u(data), "hash") == data
    assert from_hex(data.hex(), "key", len(data)) == data


@given(st.text(alphabet="ABZaz019+/-_= \n\u0663", max_size=12))
def test_what_decodes_encodes_to_the_same_characters(text: str) -> None:
    for decode, encode in ((from_b64, b64), (from_b64u, b64u)):
        try:
            data = decode(text, "hash")
        except ParseError:
            continue
        assert encode(data) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("QQ", "hash 'QQ': expected base64 with padding"),
        ("QR==", "hash 'QR==': not the canonical spelling, expected 'QQ=='"),
        ("Q-==", "hash 'Q-==': expected base64 with padding"),
        ("QQ==\n", "hash 'QQ==\\n': expected base64 with padding"),
        ("ÄÄ==", "hash 'ÄÄ==': expected base64 with padding"),
        ("QQ==", "hash 'QQ==': expected 32 bytes, got 1"),
        ("A" * 43 + "=", None),
    ],
)
def test_base64_is_read_strictly(text: str, message: str | None) -> None:
    if message is None:
        assert from_b64(text, "hash", 32) == bytes(32)
        return
    with pytest.raises(ParseError) as refused:
        from_b64(text, "hash", 32)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("QQ==", "salt 'QQ==': not the canonical spelling, expected 'QQ'"),
        ("QR", "salt 'QR': not the canonical spelling, expected 'QQ'"),
        ("Q", "salt 'Q': expected base64url without padding"),
        ("ab+d", "salt 'ab+d': not the canonical spelling, expected 'ab-d'"),
        ("QQ", "salt 'QQ': expected 16 bytes, got 1"),
    ],
)
def test_base64url_is_read_strictly(text: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        from_b64u(text, "salt", 16)
    assert str(refused.value) == message


@pytest.mark.parametrize("text", ["AB", "a", "abc", "zz", "a\n", "\u0663\u0663", ""])
def test_hex_is_lower_case_and_of_the_length_asked_for(text: str) -> None:
    with pytest.raises(ParseError) as refused:
        from_hex(text, "key id", 1)
    assert str(refused.value) == f"key id {text!r}: expected 2 lower-case hex digits"


def test_messages_show_the_beginning_of_long_texts_only() -> None:
    with pytest.raises(ParseError) as refused:
        from_b64("!" * 1_000_000, "payload")
    assert len(str(refused.value)) < 120
