"""Codes that a shop's scales print: EAN-13 of GS1 prefix 2, with the weight or the price in it.

    22 IIIII WWWWW C      item 5, grams 5, check digit
    21 IIIIII PPPP C      item 6, price 4

They mean something inside one shop alone (GS1 General Specifications, 2.1.12.2): never a GTIN, never recorded as one.
Each shop has its layout, so layouts are data: a pattern of 13 characters and the place of the decimal point.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.national import fold

_PATTERN = re.compile(r"2[0-9]?I+(W+|P+)C|02I+(W+|P+)C")


@dataclass(frozen=True, slots=True)
class InStoreLayout:
    """How one shop's scales fill the 13 digits."""

    pattern: str
    """Digits as they are, then I item, W weight or P price, C check digit: `22IIIIIWWWWWC`."""
    decimals: int
    """Digits of the amount behind the point: 3 for grams told in kilograms, 2 for fen told in yuan."""

    def __post_init__(self) -> None:
        if len(self.pattern) != 13 or _PATTERN.fullmatch(self.pattern) is None:
            raise ParseError(
                f"in-store layout {self.pattern[:40]!r}: expected 13 characters, 2 or 20 to 29 or 02, then I for the "
                "item, W or P for the amount, and C."
            )
        if not 0 <= self.decimals <= 5:
            raise ParseError(f"in-store layout {self.pattern!r}: expected 0 to 5 decimals, got {self.decimals}.")

    @property
    def prefix(self) -> str:
        return self.pattern[: self.pattern.index("I")]

    def read(self, text: str) -> "InStoreCode":
        """Raises: ParseError when the digits are wrong or of another layout."""
        digits = _require_in_store(text)
        if not digits.startswith(self.prefix):
            raise ParseError(f"in-store code {digits!r}: expected {self.prefix} in front (layout {self.pattern}).")
        kind = "W" if "W" in self.pattern else "P"
        item = digits[self.pattern.index("I") : self.pattern.rindex("I") + 1]
        amount = digits[self.pattern.index(kind) : self.pattern.rindex(kind) + 1]
        return InStoreCode(item, Decimal(int(amount)).scaleb(-self.decimals), "KGM" if kind == "W" else "CNY")


@dataclass(frozen=True, slots=True)
class InStoreCode:
    """What the digits say in the shop that printed them."""

    item: str
    """The shop's own number of the goods."""
    amount: Decimal
    unit: str
    """`KGM` (UN/ECE Recommendation 20) or the currency `CNY`."""


def is_in_store(digits: str) -> bool:
    """Whether these are 13 digits with a prefix for use inside a shop: 02, or 20 to 29."""
    return len(digits) == 13 and NUMERIC.holds(digits) and (digits[0] == "2" or digits.startswith("02"))


def read_in_store(text: str, layouts: tuple[InStoreLayout, ...]) -> tuple[InStoreCode, ...]:
    """All readings by the layouts of a shop; several layouts with one prefix give several.

    Raises: ParseError when the digits are wrong; an empty tuple means that no layout has this prefix.
    """
    digits = _require_in_store(text)
    return tuple(layout.read(digits) for layout in layouts if digits.startswith(layout.prefix))


def _require_in_store(text: str) -> str:
    digits = fold(text)
    if not is_in_store(digits):
        raise ParseError(f"in-store code {digits[:40]!r}: expected 13 digits that begin with 02 or 2.")
    computed = gs1_check_digit(digits[:-1])
    if digits[-1] != computed:
        raise ParseError(f"in-store code {digits!r}: check digit is {digits[-1]}, computed {computed}.")
    return digits
