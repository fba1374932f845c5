"""`mirror`: who may read the entry bundles of the log. A token is made here and shown once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from app.commands.options import data_option, settings_or_exit
from app.database import Database
from app.settings import Settings
from trace import monitor
from trace.errors import ConflictError, ValidationError
from trace.times import SystemClock, format_utc


@click.group()
def mirror() -> None:
    """Register, list or remove mirrors of the log."""


@contextmanager
def _opened(data: Path | None) -> Iterator[tuple[Settings, Database]]:
    settings = settings_or_exit(data)
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    try:
        database.migrate()
        yield settings, database
    finally:
        database.close()


@mirror.command("add")
@data_option
@click.argument("name")
def add(data: Path | None, name: str) -> None:
    """Register a mirror and print its token once: GET /tile/entries/... with Authorization: Bearer TOKEN."""
    with _opened(data) as (settings, database):
        try:
            with database.writing() as session:
                token = monitor.add_mirror(session, settings.platform, name, SystemClock().now())
        except (ConflictError, ValidationError) as error:
            raise click.ClickException(str(error)) from error
    click.echo(token)


@mirror.command("list")
@data_option
def list_mirrors(data: Path | None) -> None:
    """List the mirrors and since when they are registered."""
    with _opened(data) as (settings, database), database.reading() as session:
        for name, since in monitor.mirrors(session, settings.platform):
            click.echo(f"{name}\t{format_utc(since)}")


@mirror.command("remove")
@data_option
@click.argument("name")
def remove(data: Path | None, name: str) -> None:
    """Take a mirror's token back."""
    with _opened(data) as (settings, database), database.writing() as session:
        if not monitor.remove_mirror(session, settings.platform, name):
            raise click.ClickException(f"mirror {name!r}: there is none")
