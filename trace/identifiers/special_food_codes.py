"""Special food in China is sold under a number of its own: health food, infant formula, food for medical purposes.

    国食健注G 2024 1234       保健食品, registered, G made in China, J imported
    食健备G 2019 34 001524    保健食品, filed: year, province (00 for J), six-digit serial
    国食健字G 2005 0123       保健食品, registered before 2016
    卫食健字 (1997) 第 001 号  保健食品, registered by the Ministry of Health before 2003
    国食注字YP 2018 0012      婴幼儿配方乳粉 (YP 婴配)
    国食注字TY 2018 0001      特殊医学用途配方食品 (TY 特医)

No check digit in any of them.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.china_regions import province_warnings
from trace.identifiers.national import NationalCode, fold

_KINDS = {
    "health food": re.compile(r"国食健[注字][GJ][0-9]{8}|食健备G[0-9]{12}|食健备J[0-9]{4}00[0-9]{6}"),
    "health food of before 2003": re.compile(r"卫食健(?:进)?字\([0-9]{4}\)第[0-9]{3,4}号"),
    "infant formula": re.compile(r"国食注字YP[0-9]{8}"),
    "food for special medical purposes": re.compile(r"国食注字TY[0-9]{8}"),
}


@dataclass(frozen=True)
class SpecialFoodNumber(NationalCode):
    """保健食品、婴配、特医 registration or filing: one recipe of one holder."""

    scheme: str = field(default="cn-special-food", init=False)
    value: str
    """With its characters: `国食注字YP20180012`."""

    def __post_init__(self) -> None:
        if not any(pattern.fullmatch(self.value) for pattern in _KINDS.values()):
            raise ParseError(
                f"special food number {self.value[:40]!r}: expected 国食健注, 国食健字 or 食健备 with G or J, "
                "国食注字YP, 国食注字TY or 卫食健字, with their digits."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Brackets of either width. Raises: ParseError."""
        return cls(fold(text).translate({ord("〔"): "(", ord("〕"): ")"}))

    @property
    def kind(self) -> str:
        return next(kind for kind, pattern in _KINDS.items() if pattern.fullmatch(self.value))

    @property
    def warnings(self) -> tuple[str, ...]:
        return province_warnings(self.value[8:10]) if self.value.startswith("食健备G") else ()
