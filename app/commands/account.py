"""`account`: who may sign in. There is no default account; passwords are made here and shown once."""

from pathlib import Path

import click

from app.access.accounts import ROLES, Account, accounts, add_account, set_password
from app.access.passwords import random_password
from app.commands.options import data_option, opened, settings_or_exit
from trace.errors import ConflictError, ValidationError
from trace.register import party_by_uscc


@click.group()
def account() -> None:
    """Make or list sign-in accounts."""


@account.command("add")
@data_option
@click.argument("name")
@click.option("--role", required=True, type=click.Choice(ROLES))
@click.option("--uscc", help="Enterprise of an operator, by its unified social credit code.")
def add(data: Path | None, name: str, role: str, uscc: str | None) -> None:
    """Make an account and print its random password once."""
    settings = settings_or_exit(data)
    password = random_password()
    try:
        with opened(settings) as database, database.writing() as session:
            party = None if uscc is None else party_by_uscc(session, settings.platform, uscc)
            if role == "operator" and party is None:
                raise click.ClickException(f"--uscc {uscc or ''}: expected the code of a registered enterprise")
            pseudonym = None if party is None else party.pseudonym
            add_account(session, settings.platform, Account(name, role, pseudonym, None, name, name), password)
    except (ConflictError, ValidationError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{name}  {password}")


@account.command("password")
@data_option
@click.argument("name")
def password(data: Path | None, name: str) -> None:
    """Give an account a new random password, and end its sessions."""
    settings = settings_or_exit(data)
    fresh = random_password()
    with opened(settings) as database, database.writing() as session:
        if not set_password(session, settings.platform, name, fresh):
            raise click.ClickException(f"account {name!r}: there is none")
    click.echo(f"{name}  {fresh}")


@account.command("list")
@data_option
def list_accounts(data: Path | None) -> None:
    """List the accounts."""
    settings = settings_or_exit(data)
    with opened(settings) as database, database.reading() as session:
        for each in accounts(session, settings.platform):
            click.echo(f"{each.name}\t{each.role}")
