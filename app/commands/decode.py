"""`decode` and `encode`: what scans say, one a line, and scans from what they say."""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, TextIO

import click

from trace.errors import TraceError, ValidationError
from trace.identifiers.aim import Reading, symbology
from trace.identifiers.decoded import decode_epc, decode_text
from trace.identifiers.digital_link import DigitalLink, to_uri
from trace.identifiers.dl_compression import compress
from trace.identifiers.element_string import FNC1, Element, ElementString
from trace.identifiers.epc_binary import encode as encode_epc
from trace.identifiers.epc_tag_uri import TagUri
from trace.identifiers.epc_urn import EpcUrn, Gs1EpcKey
from trace.identifiers.gs1_keys import elements_of
from trace.identifiers.identify import text_of
from trace.identifiers.prefix_lengths import PrefixLengths
from trace.identifiers.scan_data import Symbol, write_scan_data
from trace.identifiers.uris import keys_of
from trace.times import Clock, SystemClock

_EAN_UPC = {"]E0": Symbol.EAN_13, "]E4": Symbol.EAN_8}


def _knowing_prefixes(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how long company prefixes are."""
    one = click.option(
        "--company-prefix", type=click.IntRange(6, 12), help="Length of the company prefix of these codes."
    )
    table = click.option(
        "--prefixes", type=click.File("r"), help="GS1's table of company prefix lengths, gcpprefixformatlist.json."
    )
    return one(table(command))


@click.command()
@click.option("--hex", "as_hex", is_flag=True, help="Lines are EPC memory in hex, as RFID readers give it.")
@click.option("--gs", metavar="CHAR", help="This reader sends CHAR in place of the group separator 0x1D.")
@_knowing_prefixes
@click.argument("file", type=click.File("rb"), default="-")
def decode(as_hex: bool, gs: str | None, company_prefix: int | None, prefixes: TextIO | None, file: BinaryIO) -> None:
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
      digital_link
      epc           of barcodes, where --company-prefix or --prefixes tell how long the company prefix is
      epc_tag
      warnings      what is odd and harmless
      error         null, or code, message and at (the character, from 0)
    """
    if gs is not None and len(gs) != 1:
        raise click.UsageError(f"--gs {gs!r}: expected one character")
    lengths = _lengths(company_prefix, prefixes)
    clock: Clock = SystemClock()
    for line in _lines(file):
        found = (
            decode_epc(line.decode("ascii", "replace"))
            if as_hex
            else decode_text(text_of(line), gs=gs, today=clock.now().date(), lengths=lengths)
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
@_knowing_prefixes
@click.option("--scheme", help="EPC scheme, like sgtin-198 or sgtin+; without it the shortest before TDS 2 that fits.")
@click.option("--filter", "filter_value", type=click.IntRange(0, 63), default=0, help="Filter value of the tag.")
@click.option("--hostname", help="Domain of the Digital Link, for the schemes with ++.")
@click.argument("file", type=click.File("rb"), default="-")
def encode(
    form: str,
    company_prefix: int | None,
    prefixes: TextIO | None,
    scheme: str | None,
    filter_value: int,
    hostname: str | None,
    file: BinaryIO,
) -> None:
    """Read one object of `decode` a line and print what carries it.

    Needed are `ais` (a list of [AI, value]) and, for the form scan, `symbology`; of EAN, UPC and ITF-14 also `keys`. A
    symbol of plain text is written with the Digital Link of its `ais`. The form epc takes `epc_tag` or `epc`
    as they are; of `ais` alone it needs the length of the company prefix (--company-prefix, --prefixes) or a scheme of
    TDS 2, like sgtin+, which also takes the other AIs along. A line that cannot be written ends the run with its number
    and the reason.
    """
    lengths = _lengths(company_prefix, prefixes)
    for number, line in enumerate(_lines(file), start=1):
        try:
            told = json.loads(line)
            if form == "epc":
                click.echo(_tag(told, lengths, scheme, filter_value, hostname).hex().upper())
                continue
            click.echo(_scan(told) if form == "scan" else _written(form, ElementString(_elements(told))))
        except KeyError as error:
            raise click.ClickException(f"line {number}: the object has no {error}") from error
        except (TraceError, ValueError, TypeError) as error:
            raise click.ClickException(f"line {number}: {error}") from error


def _lengths(company_prefix: int | None, prefixes: TextIO | None) -> PrefixLengths | None:
    if company_prefix is not None:
        return PrefixLengths.always(company_prefix)
    if prefixes is None:
        return None
    try:
        return PrefixLengths.parse(prefixes.read())
    except TraceError as error:
        raise click.UsageError(f"--prefixes {prefixes.name}: {error}") from error


def _tag(
    told: dict[str, Any], lengths: PrefixLengths | None, scheme: str | None, filter_value: int, hostname: str | None
) -> bytes:
    """EPC memory, in whole words. Raises: TraceError, KeyError."""
    if told.get("epc_tag") and scheme is None and not filter_value:
        return TagUri.parse(str(told["epc_tag"])).to_bank()[1]
    if scheme is None or "+" not in scheme:
        if str(told.get("epc") or "").startswith("urn:epc:id:"):
            return encode_epc(EpcUrn.parse(told["epc"]), filter_value=filter_value, scheme=scheme)
        key = _tagged(_elements(told))
        length = None if lengths is None else lengths.of_key(key)
        if length is None:
            raise ValidationError(f"{key}: how long is its company prefix? Expected --company-prefix or --prefixes.")
        return encode_epc(EpcUrn(key, length), filter_value=filter_value, scheme=scheme)
    elements = _elements(told)
    key = _tagged(elements)
    beside = tuple(element for element in elements if element not in elements_of(key))
    return encode_epc(key, filter_value=filter_value, scheme=scheme, hostname=hostname, elements=beside)


def _tagged(elements: tuple[Element, ...]) -> Gs1EpcKey:
    """The key that a tag can carry. Raises: ValidationError."""
    for key in keys_of(elements):
        if isinstance(key, Gs1EpcKey):
            return key
    ais = "".join(f"({ai})" for ai, _ in elements)
    raise ValidationError(f"{ais}: expected an item, a logistic unit, a place or an asset with its number.")


def _elements(told: dict[str, Any]) -> tuple[Element, ...]:
    """Through the parser once: what is written can be read."""
    elements = ElementString(tuple((str(ai), str(value)) for ai, value in told["ais"]))
    return ElementString.parse_bracketed(elements.bracketed()).elements


def _scan(told: dict[str, Any]) -> str:
    """What a reader sends for the symbol that was read. Raises: TraceError, KeyError."""
    symbol = symbology(str(told.get("symbology") or "]d2"))
    if symbol.reading is Reading.ELEMENT_STRING:
        return symbol.identifier + ElementString(_elements(told)).raw()
    if symbol.reading is Reading.GTIN:
        return _gtin_scan(symbol.identifier, told)
    if symbol.reading is Reading.PLAIN and told["ais"]:
        # The Digital Link in its one spelling: of the text of such a symbol the object keeps what it says.
        return symbol.identifier + to_uri(ElementString(_elements(told)))
    raise ValidationError(f"{symbol.identifier}: expected a symbol of GS1 data; the text of another is not kept")


def _gtin_scan(identifier: str, told: dict[str, Any]) -> str:
    """An EAN/UPC or ITF-14 symbol, whose number is no AI; `ais` are those of the 2D component above it."""
    numbers = {key["kind"]: key["path"].rpartition("/")[2] for key in told["keys"]}
    if "in-store" in numbers:
        return identifier + numbers["in-store"]
    if "gtin" not in numbers:
        raise ValidationError(f"{identifier}: expected a GTIN among the keys")
    if identifier == "]I1":
        return identifier + numbers["gtin"]
    # The GTIN goes first through the parser: what the component says is said of it.
    number, *above = _elements({"ais": [["01", numbers["gtin"]], *told["ais"]]})
    component = ElementString(tuple(above)) if above else None
    return write_scan_data(_EAN_UPC[identifier], ElementString((number,)), component)


def _written(form: str, elements: ElementString) -> str:
    if form == "bracketed":
        return elements.bracketed()
    if form == "link":
        return to_uri(elements)
    if form == "compressed":
        return compress(DigitalLink.parse(to_uri(elements)))
    return FNC1 + elements.raw()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines without their LF; nothing else ends or leaves one."""
    for line in file:
        yield line.removesuffix(b"\n")
