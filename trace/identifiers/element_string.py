"""GS1 element strings: application identifiers and their values, one behind the other.

    0106901234567892 17 261130 10LOT7 <FNC1> 21A7         raw, FNC1 as 0x1D
    (01)06901234567892(17)261130(10)LOT7(21)A7            bracketed, as people read it
    ...|...                                               a linear symbol and the 2D component above it

A value of predefined length ends by itself; any other runs to the next FNC1 or to the end (GS1 General Specifications,
7.8). `ElementString` is a run of valid values; `examine` also asks whether they belong together, and keeps what it has
read when something is wrong.
"""

from dataclasses import dataclass, replace
from typing import Self

from trace.errors import LimitError, ParseError
from trace.identifiers.ai_table import AI_LENGTH, AI_TABLE, ApplicationIdentifier, unallocated
from trace.identifiers.aim import Reading, split
from trace.identifiers.associations import disagreement
from trace.identifiers.faults import Fault

FNC1 = "\x1d"
"""Group separator: how readers transmit FNC1 inside the data."""

MOST_ELEMENTS = 64
"""More than any symbol holds; keeps a hostile string from growing rows (the GS1 Syntax Engine has the same limit)."""

COMPOSITE = "|"
"""Between the linear symbol and its 2D component (GS1 Syntax Engine notation; in no character set of an AI)."""

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
        return cls._of(text, _Reader(text, len(text) - len(data), len(text)).raw())

    @classmethod
    def parse_bracketed(cls, text: str) -> Self:
        r"""AIs in brackets; an opening bracket inside a value is written `\(`.

        Raises: ParseError that names the character at which it went wrong; LimitError.
        """
        return cls._of(text, _Reader(text, 0, len(text)).bracketed())

    @classmethod
    def _of(cls, text: str, reader: "_Reader") -> Self:
        fault = reader.fault
        if fault is None:
            return cls(tuple(reader.elements))
        if fault.code == "too_many_elements":
            raise LimitError(f"element string {_short(text)}: {fault.message}")
        where = "" if fault.code == "no_data" else f", character {reader.start + 1}"
        raise ParseError(f"element string {_short(text)}{where}: {fault.message}")

    def bracketed(self) -> str:
        r"""`(01)06901234567892(10)LOT7`; an opening bracket inside a value becomes `\(`."""
        return "".join("({}){}".format(ai, value.replace("(", "\\(")) for ai, value in self.elements)

    def raw(self) -> str:
        """As a GS1 symbol carries it behind its first FNC1: separators only where they are needed."""
        parts = []
        for ai, value in self.elements:
            parts += [ai, value, "" if ends_by_itself(ai) else FNC1]
        return "".join(parts).removesuffix(FNC1)

    def get(self, ai: str) -> str | None:
        """The value of this AI, the first one where it is repeated."""
        return next((value for found, value in self.elements if found == ai), None)

    def __str__(self) -> str:
        return self.bracketed()


@dataclass(frozen=True, slots=True)
class Examined:
    """What an element string says, and the first thing that is wrong with it."""

    elements: tuple[Element, ...]
    """All of them where only an association is at fault, else those before the fault."""
    fault: Fault | None
    """With an association at fault, `at` is the AI whose rule is broken."""
    linear: int | None = None
    """How many elements stand in the linear symbol of a composite. None: there is one symbol."""

    def bracketed(self) -> str:
        """The elements as people read them, a bar between the symbols of a composite."""
        if self.linear is None:
            return ElementString(self.elements).bracketed()
        parts = self.elements[: self.linear], self.elements[self.linear :]
        return COMPOSITE.join(ElementString(part).bracketed() for part in parts)


def examine(text: str, *, permit_unknown: bool = False) -> Examined:
    """Read an element string as the GS1 Barcode Syntax Engine does with its default validations. Never raises.

    Bracketed if it begins with a bracket, else raw; `|` begins the 2D component of a composite symbol.
    `permit_unknown` lets AIs pass that GS1 has not allocated, if their length is known.
    """
    bracketed = text.startswith("(")
    bar = text.find(COMPOSITE)
    first = _Reader(text, 0, len(text) if bar == -1 else bar, permit_unknown=permit_unknown)
    first.read(bracketed)
    if bar == -1:
        return _examined(first.elements, first.starts, first.fault)
    linear = len(first.elements)
    if first.fault is not None:
        return Examined(tuple(first.elements), first.fault, linear)
    # The bar takes a place of its own among the elements, as it does in the engine.
    room = MOST_ELEMENTS - linear - 1
    second = _Reader(text, bar + 1, len(text), room=room, permit_unknown=permit_unknown)
    second.read(bracketed)
    return _examined(first.elements + second.elements, first.starts + second.starts, second.fault, linear)


def examine_from(text: str, start: int, companions: tuple[Element, ...] = ()) -> Examined:
    """Raw element string behind the first `start` characters of a scan, in which a bar is no composite.

    `companions` are elements of other symbols on the thing: they count for what belongs together.
    """
    reader = _Reader(text, start, len(text)).raw()
    return _examined(reader.elements, reader.starts, reader.fault, companions=companions)


def ends_by_itself(ai: str) -> bool:
    """Whether the value of this AI has a predefined length, so that no FNC1 need follow."""
    found = AI_TABLE.get(ai) or unallocated(ai)
    return found is not None and found.predefined_length


def _examined(
    elements: list[Element],
    starts: list[int],
    fault: Fault | None,
    linear: int | None = None,
    companions: tuple[Element, ...] = (),
) -> Examined:
    if fault is None:
        broken = disagreement((*companions, *elements))
        if broken is not None:
            at = next((start for start, (ai, _) in zip(starts, elements, strict=True) if ai == broken.ai), 0)
            fault = Fault(broken.code, broken.message, at)
    return Examined(tuple(elements), fault, linear)


