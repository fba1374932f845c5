"""`correct` and `erase`: a record that was an error, and data that must go. Both are leaves of their own."""

import json
from pathlib import Path

import click

from app.commands.administer import administer, url_option
from app.commands.options import data_option, settings_or_exit
from app.record_admin import REASONS, carry_out

ADDRESS = "/admin/records"
leaf_argument = click.argument("leaf", type=click.IntRange(0))


@click.command()
@data_option
@url_option
@leaf_argument
@click.option("--reason", type=click.Choice(REASONS), required=True, help="Why, as CBV 2.0 says it.")
def correct(data: Path | None, url: str, leaf: int, reason: str) -> None:
    """Declare that the hop of LEAF was an error. It stays, struck through; no verdict counts it any more.

    A device takes back its own hops itself; this is for what the platform recorded for a party, and for the authority.
    """
    order = {"do": "correct", "leaf": leaf, "reason": reason}
    click.echo(json.dumps(administer(settings_or_exit(data), url, ADDRESS, order, carry_out)))


@click.command()
@data_option
@url_option
@leaf_argument
@click.option("--basis", required=True, help="Legal ground, kept in the ledger for ever: PIPL 47.")
@click.option(
    "--position", "positions", type=click.IntRange(0), multiple=True, help="Disclosure [default: what is personal]."
)
def erase(data: Path | None, url: str, leaf: int, basis: str, positions: tuple[int, ...]) -> None:
    """Delete disclosures of LEAF with their salts. The ledger says that they were, and all signatures still hold.

    Copies in backups go with the backups.
    """
    order = {"do": "erase", "leaf": leaf, "positions": list(positions) or None, "basis": basis}
    click.echo(json.dumps(administer(settings_or_exit(data), url, ADDRESS, order, carry_out)))
