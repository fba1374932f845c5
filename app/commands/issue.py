"""`issue` and `symbol`: codes that nobody has been given before, and the symbols that carry them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from app import symbols
from app.commands.options import data_option, opened, settings_or_exit
from app.services import load_secrets
from app.settings import Settings
from trace.errors import TraceError
from trace.identifiers.element_string import ElementString
from trace.identifiers.gs1_keys import Gtin
from trace.identifiers.uris import uri_of
from trace.issue import MOST_AT_ONCE, issue_lot, issue_serials, issue_ssccs
from trace.issuing import sign_link
from trace.register import party_by_uscc
from trace.times import SystemClock

party_option = click.option("--uscc", required=True, help="Whom the codes are for: a registered enterprise.")
count_option = click.option("--count", default=1, show_default=True, type=click.IntRange(1, MOST_AT_ONCE))


@click.group()
def issue() -> None:
    """Give out serial numbers, SSCCs and lots, each once for ever, and log to whom."""


@issue.command("serials")
@data_option
@party_option
@count_option
@click.option("--gtin", required=True, help="Trade item, 8, 12, 13 or 14 digits.")
@click.option("--sign", is_flag=True, help="Add the mark that tells an issued link from an invented one.")
def serials(data: Path | None, uscc: str, count: int, gtin: str, sign: bool) -> None:
    """Random, unguessable serial numbers of a trade item, one Digital Link a line."""
    settings = settings_or_exit(data)

    def take(session: Any, platform: int, party: str) -> list[str]:
        items = issue_serials(session, platform, Gtin.parse(gtin), count, party, SystemClock().now())
        return [uri_of(item, "") for item in items]

    # The key first: numbers that are taken and cannot be printed are lost for ever.
    key = load_secrets(settings.keys).link_secret if sign else None
    for link in _issued(settings, uscc, take):
        click.echo(link if key is None else sign_link(link, key))


@issue.command("sscc")
@data_option
@party_option
@count_option
@click.option("--prefix", required=True, help="GS1 company prefix; its counter has no gaps.")
def sscc(data: Path | None, uscc: str, count: int, prefix: str) -> None:
    """The next SSCCs of a company prefix, one a line."""
    settings = settings_or_exit(data)

    def take(session: Any, platform: int, party: str) -> list[str]:
        return [str(each) for each in issue_ssccs(session, platform, prefix, count, party, SystemClock().now())]

    click.echo("\n".join(_issued(settings, uscc, take)))


@issue.command("lot")
@data_option
@party_option
@click.option("--gtin", required=True, help="Trade item, 8, 12, 13 or 14 digits.")
@click.option("--line", default="A", show_default=True, help="Production line, one capital letter.")
def lot(data: Path | None, uscc: str, gtin: str, line: str) -> None:
    """The next lot number of today, as an element string."""
    settings = settings_or_exit(data)

    def take(session: Any, platform: int, party: str) -> list[str]:
        now = SystemClock().now()
        day = settings.local(now).date()
        return [str(issue_lot(session, platform, Gtin.parse(gtin), day, line, party, now))]

    click.echo("\n".join(_issued(settings, uscc, take)))


def _issued(settings: Settings, uscc: str, take: Callable[[Any, int, str], list[str]]) -> list[str]:
    """What `take` gives, after the commit: a code is printed only when it is certain that nobody else has it."""
    try:
        with opened(settings) as database, database.writing() as session:
            party = party_by_uscc(session, settings.platform, uscc)
            if party is None:
                raise click.ClickException(f"--uscc {uscc}: expected the code of a registered enterprise")
            return take(session, settings.platform, party.pseudonym)
    except TraceError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.argument("content")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(("datamatrix", "gs1-128", "qr", "ean-13", "itf-14")),
    help="GS1 DataMatrix and GS1-128 take a bracketed element string, QR a Digital Link, the others a GTIN.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, .svg or .png")
@click.option("--dpi", default=300, show_default=True, type=click.IntRange(72, 1200), help="Of a PNG.")
def symbol(content: str, kind: str, out: Path, dpi: int) -> None:
    """Draw CONTENT as a symbol in its true size."""
    make: dict[str, Callable[[str], symbols.Symbol]] = {
        "datamatrix": lambda text: symbols.gs1_datamatrix(ElementString.parse_bracketed(text)),
        "gs1-128": lambda text: symbols.gs1_128(ElementString.parse_bracketed(text)),
        "qr": symbols.qr_code,
        "ean-13": lambda text: symbols.ean_13(Gtin.parse(text)),
        "itf-14": lambda text: symbols.itf_14(Gtin.parse(text)),
    }
    if out.suffix not in (".svg", ".png"):
        raise click.UsageError(f"--out {out.name}: expected a name that ends in .svg or .png")
    try:
        drawn = make[kind](content)
    except TraceError as error:
        raise click.ClickException(str(error)) from error
    if out.suffix == ".svg":
        out.write_text(symbols.to_svg(drawn), encoding="utf-8")
    else:
        out.write_bytes(symbols.to_png(drawn, dpi))
