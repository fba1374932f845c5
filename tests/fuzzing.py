"""Texts that nobody should send, and a small coverage-guided fuzzer.

What reaches a new line of the code under test is kept and changed further.
"""

import random
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from trace.identifiers.element_string import FNC1

HOSTILE = {
    "digits": "0" * 100_000,
    "separators": FNC1 * 100_000,
    "opening brackets": "(" * 100_000,
    "escapes": "(10)" + "\\(" * 50_000,
    "bars": "|" * 100_000,
    "one endless value": "10" + "A" * 100_000,
    "one endless identifier": "(" + "1" * 100_000 + ")A",
    "short values": ("10A" + FNC1) * 25_000,
    "bracketed values": "(99)A" * 20_000,
    "percent signs": "(4300)" + "%" * 100_000,
    "padding": "(8030)" + "=" * 100_000,
}
"""100 kB each, all wrong, each against one way of reading."""


def fuzz(
    target: Callable[[str], object], seeds: Sequence[str], *, of: str, rounds: int, alphabet: str, seed: int = 7
) -> list[str]:
    """Run `target` on changed seeds and return those that were kept. An exception of the target ends the run.

    `of` is a part of the path of the files whose lines count. The same seed gives the same run.
    """
    chance = random.Random(seed)
    lines: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if of not in frame.f_code.co_filename:
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    kept = list(seeds)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for text in seeds:
            target(text)
        for _ in range(rounds):
            text = _changed(chance.choice(kept), chance, kept, alphabet)
            known = len(lines)
            target(text)
            if len(lines) > known:
                kept.append(text)
    finally:
        sys.settrace(before)
    return kept


def _changed(text: str, chance: random.Random, others: Sequence[str], alphabet: str) -> str:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        to = min(len(text), at + chance.randint(0, 4))
        match chance.randrange(5):
            case 0:
                text = text[:at] + chance.choice(alphabet) + text[at:]
            case 1:
                text = text[:at] + text[to:]
            case 2:
                text = text[:at] + chance.choice(alphabet) + text[at + 1 :]
            case 3:
                other = chance.choice(others)
                text = text[:at] + other[chance.randrange(len(other) + 1) :]
            case _:
                text = text[:to] + text[at:to] * chance.randint(1, 3) + text[to:]
    return text[:4000]
