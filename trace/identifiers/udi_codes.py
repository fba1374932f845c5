"""Device identifiers (UDI) of the two Chinese issuing agencies beside GS1: MA and AHM.

    MA.156.M0.100204.13351764 .S1907260001.M190726.L343432.E200725.CZ
    \\__________ DI __________/\\______________ PI _________________/

MA (中关村工信二维码, also IDcode) is a tree of names with dots; the DI is its first five and usually 25 characters. How
its check characters are computed is not public. AHM (阿里健康) names only its agency code (ISO/IEC 15459): opaque here.
Letters keep their case: both agencies print small ones in serial numbers.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.national import NationalCode, narrow

_DI = re.compile(r"M[A-Z]\.[0-9]{3}\.[A-Z][0-9A-Z]\.[0-9A-Za-z]{1,20}\.[0-9A-Za-z]{1,30}")
_PI = re.compile(r"[A-Z][\x21-\x2d\x2f-\x7e]{1,40}")
_AHM = re.compile(r"AHM[\x21-\x7e]{1,47}")

_DI_LEVELS = 5
_DI_LENGTH = 25
_LONGEST = 200
"""Twice the longest seen."""


@dataclass(frozen=True)
class MaUdi(NationalCode):
    """UDI of agency MA: a device model, or with its PI one lot or item."""

    scheme: str = field(default="udi-ma", init=False)
    value: str

    def __post_init__(self) -> None:
        if len(self.value) > _LONGEST:
            raise ParseError(f"MA code {self.value[:60]!r}: expected at most {_LONGEST} characters.")
        if _DI.fullmatch(self.di) is None:
            raise ParseError(f"MA code {self.value[:60]!r}: expected MA.156.M0.company.product, names between dots.")
        for part in self.value.split(".")[_DI_LEVELS:]:
            if _PI.fullmatch(part) is None:
                raise ParseError(
                    f"MA code {self.value[:60]!r}: expected a capital letter and a value, got {part[:40]!r}."
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(narrow(text))

    @property
    def di(self) -> str:
        """Device identifier: maker and model."""
        return ".".join(self.value.split(".")[:_DI_LEVELS])

    @property
    def pi(self) -> tuple[tuple[str, str], ...]:
        """Production identifier: S serial, L lot, M or P made, E expiry, D sterilised, V valid to, C check."""
        return tuple((part[0], part[1:]) for part in self.value.split(".")[_DI_LEVELS:])

    @property
    def lot(self) -> str | None:
        return dict(self.pi).get("L")

    @property
    def serial(self) -> str | None:
        return dict(self.pi).get("S")

    @property
    def warnings(self) -> tuple[str, ...]:
        length = len(self.di)
        return () if length == _DI_LENGTH else (f"MA code {self.di!r}: the DI has {length} characters, usual are 25.",)


@dataclass(frozen=True)
class AhmUdi(NationalCode):
    """UDI of agency AHM, whole."""

    scheme: str = field(default="udi-ahm", init=False)
    value: str

    def __post_init__(self) -> None:
        if _AHM.fullmatch(self.value) is None:
            raise ParseError(f"AHM code {self.value[:60]!r}: expected AHM and 1 to 47 characters without spaces.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(narrow(text))
