"""Licences to make and to sell drugs in China, by their numbers: no check digit, a province in one Chinese character.

琼 AA 8980 00001      药品经营许可证: [province][what][legal form][4 area][5 serial]
京 2015 0001          药品生产许可证: [province][4 year][4 serial]
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.china_regions import ABBREVIATIONS
from trace.identifiers.national import NationalCode, fold

_OPERATION = re.compile(r"([一-鿿])([ABCD])([AB])([0-9]{4})([0-9]{5})")
_PRODUCTION = re.compile(r"([一-鿿])([0-9]{4})([0-9]{4})")

_TRADES = {"A": "wholesale", "B": "head office of a chain", "C": "shop of a chain", "D": "single pharmacy"}


@dataclass(frozen=True)
class DrugOperationLicence(NationalCode):
    """药品经营许可证: who may sell drugs, in bulk or in a shop."""

    scheme: str = field(default="cn-drug-operation", init=False)
    value: str
    """`琼AA898000001`."""

    def __post_init__(self) -> None:
        if _OPERATION.fullmatch(self.value) is None:
            raise ParseError(
                f"drug operation licence {self.value[:40]!r}: expected a province, one of ABCD, one of AB and 9 digits."
            )
        require_province("drug operation licence", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))

    @property
    def trade(self) -> str:
        """What may be done under it."""
        return _TRADES[self.value[1]]

    @property
    def is_corporate(self) -> bool:
        """Whether the holder is a legal person."""
        return self.value[2] == "A"


@dataclass(frozen=True)
class DrugProductionLicence(NationalCode):
    """药品生产许可证: who may make drugs."""

    scheme: str = field(default="cn-drug-production", init=False)
    value: str
    """`京20150001`."""

    def __post_init__(self) -> None:
        if _PRODUCTION.fullmatch(self.value) is None:
            raise ParseError(f"drug production licence {self.value[:40]!r}: expected a province and 8 digits.")
        require_province("drug production licence", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))


def require_province(name: str, value: str) -> None:
    """The first character abbreviates a province. Raises: ParseError."""
    if value[:1] not in ABBREVIATIONS:
        raise ParseError(f"{name} {value[:40]!r}: expected the abbreviation of a province, got {value[:1]!r}.")
