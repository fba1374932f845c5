"""Codes that GS1 does not own: a scheme and a value of that scheme.

A scheme with rules of its own is a subclass in a file of its own (`drug_codes`, `enterprise_codes`); what a shop or a
registry numbers without published rules stays a plain `NationalCode`.
"""

import re
import unicodedata
from dataclasses import dataclass

from trace.errors import ParseError

_SCHEME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LONGEST = 100

# Printed and typed forms of one code: full-width characters, and what people put between groups.
_FOLDED = {code + 0xFEE0: code for code in range(0x21, 0x7F)} | dict.fromkeys(map(ord, " \t\u00a0\u3000-‐‑–—－"))


@dataclass(frozen=True)
class NationalCode:
    """One code under its scheme."""

    scheme: str
    """Lower-case letters, digits and hyphens, as in the URI."""
    value: str

    def __post_init__(self) -> None:
        if _SCHEME.fullmatch(self.scheme) is None:
            raise ParseError(f"scheme {self.scheme[:40]!r}: expected lower-case letters, digits and hyphens.")
        if not 1 <= len(self.value) <= _LONGEST:
            raise ParseError(f"{self.scheme} {self.value[:40]!r}: expected 1 to {_LONGEST} characters.")
        # Lone surrogates and controls cannot stand in a URI or a page. Dot segments would be swallowed by browsers.
        if any(unicodedata.category(char)[0] == "C" for char in self.value) or self.value in (".", ".."):
            raise ParseError(f"{self.scheme} {self.value[:40]!r}: expected printable text.")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is doubtful in a code that is formally valid."""
        return ()

    def __str__(self) -> str:
        return self.value


def fold(text: str) -> str:
    """As printed to as stored: full-width characters narrowed, spaces and hyphens dropped, letters upper-case."""
    return text.translate(_FOLDED).upper()
