"""Human readable lines."""

import json
from pathlib import Path
from urllib.parse import unquote

from trace.identifiers.element_string import FNC1, examine
from trace.identifiers.hri import hri_lines


def elements_of_link(uri: str) -> list[tuple[str, str]]:
    """Enough of a Digital Link for these cases: AI and value in turn, then the query's numeric keys."""
    path, _, query = uri.partition("?")
    words = path.split("/")[3:]
    pairs = list(zip(words[::2], words[1::2], strict=True))
    found = (each.partition("=") for each in query.split("&"))
    return pairs + [(key, unquote(value)) for key, is_pair, value in found if is_pair and key.isdigit()]


def test_lines_are_those_of_the_syntax_engine(shared_data: Path) -> None:
    for line in (shared_data / "epcis/gs1-syntax-engine/hri.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["input"].startswith("http"):
            elements = tuple(elements_of_link(row["input"]))
        else:
            examined = examine(row["input"].replace("^", FNC1), permit_unknown=row["permitUnknownAIs"])
            assert examined.fault is None
            elements = examined.elements
        assert list(hri_lines(elements, titles=row["dataTitles"])) == row["hri"]


def test_titles_stand_in_front_where_there_are_any() -> None:
    elements = (("01", "12312312312333"), ("8110", "012345612345611110123"), ("89", "X"))
    assert hri_lines(elements, titles=True) == (
        "GTIN (01) 12312312312333",
        "(8110) 012345612345611110123",
        "UNKNOWN (89) X",
    )
