"""What a verifier counts on: strict base64 and JSON, Ed25519, ECDSA, a Merkle path, a signed note.

Only `verify.py`, `verify_policy.py` and `verify_reading.py` use this file, and nothing of it is shared with the code
that signs. Everything here answers yes or no about bytes and refuses what two readers could take differently.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from trace.errors import LimitError, ParseError, SignatureError, UncheckedError

MAX_DEPTH = 16
"""Levels of objects and lists in any JSON (docs/formats.md, section 2)."""
MAX_NOTE_LINES = 100
"""Signature lines of a note, as Go's reference implementation of c2sp.org/signed-note has it."""

_FIELD = 2**255 - 19
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
# The y coordinates of the eight points of small order: the neutral point, y = -1, y = 0 and four of order 8.
_SMALL_ORDER = frozenset({0, 1, _FIELD - 1, _ORDER_8, _FIELD - _ORDER_8})

_NAME = "[!-*,-~]+"
# A witness may have any name without spaces and plus; the two exceptions are where languages differ on what a space is.
NOTE_LINE = re.compile("\u2014 ([^\\s+\x85\ufeff]+) ([0-9A-Za-z+/=]+)")
_LOG_KEY = re.compile(rf"({_NAME})\+([0-9a-f]{{8}})\+([0-9A-Za-z+/=]+)")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f]")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def to_b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def to_b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def from_b64(text: Any, what: str, length: int | None = None) -> bytes:
    """Standard base64 with padding, in its one spelling. Raises: ParseError."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None or to_b64(data) != text or length not in (None, len(data)):
        raise ParseError(f"{what}: expected base64{_of(length)}, got {str(text)[:60]!r}")
    return data


def from_b64u(text: Any, what: str, length: int | None = None) -> bytes:
    """base64url without padding, in its one spelling. Raises: ParseError."""
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)) if isinstance(text, str) else None
    except ValueError:
        data = None
    if data is None or to_b64u(data) != text or length not in (None, len(data)):
        raise ParseError(f"{what}: expected base64url{_of(length)}, got {str(text)[:60]!r}")
    return data


def _of(length: int | None) -> str:
    return "" if length is None else f" of {length} bytes"


# ---- JSON ---------------------------------------------------------------------------------------


def strict_json(data: bytes, what: str, max_bytes: int) -> Any:
    """The value of UTF-8 JSON. Refuses what parsers disagree on.

    Raises: LimitError; ParseError on duplicate members, NaN, lone surrogates, numbers beyond what a double holds.
    """
    if len(data) > max_bytes:
        raise LimitError(f"{what}: {len(data)} bytes, at most {max_bytes} are read")
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_refuse, parse_int=_integer, parse_float=_float
        )
        _check_depth(value, what, MAX_DEPTH)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails on a lone surrogate
    except UnicodeEncodeError as error:
        raise ParseError(f"{what}: a lone surrogate is not a character") from error
    except RecursionError as error:
        raise LimitError(f"{what}: nested deeper than {MAX_DEPTH} levels") from error
    except (ValueError, ParseError) as error:
        raise ParseError(f"{what}: {error}") from error
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ParseError("a member stands twice in one object")
    return members


def _refuse(name: str) -> Any:
    raise ParseError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) >= 2**53:
        raise ParseError(f"integer {digits[:20]} is beyond 2^53")
    return int(digits)


def _float(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise ParseError(f"number {digits[:20]} is beyond a double")
    return float(digits)


def _check_depth(value: Any, what: str, left: int) -> None:
    if isinstance(value, dict | list):
        if left == 0:
            raise LimitError(f"{what}: nested deeper than {MAX_DEPTH} levels")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, what, left - 1)


# ---- signatures ---------------------------------------------------------------------------------


def strict_point(point: bytes) -> bool:
    """Whether 32 bytes are no small-order and no second spelling of an Ed25519 point (whether it is on the curve is
    for libsodium). A small-order key makes one signature fit many messages, so its owner could deny each of them."""
    y = int.from_bytes(point, "little") & (2**255 - 1)
    return len(point) == 32 and y < _FIELD and y not in _SMALL_ORDER


def ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """RFC 8032, section 5.1.7, strict: canonical key, R and S; no small-order key or R."""
    if len(signature) != 64 or int.from_bytes(signature[32:], "little") >= _GROUP_ORDER:
        return False
    if not strict_point(public) or not strict_point(signature[:32]):
        return False
    try:
        VerifyKey(public).verify(message, signature)
    except CryptoError:
        return False
    return True


def p256(public: bytes, message: bytes, signature: bytes) -> bool:
    """ECDSA P-256 with SHA-256 (FIPS 186-5): key `04 X Y`, signature `r s`, 64 bytes."""
    if len(signature) != 64 or len(public) != 65 or public[0] != 4:
        return False
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), public)
        key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return True


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes under a DSSE v1 signature."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


# ---- the log ------------------------------------------------------------------------------------


def included(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether leaf `index` stands in the tree of `size` leaves with this root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size or any(len(each) != 32 for each in (leaf_hash, root, *path)):
        return False
    node, last, current = index, size - 1, leaf_hash
    for sibling in path:
        if last == 0:
            return False
        if node % 2 == 1 or node == last:
            current = sha256(b"\x01" + sibling + current)
            while node % 2 == 0 and node != 0:
                node, last = node >> 1, last >> 1
        else:
            current = sha256(b"\x01" + current + sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == root


def parse_log_key(text: str) -> tuple[str, bytes, bytes]:
    """Name, key hash and Ed25519 key of a verifier key (c2sp.org/signed-note).

    Raises: ParseError; UncheckedError on another algorithm.
    """
    match = _LOG_KEY.fullmatch(text)
    if match is None:
        raise ParseError(f"log key {text[:120]!r}: expected <origin>+<key hash>+<key>")
    name, stated, blob = match.groups()
    key = from_b64(blob, "log key")
    expected = sha256(name.encode("ascii") + b"\n" + key)[:4]
    if stated != expected.hex():
        raise ParseError(f"log key {text[:120]!r}: key hash {stated}, computed {expected.hex()}")
    if key[0] != 1:
        raise UncheckedError(f"log key of {name}: algorithm {key[0]} is not known here, expected 1, Ed25519")
    if len(key) != 33:
        raise ParseError(f"log key of {name}: {len(key) - 1} bytes, expected 32")
    return name, expected, key[1:]


def open_note(note: str, log_key: str) -> str:
    """The text of a signed note. Raises: ParseError when it is none; SignatureError when the log key did not sign."""
    name, key_hash, public = parse_log_key(log_key)
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or lines.pop() != "" or not lines or len(lines) > MAX_NOTE_LINES or _CONTROL.search(note):
        raise ParseError("note: expected text, a blank line and at most 100 signature lines that end with LF")
    signed = (text + "\n").encode("utf-8")
    found = False
    for line in lines:
        match = NOTE_LINE.fullmatch(line)
        if match is None:
            raise ParseError(f"note: line {line[:80]!r}: expected '\u2014 <name> <base64>'")
        blob = from_b64(match[2], "note signature")
        # Lines of other keys (witnesses) are none of our business.
        if match[1] == name and blob[:4] == key_hash:
            if not ed25519(public, signed, blob[4:]):
                raise SignatureError(f"the signature of {name}+{key_hash.hex()} is not one over this note")
            found = True
    if not found:
        raise SignatureError(f"no signature by the log key {name}+{key_hash.hex()}")
    return text + "\n"
