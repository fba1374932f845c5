"""Percent-encoding as the URIs of this library write and read it (RFC 3986, section 2; Digital Link URI Syntax, 4.2).

A path and a query differ in one character: a query is form data, where a plus is a space. Decoding is done once, on the
part that has been cut out of its URI.
"""

import re
from urllib.parse import quote, quote_plus, unquote_to_bytes

from trace.errors import ParseError

_TRIPLET = re.compile(r"%(?![0-9A-Fa-f]{2})")


def encode(text: str) -> str:
    """Everything but the unreserved characters becomes UTF-8 in `%XX`, upper-case."""
    return quote(text, safe="")


def encode_query(text: str) -> str:
    """The same for a value of a query: a space becomes a plus."""
    return quote_plus(text, safe="")


def decode(text: str) -> str:
    """Decoded once; a `%` without two hexadecimal digits stands for itself.

    Raises: ParseError when the result is not UTF-8.
    """
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError as error:
        fault = f"URI part {text[:60]!r}: percent-encoded bytes are not UTF-8."
        raise ParseError(fault, code="percent_encoding") from error


def decode_query(text: str) -> str:
    """The same for a value of a query, where a plus is a space. Raises: ParseError."""
    return decode(text.replace("+", " "))


def decode_strictly(text: str) -> str:
    """Raises: ParseError for a `%` without two hexadecimal digits too."""
    stray = _TRIPLET.search(text)
    if stray is not None:
        at = stray.start() + 1
        fault = f"URI part {text[:60]!r}: expected two hexadecimal digits after '%' at {at}."
        raise ParseError(fault, code="percent_encoding", at=at)
    return decode(text)
