"""Which application identifiers belong together on one thing, and which exclude each other.

GS1 General Specifications, 4.13 and 4.14, as the Syntax Dictionary writes them. The rules hold for all carriers of a
thing together, so a part of a label may lack what another part has; the caller decides how much that matters.
"""

from collections.abc import Sequence

from trace.identifiers.ai_table import AI_TABLE
from trace.identifiers.element_string import Element

_SERIAL_OPTIONAL = {"253": 13, "255": 13, "8003": 14}
"""Keys whose serial number is optional, and their length without it."""


def conflicts(elements: Sequence[Element]) -> tuple[str, ...]:
    """One AI with two values, or two AIs that exclude each other. Empty when there are none."""
    found = []
    values: dict[str, str] = {}
    for ai, value in elements:
        if values.setdefault(ai, value) != value:
            found.append(f"({ai}) has two values, {values[ai]!r} and {value!r}.")
    for ai in values:
        for pattern in AI_TABLE[ai].excludes:
            others = (other for other in values if other != ai and _is(other, pattern))
            found += [f"({ai}) must not stand with ({other})." for other in others]
    return tuple(found)


def missing(elements: Sequence[Element]) -> tuple[str, ...]:
    """What an AI must stand with and does not. Empty when nothing is missing."""
    found = []
    present = dict(elements)
    for ai in present:
        for groups in AI_TABLE[ai].requires:
            if not any(all(any(_is(other, need) for other in present) for need in group) for group in groups):
                wanted = " or ".join("".join(f"({need})" for need in group) for group in groups)
                found.append(f"({ai}) needs {wanted}, which is not there.")
    if "8030" in present:  # a digital signature signs one thing, never a class
        found += [
            f"(8030) needs ({ai}) with a serial number."
            for ai, length in _SERIAL_OPTIONAL.items()
            if len(present.get(ai, "")) == length
        ]
    return tuple(found)


def _is(ai: str, pattern: str) -> bool:
    """`31nn` stands for every AI of four digits that begins with 31."""
    return len(ai) == len(pattern) and ai.startswith(pattern.rstrip("n"))
