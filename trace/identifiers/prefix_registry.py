"""Which drug and packing level the first seven digits of a drug traceability code stand for.

Each level of a drug has a prefix of its own: observed box 8021761, can 8021762, particle 8206233. The registry is a
value that the caller fills from its records; with it, the two kinds of 20-digit numbers can be told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trace.errors import ParseError
from trace.identifiers.charsets import NUMERIC
from trace.identifiers.drug_codes import DrugTraceCode
from trace.identifiers.gs1_keys import Gtin
from trace.identifiers.meat_codes import MeatRetailCode


@dataclass(frozen=True, slots=True)
class DrugPack:
    """A drug at one packing level."""

    gtin: Gtin
    level: int
    """1 is the smallest pack, 2 what holds it, and so on (packLayer of the relation file)."""

    def __post_init__(self) -> None:
        if not 1 <= self.level <= 9:
            raise ParseError(f"packing level {self.level}: expected 1 to 9.")


@dataclass(frozen=True)
class PrefixRegistry:
    """Packs by prefix."""

    packs: Mapping[str, DrugPack] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for prefix in self.packs:
            if len(prefix) != 7 or not NUMERIC.holds(prefix):
                raise ParseError(f"drug prefix {prefix[:20]!r}: expected 7 digits.")

    def pack_of(self, code: DrugTraceCode) -> DrugPack | None:
        return self.packs.get(code.identification)

    def readings(self, digits: str) -> tuple[DrugTraceCode | MeatRetailCode, ...]:
        """What 20 digits may be, likeliest first: a drug alone when its prefix is registered, else either.

        Raises: ParseError when they are not 20 digits.
        """
        drug = DrugTraceCode(digits)
        return (drug,) if self.pack_of(drug) is not None else (drug, MeatRetailCode(digits))
