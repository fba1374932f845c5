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
_NARROWED = {code + 0xFEE0: code for code in range(0x21, 0x7F)}
_DROPPED = dict.fromkeys(map(ord, " \t\u00a0\u3000-‐‑–—－"))
_FOLDED = _NARROWED | _DROPPED


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


def narrow(text: str) -> str:
    """For schemes in which case and hyphens count: full-width characters narrowed, blanks around it dropped."""
    return text.translate(_NARROWED).strip()


def folding_warnings(text: str) -> tuple[str, ...]:
    """What `fold` changed: harmless where a person typed, worth a look where a printer should have done better."""
    shown = f"{text[:40]!r} was read with"
    found = []
    if any(ord(char) in _NARROWED and ord(char) not in _DROPPED for char in text):
        found.append(f"{shown} full-width characters as narrow ones.")
    if any(ord(char) in _DROPPED for char in text):
        found.append(f"{shown} its spaces and hyphens left out.")
    if text.upper() != text:
        found.append(f"{shown} small letters as capitals.")
    return tuple(found)
