"""`decode` and `encode`: what scans say, one a line, and scans from what they say."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import click

from trace.errors import TraceError
from trace.identifiers.aim import symbology
from trace.identifiers.decoded import decode_epc, decode_text
from trace.identifiers.digital_link import DigitalLink, to_uri
from trace.identifiers.dl_compression import compress
from trace.identifiers.element_string import FNC1, ElementString
from trace.identifiers.epc_tag_uri import TagUri
from trace.identifiers.identify import text_of
from trace.times import Clock, SystemClock


@click.command()
@click.option("--hex", "as_hex", is_flag=True, help="Lines are EPC memory in hex, as RFID readers give it.")
@click.option("--gs", metavar="CHAR", help="This reader sends CHAR in place of the group separator 0x1D.")
@click.argument("file", type=click.File("rb"), default="-")
def decode(as_hex: bool, gs: str | None, file: BinaryIO) -> None:
    """Read one scan a line and print one JSON object a line, in order.

    Only LF ends a line; nothing is trimmed, and 0x1D is data. What a line begins with says what it is: ] a scan with an
    AIM identifier, ( a bracketed element string, 0x1D an element string, http a Digital Link, urn:epc: an EPC, anything
    else a number or a national code.

    \b
    Each object has
      ok            whether it is right by its standard
      carrier       what carried it, and symbology, its AIM identifier
      ais           list of [AI, value], and bracketed, hri
      keys          what it identifies, most specific first
      digital_link  epc  epc_tag
      warnings      what is odd and harmless
      error         null, or code, message and at (the character, from 0)
    """
    if gs is not None and len(gs) != 1:
        raise click.UsageError(f"--gs {gs!r}: expected one character")
    clock: Clock = SystemClock()
    for line in _lines(file):
        found = (
            decode_epc(line.decode("ascii", "replace"))
            if as_hex
            else decode_text(text_of(line), gs=gs, today=clock.now().date())
        )
        click.echo(json.dumps(found.to_dict(), ensure_ascii=False))


@click.command()
@click.option(
    "--form",
    type=click.Choice(("scan", "raw", "bracketed", "link", "compressed", "epc")),
    default="scan",
    show_default=True,
    help="What to write: what the reader sent, an element string, one in brackets, a Digital Link, a compressed one, or"
    " the EPC memory of a tag in hex.",
)
@click.argument("file", type=click.File("rb"), default="-")
def encode(form: str, file: BinaryIO) -> None:
    """Read one object of `decode` a line and print what carries it.

    Needed are `ais` (a list of [AI, value]) and, for the form scan, `symbology`; for the form epc `epc_tag` alone. A
    line that cannot be written ends the run with its number and the reason.
    """
    for number, line in enumerate(_lines(file), start=1):
        try:
            told = json.loads(line)
            if form == "epc":
                _, memory = TagUri.parse(str(told["epc_tag"])).to_bank()
                click.echo(memory.hex().upper())
                continue
            elements = ElementString(tuple((str(ai), str(value)) for ai, value in told["ais"]))
            # Through the parser once: what is written can be read.
            checked = ElementString.parse_bracketed(elements.bracketed())
            click.echo(_written(form, checked, told.get("symbology")))
        except KeyError as error:
            raise click.ClickException(f"line {number}: the object has no {error}") from error
        except (TraceError, ValueError, TypeError) as error:
            raise click.ClickException(f"line {number}: {error}") from error


def _written(form: str, elements: ElementString, identifier: Any) -> str:
    if form == "bracketed":
        return elements.bracketed()
    if form == "link":
        return to_uri(elements)
    if form == "compressed":
        return compress(DigitalLink.parse(to_uri(elements)))
    if form == "raw":
        return FNC1 + elements.raw()
    return symbology(str(identifier or "]d2")).identifier + elements.raw()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their LF; nothing else ends or leaves one."""
    for line in file:
        yield line.removesuffix(b"\n")
