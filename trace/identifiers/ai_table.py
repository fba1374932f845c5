"""GS1 application identifiers: what each one's value looks like, and what it may stand with.

The facts are `ai_table.json`, made from the GS1 Barcode Syntax Dictionary by `scripts/make_ai_table.py`; read once, at
import. Knows values one by one; how they are strung together is `element_string`, `digital_link` and `associations`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from trace.errors import ParseError
from trace.identifiers.charsets import BY_TYPE, CSET_64, NUMERIC, Charset
from trace.identifiers.company_prefixes import SHORTEST
from trace.identifiers.faults import Fault
from trace.identifiers.linters import LINTERS, Linter


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a value that is checked by itself."""

    charset: Charset
    least: int
    most: int
    """Fewest and most characters. Only the last component has a variable length."""
    optional: bool
    linter_names: tuple[str, ...]
    """As in the dictionary, in the order in which they are asked."""
    linters: tuple[Linter, ...] = field(compare=False)


@dataclass(frozen=True, slots=True)
class ApplicationIdentifier:
    """One AI of the dictionary."""

    ai: str
    """2 to 4 digits."""
    title: str
    components: tuple[Component, ...]
    predefined_length: bool
    """Its value ends by itself and needs no FNC1 behind it."""
    dl_attribute: bool
    """May stand in the query of a Digital Link."""
    requires: tuple[tuple[tuple[str, ...], ...], ...]
    """Each rule names alternative groups, and all AIs of one group must be there; `31nn` is a pattern."""
    excludes: tuple[str, ...]
    """AIs and patterns it must not stand with."""
    qualifiers: tuple[tuple[str, ...], ...] | None
    """Alternative ordered qualifiers behind it in the path of a Digital Link. None: not a Digital Link key."""
    least: int
    most: int
    """Fewest and most characters of the value."""
    shape: re.Pattern[str] = field(compare=False)
    """Length and characters of the whole value in one look: what most values pass."""
    contents: tuple[tuple[int, int, Linter], ...] = field(compare=False)
    """Where in the value each linter looks, as far as the shape leaves it something to find."""

    def check(self, value: str) -> None:
        """Length, characters and content of a value.

        Raises: ParseError that names this AI, the value, what was expected and what came.
        """
        fault = self.fault(value)
        if fault is not None:
            raise ParseError(fault.message)

    def fault(self, value: str) -> Fault | None:
        """The first fault of a value, its length before anything else."""
        if self.passes(value):
            return None
        return self.length_fault(value) or self.component_fault(value)

    def passes(self, value: str) -> bool:
        """Whether the value has no fault at all. The quick way; `fault` says what it is."""
        if self.shape.fullmatch(value) is None:
            return False
        # An optional component that is not there has nothing to look at.
        return all(start >= len(value) or linter(value[start:stop]) is None for start, stop, linter in self.contents)

    def length_fault(self, value: str) -> Fault | None:
        """A value that is too short or too long as a whole."""
        if self.least <= len(value) <= self.most:
            return None
        if not value:
            return Fault("value_empty", f"({self.ai}) '': expected {self._lengths()} characters, got 0.")
        what = f"({self.ai}) {value[:100]!r}: expected {self._lengths()} characters, got {len(value)}."
        return Fault("value_length", what, 0, len(value))

    def component_fault(self, value: str) -> Fault | None:
        """The first fault of the components, one after the other; what is left behind the last is not looked at."""
        start = 0
        for component in self.components:
            part = value[start : start + component.most]
            if component.optional and not part:
                return None
            if len(part) < component.least:
                wanted = (
                    f"{component.least} characters from {start + 1} on" if start else f"{self._lengths()} characters"
                )
                what = f"({self.ai}) {value[:100]!r}: expected {wanted}, got {len(part)}."
                return Fault("value_length", what, start, len(part))
            fault = component.charset.fault(part, start)
            for linter in component.linters if fault is None else ():
                fault = linter(part)
                if fault is not None:
                    break
            if fault is not None:
                return self._of_value(fault, value, start, start + len(part))
            start += len(part)
        return None

    def _of_value(self, fault: Fault, value: str, start: int, stop: int) -> Fault:
        """A fault of the component from `start` to `stop`, told of the value."""
        at = start + fault.at
        end = at + fault.length
        markup = f"({self.ai}){value[:at]}|{value[at:end]}|{value[end:stop]}"
        return Fault(fault.code, f"({self.ai}) {value[:100]!r}: {fault.message}.", at, fault.length, markup)

    def _lengths(self) -> str:
        return str(self.most) if self.least == self.most else f"{self.least} to {self.most}"


