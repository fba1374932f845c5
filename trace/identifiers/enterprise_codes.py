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
from trace.identifiers.china_regions import region_warnings
from trace.identifiers.national import NationalCode, fold

FOOD_CATEGORIES = {
    "01": ("粮食加工品", "grain products"),
    "02": ("食用油、油脂及其制品", "edible oils and fats"),
    "03": ("调味品", "condiments"),
    "04": ("肉制品", "meat products"),
    "05": ("乳制品", "dairy products"),
    "06": ("饮料", "beverages"),
    "07": ("方便食品", "convenience food"),
    "08": ("饼干", "biscuits"),
    "09": ("罐头", "canned food"),
    "10": ("冷冻饮品", "frozen drinks"),
    "11": ("速冻食品", "quick-frozen food"),
    "12": ("薯类和膨化食品", "potato and puffed food"),
    "13": ("糖果制品", "confectionery"),
    "14": ("茶叶及相关制品", "tea"),
    "15": ("酒类", "alcoholic drinks"),
    "16": ("蔬菜制品", "vegetable products"),
    "17": ("水果制品", "fruit products"),
    "18": ("炒货食品及坚果制品", "roasted seeds and nuts"),
    "19": ("蛋制品", "egg products"),
    "20": ("可可及焙烤咖啡产品", "cocoa and coffee"),
    "21": ("食糖", "sugar"),
    "22": ("水产制品", "aquatic products"),
    "23": ("淀粉及淀粉制品", "starch"),
    "24": ("糕点", "pastry"),
    "25": ("豆制品", "bean products"),
    "26": ("蜂产品", "bee products"),
    "27": ("保健食品", "health food"),
    "28": ("特殊医学用途配方食品", "food for special medical purposes"),
    "29": ("婴幼儿配方食品", "infant formula"),
    "30": ("特殊膳食食品", "special dietary food"),
    "31": ("其他食品", "other food"),
}
"""Names of the categories of food production licences, Chinese and English (食品生产许可分类目录)."""

_OPERATIONS = {"1": ("食品销售", "sale"), "2": ("餐饮服务", "catering"), "3": ("单位食堂", "canteen")}


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

    @property
    def is_additive(self) -> bool:
        """A maker of food additives; such licences have categories of their own."""
        return self.value[2] == "2"

    @property
    def category(self) -> tuple[str, str] | None:
        """Chinese and English name of the maker's main category. It says nothing about any one product of his."""
        return None if self.is_additive else FOOD_CATEGORIES.get(self.value[3:5])

    @property
    def region(self) -> str:
        """GB/T 2260 on the day of the first licence."""
        return self.value[5:11]

    @property
    def warnings(self) -> tuple[str, ...]:
        doubts = []
        if self.value[2] not in "12":
            doubts.append(f"food production licence {self.value!r}: expected kind 1 or 2, got {self.value[2]}.")
        elif not self.is_additive and self.category is None:
            doubts.append(f"food production licence {self.value!r}: category {self.value[3:5]} is unknown.")
        return (*doubts, *region_warnings(self.region))


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

    @property
    def category(self) -> tuple[str, str] | None:
        """Chinese and English name of what the holder mainly does."""
        return _OPERATIONS.get(self.value[2])

    @property
    def region(self) -> str:
        """GB/T 2260; cities like Beijing put district and street here."""
        return self.value[3:9]

    @property
    def warnings(self) -> tuple[str, ...]:
        doubts = []
        if self.category is None:
            doubts.append(f"food operation licence {self.value!r}: expected 1, 2 or 3 first, got {self.value[2]}.")
        return (*doubts, *region_warnings(self.region))


def _require_licence(name: str, letters: str, value: str) -> None:
    digits = value[2:]
    if value[:2] != letters or len(digits) != 14 or not NUMERIC.holds(digits):
        raise ParseError(f"{name} {value[:40]!r}: expected {letters} and 14 digits, got {len(value)} characters.")
    computed = mod_11_10_check_digit(digits[:-1])
    if digits[-1] != computed:
        raise ParseError(f"{name} {value!r}: check digit is {digits[-1]}, computed {computed}.")
