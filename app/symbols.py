"""Symbols that we print: GS1 DataMatrix, GS1-128, QR Code with a Digital Link, EAN-13 and ITF-14, as SVG and PNG.

python-barcode computes the bars of linear symbols, zxing-cpp the modules of matrix symbols; everything that a verifier
measures is drawn here: module width in mm, height, quiet zones, bearer bars, text. Sizes are the targets of the GS1
General Specifications, 5.12.3; a printer's dots must be able to give them, so a PNG rounds the module to whole dots and
states the resolution at which its size is right.
"""

import io
from dataclasses import dataclass, replace
from html import escape

import barcode.codex
import barcode.ean
import barcode.itf
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from trace.errors import ParseError, ValidationError
from trace.identifiers.digital_link import DigitalLink
from trace.identifiers.element_string import FNC1, ElementString
from trace.identifiers.gs1_keys import Gtin

_FNC1_OF_PYTHON_BARCODE = "\xf1"
_GS1_128_LONGEST = 48
"""Characters of data in one symbol (General Specifications, 5.4.1)."""
_GS1_128_WIDEST_MM = 165.1
"""With its quiet zones (General Specifications, 5.4.6.5)."""
_TEXT_MM = 3.0
"""Height of a line of text."""
_FONT_MM = 2.5
_CHARACTER_MM = 1.6
"""Wider than a character of the fonts we use."""
_MM_PER_INCH = 25.4


@dataclass(frozen=True)
class Text:
    """A piece of human readable interpretation under a symbol."""

    content: str
    line: int = 0
    centre: float | None = None
    """Modules from the left edge of the symbol's quiet zone; None is the middle."""


