"""Chinese enterprise codes: unified social credit code, food production licence, food operation licence."""

from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import (
    USCC_ALPHABET,
    mod_11_10_check_digit,
    organisation_check_character,
    uscc_check_character,
)
from trace.identifiers.national import NationalCode, fold


@dataclass(frozen=True)
class Uscc(NationalCode):
    """统一社会信用代码 (GB 32100-2015): `[1 authority][1 kind][6 region][9 organisation code][1 check]`."""

    scheme: str = field(default="cn-uscc", init=False)
    value: str

    def __post_init__(self) -> None:
        name = f"unified social credit code {self.value[:40]!r}"
        if len(self.value) != 18:
            raise ParseError(f"{name}: expected 18 characters, got {len(self.value)}.")
        for place, char in enumerate(self.value, start=1):
            if char not in USCC_ALPHABET:
                raise ParseError(f"{name}: {char!r} at {place} is not used (no I, O, S, V, Z).")
        computed = uscc_check_character(self.value[:17])
        if self.value[17] != computed:
            raise ParseError(f"{name}: check character is {self.value[17]}, computed {computed}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """18 characters; lower-case, full-width and grouped forms are folded. Raises: ParseError."""
        return cls(fold(text))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The inner check (GB 11714) held on all codes we tried, but the standard of the whole does not ask for it."""
        computed = organisation_check_character(self.value[8:16])
        if self.value[16] == computed:
            return ()
        organisation = self.value[8:17]
        return (f"organisation code {organisation!r}: check character is {self.value[16]}, computed {computed}.",)


@dataclass(frozen=True)
class FoodProductionLicence(NationalCode):
    """食品生产许可证: `SC [1 food or additive][2 category][6 region][4 serial][1 check]` (GB/T 17710)."""

    scheme: str = field(default="cn-sc", init=False)
    value: str
    """With its letters: `SC11532139200465`."""

    def __post_init__(self) -> None:
        _require_licence("food production licence", "SC", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))


@dataclass(frozen=True)
class FoodOperationLicence(NationalCode):
    """食品经营许可证: `JY [1 sale, catering or canteen][6 region][6 serial][1 check]` (GB/T 17710)."""

    scheme: str = field(default="cn-jy", init=False)
    value: str
    """With its letters: `JY23506230105266`."""

    def __post_init__(self) -> None:
        _require_licence("food operation licence", "JY", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))


def _require_licence(name: str, letters: str, value: str) -> None:
    digits = value[2:]
    if value[:2] != letters or len(digits) != 14 or not NUMERIC.holds(digits):
        raise ParseError(f"{name} {value[:40]!r}: expected {letters} and 14 digits, got {len(value)} characters.")
    computed = mod_11_10_check_digit(digits[:-1])
    if digits[-1] != computed:
        raise ParseError(f"{name} {value!r}: check digit is {digits[-1]}, computed {computed}.")
