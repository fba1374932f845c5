"""An emulated reader that runs: role, pseudo-terminal and control port."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devices.control import ControlServer, Request, Route
from devices.emulators.line_scanner import LineScannerEmulator
from devices.emulators.m100 import M100Emulator
from devices.emulators.pty_host import PtyHost
from trace.errors import ParseError, ValidationError
from trace.times import Clock

MOST_EPC_BYTES = 62
"""31 words: what the length field of the protocol control word can say (EPC Gen2, section 6.3.2.1.2.2)."""


class EmulatedReader:
    """Started when made; `close` pulls its plug."""

    def __init__(self, host: PtyHost, routes: dict[str, Route], *, control_port: int) -> None:
        self.host = host
        try:
            self.control = ControlServer({"GET /status": self._status, **routes}, port=control_port)
        except BaseException:
            host.close()
            raise

    def close(self) -> None:
        self.control.close()
        self.host.close()

    def _status(self, request: Request) -> dict[str, Any]:
        return {"terminal": self.host.terminal, "dropped_bytes": self.host.dropped_bytes}


def emulated_scanner(link: Path, *, control_port: int, clock: Clock) -> EmulatedReader:
    """A line scanner: `POST /scan` with the bytes of a code, AIM identifier first, as a scanner would send them."""
    role = LineScannerEmulator()
    host = PtyHost(role, link, clock=clock)

    def scan(request: Request) -> dict[str, Any]:
        if not request.body:
            raise ParseError("scan: expected the bytes of a code as the body, got none")
        host.do(lambda: role.scan(request.body))
        return {"bytes": len(request.body)}

    return EmulatedReader(host, {"POST /scan": scan}, control_port=control_port)


def emulated_uhf(link: Path, *, control_port: int, clock: Clock) -> EmulatedReader:
    """An M100 module: `PUT /tags` says which tags are in its field."""
    role = M100Emulator()
    host = PtyHost(role, link, clock=clock, tick=role.tick)

    def put_tags(request: Request) -> dict[str, Any]:
        tags = parse_tags(request.body)
        host.do(lambda: role.set_tags(tags))
        return {"tags": len(tags)}

    return EmulatedReader(host, {"PUT /tags": put_tags}, control_port=control_port)


EMULATORS: dict[str, Callable[..., EmulatedReader]] = {"scanner": emulated_scanner, "uhf": emulated_uhf}


def parse_tags(body: bytes) -> list[tuple[int, bytes]]:
    """`[{"epc": hex, "pc": hex}]` to (protocol control word, EPC); without `pc` it is made from the EPC's length.

    Raises: ParseError, ValidationError.
    """
    try:
        listed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"tags: expected JSON, {error}") from error
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ParseError('tags: expected a list like [{"epc": "3034257BF7194E4000001A85"}]')
    return [_tag(each) for each in listed]


def _tag(members: dict[str, Any]) -> tuple[int, bytes]:
    epc = _hex(members.get("epc"), "epc")
    if len(epc) % 2 or not 0 < len(epc) <= MOST_EPC_BYTES:
        raise ValidationError(f"epc {epc.hex()}: expected 2 to {MOST_EPC_BYTES} bytes, a whole number of words")
    if "pc" not in members:
        return len(epc) // 2 << 11, epc
    pc = _hex(members["pc"], "pc")
    if len(pc) != 2:
        raise ValidationError(f"pc {pc.hex()}: expected 2 bytes, got {len(pc)}")
    return int.from_bytes(pc), epc


def _hex(value: Any, what: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except (TypeError, ValueError) as error:
        raise ParseError(f"{what} {value!r}: expected hex digits") from error
