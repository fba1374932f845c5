"""Codes in pictures: what we print is read back as a scanner would send it, and hostile images are refused."""

import io
import struct
import zlib
from datetime import UTC, datetime
from typing import Any

import barcode
import pytest
import zxingcpp
from barcode.writer import ImageWriter
from conftest import missing
from PIL import Image, ImageFilter

from scanners import camera
from scanners.camera import IMAGE_LIMIT_BYTES, decode, decode_in_child
from scanners.records import Scan

AT = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
BRACKETED = "(01)06901234567892(17)261120(10)LOT7(21)ABC123"
ELEMENT_STRING = "01069012345678921726112010LOT7\x1d21ABC123"
LINK = "https://id.example.org/01/06901234567892/10/LOT7?17=261120"


def symbol(content: str, symbology: zxingcpp.BarcodeFormat, scale: int = 4, **options: Any) -> Image.Image:
    """A symbol with its quiet zone, as our labels print it."""
    made = zxingcpp.create_barcode(content, symbology, **options)
    pixels = memoryview(made.to_image(scale=scale, add_quiet_zones=True))  # type: ignore[arg-type]
    height, width = pixels.shape
    return Image.frombytes("L", (width, height), pixels.tobytes())


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def scan_of(symbology: str, text: str) -> Scan:
    return Scan((symbology + text).encode(), symbology, text, AT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_gs1_data_matrix_keeps_its_separator(kind: str) -> None:
    picture = symbol(BRACKETED, zxingcpp.BarcodeFormat.DataMatrix, gs1=True, force_square=True)
    assert decode(file_of(picture, kind), AT) == [scan_of("]d2", ELEMENT_STRING)]


@pytest.mark.parametrize(
    ("content", "symbology", "options", "scan"),
    [
        (LINK, zxingcpp.BarcodeFormat.QRCode, {}, scan_of("]Q1", LINK)),
        (BRACKETED, zxingcpp.BarcodeFormat.QRCode, {"gs1": True}, scan_of("]Q3", ELEMENT_STRING)),
        (BRACKETED, zxingcpp.BarcodeFormat.Code128, {"gs1": True}, scan_of("]C1", ELEMENT_STRING)),
        ("690123456789", zxingcpp.BarcodeFormat.EAN13, {}, scan_of("]E0", "6901234567892")),
        ("96385074", zxingcpp.BarcodeFormat.EAN8, {}, scan_of("]E4", "96385074")),
        ("036000291452", zxingcpp.BarcodeFormat.UPCA, {}, scan_of("]E0", "0036000291452")),
        ("06901234567892", zxingcpp.BarcodeFormat.ITF14, {}, scan_of("]I1", "06901234567892")),
    ],
    ids=str,
)
def test_printed_symbols_are_read_back(
    content: str, symbology: zxingcpp.BarcodeFormat, options: dict[str, Any], scan: Scan
) -> None:
    assert decode(file_of(symbol(content, symbology, **options)), AT) == [scan]


@pytest.mark.parametrize(
    ("kind", "content", "scan"),
    [
        ("ean13", "690123456789", scan_of("]E0", "6901234567892")),
        ("code128", "81234567890123456789", scan_of("]C0", "81234567890123456789")),
        ("gs1_128", "010690123456789210LOT7", scan_of("]C1", "010690123456789210LOT7")),
    ],
)
def test_linear_symbols_of_our_labels_are_read_back(kind: str, content: str, scan: Scan) -> None:
    out = io.BytesIO()
    barcode.get(kind, content, writer=ImageWriter()).write(out, {"write_text": False})
    assert decode(out.getvalue(), AT) == [scan]


def test_chinese_text_is_right_whatever_bytes_the_symbol_holds() -> None:
    [scan] = decode(file_of(symbol("批号七", zxingcpp.BarcodeFormat.QRCode)), AT)
    assert (scan.symbology, scan.text) == ("]Q1", "批号七")


def test_several_codes_in_one_picture_are_all_read() -> None:
    sheet = Image.new("L", (900, 500), 255)
    sheet.paste(symbol("690123456789", zxingcpp.BarcodeFormat.EAN13), (20, 20))
    sheet.paste(symbol(LINK, zxingcpp.BarcodeFormat.QRCode), (500, 200))
    assert {scan.text for scan in decode(file_of(sheet), AT)} == {"6901234567892", LINK}


def test_linear_code_tilted_by_45_degrees_is_read() -> None:
    tilted = symbol("690123456789", zxingcpp.BarcodeFormat.EAN13).rotate(45, expand=True, fillcolor=255)
    assert decode(file_of(tilted), AT) == [scan_of("]E0", "6901234567892")]


def test_large_photo_is_shrunk_and_read() -> None:
    photo = symbol(LINK, zxingcpp.BarcodeFormat.QRCode, scale=40).resize((4000, 4000))
    assert decode(file_of(photo.convert("RGB"), "JPEG"), AT) == [scan_of("]Q1", LINK)]


def test_transparent_picture_stands_on_white() -> None:
    black = symbol(LINK, zxingcpp.BarcodeFormat.QRCode)
    picture = Image.new("RGBA", black.size, (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), mask=black.point(lambda value: 255 - value))
    assert decode(file_of(picture), AT) == [scan_of("]Q1", LINK)]


def test_picture_without_a_code_gives_nothing() -> None:
    assert decode(file_of(Image.new("RGB", (300, 200), "white")), AT) == []


def test_second_reader_claims_no_identifier_that_it_cannot_know() -> None:
    if camera.pyzbar is None:
        missing("libzbar0")
    code128 = camera._zbar(symbol(BRACKETED, zxingcpp.BarcodeFormat.Code128, gs1=True))
    assert code128 == [camera.Code(ELEMENT_STRING.encode(), None, ELEMENT_STRING)]
    ean13 = camera._zbar(symbol("690123456789", zxingcpp.BarcodeFormat.EAN13))
    assert ean13 == [camera.Code(b"]E06901234567892", "]E0", "6901234567892")]


def png_claiming(width: int, height: int) -> bytes:
    """A header, and no pixels behind it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


HALF = file_of(symbol(LINK, zxingcpp.BarcodeFormat.QRCode).filter(ImageFilter.BLUR))[:-200]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"", "image of 0 bytes: expected a sound JPEG, PNG or WEBP"),
        (b"GIF89a" + bytes(50), "image of 56 bytes: expected a sound JPEG, PNG or WEBP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image of 41 bytes: expected a sound JPEG, PNG or WEBP"),
        (png_claiming(5001, 5000), "image of 5001 x 5000 pixels: at most 25000000 in all"),
        (png_claiming(10_000, 10_000), "image of 10000 x 10000 pixels: at most 25000000 in all"),
        (png_claiming(60_000, 60_000), "image with far more than 25000000 pixels"),
        (HALF, f"image of {len(HALF)} bytes is damaged: expected a sound JPEG, PNG or WEBP"),
        (bytes(IMAGE_LIMIT_BYTES + 1), "image of 10485761 bytes: at most 10485760"),
    ],
    ids=["empty", "gif", "svg", "large", "larger", "bomb", "cut", "bytes"],
)
def test_what_is_no_sound_picture_is_refused_with_its_reason(image: bytes, message: str) -> None:
    with pytest.raises(ValueError) as error:
        decode(image, AT)
    assert str(error.value) == message


def test_child_reads_the_same_as_this_process() -> None:
    image = file_of(symbol(BRACKETED, zxingcpp.BarcodeFormat.DataMatrix, gs1=True, force_square=True))
    assert decode_in_child(image, 60, AT) == [scan_of("]d2", ELEMENT_STRING)]


def test_child_hands_on_why_it_refused() -> None:
    with pytest.raises(ValueError) as error:
        decode_in_child(b"not a picture", 60, AT)
    assert str(error.value) == "image of 13 bytes: expected a sound JPEG, PNG or WEBP"


def test_child_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ValueError) as error:
        decode_in_child(b"1234", 0.001, AT)
    assert str(error.value) == "image of 4 bytes: not decoded within 0.001 s"
