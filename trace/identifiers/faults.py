"""What is wrong with a code: by which rule, where, and in words.

A fault is a result, not an exception, because a reader goes on with what it has read so far. `ElementString.parse` and
its like turn the first one into a `ParseError`.
"""

from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule. `at` and `length` name the characters that break it, of the text that the reader was given."""

    code: str
    """`GS1_LINTER_...` as the GS1 Barcode Syntax Dictionary names the faults of a value, else a word of ours:
    `required_ai`, `excluded_ai`, `ai_unknown` ..."""
    message: str
    at: int = 0
    """Offset of the first wrong character."""
    length: int = 0
    markup: str = ""
    """`(8001)1|X|34`: the value up to the end of the component at fault, the wrong characters between bars."""

    def moved(self, by: int) -> Self:
        """The same fault in a longer text."""
        return replace(self, at=self.at + by)
