"""Binary as text, two spellings, read strictly: what decodes must encode back to the same characters.

Leaves, notes and DSSE use standard base64 with padding (b64); JSON payloads use base64url without padding (b64u), as
SD-JWT does. A lenient decoder would let one signed thing be written in several ways.
"""

import base64
import binascii
import re

from trace.errors import ParseError

_HEX = re.compile(r"[0-9a-f]*")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def b64(data: bytes) -> str:
    """RFC 4648, section 4, with padding."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def from_b64(text: str, what: str, length: int | None = None) -> bytes:
    """Inverse of `b64`; `length` is the number of bytes expected.

    Raises: ParseError when the text is not its own canonical spelling, or of another length.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParseError(f"{what} {text[:60]!r}: expected base64 with padding") from error
    return _checked(data, b64(data), text, what, length)


def b64u(data: bytes) -> str:
    """RFC 4648, section 5, without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


def from_b64u(text: str, what: str, length: int | None = None) -> bytes:
    """Inverse of `b64u`.

    Raises: ParseError when the text is not its own canonical spelling, or of another length.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParseError(f"{what} {text[:60]!r}: expected base64url without padding") from error
    return _checked(data, b64u(data), text, what, length)


def from_hex(text: str, what: str, length: int) -> bytes:
    """Lower-case hex of exactly `length` bytes.

    Raises: ParseError otherwise.
    """
    if len(text) != 2 * length or _HEX.fullmatch(text) is None:
        raise ParseError(f"{what} {text[:80]!r}: expected {2 * length} lower-case hex digits")
    return bytes.fromhex(text)


def _checked(data: bytes, again: str, text: str, what: str, length: int | None) -> bytes:
    if again != text:
        raise ParseError(f"{what} {text[:60]!r}: not the canonical spelling, expected {again[:60]!r}")
    if length is not None and len(data) != length:
        raise ParseError(f"{what} {text[:60]!r}: expected {length} bytes, got {len(data)}")
    return data
