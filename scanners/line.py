"""Scanners that send lines: serial, USB-CDC, TCP, and what a keyboard wedge types.

    [prefix] [AIM identifier] data [suffix]        ]d2 0106901234567892 10LOT7 <GS> 21ABC123 <CR> <LF>

The AIM identifier (ISO/IEC 15424) is `]`, a letter for the symbology and a modifier. FNC1 in first position shows only
there; as separator it is sent as GS 0x1D, which stays in the text. What an identifier means is for `trace.identifiers`.

Rules
1. Each suffix byte (CR and LF) ends a line, and an empty line is nothing. So CR LF is one end wherever it is cut.
2. Text is UTF-8, else GB 18030, else ISO-8859-1; `Scan.raw` keeps the bytes for whoever knows better.
3. Separators of GS1 and ISO/IEC 15434 (EOT, TAB, FS, GS, RS, US) are data. Other control characters are noise.
4. A line that starts with `]` and two printable characters has an identifier, known or not. Without data behind it, it
   is junk.
5. Noise before an identifier (control characters, or bytes that are no text) is junk, and the scan behind it is saved.
   Readable text before `]X9` is data: a scanner without identifiers may read a code that contains one.
6. Noise inside the data makes the line junk up to the next identifier: a guessed code is worse than a second scan.
7. A line of more than 8,192 bytes is junk, and so is the rest of it up to its end. (QR holds 7,089 digits at most.)
8. A line that stays without its suffix while the line is silent is junk, "cut off". The limit is generous: slow links
   pause inside a line, and a second scan costs more than a wait.

9. A scanner that cannot send GS sends another character in its place. Where that is configured as `gs`, the text has GS
   for it, and `Scan.raw` keeps what came. It is never guessed: `|` and `^` are data in other codes.

A code that contains CR or LF itself (a contact card in a QR code) comes out as several lines; set another suffix.
"""

import re
from datetime import datetime, timedelta

from scanners.records import Junk, Record, Scan

LINE_LIMIT_BYTES = 8192
"""Above the 7,089 digits of the largest QR code (ISO/IEC 18004), with room for identifier and prefix."""

_SEPARATORS = b"\t\x04\x1c\x1d\x1e\x1f"
_CONTROL = re.compile(b"[" + re.escape(bytes(b for b in (*range(0x20), 0x7F) if b not in _SEPARATORS)) + b"]")
_LEADING_IDENTIFIER = re.compile(rb"\][\x21-\x7e][\x21-\x7e]")
_INNER_IDENTIFIER = re.compile(rb"\][A-Za-z][0-9A-Za-z]")


class LineDecoder:
    """Lines to scans. Sends nothing: such scanners need no start-up."""

    def __init__(
        self, *, prefix: bytes = b"", suffix: bytes = b"\r\n", gs: bytes = b"", cut_off_s: float = 2.0
    ) -> None:
        """`suffix`: every byte of it ends a line. `prefix`: stripped where it stands, not demanded.
        `gs`: the printable ASCII character that this scanner sends in place of GS 0x1D, if it does.
        `cut_off_s`: silence after which a line without its suffix is given up."""
        if not suffix:
            raise ValueError("suffix b'': expected at least one byte, like CR LF")
        if gs and (len(gs) > 1 or not 0x20 < gs[0] < 0x7F or gs in suffix):
            raise ValueError(f"gs {gs!r}: expected one printable ASCII character that does not end a line")
        self._prefix = prefix
        self._suffix = suffix
        self._gs = gs.decode("ascii")
        self._ends = re.compile(b"[" + re.escape(suffix) + b"]")
        self._cut_off = timedelta(seconds=cut_off_s)
        self._line = bytearray()
        self._skipping = False
        self._heard_at: datetime | None = None

    def receive(self, data: bytes, at: datetime) -> list[Record]:
        self._heard_at = at
        records: list[Record] = []
        *ended, rest = self._ends.split(data)
        for piece in ended:
            self._extend(piece, at, records)
            if self._line:
                records += self._read(bytes(self._line), at)
            self._line.clear()
            self._skipping = False
        self._extend(rest, at, records)
        return records

    def idle(self, at: datetime) -> list[Record]:
        if self._heard_at is None or at - self._heard_at < self._cut_off:
            return []
        self._skipping = False
        if not self._line:
            return []
        cut = bytes(self._line)
        self._line.clear()
        waited = f"no {_names(self._suffix)} for {self._cut_off.total_seconds():g} s"
        return [Junk(f"cut off: {waited}; is the scanner's suffix set?", cut, self._heard_at)]

    def start(self, at: datetime) -> None:
        self._line.clear()
        self._skipping = False
        self._heard_at = None

    def to_send(self) -> bytes:
        return b""

    def _extend(self, piece: bytes, at: datetime, records: list[Record]) -> None:
        if self._skipping:
            return
        self._line += piece
        if len(self._line) > LINE_LIMIT_BYTES:
            kept = bytes(self._line[:LINE_LIMIT_BYTES])
            reason = f"line of more than {LINE_LIMIT_BYTES} bytes: skipped up to the next {_names(self._suffix)}"
            records.append(Junk(reason, kept, at))
            self._line.clear()
            self._skipping = True

    def _read(self, line: bytes, at: datetime) -> list[Record]:
        """One line without its end, to a scan, or to junk and what could be saved behind it."""
        if self._prefix and line.startswith(self._prefix):
            line = line.removeprefix(self._prefix)
        records: list[Record] = []
        while True:
            identifier = _LEADING_IDENTIFIER.match(line)
            noise = _CONTROL.search(line)
            save_at = _save_at(line, identified=identifier is not None)
            if save_at is not None:
                records.append(Junk(_reason(noise, identifier is not None), line[:save_at], at))
                line = line[save_at:]
                continue
            if noise is not None:
                records.append(Junk(_reason(noise, identifier is not None), line, at))
            elif line.startswith(b"]") and (identifier is None or identifier.end() == len(line)):
                records.append(Junk("AIM identifier without data", line, at))
            elif line:
                symbology = identifier.group().decode("ascii") if identifier else None
                text = _text(line[identifier.end() :] if identifier else line)
                if self._gs:
                    # In the text, because bytes of GB 18030 pairs look like ASCII.
                    text = text.replace(self._gs, "\x1d")
                records.append(Scan(raw=line, symbology=symbology, text=text, at=at))
            return records


def _save_at(line: bytes, *, identified: bool) -> int | None:
    """Where the first scan behind noise begins (rules 5 and 6)."""
    for inner in _INNER_IDENTIFIER.finditer(line, 1):
        head = line[: inner.start()]
        # Behind an identifier bytes of any code page are data.
        if _CONTROL.search(head) or not (identified or _is_text(head)):
            return inner.start()
    return None


def _reason(noise: re.Match[bytes] | None, identified: bool) -> str:
    if noise is None:
        return "bytes that are no text before the AIM identifier"
    where = "" if identified else ", no AIM identifier before it"
    return f"control character 0x{noise.group()[0]:02X} at byte {noise.start()}{where}"


def _is_text(data: bytes) -> bool:
    for encoding in ("utf-8", "gb18030"):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return True
    return False


def _text(data: bytes) -> str:
    for encoding in ("utf-8", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("iso-8859-1")


def _names(suffix: bytes) -> str:
    return " or ".join({0x0D: "CR", 0x0A: "LF", 0x09: "TAB", 0x03: "ETX"}.get(b, f"0x{b:02X}") for b in suffix)
