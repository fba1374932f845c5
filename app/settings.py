"""Settings: the only reader of the environment. Frozen; a wrong value is named with what was expected and an example.

One TOML file `suyuan.toml` in the data folder, overridden by `SUYUAN_*`. Secrets lie in files of their own under
`keys/`, never in the environment.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from trace.signer.users import is_user

ROOT = Path(__file__).resolve().parents[1]

MAX_OFFSET_MINUTES = 840
"""14 hours: what EPCIS takes in eventTimeZoneOffset."""

_HOST = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


class SettingsError(Exception):
    """A setting is missing or wrong. The message names it, what was expected, and an example."""


@dataclass(frozen=True)
class Settings:
    """What the server was told."""

    data: Path
    """Folder of everything that is kept."""
    origin: str
    """Name of the log, and host of codes that GS1 does not own: `suyuan.example.gov.cn`."""
    database: str
    """SQLAlchemy URL."""
    zone_offset_minutes: int = 480
    """Offset of the platform's wall clock; no daylight saving in China."""
    signer_user: str | None = None
    """Started as root: the user that holds the keys."""
    web_user: str | None = None
    """Started as root: the user that serves."""
    open_entries: bool = False
    """Entry bundles for everybody, not for registered mirrors alone."""
    second_head: Path | None = None
    """File of the newest signed checkpoint, best on another disk; None: beside the keys."""
    demo_state: Path | None = None
    """Set by `./suyuan demo` alone: the file that says whether the demo is ready."""

    platform: int = 1
    """One deployment is one platform."""

    def local(self, instant: datetime) -> datetime:
        """The instant by the platform's wall clock."""
        return instant.astimezone(timezone(timedelta(minutes=self.zone_offset_minutes)))

    @property
    def postgresql(self) -> bool:
        """Several processes may write; SQLite has one."""
        return self.database.startswith("postgresql")

    @property
    def keys(self) -> Path:
        """Secrets of the web process, and the public keys of its signer."""
        return self.data / "keys"

    @property
    def signer_folder(self) -> Path:
        """The private keys; the web process has no business there."""
        return self.data / "signer"

    @property
    def signer_socket(self) -> Path:
        return self.data / "run" / "signer.sock"

    @property
    def second_head_file(self) -> Path:
        return self.second_head or self.data / "second-head.note"

    @property
    def policy_file(self) -> Path:
        """Which witnesses are asked, and when their cosignatures are enough (c2sp.org/tlog-policy)."""
        return self.data / "witnesses.policy"


_NAMES = {
    "origin": "a host name, like suyuan.example.gov.cn",
    "database": "a SQLAlchemy URL, like sqlite:////srv/suyuan/suyuan.sqlite or postgresql+psycopg://suyuan@db/suyuan",
    "zone_offset_minutes": "minutes east of UTC, -840 to 840, like 480",
    "signer_user": "a user of this machine other than root, like suyuan-signer or 1200",
    "web_user": "a user of this machine other than root, like suyuan or 1201",
    "open_entries": "true or false",
    "second_head": "a file in a folder that is there, like /mnt/other/suyuan-head.note",
    "demo_state": "set by the demo alone",
}
DEFAULT_ORIGIN = "suyuan.yunqiao.example"


def read_settings(environ: Mapping[str, str] = os.environ, **overrides: Any) -> Settings:
    """The settings of this process. `overrides` come from the command line.

    Raises: SettingsError naming what is wrong.
    """
    data = Path(overrides.pop("data", None) or environ.get("SUYUAN_DATA") or ROOT / "var").resolve()
    if "?" in str(data):
        # In a database URL, options begin there.
        raise SettingsError(f"setting data {str(data)!r}: expected a folder without '?' in its name, like /srv/suyuan")
    if data.exists() and not data.is_dir():
        raise SettingsError(f"setting data {str(data)!r}: expected a folder, like /srv/suyuan")
    values: dict[str, Any] = {}
    file = data / "suyuan.toml"
    if file.exists():
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file}: not TOML: {error}") from error
    for name in _NAMES:
        told = environ.get(f"SUYUAN_{name.upper()}")
        if told is not None:
            values[name] = told
    values |= {name: value for name, value in overrides.items() if value is not None}
    unknown = sorted(set(values) - set(_NAMES))
    if unknown:
        raise SettingsError(f"setting {unknown[0]!r}: unknown; there are {', '.join(_NAMES)}")
    origin = str(values.get("origin", DEFAULT_ORIGIN))
    if _HOST.fullmatch(origin) is None:
        raise SettingsError(f"setting origin {origin!r}: expected {_NAMES['origin']}")
    database = str(values.get("database", f"sqlite:///{data / 'suyuan.sqlite'}"))
    if not database.startswith(("sqlite:", "postgresql+psycopg:")):
        # Without what follows the scheme: it may hold a password.
        scheme = database.split(":")[0]
        raise SettingsError(f"setting database {scheme!r}: expected {_NAMES['database']}")
    offset = str(values.get("zone_offset_minutes", 480))
    if re.fullmatch(r"-?\d{1,3}", offset, re.ASCII) is None or abs(int(offset)) > MAX_OFFSET_MINUTES:
        raise SettingsError(f"setting zone_offset_minutes {offset!r}: expected {_NAMES['zone_offset_minutes']}")
    opened = str(values.get("open_entries", "false")).lower()
    if opened not in ("true", "false"):
        raise SettingsError(f"setting open_entries {opened[:40]!r}: expected {_NAMES['open_entries']}")
    second_head = values.get("second_head")
    if second_head is not None and (not str(second_head).startswith("/") or not Path(second_head).parent.is_dir()):
        raise SettingsError(f"setting second_head {str(second_head)!r}: expected {_NAMES['second_head']}")
    state = values.get("demo_state")
    return Settings(
        data,
        origin,
        database,
        int(offset),
        *_users(values),
        open_entries=opened == "true",
        second_head=None if second_head is None else Path(second_head),
        demo_state=None if state is None else Path(state),
    )


def _users(values: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Both or none, and two."""
    found = []
    for name in ("signer_user", "web_user"):
        told = values.get(name)
        if told is not None and not is_user(str(told)):
            raise SettingsError(f"setting {name} {str(told)!r}: expected {_NAMES[name]}")
        found.append(None if told is None else str(told))
    signer, web = found
    if (signer is None) != (web is None):
        missing = "signer_user" if signer is None else "web_user"
        raise SettingsError(f"setting {missing}: missing; a signer of its own needs signer_user and web_user")
    if signer is not None and signer == web:
        raise SettingsError(f"setting web_user {web!r}: expected another user than signer_user")
    return signer, web
