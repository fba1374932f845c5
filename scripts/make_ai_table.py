"""Make `trace/identifiers/ai_table.json` from the GS1 Barcode Syntax Dictionary.

    python scripts/make_ai_table.py gs1-syntax-dictionary.txt [ai_table.json]

The dictionary (GS1 AISBL, Apache-2.0) says for each application identifier which components its value has, which
associations it needs or forbids, and what it is in a Digital Link; its own head explains the notation. We keep these
facts, a row a line, and none of its text.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

TABLE = Path(__file__).resolve().parents[1] / "trace" / "identifiers" / "ai_table.json"
FLAGS = set("*?")
_COMPONENT = re.compile(r"([NXYZ])(\.\.)?(\d+)")


def component(text: str) -> dict[str, object]:
    """`N13,csum`, `X..20` or `[N6],yymmdd`."""
    form, *linters = text.split(",")
    optional = form.startswith("[")
    match = _COMPONENT.fullmatch(form.strip("[]"))
    if match is None:
        raise SystemExit(f"component {text!r}: expected a type, a length and linters, like N13,csum")
    kind, variable, length = match.groups()
    return {
        "type": kind,
        "min": 1 if variable else int(length),
        "max": int(length),
        "optional": optional,
        "linters": linters,
    }


def row(line: str) -> dict[str, object]:
    """One entry: `AIs [Flags] Specification [Attributes...] [# Title]`."""
    facts, _, title = line.partition("#")
    ais, *words = facts.split()
    flags = words.pop(0) if set(words[0]) <= FLAGS else ""
    components = [word for word in words if _COMPONENT.match(word.lstrip("["))]
    attributes = words[len(components) :]
    requires, excludes, dl_key = [], [], None
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        match name:
            case "req":
                requires.append([group.split("+") for group in value.split(",")])
            case "ex":
                excludes += value.split(",")
            case "dlpkey":
                dl_key = [sequence.split(",") for sequence in value.split("|")] if value else []
            case _:
                raise SystemExit(f"attribute {attribute!r} of AI {ais}: expected req, ex or dlpkey")
    return {
        "ais": ais,
        "title": title.strip(),
        "predefined_length": "*" in flags,
        "dl_attribute": "?" in flags,
        "components": [component(word) for word in components],
        "requires": requires,
        "excludes": excludes,
        "dl_key": dl_key,
    }


def release(text: str) -> str:
    """What the head of the dictionary calls itself; a copy between two releases says UNSET, so its hash says which."""
    named = re.search(r"^# Release: *(.+?) *$", text, re.MULTILINE)
    if named is None:
        raise SystemExit("expected a line '# Release: ...' in the head of the dictionary")
    years = re.findall(r"Copyright \(c\) [\d-]*?(\d{4}) GS1", text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{named[1]}, (c) {max(years, default='')} GS1, SHA-256 {digest[:16]}"


def main(arguments: list[str]) -> None:
    if not 1 <= len(arguments) <= 2:
        raise SystemExit(__doc__)
    text = Path(arguments[0]).read_text(encoding="utf-8")
    lines = text.splitlines()
    rows = [row(line) for line in lines if line.strip() and not line.startswith("#")]
    body = ",\n".join(json.dumps(each, ensure_ascii=False) for each in rows)
    source = "GS1 Barcode Syntax Dictionary, (c) GS1 AISBL, Apache-2.0; facts only, made by scripts/make_ai_table.py"
    target = Path(arguments[1]) if len(arguments) == 2 else TABLE
    head = f'"source": {json.dumps(source)}, "release": {json.dumps(release(text))}'
    target.write_text(f'{{{head}, "rows": [\n{body}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