@dataclass(frozen=True)
class Symbol:
    """A symbol that can be drawn: rows of modules with their sizes."""

    name: str
    rows: tuple[tuple[bool, ...], ...]
    """Dark modules. A linear symbol has one row."""
    module_mm: float
    """Width of a module; of ITF-14 it is half of a narrow bar, since its wide bars are 2.5 narrow ones."""
    row_mm: float
    """Height of a row."""
    quiet: tuple[int, int, int, int]
    """Modules that stay white: left, top, right, bottom."""
    text: tuple[Text, ...] = ()
    guards: frozenset[int] = frozenset()
    """Columns whose bars are five modules longer (EAN-13)."""
    bearer_mm: float = 0
    """Thickness of bars above and below that keep a reader from reading half a symbol (ITF-14)."""

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height with quiet zones and text."""
        longest = max((len(text.content) for text in self.text), default=0)
        lines = max((text.line + 1 for text in self.text), default=0)
        # The digits of EAN-13 stand between its long bars.
        below = max(lines * _TEXT_MM, self._guard_mm)
        return max(self._symbol_mm, longest * _CHARACTER_MM), self._text_top_mm + below

    def centre_mm(self, text: Text) -> tuple[float, float]:
        """Where the middle of a text is."""
        width, _ = self.size_mm
        x = width / 2 if text.centre is None else self._left_mm + text.centre * self.module_mm
        return x, self._text_top_mm + (text.line + 0.55) * _TEXT_MM

    @property
    def _symbol_mm(self) -> float:
        return (self.quiet[0] + len(self.rows[0]) + self.quiet[2]) * self.module_mm

    @property
    def _left_mm(self) -> float:
        """Text may be wider than the symbol, which then stands in its middle."""
        return (self.size_mm[0] - self._symbol_mm) / 2

    @property
    def _text_top_mm(self) -> float:
        _, top, _, bottom = self.quiet
        return (top + bottom) * self.module_mm + len(self.rows) * self.row_mm + 2 * self.bearer_mm

    @property
    def _guard_mm(self) -> float:
        return 5 * self.module_mm if self.guards else 0

    def bars_mm(self) -> list[tuple[float, float, float, float]]:
        """Dark rectangles: x, y, width, height. Neighbours are one rectangle, so that no hair line is between them."""
        left = self._left_mm + self.quiet[0] * self.module_mm
        y = self.quiet[1] * self.module_mm
        bearer = (self._left_mm, self._symbol_mm, self.bearer_mm)
        found = []
        if self.bearer_mm:
            found.append((bearer[0], y, *bearer[1:]))
            y += self.bearer_mm
        for row in self.rows:
            for start, length in _runs(row):
                more = self._guard_mm if start in self.guards else 0
                found.append((left + start * self.module_mm, y, length * self.module_mm, self.row_mm + more))
            y += self.row_mm
        if self.bearer_mm:
            found.append((bearer[0], y, *bearer[1:]))
        return found


# ---- the five kinds -----------------------------------------------------------------------------


def gs1_datamatrix(elements: ElementString, module_mm: float = 0.38) -> Symbol:
    """Square, for items. Raises: ValidationError when it does not fit."""
    try:
        drawn = zxingcpp.create_barcode(
            elements.bracketed(), zxingcpp.BarcodeFormat.DataMatrix, gs1=True, force_square=True
        )
    except ValueError as error:
        raise ValidationError(f"GS1 DataMatrix of {elements.bracketed()[:80]!r}: {error}") from error
    text = tuple(Text(f"({ai}){value}", line) for line, (ai, value) in enumerate(elements.elements))
    return Symbol("GS1 DataMatrix", _modules(drawn), module_mm, module_mm, (1, 1, 1, 1), text)


def qr_code(uri: str, module_mm: float = 0.5, ec_level: str = "M") -> Symbol:
    """A Digital Link for phones. Raises: ParseError when it is none; ValidationError when it does not fit."""
    DigitalLink.parse(uri)
    try:
        drawn = zxingcpp.create_barcode(uri, zxingcpp.BarcodeFormat.QRCode, ec_level=ec_level)
    except ValueError as error:
        raise ValidationError(f"QR Code of {uri[:80]!r}: {error}") from error
    return Symbol("QR Code", _modules(drawn), module_mm, module_mm, (4, 4, 4, 4))


def gs1_128(elements: ElementString, module_mm: float = 0.495) -> Symbol:
    """Linear, for cases and pallets. Raises: ValidationError when it is too long for one symbol."""
    data = elements.raw()
    if len(data) > _GS1_128_LONGEST:
        raise ValidationError(
            f"GS1-128 of {elements.bracketed()[:80]!r}: {len(data)} characters, at most {_GS1_128_LONGEST} fit."
        )
    bars = barcode.codex.Gs1_128(data.replace(FNC1, _FNC1_OF_PYTHON_BARCODE)).build()[0]
    text = " ".join(f"({ai}){value}" for ai, value in elements.elements)
    symbol = Symbol("GS1-128", _linear(bars), module_mm, 31.75, (10, 0, 10, 0), (Text(text),))
    width = (20 + len(bars)) * module_mm
    if width > _GS1_128_WIDEST_MM:
        raise ValidationError(
            f"GS1-128 of {elements.bracketed()[:80]!r}: {width:.1f} mm wide, at most {_GS1_128_WIDEST_MM} may be; "
            "use two symbols."
        )
    return symbol


def ean_13(gtin: Gtin, module_mm: float = 0.33) -> Symbol:
    """For the till. Raises: ParseError for a GTIN-14 or a GTIN-8, which have symbols of their own."""
    if gtin.digits[0] != "0" or gtin.digits.startswith("000000"):
        raise ParseError(f"EAN-13 of GTIN {gtin}: expected a GTIN-12 or GTIN-13.")
    digits = gtin.digits[1:]
    bars = barcode.ean.EuropeanArticleNumber13(digits, guardbar=True).build()[0]
    guards = frozenset(column for column, bar in enumerate(bars) if bar == "G")
    text = (Text(digits[0], 0, 5), Text(digits[1:7], 0, 35.5), Text(digits[7:], 0, 81.5))
    row_mm = 22.85 * module_mm / 0.33
    return Symbol("EAN-13", _linear(bars.replace("G", "1")), module_mm, row_mm, (11, 0, 7, 0), text, guards)


def itf_14(gtin: Gtin, narrow_mm: float = 1.016) -> Symbol:
    """For corrugated board: any GTIN, 14 digits, wide bars 2.5 times a narrow one, bearer bars."""
    bars = barcode.itf.ITF(gtin.digits, narrow=2, wide=5).build()[0]
    text = f"{gtin.digits[0]} {gtin.digits[1:3]} {gtin.digits[3:8]} {gtin.digits[8:13]} {gtin.digits[13]}"
    symbol = Symbol("ITF-14", _linear(bars), narrow_mm / 2, 31.75, (20, 0, 20, 0), (Text(text),))
    return replace(symbol, bearer_mm=4.83)


# ---- drawing ------------------------------------------------------------------------------------


def to_svg(symbol: Symbol) -> str:
    """A document of its own, sized in mm."""
    width, height = symbol.size_mm
    path = "".join(f"M{x:.3f} {y:.3f}h{w:.3f}v{h:.3f}h{-w:.3f}z" for x, y, w, h in symbol.bars_mm())
    texts = "".join(
        f'<text x="{x:.3f}" y="{y:.3f}">{escape(text.content)}</text>'
        for text in symbol.text
        for x, y in [symbol.centre_mm(text)]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.3f}mm" height="{height:.3f}mm" '
        f'viewBox="0 0 {width:.3f} {height:.3f}" role="img" aria-label="{escape(symbol.name, quote=True)}">'
        f'<rect width="100%" height="100%" fill="white"/><path d="{path}" fill="black" shape-rendering="crispEdges"/>'
        f'<g font-family="OCR-B, monospace" font-size="{_FONT_MM}" text-anchor="middle" '
        f'dominant-baseline="central">{texts}</g></svg>\n'
    )


def to_png(symbol: Symbol, dpi: int = 300) -> bytes:
    """One bit a pixel; the file's resolution gives back the size in mm.

    Raises: ValidationError when the printer's dots are larger than a module.
    """
    dots = round(symbol.module_mm * dpi / _MM_PER_INCH)
    if dots < 1:
        raise ValidationError(f"{symbol.name}: a module of {symbol.module_mm} mm is less than a dot at {dpi} dpi.")
    scale = dots / symbol.module_mm
    width, height = (round(side * scale) for side in symbol.size_mm)
    picture = Image.new("1", (width, height), 1)
    draw = ImageDraw.Draw(picture)
    for x, y, w, h in symbol.bars_mm():
        # Rounded edges, not rounded widths: neighbours stay neighbours.
        box = (round(x * scale), round(y * scale), round((x + w) * scale) - 1, round((y + h) * scale) - 1)
        draw.rectangle(box, fill=0)
    font = ImageFont.load_default(size=_FONT_MM * scale)
    for text in symbol.text:
        x, y = symbol.centre_mm(text)
        draw.text((x * scale, y * scale), text.content, fill=0, font=font, anchor="mm")
    found = io.BytesIO()
    resolution = scale * _MM_PER_INCH
    picture.save(found, "PNG", dpi=(resolution, resolution))
    return found.getvalue()


def _modules(drawn: zxingcpp.Barcode) -> tuple[tuple[bool, ...], ...]:
    pixels = memoryview(drawn.to_image(scale=1, add_quiet_zones=False))
    height, width = pixels.shape[0], pixels.shape[1]
    return tuple(tuple(pixels[y, x] == 0 for x in range(width)) for y in range(height))


def _linear(bars: str) -> tuple[tuple[bool, ...], ...]:
    return (tuple(bar == "1" for bar in bars),)


def _runs(row: tuple[bool, ...]) -> list[tuple[int, int]]:
    """Start and length of each stretch of dark modules."""
    found = []
    start = None
    for column, dark in enumerate((*row, False)):
        if dark and start is None:
            start = column
        elif not dark and start is not None:
            found.append((start, column - start))
            start = None
    return found
