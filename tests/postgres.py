"""A PostgreSQL of our own for a test run: a fresh cluster in a temporary folder, on a socket, with fsync."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from app.database import Database

USER = "suyuan"
PATIENCE_S = 60


def find_binaries() -> Path | None:
    """Where initdb and postgres are; Debian keeps them out of the way."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    for home in (*homes, *([Path(on_path).parent] if on_path else [])):
        if (home / "initdb").exists() and (home / "postgres").exists():
            return home
    return None


class Cluster:
    """A running server. Each data folder gets a database of its own, copied from one that is migrated already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._databases: dict[Path, str] = {}
        migrated = Database(self.create("migrated"))
        migrated.migrate()
        migrated.close()

    @classmethod
    @contextmanager
    def running(cls, binaries: Path) -> Iterator["Cluster"]:
        """Ended by its own process id, and removed."""
        folder = Path(tempfile.mkdtemp(prefix="suyuan-pg-"))
        as_owner: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root.
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            as_owner |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data = folder / "data"
        try:
            made = [str(binaries / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale"]
            subprocess.run(made, check=True, capture_output=True, timeout=PATIENCE_S, **as_owner)
            with (folder / "log").open("wb") as log:
                served = [str(binaries / "postgres"), "-D", str(data), "-k", str(folder), "-h", "", "-c", "fsync=on"]
                server = subprocess.Popen(served, stdout=log, stderr=log, **as_owner)
            try:
                _wait(folder, server)
                yield cls(folder)
            finally:
                # Immediate shutdown: nothing of it is needed again.
                server.send_signal(signal.SIGQUIT)
                server.wait(PATIENCE_S)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def url_of(self, folder: Path) -> str:
        """The database of this data folder, empty and migrated when it is asked for first."""
        if folder not in self._databases:
            self._databases[folder] = self.create(f"d{len(self._databases)}", "migrated")
        return self._databases[folder]

    def create(self, name: str, template: str = "template1") -> str:
        """A new database; its URL."""
        with psycopg.connect(host=str(self.folder), user=USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"postgresql+psycopg://{USER}@/{name}?host={self.folder}"


def _wait(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    tries = int(PATIENCE_S / 0.05)
    while True:
        try:
            psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            tries -= 1
            if server.poll() is not None or tries < 0:
                raise
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.05)
