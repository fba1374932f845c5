"""Percent-encoding as the URIs of this library write and read it (RFC 3986, section 2)."""

import re
from urllib.parse import quote, unquote_to_bytes

from trace.errors import ParseError

_TRIPLET = re.compile(r"%(?![0-9A-Fa-f]{2})")


def encode(text: str) -> str:
    """Everything but the unreserved characters becomes UTF-8 in `%XX`, upper-case."""
    return quote(text, safe="")


def decode(text: str) -> str:
    """Decoded once; a `%` without two hexadecimal digits stands for itself.

    Raises: ParseError when the result is not UTF-8.
    """
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise ParseError(f"URI part {text[:60]!r}: percent-encoded bytes are not UTF-8.") from error


def decode_strictly(text: str) -> str:
    """Raises: ParseError for a `%` without two hexadecimal digits too."""
    stray = _TRIPLET.search(text)
    if stray is not None:
        raise ParseError(f"URI part {text[:60]!r}: expected two hexadecimal digits after '%' at {stray.start() + 1}.")
    return decode(text)
