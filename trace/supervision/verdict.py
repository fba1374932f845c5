"""What a consumer is told first about an item, and why: one verdict, and what lost to it.

The order of precedence is fixed here (interface guide, section 4, "Verdict banner"): recalled > stop-trade > failed
test > broken cold chain > expired > sold twice > sold once > gap in the records > in order. Templates hold the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum


class VerdictClass(StrEnum):
    """The five forms that a verdict is shown in."""

    OK = "ok"
    INFO = "info"
    CAUTION = "caution"
    STOP = "stop"
    UNKNOWN = "unknown"


class VerdictCode(StrEnum):
    """The reasons, most serious first."""

    RECALLED = "recalled"
    HALTED = "halted"
    FAILED = "failed"
    COLD = "cold"
    EXPIRED = "expired"
    SOLD_TWICE = "sold2"
    SOLD = "sold"
    GAP = "gap"
    NORMAL = "normal"
    UNITS = "units"
    """A lot that is on record through its serialised units only: ask for one of them."""
    INVENTED = "invented"
    """The link carries a mark of ours that we never made. No fact of an item: whoever reads the link says it."""
    UNUSED = "unused"
    """The mark is right and nothing is recorded yet. Said by whoever reads the link, too."""
    NOT_FOUND = "none"


CLASS_OF = {
    VerdictCode.RECALLED: VerdictClass.STOP,
    VerdictCode.HALTED: VerdictClass.STOP,
    VerdictCode.FAILED: VerdictClass.STOP,
    VerdictCode.COLD: VerdictClass.STOP,
    VerdictCode.EXPIRED: VerdictClass.STOP,
    VerdictCode.SOLD_TWICE: VerdictClass.STOP,
    VerdictCode.SOLD: VerdictClass.INFO,
    VerdictCode.GAP: VerdictClass.CAUTION,
    VerdictCode.NORMAL: VerdictClass.OK,
    VerdictCode.UNITS: VerdictClass.INFO,
    VerdictCode.INVENTED: VerdictClass.STOP,
    VerdictCode.UNUSED: VerdictClass.UNKNOWN,
    VerdictCode.NOT_FOUND: VerdictClass.UNKNOWN,
}


@dataclass(frozen=True)
class Facts:
    """What the records say of one item, gathered by the query door."""

    steps: int
    """Steps on record, through containers and inputs."""
    recalled: bool = False
    halted: bool = False
    """A stop-trade order stands."""
    failed_test: bool = False
    cold_breach: float | None = None
    """The worst temperature outside the allowed range, in degrees Celsius."""
    expiry: date | None = None
    sales: int = 0
    """Sales recorded on this platform; never the insurer's settlements."""
    has_origin: bool = True
    """The first step on record is where such goods begin (commissioning, or an input that is)."""
    has_units: bool = False
    """A lot, and serialised units of it are on record."""


@dataclass(frozen=True)
class Verdict:
    """One verdict. `others` are the codes that hold too, most serious first."""

    code: VerdictCode
    params: Mapping[str, str | int | float] = field(default_factory=dict)
    others: tuple[VerdictCode, ...] = ()

    @property
    def form(self) -> VerdictClass:
        return CLASS_OF[self.code]


def judge(facts: Facts, today: date) -> Verdict:
    """The verdict on an item as of `today` (a date in the platform's time zone)."""
    if facts.steps == 0:
        return Verdict(VerdictCode.UNITS if facts.has_units else VerdictCode.NOT_FOUND)
    # Sold once and sold twice exclude each other; all others can hold together.
    holds = {
        VerdictCode.RECALLED: facts.recalled,
        VerdictCode.HALTED: facts.halted,
        VerdictCode.FAILED: facts.failed_test,
        VerdictCode.COLD: facts.cold_breach is not None,
        VerdictCode.EXPIRED: facts.expiry is not None and facts.expiry < today,
        VerdictCode.SOLD_TWICE: facts.sales > 1,
        VerdictCode.SOLD: facts.sales == 1,
        VerdictCode.GAP: not facts.has_origin,
    }
    found = [code for code in VerdictCode if holds.get(code, False)]
    params: dict[str, str | int | float] = {"steps": facts.steps, "sales": facts.sales}
    if facts.cold_breach is not None:
        params["celsius"] = facts.cold_breach
    if facts.expiry is not None:
        params["expiry"] = facts.expiry.isoformat()
        params["days"] = (facts.expiry - today).days
    if not found:
        return Verdict(VerdictCode.NORMAL, params)
    return Verdict(found[0], params, tuple(found[1:]))
