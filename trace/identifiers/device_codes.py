"""Medical devices in China: registration and filing numbers, and the licences of those who make and sell them.

    国 械注 准 2021 3 03 0647          医疗器械注册证 (from 2014): [who][kind][4 year][1 class][2 category][4 serial]
    国 械备 2016 2345                  第一类医疗器械备案: [who][4 year][4 serial]; a province is followed by its city
    沪 药监械生产许 2020 0001 号        licence or filing: [who] [make or sell][licence or filing] [4 year][4 serial]

No check digit in any of them. Numbers of before 2014 (国食药监械…) have expired and are not read.
"""

import re
from dataclasses import dataclass, field
from typing import Self

from trace.errors import ParseError
from trace.identifiers.drug_licences import require_province
from trace.identifiers.national import NationalCode, fold

_REGISTRATION = re.compile(r"([一-鿿])械注([准进许])([0-9]{4})([23])([0-9]{2})([0-9]{4})")
_FILING = re.compile(r"([一-鿿])([一-鿿]?)械备([0-9]{4})([0-9]{4})")
_LICENCE = re.compile(r"([一-鿿])([一-鿿]?)(食?药监械)(生产|经营)(许|备)([0-9]{4})([0-9]{4})")

_ORIGINS = {"准": "domestic", "进": "imported", "许": "Hong Kong, Macau or Taiwan"}


@dataclass(frozen=True)
class DeviceRegistration(NationalCode):
    """医疗器械注册证编号: a device of class 2 or 3. A renewal keeps it."""

    scheme: str = field(default="cn-device", init=False)
    value: str
    """`国械注准20213030647`."""

    def __post_init__(self) -> None:
        if _REGISTRATION.fullmatch(self.value) is None:
            raise ParseError(
                f"device registration {self.value[:40]!r}: expected 国 or a province, 械注, one of 准进许, "
                "the year, class 2 or 3 and 6 digits."
            )
        if self.value[0] != "国":
            require_province("device registration", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text).removesuffix("号"))

    @property
    def origin(self) -> str:
        return _ORIGINS[self.value[3]]

    @property
    def risk_class(self) -> int:
        """2 or 3."""
        return int(self.value[8])

    @property
    def category(self) -> str:
        """Two digits of the device catalogue."""
        return self.value[9:11]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Class 3 and everything from outside is registered by the state, the rest by a province."""
        by_state = self.value[0] == "国"
        if by_state == (self.risk_class == 3 or self.value[3] != "准"):
            return ()
        return (f"device registration {self.value!r}: class {self.risk_class}, {self.origin}, is not for this agency.",)


@dataclass(frozen=True)
class DeviceFiling(NationalCode):
    """第一类医疗器械备案编号: a device of class 1."""

    scheme: str = field(default="cn-device-filing", init=False)
    value: str
    """`国械备20162345`, `沪浦械备20210001`."""

    def __post_init__(self) -> None:
        if _FILING.fullmatch(self.value) is None:
            raise ParseError(
                f"device filing {self.value[:40]!r}: expected 国 or a province and its city, 械备 and 8 digits."
            )
        if self.value[0] != "国":
            require_province("device filing", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ParseError."""
        return cls(fold(text).removesuffix("号"))


@dataclass(frozen=True)
class DeviceLicence(NationalCode):
    """医疗器械生产、经营许可证 and the filings in their place: who may make or sell devices."""

    scheme: str = field(default="cn-device-licence", init=False)
    value: str
    """Without its last 号: `沪药监械生产许20200001`."""

    def __post_init__(self) -> None:
        if _LICENCE.fullmatch(self.value) is None:
            raise ParseError(
                f"device licence {self.value[:40]!r}: expected a province (and its city), 药监械, 生产 or 经营, "
                "许 or 备 and 8 digits."
            )
        require_province("device licence", self.value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """With or without 号 behind it. Raises: ParseError."""
        return cls(fold(text).removesuffix("号"))
