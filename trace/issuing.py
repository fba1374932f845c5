"""Codes that we give out: serial numbers that nobody can guess, SSCCs by count, lots, and links that show a forger.

    serial   14 of 26 characters = 65.8 bits from the operating system's generator
    SSCC     [1 extension][company prefix][count][1 check], counted without gaps
    lot      261124A007: day, line, count of that day
    link     https://brand.cn/01/…/21/…?s=k3Q0xA-z     `s`: 48 bits of HMAC-SHA-256 over the canonical link

A link with a wrong `s` was never issued. A link with a right one was, perhaps copied: then the records tell, since one
number is seen in two places. Pure: that no number is given out twice is kept by the door `issue`.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import date
from enum import StrEnum

from trace.errors import LimitError, ParseError, ValidationError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.gs1_keys import Sscc

SERIAL_ALPHABET = "234679ACDEFGHJKMNPQRTUVWXY"
"""Of 0 O, 1 I L, 2 Z, 5 S and 8 B at most one each: a serial number is also read out and typed."""
SERIAL_LENGTH = 14
MOST_SERIALS = len(SERIAL_ALPHABET) ** SERIAL_LENGTH // 10**9
"""64,509,974,703 a GTIN: up to there, at most one in 10^9 guesses is a number that was issued."""

_LINK_PARAMETER = "s"
_LINK_DOMAIN = b"suyuan link v1\x00"
_LINK_KEY_BYTES = 32
_LINK_MAC_BYTES = 6

_LINE_CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def new_serial(draw: Callable[[int], int] = secrets.randbelow) -> str:
    """A random serial number. `draw(n)` gives 0 to n - 1; only tests give another than the default."""
    return "".join(SERIAL_ALPHABET[draw(len(SERIAL_ALPHABET))] for _ in range(SERIAL_LENGTH))


def require_company_prefix(prefix: str) -> None:
    """Raises: ParseError when it is no GS1 Company Prefix (General Specifications, 1.4.4: 4 to 12 digits)."""
    if not NUMERIC.holds(prefix) or not 4 <= len(prefix) <= 12:
        raise ParseError(f"GS1 Company Prefix {prefix[:20]!r}: expected 4 to 12 digits.")


def sscc_of(prefix: str, number: int) -> Sscc:
    """The SSCC of this count, from 0. The extension digit is its highest digit, so that it moves last.

    Raises: LimitError when the prefix has no more of them; ParseError for a wrong prefix.
    """
    require_company_prefix(prefix)
    places = 17 - len(prefix)
    if not 0 <= number < 10**places:
        raise LimitError(f"SSCC of prefix {prefix}: it has {10**places} numbers, count {number} is not among them.")
    digits = f"{number:0{places}}"
    body = digits[0] + prefix + digits[1:]
    return Sscc(body + gs1_check_digit(body))


def lot_of(day: date, line: str, number: int) -> str:
    """The lot of this count on this line and day, from 1: `261124A007`.

    Raises: ParseError for another line than one capital letter (no I, no O); LimitError after 999 lots a day.
    """
    if len(line) != 1 or line not in _LINE_CHARACTERS:
        raise ParseError(f"production line {line[:20]!r}: expected one capital letter, not I or O.")
    if not 1 <= number <= 999:
        raise LimitError(f"lots of line {line} on {day}: expected at most 999, got {number}.")
    return f"{day:%y%m%d}{line}{number:03}"


class LinkMark(StrEnum):
    """What the `s` of a link says."""

    NONE = "none"
    """There is none: not one of the links we sign."""
    FALSE = "false"
    """Wrong: this link was never issued."""
    ISSUED = "issued"
    """Right: it was issued, though this may be a copy of it."""


def sign_link(uri: str, key: bytes) -> str:
    """The link with `s` behind it.

    A parameter outside the AIs, which a resolver passes on (GS1 Digital Link URI Syntax, extension parameters), and not
    one of AI (91) to (99): those may not stand on what leaves the company (General Specifications, 3.10).
    Raises: ParseError when it is no Digital Link; ValidationError when it is signed already or has a fragment.
    """
    if _mark_of(uri) is not None or "#" in uri:
        raise ValidationError(f"Digital Link {uri[:80]!r}: expected no '{_LINK_PARAMETER}' and no '#' yet.")
    return f"{uri}{'&' if '?' in uri else '?'}{_LINK_PARAMETER}={_mac(uri, key)}"


def check_link(uri: str, keys: Sequence[bytes]) -> LinkMark:
    """Whether one of our keys signed this link, on whatever domain it stands; all keys that were ever used belong in.

    Raises: ParseError when it is no Digital Link.
    """
    mark = _mark_of(uri)
    if mark is None:
        return LinkMark.NONE
    found = [hmac.compare_digest(mark.encode(), _mac(uri, key).encode()) for key in keys]
    return LinkMark.ISSUED if any(found) else LinkMark.FALSE


def mark_in(query: str) -> str | None:
    """The value of `s` in a query, right or wrong; None where there is none."""
    marks = [value for name, _, value in (each.partition("=") for each in query.split("&")) if name == _LINK_PARAMETER]
    # Two marks are two chances to guess.
    return None if not marks else marks[0] if len(marks) == 1 else ""


def _mark_of(uri: str) -> str | None:
    return mark_in(uri.partition("#")[0].partition("?")[2])


def _mac(uri: str, key: bytes) -> str:
    """Over all AIs of the link, so that a changed expiry date is found too; not over domain and foreign parameters."""
    if len(key) != _LINK_KEY_BYTES:
        raise ValidationError(f"link key of {len(key)} bytes: expected {_LINK_KEY_BYTES}.")
    link = DigitalLink.parse(uri)
    ordered = DigitalLink(link.stem, link.path, tuple(sorted(link.attributes)))
    digest = hmac.digest(key, _LINK_DOMAIN + ordered.uri().encode(), hashlib.sha256)
    return urlsafe_b64encode(digest[:_LINK_MAC_BYTES]).decode("ascii")
