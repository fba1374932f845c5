"""肉菜追溯码: the retail code of the meat and vegetable tracing system on a receipt or a tag (SB/T 10680-2012).

20 digits like a drug's, and no check digit either. Its inner split is not public, so it is opaque: which of the two a
bare number of 20 digits is, a registered drug prefix decides (`prefix_registry`).
"""

from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.national import NationalCode, fold


@dataclass(frozen=True)
class MeatRetailCode(NationalCode):
    """One sale at a stall."""

    scheme: str = field(default="cn-meat", init=False)
    value: str
    """20 digits."""

    def __post_init__(self) -> None:
        if not NUMERIC.holds(self.value) or len(self.value) != 20:
            digits = "digits" if NUMERIC.holds(self.value) else "characters, not all digits"
            raise ParseError(
                f"meat and vegetable code {self.value[:40]!r}: expected 20 digits, got {len(self.value)} {digits}."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))
