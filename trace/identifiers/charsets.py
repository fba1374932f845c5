"""The character sets that GS1 application identifiers may carry (GS1 General Specifications, section 7.11)."""

import re
from dataclasses import dataclass

from trace.identifiers.faults import Fault


@dataclass(frozen=True)
class Charset:
    """A set of characters, with the name people know it by."""

    name: str
    pattern: re.Pattern[str]
    """Matches as many characters of the set as there are, so that a match ends at the first foreign one."""
    code: str
    """Name of the fault in the GS1 Barcode Syntax Dictionary."""

    def holds(self, text: str) -> bool:
        return self.pattern.fullmatch(text) is not None

    def first_foreign(self, text: str) -> int | None:
        """Offset of the first character that is not in the set."""
        match = self.pattern.match(text)
        end = 0 if match is None else match.end()
        return None if end == len(text) else end

    def fault(self, text: str, start: int = 0) -> Fault | None:
        """The first foreign character. `start`: how many characters of the value stand before this text."""
        foreign = self.first_foreign(text)
        if foreign is None:
            return None
        where = f"{text[foreign]!r} at {start + foreign + 1}"
        return Fault(self.code, f"{where}, expected {self.name}", foreign, 1)


class _Base64Url(Charset):
    """CSET 64 ends in at most two `=`; whoever pads must fill up to a multiple of three, which is GS1's own rule."""

    def holds(self, text: str) -> bool:
        return self.fault(text) is None

    def fault(self, text: str, start: int = 0) -> Fault | None:
        body = text.rstrip("=")
        pads = len(text) - len(body)
        if pads > 2 or (pads and len(text) % 3):
            wanted = "none, or 1 or 2 that fill up to a multiple of 3"
            return Fault(
                "GS1_LINTER_INVALID_CSET64_PADDING", f"{pads} '=' at the end, expected {wanted}", len(body), pads
            )
        return super().fault(body, start)


NUMERIC = Charset("digits", re.compile(r"[0-9]*"), "GS1_LINTER_NON_DIGIT_CHARACTER")
CSET_82 = Charset(
    "GS1 AI character set 82",
    re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*"),
    "GS1_LINTER_INVALID_CSET82_CHARACTER",
)
CSET_39 = Charset("GS1 AI character set 39", re.compile(r"[#\-/0-9A-Z]*"), "GS1_LINTER_INVALID_CSET39_CHARACTER")
CSET_64 = _Base64Url("base64url", re.compile(r"[A-Za-z0-9_-]*"), "GS1_LINTER_INVALID_CSET64_CHARACTER")

BY_TYPE = {"N": NUMERIC, "X": CSET_82, "Y": CSET_39, "Z": CSET_64}
"""Type letter of the GS1 Barcode Syntax Dictionary."""