def _read(facts: dict[str, Any]) -> dict[str, ApplicationIdentifier]:
    table = {}
    for row in facts["rows"]:
        first, _, last = row["ais"].partition("-")
        for number in range(int(first), int(last or first) + 1):
            ai = str(number).zfill(len(first))
            table[ai] = _application_identifier(ai, row)
    return table


def _application_identifier(ai: str, row: dict[str, Any]) -> ApplicationIdentifier:
    components = tuple(
        Component(
            charset=BY_TYPE[each["type"]],
            least=each["min"],
            most=each["max"],
            optional=each["optional"],
            linter_names=tuple(each["linters"]),
            linters=tuple(LINTERS[name] for name in each["linters"]),
        )
        for each in row["components"]
    )
    dl_key = row["dl_key"]
    return ApplicationIdentifier(
        ai=ai,
        title=row["title"],
        components=components,
        predefined_length=row["predefined_length"],
        dl_attribute=row["dl_attribute"],
        requires=tuple(tuple(tuple(group) for group in rule) for rule in row["requires"]),
        excludes=tuple(row["excludes"]),
        qualifiers=None if dl_key is None else tuple(tuple(sequence) for sequence in dl_key),
        least=sum(component.least for component in components if not component.optional),
        most=sum(component.most for component in components),
        shape=re.compile("".join(map(_shape, components))),
        contents=tuple(_contents(components)),
    )


def _shape(component: Component) -> str:
    """Any number of characters of the set, which is how the pattern of a set ends, to as many as there may be."""
    characters = component.charset.pattern.pattern.removesuffix("*")
    if component.charset is CSET_64:
        characters = "[A-Za-z0-9_=-]"  # its padding is content
    counted = f"{characters}{{{component.least},{component.most}}}"
    return f"(?:{counted})?" if component.optional else counted


def _contents(components: tuple[Component, ...]) -> Iterator[tuple[int, int, Linter]]:
    start = 0
    for component in components:
        stop = start + component.most
        linters = dict(zip(component.linter_names, component.linters, strict=True))
        if component.charset is NUMERIC and component.least > SHORTEST:
            # Digits enough for a company prefix: nothing left to find without a list of those allocated.
            linters.pop("gcppos1", None)
            linters.pop("gcppos2", None)
        if component.charset is CSET_64:
            yield start, stop, CSET_64.fault
        for linter in linters.values():
            yield start, stop, linter
        start = stop


_FACTS = json.loads(Path(__file__).with_name("ai_table.json").read_text(encoding="utf-8"))

RELEASE: str = _FACTS["release"]
"""Which state of the dictionary the table was made from."""

AI_TABLE = _read(_FACTS)

AI_LENGTH = {ai[:2]: len(ai) for ai in AI_TABLE}
"""First two digits to the length of the AI: how a reader knows where the AI ends (General Specifications, 7.8.2)."""

_PREDEFINED = {"00": 18, "01": 14, "02": 14, "03": 14, "04": 16, "20": 2, "41": 13}
_PREDEFINED |= {str(prefix): 6 for prefix in (*range(11, 20), *range(31, 37))}
"""First two digits of an AI to the length of its value, allocated or not (General Specifications, 7.8.5)."""


def application_identifier(text: str) -> ApplicationIdentifier:
    """The AI of these digits.

    Raises: ParseError when GS1 has allocated no such AI.
    """
    found = AI_TABLE.get(text)
    if found is None:
        raise ParseError(f"AI {text[:10]!r}: no such application identifier.")
    return found


def ai_at(text: str, start: int) -> ApplicationIdentifier:
    """The AI that begins at `start` of an element string. Raises: ParseError."""
    length = AI_LENGTH.get(text[start : start + 2])
    return application_identifier(text[start : start + (length or 4)])


@lru_cache(maxsize=1024)
def unallocated(ai: str) -> ApplicationIdentifier | None:
    """What an AI that is not in the table would be, for readers that let it pass. None when there can be none.

    The first two digits fix the length of an AI and, for some, of its value; nothing else is known of it.
    """
    if not 2 <= len(ai) <= 4 or not NUMERIC.holds(ai) or AI_LENGTH.get(ai[:2], len(ai)) != len(ai):
        return None
    length = _PREDEFINED.get(ai[:2])
    component = {"type": "X", "min": length or 1, "max": length or 90, "optional": False, "linters": []}
    row = {
        "title": "UNKNOWN",
        "components": [component],
        "predefined_length": length is not None,
        "dl_attribute": False,
        "requires": [],
        "excludes": [],
        "dl_key": None,
    }
    return _application_identifier(ai, row)
