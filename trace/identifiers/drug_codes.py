"""Chinese drug codes: the traceability code on a pack, and the approval number.

NMPAB/T 1002-2019: a traceability code of 20 digits is `[7 drug identification][13 serial]`. Each packing level has an
identification of its own. No check digit is published: whether the identification is registered and the serial unseen,
the records must say.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.national import NationalCode, fold

_APPROVAL = re.compile(r"[HZSBTFJ][0-9]{8}")


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
class DrugApprovalNumber(NationalCode):
    """国药准字: H chemical, Z traditional, S biological, T diagnostic, F excipient, J repacked import, B old health."""

    scheme: str = field(default="cn-drug-approval", init=False)
    value: str
    """Letter, four-digit year or agency code, four-digit serial: `H20050001`."""

    def __post_init__(self) -> None:
        if _APPROVAL.fullmatch(self.value) is None:
            raise ParseError(f"drug approval number {self.value[:40]!r}: expected one of HZSBTFJ and 8 digits.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """With or without 国药准字 in front. Raises: ParseError."""
        return cls(fold(text).removeprefix("国药准字"))

    @property
    def printed(self) -> str:
        return f"国药准字{self.value}"


def _got(value: str) -> str:
    return f"{len(value)} digits" if NUMERIC.holds(value) else f"{len(value)} characters, not all digits"
