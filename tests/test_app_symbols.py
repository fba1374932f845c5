"""Symbols that we print: each is read back by a reader that did not write it, from the PNG and from the SVG."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import missing
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from app.symbols import Symbol, ean_13, gs1_128, gs1_datamatrix, itf_14, qr_code, to_png, to_svg
from scanners.camera import codes, pyzbar
from trace.errors import ParseError, ValidationError
from trace.identifiers.element_string import FNC1, ElementString
from trace.identifiers.gs1_keys import Gtin

ITEM = ElementString.parse_bracketed("(01)09520000000028(17)281130(10)LOT7(21)A\\(7)%b<&")
CASE = ElementString.parse_bracketed("(10)LOT7-x(00)095200000000000004")
LINK = "https://brand.cn/01/09520000000028/21/7XK3MQ2WTR9ACD?17=281130&s=k3Q0xA-z"

CASES = [
    (gs1_datamatrix(ITEM), "]d2", "01095200000000281728113010LOT7\x1d21A(7)%b<&"),
    (gs1_128(CASE), "]C1", "10LOT7-x\x1d00095200000000000004"),
    (qr_code(LINK), "]Q1", LINK),
    (ean_13(Gtin("06924561884074")), "]E0", "6924561884074"),
    (itf_14(Gtin("19520000000018")), "]I1", "19520000000018"),
]


def name(value: object) -> str:
    return value.name if isinstance(value, Symbol) else ""


def read(png: bytes) -> list[tuple[str | None, str]]:
    return [(code.symbology, code.text) for code in codes(png)]


@pytest.mark.parametrize(("symbol", "identifier", "text"), CASES, ids=name)
@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_a_printed_symbol_is_read_back(symbol: Symbol, identifier: str, text: str, dpi: int) -> None:
    assert read(to_png(symbol, dpi)) == [(identifier, text)]


@pytest.mark.parametrize(("symbol", "identifier", "text"), CASES, ids=name)
def test_the_drawing_for_the_web_is_the_same_symbol(symbol: Symbol, identifier: str, text: str) -> None:
    svg = to_svg(symbol)
    width, height = symbol.size_mm
    assert f'width="{width:.3f}mm" height="{height:.3f}mm"' in svg
    scale = 4 / symbol.module_mm
    picture = Image.new("L", (round(width * scale), round(height * scale)), 255)
    draw = ImageDraw.Draw(picture)
    for found in re.finditer(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", svg):
        x, y, w, h = (float(part) * scale for part in found.groups())
        draw.rectangle((round(x), round(y), round(x + w) - 1, round(y + h) - 1), fill=0)
    png = io.BytesIO()
    picture.save(png, "PNG")
    assert read(png.getvalue()) == [(identifier, text)]


@pytest.mark.parametrize(
    ("symbol", "kind", "text"),
    [
        (CASES[1][0], "CODE128", b"10LOT7-x\x1d00095200000000000004"),
        (CASES[2][0], "QRCODE", LINK.encode()),
        (CASES[3][0], "EAN13", b"6924561884074"),
        (CASES[4][0], "I25", b"19520000000018"),
    ],
    ids=name,
)
def test_a_second_reader_agrees(symbol: Symbol, kind: str, text: bytes) -> None:
    if pyzbar is None:
        missing("libzbar0")
    with Image.open(io.BytesIO(to_png(symbol))) as picture:
        assert [(found.type, found.data) for found in pyzbar.decode(picture.convert("L"))] == [(kind, text)]


@pytest.mark.parametrize("elements", [ITEM, CASE], ids=str)
def test_a_second_reader_of_data_matrix_agrees(elements: ElementString, tmp_path: Path) -> None:
    """libdmtx, which shares nothing with zxing-cpp; its own output says FNC1 for the identifier `]d2`."""
    reader = shutil.which("dmtxread") or missing("dmtx-utils")
    picture = tmp_path / "symbol.png"
    picture.write_bytes(to_png(gs1_datamatrix(elements)))
    done = subprocess.run([reader, "-N1", "-G29", str(picture)], capture_output=True, timeout=60, check=True)
    assert done.stdout.decode("ascii") == FNC1 + elements.raw()


_CHARACTERS = st.text("!\"%&'()*+,-./:;<=>?_AZaz" + "0123456789" * 5, min_size=1, max_size=9)


@settings(max_examples=25)
@given(_CHARACTERS, _CHARACTERS)
def test_digits_and_letters_in_any_order_are_read_back(lot: str, serial: str) -> None:
    """Code 128 changes its set between them, with a digit left over or not."""
    elements = ElementString((("10", lot), ("21", serial)))
    assert read(to_png(gs1_128(elements), 150)) == [("]C1", elements.raw())]
    assert read(to_png(gs1_datamatrix(elements))) == [("]d2", elements.raw())]


@pytest.mark.parametrize(("symbol", "identifier", "text"), CASES, ids=name)
def test_the_quiet_zones_are_white(symbol: Symbol, identifier: str, text: str) -> None:
    left, _, right, _ = symbol.quiet
    first, last = min(x for x, *_ in symbol.bars_mm()), max(x + w for x, _, w, _ in symbol.bars_mm())
    if symbol.bearer_mm:
        bars = symbol.bars_mm()[1:-1]
        first, last = min(x for x, *_ in bars), max(x + w for x, _, w, _ in bars)
    assert first >= left * symbol.module_mm - 1e-9
    assert symbol.size_mm[0] - last >= right * symbol.module_mm - 1e-9


@pytest.mark.parametrize(
    ("symbol", "size"),
    [
        (CASES[3][0], (37.29, 25.85)),
        (CASES[4][0], (142.75, 44.41)),
        (CASES[1][0], (141.57, 34.75)),
    ],
    ids=name,
)
def test_sizes_are_those_of_the_general_specifications(symbol: Symbol, size: tuple[float, float]) -> None:
    assert tuple(round(side, 2) for side in symbol.size_mm) == size
    with Image.open(io.BytesIO(to_png(symbol, 600))) as picture:
        mm = picture.width / picture.info["dpi"][0] * 25.4
    assert mm == pytest.approx(symbol.size_mm[0], abs=0.1)


def test_the_text_for_people_is_there() -> None:
    svg = to_svg(CASES[0][0])
    for line in ("(01)09520000000028", "(17)281130", "(10)LOT7", "(21)A(7)%b&lt;&amp;"):
        assert f">{line}</text>" in svg
    assert [text.content for text in CASES[3][0].text] == ["6", "924561", "884074"]
    assert [text.content for text in CASES[4][0].text] == ["1 95 20000 00001 8"]


def test_a_datamatrix_is_square() -> None:
    for elements in (ITEM, ElementString.parse_bracketed("(01)09520000000028")):
        rows = gs1_datamatrix(elements).rows
        assert {len(row) for row in rows} == {len(rows)}


def test_what_no_symbol_can_hold_is_refused() -> None:
    long = ElementString.parse_bracketed("(01)09520000000028(10)LOT7LOT7LOT7LOT7LOT7(21)12345678901234567890")
    with pytest.raises(ValidationError) as error:
        gs1_128(long)
    assert str(error.value) == f"GS1-128 of {long.bracketed()!r}: 61 characters, at most 48 fit."
    wide = ElementString.parse_bracketed("(01)09520000000028(10)LOT-ABCDEFGHIJKLMNOP")
    with pytest.raises(ValidationError, match=r"mm wide, at most 165\.1 may be; use two symbols\.$"):
        gs1_128(wide)
    with pytest.raises(ParseError, match=r"^EAN-13 of GTIN 19520000000018: expected a GTIN-12 or GTIN-13\.$"):
        ean_13(Gtin("19520000000018"))
    with pytest.raises(ParseError, match="expected a GTIN-12 or GTIN-13"):
        ean_13(Gtin.parse("02345680"))
    with pytest.raises(ParseError, match="no GS1 key in the path"):
        qr_code("https://brand.cn/about")
    with pytest.raises(ValidationError, match=r"a module of 0\.38 mm is less than a dot at 20 dpi"):
        to_png(CASES[0][0], 20)
