"""`keys`: the registry of keys, which is part of the log.

A running server does the work, because it alone appends; without one the command does it itself.
"""

import json
from pathlib import Path
from typing import Any

import click

from app.commands.administer import administer, url_option
from app.commands.options import data_option, settings_or_exit
from app.database import Database
from app.key_admin import carry_out
from trace.register import RegisteredKey, registered_keys
from trace.times import format_utc, from_ms

ADDRESS = "/admin/keys"

request_argument = click.argument("request", type=click.Path(exists=True, dir_okay=False, path_type=Path))
since_option = click.option(
    "--compromised-from",
    type=click.IntRange(0),
    metavar="INDEX",
    help="First leaf that the thief may have signed: the key's leaves from there on are disputed.",
)


@click.group()
def keys() -> None:
    """The log's registry of keys: enrol, rotate, revoke, list.

    REQUEST is a file of `./suyuan key --out KEY --request REQUEST`, made where the key is: it proves that who asks
    holds the private half.
    """


@keys.command("enrol")
@data_option
@url_option
@request_argument
@click.option("--issuer", help="Pseudonym of the party [default: the one in REQUEST, else a new one].")
@click.option("--name", help="Chinese name of the party, disclosed to everybody.")
@click.option("--name-en", help="English name of the party.")
@click.option("--uscc", help="Unified social credit code of the party.")
def enrol(
    data: Path | None,
    url: str,
    request: Path,
    issuer: str | None,
    name: str | None,
    name_en: str | None,
    uscc: str | None,
) -> None:
    """Register the key of an enterprise or a device, signed by the authority; prints its issuer and leaf."""
    party = {"name": name, "nameEn": name_en, "uscc": uscc}
    order = {
        "do": "enrol",
        "request": _text(request),
        "issuer": issuer,
        "party": {member: value for member, value in party.items() if value is not None},
    }
    click.echo(json.dumps(administer(settings_or_exit(data), url, ADDRESS, order, carry_out)))


@keys.command("rotate")
@data_option
@url_option
@since_option
@click.argument("old")
@request_argument
def rotate(data: Path | None, url: str, old: str, request: Path, compromised_from: int | None) -> None:
    """Register the key of REQUEST in the place of OLD (its id, or 8 digits of it), then revoke OLD.

    When it was interrupted, the same command again finishes it.
    """
    order = {"do": "rotate", "old": old, "request": _text(request), "compromisedFrom": compromised_from}
    click.echo(json.dumps(administer(settings_or_exit(data), url, ADDRESS, order, carry_out)))


@keys.command("revoke")
@data_option
@url_option
@since_option
@click.argument("key")
def revoke(data: Path | None, url: str, key: str, compromised_from: int | None) -> None:
    """End KEY (its id, or 8 digits of it): what it signs is refused from now on."""
    order = {"do": "revoke", "key": key, "compromisedFrom": compromised_from}
    click.echo(json.dumps(administer(settings_or_exit(data), url, ADDRESS, order, carry_out)))


@keys.command("list")
@data_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_keys(data: Path | None, as_json: bool) -> None:
    """Every key with role, issuer, state, and the gaps in its chain; may run beside the server."""
    settings = settings_or_exit(data)
    file = Path(settings.database.removeprefix("sqlite:///"))
    if settings.database.startswith("sqlite:") and not file.exists():
        raise click.ClickException(f"{file}: there is no ledger here; start with ./suyuan demo or serve")
    database = Database(settings.database)
    try:
        with database.reading() as session:
            every = registered_keys(session, settings.platform)
    finally:
        database.close()
    for each in every:
        click.echo(json.dumps(_members(each)) if as_json else _line(each))


def _text(request: Path) -> str:
    return request.read_bytes()[:8_192].decode("utf-8", "replace")


def _line(key: RegisteredKey) -> str:
    state = key.state
    if key.revoked_leaf is not None:
        since = "" if key.compromised_from is None else f", compromised from {key.compromised_from}"
        state = f"revoked at leaf {key.revoked_leaf}{since}"
    elif key.frozen_ms is not None:
        state = f"frozen since {format_utc(from_ms(key.frozen_ms))}"
    chain = "nothing sent"
    if key.chain is not None:
        gaps = ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in key.chain.gaps)
        chain = f"{key.chain.recorded} recorded, " + (f"missing {gaps}" if gaps else "no gaps")
    return f"{key.key_id[:16]}\t{key.role}\t{key.issuer}\tleaf {key.registered_leaf}\t{state}\t{chain}"


def _members(key: RegisteredKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "role": key.role,
        "issuer": key.issuer,
        "state": key.state,
        "registered_leaf": key.registered_leaf,
        "revoked_leaf": key.revoked_leaf,
        "compromised_from": key.compromised_from,
        "frozen_ms": key.frozen_ms,
        "recorded": 0 if key.chain is None else key.chain.recorded,
        "newest_seq": 0 if key.chain is None else key.chain.newest,
        "gaps": [] if key.chain is None else [list(gap) for gap in key.chain.gaps],
    }
