"""`signer`: the process that holds the platform's keys, by hand. `serve` and `demo` start it themselves."""

import os
import sys
from pathlib import Path

import click

from app.commands.options import data_option, passphrase_file_option, settings_or_exit
from app.settings import ROOT, SettingsError
from app.signing import move_keys, signer_args
from app.users import divide
from trace.errors import TraceError


@click.command()
@data_option
@click.option("--passphrase-fd", type=click.IntRange(0), help="Descriptor from which the passphrase is read.")
@passphrase_file_option
@click.option("--protect", "change", flag_value="protect", help="Seal the keys with a new passphrase, and end.")
@click.option("--unprotect", "change", flag_value="unprotect", help="Write the keys in the clear again, and end.")
def signer(data: Path | None, passphrase_fd: int | None, passphrase_file: Path | None, change: str | None) -> None:
    """Hold the platform's keys and sign what the server asks for, until SIGTERM.

    The passphrase of sealed keys is asked for at the terminal when no option gives it; never in the environment or on
    the command line. Started as root with the settings signer_user and web_user it becomes the former.
    """
    settings = settings_or_exit(data)
    os.umask(0o077)
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        move_keys(settings)
        divide(settings)
    except (SettingsError, TraceError, OSError) as error:
        raise click.ClickException(str(error)) from error
    args = signer_args(settings)
    if passphrase_fd is not None:
        args += ["--passphrase-fd", str(passphrase_fd)]
        os.set_inheritable(passphrase_fd, True)
    if passphrase_file is not None:
        args += ["--passphrase-file", str(passphrase_file.resolve())]
    if change is not None:
        args += ["--change", change]
    # Another process with none of the server's code in it.
    os.environ["PYTHONPATH"] = str(ROOT)
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "trace.signer", *args])  # noqa: S606
