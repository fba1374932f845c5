"""Colours keep their contrast, and the public page its weight (interface guide, sections 2 and 9)."""

import re
from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parents[1] / "app" / "static"
PUBLIC_SHEETS = ("tokens.css", "base.css", "public.css")

# foreground, background, least ratio: 4.5 for text, 3 for controls (WCAG 2.2, 1.4.3 and 1.4.11).
PAIRS = [
    *((ink, ground, 4.5) for ink in ("ink", "ink-2", "ink-3", "brand") for ground in ("paper", "surface")),
    *((ink, "sunken", 4.5) for ink in ("ink", "ink-2", "ink-3")),
    ("control", "paper", 3),
    ("control", "surface", 3),
    ("focus", "paper", 3),
    ("focus", "surface", 3),
    ("on-brand", "brand-fill", 4.5),
    ("brand", "brand-soft", 4.5),
    ("ink-3", "land", 4.5),
    *((f"{name}-on", name, 4.5) for name in ("ok", "info", "caution", "stop")),
    *((f"{name}-text", f"{name}-soft", 4.5) for name in ("ok", "info", "caution", "stop", "unknown")),
    *((f"{name}-text", "surface", 4.5) for name in ("ok", "info", "stop", "unknown")),
    ("ink", "info-soft", 4.5),
]
HANDHELD = [
    *(
        (ink, "paper", 7)
        for ink in ("ink", "ink-2", "ok-text", "info-text", "caution-text", "stop-text", "unknown-text")
    ),
    ("line", "paper", 7),
    ("bar-on", "bar", 7),
    ("kept-on", "kept", 7),
    ("on-brand", "brand-fill", 7),
    *((f"{name}-on", name, 7) for name in ("ok", "info", "caution", "stop")),
]


def tokens(*blocks: str) -> dict[str, str]:
    """The colours that hold when these blocks apply, the last one winning."""
    sheet = (STATIC / "tokens.css").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for block in blocks:
        start = sheet.index(block)
        body = sheet[sheet.index("--", start) : sheet.index("}", start)]
        found |= dict(re.findall(r"--([\w-]+): (#[0-9A-F]{6});", body))
    return found


LIGHT = tokens(":root {")
DARK = tokens(":root {", "@media (prefers-color-scheme: dark)")
DAY = tokens(":root {", '[data-face="handheld"] {')
NIGHT = tokens(":root {", '[data-face="handheld"] {', '[data-theme="night"] {')


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#0D7553", "#FFFFFF") == pytest.approx(5.70, abs=0.01)


@pytest.mark.parametrize(
    ("theme", "pairs"),
    [(LIGHT, PAIRS), (DARK, PAIRS), (DAY, HANDHELD), (NIGHT, HANDHELD)],
    ids=["light", "dark", "day", "night"],
)
def test_every_pair_of_tokens_can_be_read(theme: dict[str, str], pairs: list[tuple[str, str, float]]) -> None:
    poor = [
        f"{one} on {other}: {contrast(theme[one], theme[other]):.2f}, expected {least}"
        for one, other, least in pairs
        if contrast(theme[one], theme[other]) < least
    ]
    assert poor == []


def test_floods_of_the_handheld_are_the_same_by_day_and_night() -> None:
    floods = ("ok", "info", "caution", "stop")
    assert [NIGHT[name] for name in floods] == [DAY[name] for name in floods]


def test_every_token_that_a_sheet_uses_is_defined() -> None:
    defined = set(re.findall(r"--([\w-]+):", (STATIC / "tokens.css").read_text(encoding="utf-8")))
    for sheet in sorted([*STATIC.glob("*.css"), *STATIC.glob("*.svg")]):
        used = set(re.findall(r"var\(--([\w-]+)\)", sheet.read_text(encoding="utf-8")))
        assert used <= defined, sheet.name


def test_styles_of_the_public_page_weigh_little() -> None:
    assert sum((STATIC / sheet).stat().st_size for sheet in PUBLIC_SHEETS) <= 14 * 1024


def test_public_sheets_use_nothing_that_a_phone_of_2018_lacks() -> None:
    sheet = "".join((STATIC / name).read_text(encoding="utf-8") for name in ("base.css", "public.css"))
    assert re.findall(r":has\(|aspect-ratio|\binset:|:is\(|:where\(|&|light-dark\(|color-mix\(|@layer", sheet) == []
    flex_with_gap = [rule for rule in re.findall(r"\{[^}]*\}", sheet) if "flex" in rule and " gap:" in rule]
    assert flex_with_gap == []


def test_nothing_is_fetched_from_another_host() -> None:
    for file in sorted(STATIC.iterdir()):
        text = file.read_text(encoding="utf-8").replace('xmlns="http://www.w3.org/2000/svg"', "")
        # A canonical URI is a name, not an address to fetch.
        assert not re.search(r"""(from|import|fetch\(|src=|href=)\s*["'`]https?://|url\(""", text), file.name
