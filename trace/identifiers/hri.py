"""Human readable interpretation: what is printed beside a symbol so that a person can key it in.

One element a line, its AI in brackets, which are not part of the data (GS1 General Specifications, section "Human
readable interpretation (HRI) rules"); the data title in front of it where there is room (section "Non-HRI text").
"""

from collections.abc import Sequence

from trace.identifiers.ai_table import AI_TABLE


def hri_lines(elements: Sequence[tuple[str, str]], *, titles: bool = False) -> tuple[str, ...]:
    """`(10) LOT7`, with `titles` `BATCH/LOT (10) LOT7`, in the order of the elements."""
    return tuple(f"{_title(ai) if titles else ''}({ai}) {value}" for ai, value in elements)


def _title(ai: str) -> str:
    """The data title and a space; (8110) and a few others have none."""
    found = AI_TABLE.get(ai)
    title = "UNKNOWN" if found is None else found.title
    return f"{title} " if title else ""
