"""`serve`: the server alone, on your data."""

import os
import time
from collections import deque
from pathlib import Path

import click
from granian import Granian
from granian.constants import Interfaces

from app.commands.options import data_option, require_free_port, settings_or_exit
from app.database import AlreadyRunningError, only_process
from app.services import load_policy
from app.settings import SettingsError

ROOT = Path(__file__).resolve().parents[2]
THREADS = 16
"""Requests in work at once: captures wait for the group commit, so more than there are cores."""

RESTARTS = 10
RESTARTS_WITHIN_S = 60
RESTART_PAUSE_S = 0.2


@click.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
def serve(data: Path | None, host: str, port: int) -> None:
    """Serve the platform (granian, one worker that is started again when it dies)."""
    settings = settings_or_exit(data)
    settings.data.mkdir(parents=True, exist_ok=True)
    try:
        with only_process(settings.data):
            pass
    except AlreadyRunningError as error:
        raise click.ClickException(str(error)) from error
    try:
        load_policy(settings)
    except SettingsError as error:
        # Said once here; the worker would say it with a traceback, at each of its restarts.
        raise click.ClickException(str(error)) from error
    require_free_port(host, port)
    # The worker is a process of its own and reads its settings from the environment.
    os.environ["SUYUAN_DATA"] = str(settings.data)
    ended: deque[float] = deque(maxlen=RESTARTS)
    while _serve(host, port):
        # granian gives up when a worker dies twice within seconds; a platform does not, unless nothing helps.
        ended.append(time.monotonic())
        if len(ended) == RESTARTS and ended[-1] - ended[0] < RESTARTS_WITHIN_S:
            raise click.ClickException(f"the worker ended {RESTARTS} times in {RESTARTS_WITHIN_S} s; see the log above")
        time.sleep(RESTART_PAUSE_S)


def _serve(host: str, port: int) -> bool:
    """Serve until a signal comes (False) or granian gives up (True)."""
    server = Granian(
        "app.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=THREADS,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        websockets=False,
        working_dir=ROOT,
        log_access=False,
    )
    try:
        server.serve()
    except SystemExit as ended:
        return bool(ended.code)
    return False
