"""GS1 element strings: application identifiers and their values, one behind the other.

    0106901234567892 17 261130 10LOT7 <FNC1> 21A7         raw, FNC1 as 0x1D
    (01)06901234567892(17)261130(10)LOT7(21)A7            bracketed, as people read it

A value of predefined length ends by itself; any other runs to the next FNC1 or to the end (GS1 General Specifications,
7.8). Each value is checked here; whether the AIs belong together is `associations`.
"""

from dataclasses import dataclass
from typing import Self

from trace.errors import LimitError, ParseError
from trace.identifiers.ai_table import AI_TABLE, ApplicationIdentifier, ai_at, application_identifier
from trace.identifiers.aim import Reading, split

FNC1 = "\x1d"
"""Group separator: how readers transmit FNC1 inside the data."""

MOST_ELEMENTS = 64
"""More than any symbol holds; keeps a hostile string from growing rows (the GS1 Syntax Engine has the same limit)."""

Element = tuple[str, str]
"""AI and value."""


@dataclass(frozen=True, slots=True)
class ElementString:
    """Elements in the order of the carrier, each with a valid value."""

    elements: tuple[Element, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raw form; an AIM identifier of a GS1 symbol and one FNC1 may stand in front.

        Raises: ParseError that names the character at which it went wrong; LimitError.
        """
        symbology, data = split(text)
        if symbology is not None and symbology.reading is not Reading.ELEMENT_STRING:
            raise ParseError(
                f"element string {_short(text)}: {symbology.identifier} is {symbology.name}, not GS1 data."
            )
        offset = len(text) - len(data)
        if data.startswith(FNC1):
            data, offset = data[1:], offset + 1
        elements: list[Element] = []
        at = 0
        while at < len(data):
            _require_room(text, elements)
            try:
                ai, value, following = _cut(data, at)
            except ParseError as error:
                raise ParseError(f"element string {_short(text)}, character {offset + at + 1}: {error}") from error
            elements.append((ai, value))
            at = following
        if not elements:
            raise ParseError(f"element string {_short(text)}: expected an application identifier, got nothing.")
        return cls(tuple(elements))

    @classmethod
    def parse_bracketed(cls, text: str) -> Self:
        r"""AIs in brackets; an opening bracket inside a value is written `\(`.

        Raises: ParseError that names the character at which it went wrong; LimitError.
        """
        elements: list[Element] = []
        at = 0
        while at < len(text):
            _require_room(text, elements)
            try:
                if text[at] != "(":
                    raise ParseError(f"expected '(', got {text[at]!r}.")
                closing = text.find(")", at, at + 6)
                if closing == -1:
                    raise ParseError("expected an application identifier of 2 to 4 digits in brackets.")
                identifier = application_identifier(text[at + 1 : closing])
                following = _next_bracket(text, closing + 1)
                value = text[closing + 1 : following].replace("\\(", "(")
                identifier.check(value)
            except ParseError as error:
                raise ParseError(f"element string {_short(text)}, character {at + 1}: {error}") from error
            elements.append((identifier.ai, value))
            at = following
        if not elements:
            raise ParseError("element string '': expected an application identifier in brackets, got nothing.")
        return cls(tuple(elements))

    def bracketed(self) -> str:
        r"""`(01)06901234567892(10)LOT7`; an opening bracket inside a value becomes `\(`."""
        return "".join("({}){}".format(ai, value.replace("(", "\\(")) for ai, value in self.elements)

    def raw(self) -> str:
        """As a GS1 symbol carries it behind its first FNC1: separators only where they are needed."""
        parts = []
        for ai, value in self.elements:
            parts += [ai, value, "" if AI_TABLE[ai].predefined_length else FNC1]
        return "".join(parts).removesuffix(FNC1)

    def get(self, ai: str) -> str | None:
        """The value of this AI, the first one where it is repeated."""
        return next((value for found, value in self.elements if found == ai), None)

    def __str__(self) -> str:
        return self.bracketed()


def _cut(data: str, at: int) -> tuple[str, str, int]:
    """AI and value that begin at `at`, and where the next ones begin."""
    identifier = ai_at(data, at)
    start = at + len(identifier.ai)
    end = data.find(FNC1, start)
    if end == -1:
        end = len(data)
    if identifier.predefined_length:
        end = min(end, start + identifier.most)
    value = data[start:end]
    _check(identifier, value, data, end)
    # One separator may stand behind a value of predefined length too; GS1 tells readers to accept it.
    return identifier.ai, value, end + 1 if data.startswith(FNC1, end) else end


def _check(identifier: ApplicationIdentifier, value: str, data: str, end: int) -> None:
    try:
        identifier.check(value)
    except ParseError as error:
        if len(value) > identifier.most and end == len(data):
            # The usual reason in the field: a keyboard wedge that swallows the separator.
            raise ParseError(f"{error} Is a separator (FNC1) missing?") from error
        raise


def _next_bracket(text: str, start: int) -> int:
    while True:
        found = text.find("(", start)
        if found == -1:
            return len(text)
        if text[found - 1] != "\\":
            return found
        start = found + 1


def _require_room(text: str, elements: list[Element]) -> None:
    if len(elements) == MOST_ELEMENTS:
        raise LimitError(f"element string {_short(text)}: more than {MOST_ELEMENTS} elements.")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
