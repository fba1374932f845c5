"""GS1 application identifiers: what each one's value looks like, and what it may stand with.

The facts are `ai_table.json`, made from the GS1 Barcode Syntax Dictionary by `scripts/make_ai_table.py`; read once, at
import. Knows values one by one; how they are strung together is `element_string`, `digital_link` and `associations`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trace.errors import ParseError
from trace.identifiers.charsets import BY_TYPE, Charset
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
    """As in the dictionary, whether we have them or not."""
    linters: tuple[Linter, ...] = field(compare=False)
    """Those we have."""


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

    def check(self, value: str) -> None:
        """Length, characters and content of a value.

        Raises: ParseError that names this AI, the value, what was expected and what came.
        """
        if not self.least <= len(value) <= self.most:
            wanted = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
            raise ParseError(f"({self.ai}) {value[:100]!r}: expected {wanted} characters, got {len(value)}.")
        start = 0
        for component in self.components:
            part = value[start : start + component.most]
            if component.optional and not part:
                return
            if len(part) < component.least:
                wanted = f"expected {component.least} characters from {start + 1} on"
                raise ParseError(f"({self.ai}) {value!r}: {wanted}, got {len(part)}.")
            if not component.charset.holds(part):
                foreign = component.charset.first_foreign(part) or 0
                where = f"{part[foreign]!r} at {start + foreign + 1}"
                raise ParseError(f"({self.ai}) {value!r}: {where}, expected {component.charset.name}.")
            for linter in component.linters:
                fault = linter(part)
                if fault is not None:
                    raise ParseError(f"({self.ai}) {value!r}: {fault}.")
            start += len(part)


def _read(path: Path) -> dict[str, ApplicationIdentifier]:
    table = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
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
            linters=tuple(LINTERS[name] for name in each["linters"] if name in LINTERS),
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
    )


AI_TABLE = _read(Path(__file__).with_name("ai_table.json"))

AI_LENGTH = {ai[:2]: len(ai) for ai in AI_TABLE}
"""First two digits to the length of the AI: how a reader knows where the AI ends (General Specifications, 7.8.2)."""


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
