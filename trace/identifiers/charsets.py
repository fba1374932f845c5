"""The character sets that GS1 application identifiers may carry (GS1 General Specifications, section 7.11)."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Charset:
    """A set of characters, with the name people know it by."""

    name: str
    pattern: re.Pattern[str]
    """Matches as many characters of the set as there are, so that a match ends at the first foreign one."""

    def holds(self, text: str) -> bool:
        return self.pattern.fullmatch(text) is not None

    def first_foreign(self, text: str) -> int | None:
        """Offset of the first character that is not in the set."""
        match = self.pattern.match(text)
        end = 0 if match is None else match.end()
        return None if end == len(text) else end


NUMERIC = Charset("digits", re.compile(r"[0-9]*"))
CSET_82 = Charset("GS1 AI character set 82", re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*"))
CSET_39 = Charset("GS1 AI character set 39", re.compile(r"[#\-/0-9A-Z]*"))
CSET_64 = Charset("base64url", re.compile(r"[A-Za-z0-9_-]*={0,2}"))

BY_TYPE = {"N": NUMERIC, "X": CSET_82, "Y": CSET_39, "Z": CSET_64}
"""Type letter of the GS1 Barcode Syntax Dictionary."""
