"""`mirror`: who may read the entry bundles of the log. A token is made here and shown once."""

from pathlib import Path

import click

from app.commands.options import data_option, opened, settings_or_exit
from trace import monitor
from trace.errors import ConflictError, ValidationError
from trace.times import SystemClock, format_utc


@click.group()
def mirror() -> None:
    """Register, list or remove mirrors of the log."""


@mirror.command("add")
@data_option
@click.argument("name")
def add(data: Path | None, name: str) -> None:
    """Register a mirror and print its token once: GET /tile/entries/... with Authorization: Bearer TOKEN."""
    settings = settings_or_exit(data)
    try:
        with opened(settings) as database, database.writing() as session:
            token = monitor.add_mirror(session, settings.platform, name, SystemClock().now())
    except (ConflictError, ValidationError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(token)


@mirror.command("list")
@data_option
def list_mirrors(data: Path | None) -> None:
    """List the mirrors and since when they are registered."""
    settings = settings_or_exit(data)
    with opened(settings) as database, database.reading() as session:
        for name, since in monitor.mirrors(session, settings.platform):
            click.echo(f"{name}\t{format_utc(since)}")


@mirror.command("remove")
@data_option
@click.argument("name")
def remove(data: Path | None, name: str) -> None:
    """Take a mirror's token back."""
    settings = settings_or_exit(data)
    with opened(settings) as database, database.writing() as session:
        if not monitor.remove_mirror(session, settings.platform, name):
            raise click.ClickException(f"mirror {name!r}: there is none")
