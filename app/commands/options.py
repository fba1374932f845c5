"""What commands have in common."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from app.database import Database
from app.settings import Settings, SettingsError, read_settings

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of everything that is kept [default: $SUYUAN_DATA, or var in the checkout].",
)

passphrase_file_option = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of mode 0600 that holds it, like a credential of systemd: %d/NAME.",
)


def settings_or_exit(data: Path | None, **overrides: Any) -> Settings:
    """The settings, or one line that says what is wrong."""
    try:
        return read_settings(data=data, **overrides)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The platform's database at its newest version, for the time of the block; made for its owner alone."""
    os.umask(0o077)
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


def read_passphrase(prompt: bool, file: Path | None) -> bytes | None:
    """The passphrase of sealed keys, its last line end taken off; None when nobody gives one.

    Raises: click.ClickException.
    """
    if file is None:
        return click.prompt("passphrase of the platform's keys", hide_input=True).encode("utf-8") if prompt else None
    if file.stat().st_mode & 0o077:
        raise click.ClickException(f"{file}: others may read it; run chmod 600 on it")
    told = file.read_bytes()[:1024].removesuffix(b"\n")
    if not told:
        raise click.ClickException(f"{file}: expected a passphrase, the file is empty")
    return told


def require_free_port(host: str, port: int) -> None:
    """End with one line when somebody listens there: the server itself would share the port without a word.

    Raises: click.ClickException.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise click.ClickException(f"host {host!r}: no such address; expected one like 127.0.0.1") from error
    with socket.socket(family, kind, protocol) as probe:
        # Not taken by connections that have just ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError as error:
            raise click.ClickException(f"port {port} is for root; name another with --port N") from error
        except OSError as error:
            raise click.ClickException(f"port {port} is in use on {host}; name another with --port N") from error
