"""What commands have in common."""

from pathlib import Path
from typing import Any

import click

from app.settings import Settings, SettingsError, read_settings

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of everything that is kept [default: $SUYUAN_DATA, or var in the checkout].",
)


def settings_or_exit(data: Path | None, **overrides: Any) -> Settings:
    """The settings, or one line that says what is wrong."""
    try:
        return read_settings(data=data, **overrides)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
