"""Codes of farm produce in China: ear tags, certificates of quarantine and pledge, organic labels, market subjects.

    1 110108 00000001      畜禽耳标 (畜禽标识和养殖档案管理办法): [1 species][6 region][8 serial], no check digit
    123 26 012345678901    有机码 (有机产品认证): [3 certifier][2 year][12 random]

Certificates are numbered by their issuers; no layout of them is published, so their numbers are kept as they are and
only the records can say whether they exist.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.china_regions import region_warnings
from trace.identifiers.national import NationalCode, fold

_OPAQUE = re.compile(r"[0-9A-Z一-鿿()/.]{4,40}")

_SPECIES = {"1": "pig", "2": "cattle", "3": "sheep or goat"}


@dataclass(frozen=True)
class EarTag(NationalCode):
    """畜禽耳标: one animal."""

    scheme: str = field(default="cn-ear-tag", init=False)
    value: str
    """15 digits."""

    def __post_init__(self) -> None:
        name = f"ear tag {self.value[:40]!r}"
        _require_digits(name, self.value, 15)
        if self.value[0] not in _SPECIES:
            raise ParseError(f"{name}: expected species 1 (pig), 2 (cattle) or 3 (sheep), got {self.value[0]}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))

    @property
    def species(self) -> str:
        return _SPECIES[self.value[0]]

    @property
    def region(self) -> str:
        """GB/T 2260, the county that gave it out."""
        return self.value[1:7]

    @property
    def warnings(self) -> tuple[str, ...]:
        return region_warnings(self.region)


@dataclass(frozen=True)
class OrganicCode(NationalCode):
    """有机码: one smallest sales unit of an organic product."""

    scheme: str = field(default="cn-organic", init=False)
    value: str
    """17 digits."""

    def __post_init__(self) -> None:
        _require_digits(f"organic code {self.value[:40]!r}", self.value, 17)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text).removeprefix("有机码").lstrip(":"))

    @property
    def certifier(self) -> str:
        """Number of the certification body, 3 digits."""
        return self.value[:3]

    @property
    def year(self) -> int:
        return 2000 + int(self.value[3:5])


@dataclass(frozen=True)
class QuarantineCertificate(NationalCode):
    """动物检疫合格证明: what came alive or slaughtered, from where, and was found sound."""

    scheme: str = field(default="cn-animal-quarantine", init=False)
    value: str

    def __post_init__(self) -> None:
        _require_opaque("animal quarantine certificate", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """With or without its name and 编号 in front. Raises: ParseError."""
        return cls(_without(fold(text), ("动物检疫合格证明", "动物检疫合格证", "动物检疫证")))


@dataclass(frozen=True)
class PledgeCertificate(NationalCode):
    """承诺达标合格证: the grower's own pledge for one batch (农业农村部令2025年第4号)."""

    scheme: str = field(default="cn-pledge", init=False)
    value: str

    def __post_init__(self) -> None:
        _require_opaque("pledge certificate", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """With or without its name and 编号 in front. Raises: ParseError."""
        return cls(_without(fold(text), ("承诺达标合格证", "食用农产品合格证", "合格证")))


@dataclass(frozen=True)
class FarmSubject(NationalCode):
    """主体码 of the national farm-produce platform: a node, an operator or a person; its layout is not public."""

    scheme: str = field(default="cn-farm-subject", init=False)
    value: str

    def __post_init__(self) -> None:
        _require_opaque("farm subject code", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """With or without its name in front. Raises: ParseError."""
        return cls(_without(fold(text), ("节点主体码", "经营者主体码", "自然人主体码", "主体码")))


def _require_digits(name: str, value: str, length: int) -> None:
    if not NUMERIC.holds(value) or len(value) != length:
        digits = "digits" if NUMERIC.holds(value) else "characters, not all digits"
        raise ParseError(f"{name}: expected {length} digits, got {len(value)} {digits}.")


def _require_opaque(name: str, value: str) -> None:
    if _OPAQUE.fullmatch(value) is None or not any(char.isdigit() for char in value):
        raise ParseError(
            f"{name} {value[:40]!r}: expected 4 to 40 letters, digits or Chinese characters, with a digit."
        )


def _without(code: str, names: tuple[str, ...]) -> str:
    for name in names:
        if code.startswith(name):
            return re.sub(r"^(编号|证号|号码)?[:.]*", "", code[len(name) :])
    return code
