"""Chinese drug codes: the traceability code on a pack, the standard code of a drug, and its approval number.

NMPAB/T 1002-2019: a traceability code of 20 digits is `[7 drug identification][13 serial]`. Each packing level has an
identification of its own. No check digit is published: whether the identification is registered and the serial unseen,
the records must say (`prefix_registry`).
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.check_digits import gs1_check_digit
from trace.identifiers.china_regions import province_warnings
from trace.identifiers.national import NationalCode, fold

_APPROVAL = re.compile(r"[HZSBTFJ][0-9]{8}|[HZS][CJ][0-9]{8}")
_APPROVAL_MARKS = ("国药准字", "国药试字", "进口药品注册证号", "医药产品注册证号")
_BEFORE_2002 = {"10": "Ministry of Health", "19": "drug authority, 19..", "20": "drug authority, 20.."}


@dataclass(frozen=True)
class DrugTraceCode(NationalCode):
    """药品追溯码 of 20 digits: one pack, at any level."""

    scheme: str = field(default="cn-drug", init=False)
    value: str

    def __post_init__(self) -> None:
        if not NUMERIC.holds(self.value) or len(self.value) != 20:
            raise ParseError(f"drug traceability code {self.value[:40]!r}: expected 20 digits, got {_got(self.value)}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """20 digits, grouped by spaces or hyphens as printed, full-width digits too. Raises: ParseError."""
        return cls(fold(text))

    @property
    def identification(self) -> str:
        """药品标识码: maker, drug, specification and packing level. 7 digits."""
        return self.value[:7]

    @property
    def serial(self) -> str:
        """13 digits."""
        return self.value[7:]


@dataclass(frozen=True)
class DrugStandardCode(NationalCode):
    """药品本位码: `86 9 [5 maker][5 drug][1 check]`, one specification of one maker's drug.

    14 digits with the check digit of GS1, so each is also formally a GTIN of indicator 8; the context must tell.
    """

    scheme: str = field(default="cn-drug-standard", init=False)
    value: str

    def __post_init__(self) -> None:
        name = f"drug standard code {self.value[:40]!r}"
        if not NUMERIC.holds(self.value) or len(self.value) != 14:
            raise ParseError(f"{name}: expected 14 digits, got {_got(self.value)}.")
        if not self.value.startswith("869"):
            raise ParseError(f"{name}: expected 869 in front (86 China, 9 drug), got {self.value[:3]}.")
        computed = gs1_check_digit(self.value[:-1])
        if self.value[-1] != computed:
            raise ParseError(f"{name}: check digit is {self.value[-1]}, computed {computed}.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text))

    @property
    def maker(self) -> str:
        """5 digits."""
        return self.value[3:8]

    @property
    def drug(self) -> str:
        """5 digits, numbered by the maker."""
        return self.value[8:13]


@dataclass(frozen=True)
class DrugApprovalNumber(NationalCode):
    """国药准字: H chemical, Z traditional, S biological, T diagnostic, F excipient, J repacked import, B old health.

    Since 2020 (药品注册管理办法, article 123) a second letter may say where it is made: C in Hong Kong, Macau
    or Taiwan, J abroad.
    """

    scheme: str = field(default="cn-drug-approval", init=False)
    value: str
    """One or two letters, four-digit year or agency code, four-digit serial: `H20050001`, `HJ20200001`."""

    def __post_init__(self) -> None:
        if _APPROVAL.fullmatch(self.value) is None:
            raise ParseError(
                f"drug approval number {self.value[:40]!r}: expected one of HZSBTFJ (HZS with C or J) and 8 digits."
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """With or without 国药准字 (国药试字, 进口药品注册证号, 医药产品注册证号) in front. Raises: ParseError."""
        code = fold(text)
        for mark in _APPROVAL_MARKS:
            code = code.removeprefix(mark)
        return cls(code)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Numbers given before 2002 carry the former authority, 10 or a province, instead of a year."""
        authority = self.value.lstrip("HZSBTFJC")[:2]
        return () if authority in _BEFORE_2002 else province_warnings(authority)

    @property
    def printed(self) -> str:
        return f"国药准字{self.value}"


def _got(value: str) -> str:
    return f"{len(value)} digits" if NUMERIC.holds(value) else f"{len(value)} characters, not all digits"