class _Reader:
    """Reads one symbol's elements from `text[start:stop]` up to the first fault, whose `at` is an offset in `text`."""

    def __init__(
        self, text: str, start: int, stop: int, *, room: int = MOST_ELEMENTS, permit_unknown: bool = False
    ) -> None:
        self.text = text
        self.start = start
        """Where the element begins that is being read."""
        self.stop = stop
        self.room = room
        self.permit_unknown = permit_unknown
        self.elements: list[Element] = []
        self.starts: list[int] = []
        self.fault: Fault | None = None

    def read(self, bracketed: bool) -> Self:
        return self.bracketed() if bracketed else self.raw()

    # ---- raw ----

    def raw(self) -> Self:
        text, stop = self.text, self.stop
        if self.start < stop and text[self.start] == FNC1:
            self.start += 1
        if self.start >= stop:
            self.fault = Fault("no_data", "expected an application identifier, got nothing.", self.start)
        while self.start < stop and self.fault is None:
            at = self.start
            length = AI_LENGTH.get(text[at : at + 2], 4)
            ai = text[at : min(at + length, stop)]
            identifier = AI_TABLE.get(ai) or self._unknown(ai, at)
            if identifier is None:
                self.fault = Fault("ai_unknown", f"AI {ai!r}: no such application identifier.", at, len(ai))
            else:
                self._raw_value(identifier, at + len(ai))
        return self

    def _raw_value(self, identifier: ApplicationIdentifier, start: int) -> None:
        text = self.text
        end = text.find(FNC1, start, self.stop)
        if end == -1:
            end = self.stop
        if identifier.predefined_length:
            end = min(end, start + identifier.most)
        value = text[start:end]
        if not identifier.passes(value):
            self.fault = self._raw_fault(identifier, value, start, end)
            return
        if self._keep(identifier.ai, value):
            # One separator may stand behind a value of predefined length too; GS1 tells readers to accept it.
            self.start = end + 1 if end < self.stop and text[end] == FNC1 else end

    def _raw_fault(self, identifier: ApplicationIdentifier, value: str, start: int, end: int) -> Fault:
        """Content before length: what is too long may be two elements, the first of which is wrong in itself."""
        fault = (None if value else identifier.length_fault(value)) or identifier.component_fault(value)
        if fault is None:
            fault = identifier.length_fault(value)
            assert fault is not None
            if end == self.stop:
                # The usual reason in the field: a keyboard wedge that swallows the separator.
                fault = replace(fault, message=f"{fault.message} Is a separator (FNC1) missing?")
        return fault.moved(start)

    # ---- bracketed ----

    def bracketed(self) -> Self:
        """All lengths are looked at before any content, as in the engine."""
        identifiers = []
        if self.start >= self.stop:
            self.fault = Fault("no_data", "expected an application identifier in brackets, got nothing.", self.start)
        while self.start < self.stop and self.fault is None:
            identifier = self._bracketed_element()
            if identifier is not None:
                identifiers.append(identifier)
        for place, identifier in enumerate(identifiers):
            value = self.elements[place][1]
            if not identifier.passes(value):
                if self.fault is None:
                    self.start = self.starts[place]
                    fault = identifier.component_fault(value)
                    assert fault is not None
                    self.fault = self._unescaped(fault, self.start + len(identifier.ai) + 2)
                del self.elements[place:], self.starts[place:]
                break
        return self

    def _bracketed_element(self) -> ApplicationIdentifier | None:
        text, at = self.text, self.start
        if text[at] != "(":
            self.fault = Fault("syntax", f"expected '(', got {text[at]!r}.", at, 1)
            return None
        closing = text.find(")", at, self.stop)
        if closing == -1:
            message = "expected an application identifier of 2 to 4 digits in brackets."
            self.fault = Fault("syntax", message, at, self.stop - at)
            return None
        ai = text[at + 1 : closing]
        identifier = AI_TABLE.get(ai) or (unallocated(ai) if self.permit_unknown else None)
        if identifier is None:
            self.fault = Fault("ai_unknown", f"AI {ai[:10]!r}: no such application identifier.", at + 1, len(ai))
            return None
        following = self._next_bracket(closing + 1)
        value = text[closing + 1 : following].replace("\\(", "(")
        self.fault = identifier.length_fault(value)
        if self.fault is not None:
            self.fault = replace(self.fault, at=closing + 1, length=following - closing - 1)
            return None
        if not self._keep(ai, value):
            return None
        self.start = following
        return identifier

    def _next_bracket(self, start: int) -> int:
        while True:
            found = self.text.find("(", start, self.stop)
            if found == -1:
                return self.stop
            if self.text[found - 1] != "\\":
                return found
            start = found + 1

    def _unescaped(self, fault: Fault, start: int) -> Fault:
        """A fault of a value, told of the text, in which each opening bracket of the value is one character longer."""
        at = start
        for _ in range(fault.at):
            at += 2 if self.text.startswith("\\(", at) else 1
        return replace(fault, at=at)

    # ---- both ----

    def _unknown(self, ai: str, at: int) -> ApplicationIdentifier | None:
        """An AI that is not allocated can be read from raw data only where its first two digits fix its length."""
        if not self.permit_unknown or self.text[at : at + 2] not in AI_LENGTH:
            return None
        return unallocated(ai)

    def _keep(self, ai: str, value: str) -> bool:
        if len(self.elements) == self.room:
            self.fault = Fault("too_many_elements", f"more than {MOST_ELEMENTS} elements.", self.start)
            return False
        self.elements.append((ai, value))
        self.starts.append(self.start)
        return True


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")
