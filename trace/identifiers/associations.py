"""Which application identifiers belong together on one thing, and which exclude each other.

GS1 General Specifications, 4.13 and 4.14, as the Syntax Dictionary writes them. The rules hold for all carriers of a
thing together, so a part of a label may lack what another part has; the caller decides how much that matters.

    excluded_ai     two AIs that must not stand together
    required_ai     an AI without the companions it needs: another label of the thing may have them
    repeated_ai     one AI with two values
    serial_missing  a signature, AI (8030), over a key that names a class of things and not one of them
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trace.identifiers.ai_table import AI_TABLE

_SERIAL_OPTIONAL = {"253": 13, "255": 13, "8003": 14}
"""Keys whose serial number is optional, and their length without it."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A broken rule between elements."""

    code: str
    ai: str
    """Whose rule it is."""
    message: str


def disagreement(elements: Sequence[tuple[str, str]]) -> Disagreement | None:
    """The first broken rule, in the order of the GS1 Barcode Syntax Engine: rule by rule, the AIs in lexical order."""
    values = dict(elements)
    # Most things carry a handful of AIs that agree: ask once whether anything is wrong before asking what.
    if len(values) == len(elements) and _agree(frozenset(values)) and "8030" not in values:
        return None
    for found in (_exclusions(values), _requirements(values), _repetitions(elements), _classes_signed(values)):
        for each in found:
            return each
    return None


def conflicts(elements: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """One AI with two values, or two AIs that exclude each other. Empty when there are none."""
    values = dict(elements)
    return tuple(each.message for each in (*_repetitions(elements), *_exclusions(values)))


def missing(elements: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What an AI must stand with and does not. Empty when nothing is missing."""
    values = dict(elements)
    return tuple(each.message for each in (*_requirements(values), *_classes_signed(values)))


def first_matching(ais: Iterable[str], pattern: str, besides: str | None = None) -> str | None:
    """The first of these AIs, in lexical order, that is `pattern` (`31nn`: four digits that begin with 31).

    `besides` does not count: an AI is not exclusive of itself, even if a pattern names it.
    """
    if pattern.startswith("n"):
        return None
    return next((ai for ai in sorted(ais) if ai != besides and _is(ai, pattern)), None)


@lru_cache(maxsize=4096)
def _agree(ais: frozenset[str]) -> bool:
    """Whether these AIs may stand together. Few combinations exist in practice, so the answers are kept."""
    values = dict.fromkeys(ais, "")
    return next(_exclusions(values), None) is None and next(_requirements(values), None) is None


def _exclusions(values: dict[str, str]) -> Iterator[Disagreement]:
    for ai in sorted(values):
        for pattern in AI_TABLE[ai].excludes if ai in AI_TABLE else ():
            other = first_matching(values, pattern, besides=ai)
            if other is not None:
                yield Disagreement("excluded_ai", ai, f"({ai}) must not stand with ({other}).")


def _requirements(values: dict[str, str]) -> Iterator[Disagreement]:
    for ai in sorted(values):
        for groups in AI_TABLE[ai].requires if ai in AI_TABLE else ():
            if not any(all(first_matching(values, need, besides=ai) for need in group) for group in groups):
                wanted = " or ".join("".join(f"({need})" for need in group) for group in groups)
                yield Disagreement("required_ai", ai, f"({ai}) needs {wanted}, which is not there.")


def _repetitions(elements: Sequence[tuple[str, str]]) -> Iterator[Disagreement]:
    values: dict[str, str] = {}
    for ai, value in sorted(elements, key=lambda element: element[0]):
        if values.setdefault(ai, value) != value:
            yield Disagreement("repeated_ai", ai, f"({ai}) has two values, {values[ai]!r} and {value!r}.")


def _classes_signed(values: dict[str, str]) -> Iterator[Disagreement]:
    if "8030" in values:
        for ai, length in _SERIAL_OPTIONAL.items():
            if len(values.get(ai, "")) == length:
                yield Disagreement("serial_missing", ai, f"(8030) needs ({ai}) with a serial number.")


def _is(ai: str, pattern: str) -> bool:
    return len(ai) == len(pattern) and ai.startswith(pattern.rstrip("n"))
