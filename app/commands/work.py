"""`work`: the one process that integrates and signs, where PostgreSQL lets many serve."""

import logging
import signal
import threading
from pathlib import Path

import click

from app.commands.options import data_option, settings_or_exit
from app.database import OperationalError
from app.services import open_services, spare_the_collector
from trace.errors import TraceError
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
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with open_services(settings, SystemClock()):
            spare_the_collector()
            click.echo("integrating; Ctrl-C ends it")
            stopping.wait()
    except (TraceError, OperationalError) as error:
        raise click.ClickException(str(error)) from error
