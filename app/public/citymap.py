"""The outline of the demo city, and where steps stand on it.

A drawing, not a map: a step stands in a slot of its district, never at its real position. Districts by GB/T 2260 code
(99 is no real province).
"""

import math
from dataclasses import dataclass
from itertools import pairwise

VIEW_BOX = "0 0 332 246"
RIVER = "M20 196C70 190 104 176 128 150S150 96 190 86s78-8 128-46"
_HEIGHT = 22
_WIDTH = 22
_WIDTH_OF_RANGE = 38
_BEND = 0.22
"""Height of the bend of an arrow, as a part of its length."""


@dataclass(frozen=True)
class District:
    """One district of the outline."""

    name_zh: str
    name_en: str
    outline: str
    """SVG path."""
    label: tuple[int, int]
    slots: tuple[tuple[int, int], ...]


DISTRICTS = {
    "990103": District(
        "西岭区",
        "Xiling",
        "M14 60L58 18 128 10 158 44 150 92 168 128 132 168 70 158 30 118z",
        (84, 52),
        ((88, 100), (60, 84), (112, 124)),
    ),
    "990102": District(
        "东渡区",
        "Dongdu",
        "M158 44L214 14 286 28 318 78 300 132 244 150 168 128 150 92z",
        (236, 56),
        ((204, 96), (272, 100), (238, 122)),
    ),
    "990121": District(
        "石溪县",
        "Shixi",
        "M70 158L132 168 168 128 244 150 300 132 312 182 268 226 180 236 104 220z",
        (232, 204),
        ((150, 186), (206, 188), (250, 172)),
    ),
}


@dataclass(frozen=True)
class Pill:
    """The steps that stand in one slot."""

    x: int
    y: int
    width: int
    label: str
    """`1`, `2–4`, `2–4, 7`, or `2–4, 7…` for more than two visits."""


@dataclass(frozen=True)
class CityMap:
    """The journey on the outline."""

    pills: tuple[Pill, ...]
    arrows: tuple[str, ...]
    """SVG paths from pill to pill."""
    route: tuple[str, ...]
    """District codes in the order of the journey, no district twice in a row."""
    view_box: str = VIEW_BOX
    river: str = RIVER
    districts: tuple[District, ...] = tuple(DISTRICTS.values())


def draw(districts: tuple[str | None, ...]) -> CityMap | None:
    """The map of a journey, given the district of each step in order; None when fewer than two districts are known."""
    runs: list[tuple[str, list[int]]] = []
    for step, code in enumerate(districts, 1):
        if code not in DISTRICTS:
            continue
        if runs and runs[-1][0] == code:
            runs[-1][1].append(step)
        else:
            runs.append((code, [step]))
    if len({code for code, _ in runs}) < 2:
        return None
    # Each visit of a district takes its next slot; further visits share the last one.
    visits: dict[str, int] = {}
    labels: dict[tuple[int, int], list[str]] = {}
    stops: list[tuple[int, int]] = []
    for code, steps in runs:
        slots = DISTRICTS[code].slots
        slot = slots[min(visits.get(code, 0), len(slots) - 1)]
        visits[code] = visits.get(code, 0) + 1
        labels.setdefault(slot, []).append(_label(steps))
        stops.append(slot)
    pills = {slot: _pill(slot, parts) for slot, parts in labels.items()}
    # Going the same way again is the same arrow.
    arrows = dict.fromkeys(_arrow(pills[start], pills[end]) for start, end in pairwise(stops) if start != end)
    return CityMap(tuple(pills.values()), tuple(arrows), tuple(code for code, _ in runs))


def _label(steps: list[int]) -> str:
    """Steps of one visit; they need not be neighbours when a step between has no place."""
    return str(steps[0]) if len(steps) == 1 else f"{steps[0]}–{steps[-1]}"


def _pill(slot: tuple[int, int], parts: list[str]) -> Pill:
    label = ", ".join(parts[:2]) + ("…" if len(parts) > 2 else "")
    # Three characters fit the wider of the two pills; a shared slot grows with its label.
    width = _WIDTH if len(label) < 3 else max(_WIDTH_OF_RANGE, 8 * len(label) + 10)
    return Pill(*slot, width, label)


def _arrow(start: Pill, end: Pill) -> str:
    """An arc from rim to rim with a gap at the head; all bend to the same hand, so that there and back do not cover."""
    x, y = (start.x + end.x) / 2, (start.y + end.y) / 2
    across, down = end.x - start.x, end.y - start.y
    bend_x, bend_y = x + _BEND * down, y - _BEND * across
    x1, y1 = _rim(start, bend_x, bend_y, 0)
    x2, y2 = _rim(end, bend_x, bend_y, 3)
    return f"M{x1:.0f} {y1:.0f}Q{bend_x:.0f} {bend_y:.0f} {x2:.0f} {y2:.0f}"


def _rim(pill: Pill, x: float, y: float, gap: float) -> tuple[float, float]:
    """Where the way from the middle of the pill towards a point leaves its box."""
    angle = math.atan2(y - pill.y, x - pill.x)
    across, down = math.cos(angle), math.sin(angle)
    # The side that the way runs along is never reached.
    reach = min(pill.width / 2 / max(abs(across), 1e-9), _HEIGHT / 2 / max(abs(down), 1e-9)) + gap
    return pill.x + reach * across, pill.y + reach * down
