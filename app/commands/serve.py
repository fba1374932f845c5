"""`serve`: the server alone, on your data."""

import os
import time
from collections import deque
from pathlib import Path
from queue import Empty, SimpleQueue

import click
from granian import Granian
from granian.constants import Interfaces

from app.commands.options import (
    data_option,
    passphrase_file_option,
    read_passphrase,
    require_free_port,
    settings_or_exit,
)
from app.database import AlreadyRunningError, Database, OperationalError, only_process
from app.services import load_policy
from app.settings import Settings, SettingsError
from app.signing import platform_signer
from app.users import divide
from trace.errors import TraceError

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
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Worker processes, on PostgreSQL alone [default: one a core]."
)
@click.option("--passphrase-prompt", is_flag=True, help="Ask for the passphrase of the platform's keys.")
@passphrase_file_option
def serve(
    data: Path | None,
    host: str,
    port: int,
    workers: int | None,
    passphrase_prompt: bool,
    passphrase_file: Path | None,
) -> None:
    """Serve the platform (granian; a worker that dies is started again, and so is the signer beside it).

    On SQLite one worker does everything. On PostgreSQL many answer, and ./suyuan work has to run beside them.
    Started as root with the settings signer_user and web_user, signer and workers give root up for their own users.
    """
    os.umask(0o077)
    settings = settings_or_exit(data)
    settings.data.mkdir(parents=True, exist_ok=True)
    if settings.postgresql:
        _migrate(settings)
    else:
        if workers not in (None, 1):
            raise click.ClickException(f"--workers {workers}: SQLite has one writing process; PostgreSQL takes many")
        try:
            with only_process(settings.data):
                pass
        except AlreadyRunningError as error:
            raise click.ClickException(str(error)) from error
    count = (workers or os.cpu_count() or 1) if settings.postgresql else 1
    try:
        load_policy(settings)
    except SettingsError as error:
        # Said once here; the worker would say it with a traceback, at each of its restarts.
        raise click.ClickException(str(error)) from error
    require_free_port(host, port)
    # The worker is a process of its own and reads its settings from the environment.
    os.environ["SUYUAN_DATA"] = str(settings.data)
    passphrase = read_passphrase(passphrase_prompt, passphrase_file)
    try:
        divide(settings)
        with platform_signer(settings, passphrase):
            _keep_serving(host, port, count)
    except (SettingsError, TraceError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _keep_serving(host: str, port: int, count: int) -> None:
    ended: deque[float] = deque(maxlen=RESTARTS)
    while _serve(host, port, count):
        # granian gives up when a worker dies twice within seconds; a platform does not, unless nothing helps.
        ended.append(time.monotonic())
        if len(ended) == RESTARTS and ended[-1] - ended[0] < RESTARTS_WITHIN_S:
            raise click.ClickException(f"the worker ended {RESTARTS} times in {RESTARTS_WITHIN_S} s; see the log above")
        time.sleep(RESTART_PAUSE_S)


def _migrate(settings: Settings) -> None:
    database = Database(settings.database)
    try:
        database.migrate()
    except OperationalError as error:
        raise click.ClickException(f"the database does not answer: {error.orig}") from error
    finally:
        database.close()


class Bell:
    """What granian's signal handlers ring, in place of a `threading.Event`.

    An event takes a lock, and a signal that comes while an earlier one is being handled waits for it for ever: a server
    whose demo was killed stayed behind so. `SimpleQueue.put` may be called again inside itself.
    """

    def __init__(self) -> None:
        self._rung: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        self._rung.put(None)

    def is_set(self) -> bool:
        return not self._rung.empty()

    def clear(self) -> None:
        while self.is_set():
            self._rung.get()

    def wait(self, timeout: float | None = None) -> bool:
        """Until it is rung, or `timeout` seconds; it stays rung until `clear`."""
        try:
            self._rung.get(timeout=timeout)
        except Empty:
            return False
        self.set()
        return True


def _serve(host: str, port: int, workers: int) -> bool:
    """Serve until a signal comes (False) or granian gives up (True)."""
    server = Granian(
        "app.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        websockets=False,
        working_dir=ROOT,
        log_access=False,
    )
    server.main_loop_interrupt = Bell()
    try:
        server.serve()
    except SystemExit as ended:
        return bool(ended.code)
    return False
