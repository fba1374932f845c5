"""Codes in a photo: image bytes to the scans that a hand scanner would have sent.

    JPEG, PNG, WebP -> grey, at most 1600 px -> zxing-cpp -> turned by 45 degrees -> sharpened -> pyzbar

The first pass that finds anything ends the search. zxing-cpp looks along rows and columns, so a linear code that is
tilted near 45 degrees needs the turned copy; the order is that of what each pass added on real photos.

A photo from a stranger is hostile: a small file can unpack to gigabytes, and image libraries have bugs. A server
therefore calls `decode_in_child`: a process without environment and with bounded memory and time.

    python -m scanners.camera < photo.jpg       [{"symbology": "]d2", "text": "0106901234567892...", "raw": "<hex>"}]
"""

import io
import json
import resource  # POSIX only, as is the server; stations do not import this file
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import zxingcpp
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from scanners.records import Scan

try:
    from pyzbar import pyzbar
except ImportError:  # its shared library (Debian: libzbar0) is not installed; one pass less
    pyzbar = None

IMAGE_LIMIT_BYTES = 10 * 1024 * 1024
PIXEL_LIMIT = 25_000_000
"""Phones send 12 to 24 million; checked on the header, before anything is unpacked."""
FORMATS = ("JPEG", "PNG", "WEBP")

_SIDE_PX = 1600
"""Larger pictures read no better and take longer."""
_SMALL_PX = 900
"""Below this pyzbar reads twice as much from a picture that was enlarged."""

_CHILD_MEMORY_BYTES = 2 * 1024**3
_CHILD_CPU_S = 30
"""Last resort for a child whose parent died; the parent's time-out comes first."""
_CHECKOUT = Path(__file__).resolve().parents[1]

_ZBAR_IDENTIFIERS = {
    "EAN13": "]E0",
    "UPCA": "]E0",
    "UPCE": "]E0",
    "ISBN13": "]E0",
    "EAN8": "]E4",
    "I25": "]I0",
    "DATABAR": "]e0",
    "DATABAR_EXP": "]e0",
    "CODE39": "]A0",
    "CODE93": "]G0",
    "CODABAR": "]F0",
}
"""Not CODE128 and QRCODE: pyzbar does not tell whether FNC1 came first, so we do not claim either."""


@dataclass(frozen=True)
class Code:
    """A scan that does not know its time yet."""

    raw: bytes
    symbology: str | None
    text: str


def decode(image: bytes, at: datetime) -> list[Scan]:
    """The codes in a picture that we trust, in this process. An empty list means that none was found.

    Raises: ValueError when it is no picture, or too large.
    """
    return [Scan(code.raw, code.symbology, code.text, at) for code in codes(image)]


def decode_in_child(image: bytes, timeout_s: float, at: datetime) -> list[Scan]:
    """The codes in a picture from anyone.

    Raises: ValueError when it is no picture, too large, or not decoded in time.
    """
    _refuse_size(len(image))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "scanners.camera"],
            input=image,
            capture_output=True,
            cwd=_CHECKOUT,
            env={},
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"image of {len(image)} bytes: not decoded within {timeout_s:g} s") from None
    if done.returncode == _REFUSED:
        raise ValueError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode != 0:
        raise ValueError(f"image of {len(image)} bytes: the decoder gave up (exit {done.returncode})")
    return [Scan(bytes.fromhex(row["raw"]), row["symbology"], row["text"], at) for row in json.loads(done.stdout)]


def codes(image: bytes) -> list[Code]:
    """As `decode`, without a time."""
    grey = _open(image)
    passes: list[Callable[[], list[Code]]] = [
        lambda: _zxing(grey),
        lambda: _zxing(grey.rotate(45, Image.Resampling.BILINEAR, expand=True, fillcolor=255)),
        lambda: _zxing(grey.filter(ImageFilter.UnsharpMask(radius=2, percent=200))),
        lambda: _zbar(grey),
    ]
    return next((found for found in (read() for read in passes) if found), [])


def _refuse_size(size: int) -> None:
    if size > IMAGE_LIMIT_BYTES:
        raise ValueError(f"image of {size} bytes: at most {IMAGE_LIMIT_BYTES}")


def _open(image: bytes) -> Image.Image:
    """Grey, at most 1600 px a side, on white."""
    _refuse_size(len(image))
    expected = f"expected a sound {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    try:
        with warnings.catch_warnings():
            # Pillow's own alarm; our limit is lower and comes with a message.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture: Image.Image = Image.open(io.BytesIO(image), formats=FORMATS)
        width, height = picture.size
        if width * height > PIXEL_LIMIT:
            raise _TooManyPixels(f"image of {width} x {height} pixels: at most {PIXEL_LIMIT} in all")
        # JPEG can unpack at 1/2, 1/4 or 1/8, never below the size asked for.
        picture.draft("L", (_SIDE_PX, _SIDE_PX))
        if picture.has_transparency_data:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        grey = ImageOps.contain(picture.convert("L"), (_SIDE_PX, _SIDE_PX)) if max(picture.size) > _SIDE_PX else picture
        return grey.convert("L")
    except _TooManyPixels as error:
        raise ValueError(str(error)) from None
    except Image.DecompressionBombError:
        raise ValueError(f"image with far more than {PIXEL_LIMIT} pixels") from None
    except UnidentifiedImageError:
        raise ValueError(f"image of {len(image)} bytes: {expected}") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError) as error:
        # What Pillow raises for a broken file depends on where it is broken.
        raise ValueError(f"image of {len(image)} bytes is damaged: {expected}") from error


class _TooManyPixels(Exception):  # noqa: N818  (a signal inside this file)
    pass


def _zxing(grey: Image.Image) -> list[Code]:
    # Plain keeps 0x1D; the default writes "(10)LOT7(21)..." for people and loses it.
    found = zxingcpp.read_barcodes(grey, text_mode=zxingcpp.TextMode.Plain)
    return [
        Code(f.symbology_identifier.encode("ascii") + f.bytes, f.symbology_identifier or None, f.text) for f in found
    ]


def _zbar(grey: Image.Image) -> list[Code]:
    if pyzbar is None:
        return []
    if max(grey.size) < _SMALL_PX:
        grey = grey.resize((grey.width * 2, grey.height * 2))
    found = []
    for symbol in pyzbar.decode(grey):
        identifier = _ZBAR_IDENTIFIERS.get(symbol.type)
        text = symbol.data.decode("utf-8", "replace")
        found.append(Code((identifier or "").encode("ascii") + symbol.data, identifier, text))
    return found


_REFUSED = 2


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_CHILD_MEMORY_BYTES, _CHILD_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CHILD_CPU_S, _CHILD_CPU_S))
    try:
        found = codes(sys.stdin.buffer.read(IMAGE_LIMIT_BYTES + 1))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    json.dump([{"symbology": c.symbology, "text": c.text, "raw": c.raw.hex()} for c in found], sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
