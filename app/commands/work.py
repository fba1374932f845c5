"""`work`: the one process that integrates and signs, where PostgreSQL lets many serve."""

import logging
import os
import time
from pathlib import Path

import click

from app.commands.options import data_option, settings_or_exit
from app.database import OperationalError
from app.services import open_services, spare_the_collector
from app.settings import SettingsError
from app.users import become_web_user, divide, web_user
from trace.errors import TraceError
from trace.stopping import stopped_by_signal
from trace.times import SystemClock


@click.command()
@data_option
def work(data: Path | None) -> None:
    """Integrate what the web processes have put down, and publish checkpoints (PostgreSQL).

    A second one waits until the first is gone.
    """
    settings = settings_or_exit(data)
    if not settings.postgresql:
        raise click.ClickException("on SQLite the server does this itself; set a database of postgresql+psycopg://")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    os.umask(0o077)
    stopped = stopped_by_signal()
    try:
        divide(settings)
        divided = web_user(settings) is not None
        become_web_user(settings)
        # Where root is given up, the signer is the child of `serve`: from here it could not be started as its own user.
        with open_services(settings, SystemClock(), watched_signer=divided):
            spare_the_collector()
            click.echo("integrating; Ctrl-C ends it")
            while not stopped():
                time.sleep(0.2)
    except (TraceError, SettingsError, OperationalError) as error:
        raise click.ClickException(str(error)) from error
