"""JSON as it is signed: I-JSON (RFC 7493) in the one spelling of RFC 8785.

What arrives is parsed once, strictly, and must equal its own canonical form byte for byte, so that two different texts
never mean the same payload and no parser downstream can read it differently.
"""

import json
import math
from typing import Any

import rfc8785

from trace.errors import LimitError, ParseError

MAX_DEPTH = 16
"""Levels of objects and lists in anything we take (docs/formats.md, section 2)."""

JsonObject = dict[str, Any]


def canonical(value: Any) -> bytes:
    """RFC 8785 form, UTF-8."""
    try:
        if _is_plain(value):
            # Three times as fast, and the same bytes: the two differ in numbers and in the order of rare names.
            return _write(value).encode("utf-8")
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise ParseError(f"not expressible in RFC 8785: {error}") from error


def parse_json(data: bytes, what: str, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """The value, with everything refused that parsers disagree on.

    Raises: LimitError when too long or too deep; ParseError on bad UTF-8, a byte order mark, duplicate members, NaN or
    Infinity, lone surrogates, integers beyond 2^53, numbers beyond double precision.
    """
    if len(data) > max_bytes:
        raise LimitError(f"{what}: {len(data)} bytes, at most {max_bytes} are taken")
    # Depth is counted on the bytes: the parser itself would recurse before it could be asked.
    _check_depth(data, what, max_depth)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError(f"{what}: not UTF-8 at byte {error.start}") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constants,
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        raise ParseError(f"{what}: not JSON at character {error.pos}: {error.msg}") from error
    if "\\u" in text or "\\U" in text:
        _no_surrogates(value, what)
    return value


def parse_canonical(data: bytes, what: str, *, max_bytes: int) -> JsonObject:
    """A JSON object that equals its own RFC 8785 form.

    Raises: as `parse_json`, and ParseError when it is another spelling or not an object.
    """
    value = parse_json(data, what, max_bytes=max_bytes)
    if not isinstance(value, dict):
        raise ParseError(f"{what}: expected a JSON object, got {type(value).__name__}")
    form = canonical(value)
    if form != data:
        at = next((i for i, (a, b) in enumerate(zip(form, data, strict=False)) if a != b), min(len(form), len(data)))
        raise ParseError(f"{what}: differs from its RFC 8785 form at byte {at}")
    return value


_write = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")).encode


def _is_plain(value: Any) -> bool:
    """Only objects with ASCII names, lists, text, small integers, booleans and null."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is dict:
        for name, each in value.items():
            if type(name) is not str or not name.isascii() or not _is_plain(each):
                return False
        return True
    if kind is list:
        return all(map(_is_plain, value))
    return kind is int and -(2**53) < value < 2**53


def _check_depth(data: bytes, what: str, max_depth: int) -> None:
    if data.count(b"{") + data.count(b"[") <= max_depth:
        return  # there are not enough brackets to be too deep
    depth = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x7B, 0x5B):
            depth += 1
            if depth > max_depth:
                raise LimitError(f"{what}: nested deeper than {max_depth} levels")
        elif byte in (0x7D, 0x5D):
            depth -= 1


def _no_duplicates(pairs: list[tuple[str, Any]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ParseError(f"member {twice[:60]!r} stands twice in one object")
    return members


def _no_constants(name: str) -> Any:
    raise ParseError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    # Length first: turning a million digits into a number takes minutes.
    if len(digits.removeprefix("-")) > 16 or abs(int(digits)) > 2**53 - 1:
        raise ParseError(f"integer {digits[:20]}: beyond 2^53-1, write it as a string")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    # 1e400 is JSON, and infinite once it is read.
    if not math.isfinite(number):
        raise ParseError(f"number {digits[:20]}: beyond double precision")
    return number


def _no_surrogates(value: Any, what: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParseError(f"{what}: a lone surrogate is not a character") from error
