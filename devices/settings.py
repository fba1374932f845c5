"""What a stations.toml says, read once into valid values. Every key with an example: devices/stations.example.toml."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devices.coalesce import TAG_HOLD_OFF_S
from devices.reader import Reader
from devices.reader_url import ReaderUrl
from trace.errors import NotFoundError, ParseError, ValidationError
from trace.ledger.checkpoint import parse_verifier_key
from trace.ledger.encoding import from_hex
from trace.observe import ReadPoint
from trace.times import parse_offset

ACTIONS = ("OBSERVE", "ADD", "DELETE")


@dataclass(frozen=True)
class StationSettings:
    server: str
    origin: str
    issuer: str
    key: Path
    outbox: Path
    utc_offset: str
    control_port: int
    log_key: str | None
    """Verifier key of the log; None: checkpoints are not looked at."""
    readers: tuple[Reader, ...]

    @classmethod
    def load(cls, path: Path) -> "StationSettings":
        """Raises: NotFoundError, ParseError, ValidationError, naming the key, what is expected and an example."""
        try:
            members = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise NotFoundError(f"{path}: cannot be read: {error.strerror}") from error
        except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
            raise ParseError(f"{path}: expected TOML, {error}") from error
        table = _Table(path.name, members)
        tables = table.take("reader", _tables, "at least one [[reader]]", '[{ name = "dock" }]')
        settings = cls(
            server=table.take("server", _server, "an http or https address without a path", '"http://127.0.0.1:8000"'),
            origin=table.take("origin", _origin, "the name of the log", '"suyuan.example/demo"'),
            issuer=table.take("issuer", _issuer, "a pseudonym of 32 hex digits", '"000102030405060708090a0b0c0d0e0f"'),
            key=path.parent / table.take("key", _text, "a file", '"device.key"'),
            outbox=path.parent / table.take("outbox", _text, "a file", '"outbox.db"'),
            utc_offset=table.take("utc_offset", _offset, "an offset", '"+08:00"'),
            control_port=table.take("control_port", _port, "a port number, 0 for any", "8200", default=0),
            log_key=table.take(
                "log_key", _log_key, "the verifier key of the log", '"suyuan.example/demo+1f2e3d4c+A…"', default=None
            ),
            readers=tuple(_reader(f"{path.name}, reader {n}", each) for n, each in enumerate(tables, start=1)),
        )
        table.end()
        names = [reader.name for reader in settings.readers]
        for name in names:
            if names.count(name) > 1:
                raise ValidationError(
                    f"{path.name}: reader name {name!r}: expected once, got {names.count(name)} times"
                )
        return settings


def _reader(what: str, members: dict[str, Any]) -> Reader:
    table = _Table(what, members)
    reader = Reader(
        name=table.take("name", _text, "a name", '"dock"'),
        url=table.take("url", _url, "protocol+serial://port", '"line+serial:///dev/ttyUSB0?baud=9600"'),
        where=ReadPoint(
            read_point=table.take("read_point", _uri, "a URI", '"https://id.gs1.org/414/9520000000080/254/dock-1"'),
            biz_location=table.take(
                "biz_location", _uri, "a URI", '"https://id.gs1.org/414/9520000000080"', default=None
            ),
            biz_step=table.take("biz_step", _text, "a CBV word", '"receiving"'),
            disposition=table.take("disposition", _text, "a CBV word", '"in_progress"', default=None),
            action=table.take("action", _action, f"one of {', '.join(ACTIONS)}", '"OBSERVE"', default="OBSERVE"),
        ),
        hold_off_s=table.take("hold_off_s", _seconds, "seconds from 0.1 to 3600", "3.0", default=TAG_HOLD_OFF_S),
    )
    table.end()
    return reader


_REQUIRED = object()


class _Table:
    """Takes keys out of a TOML table; what nobody takes is a typing error of whoever wrote it."""

    def __init__(self, what: str, members: Mapping[str, Any]) -> None:
        self._what = what
        self._left = dict(members)
        self._known: list[str] = []

    def take(self, name: str, read: Callable[[Any], Any], expected: str, example: str, default: Any = _REQUIRED) -> Any:
        self._known.append(name)
        if name not in self._left:
            if default is not _REQUIRED:
                return default
            raise ValidationError(f"{self._what}: {name} is missing, expected {expected}, like {name} = {example}")
        value = self._left.pop(name)
        try:
            return read(value)
        except (ValueError, ParseError) as error:
            reason = f" ({error})" if str(error) else ""
            raise ValidationError(
                f"{self._what}: {name} is {value!r}, expected {expected}, like {name} = {example}{reason}"
            ) from error

    def end(self) -> None:
        for name in self._left:
            raise ValidationError(f"{self._what}: unknown key {name!r}, expected one of {', '.join(self._known)}")


# ---- values: each gives the valid value or raises ValueError or ParseError -------------------


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _uri(value: Any) -> str:
    parts = urlsplit(_text(value))
    if not parts.scheme or not (parts.netloc or parts.path):
        raise ValueError
    return str(value)


def _server(value: Any) -> str:
    parts = urlsplit(_text(value))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError
    return str(value)


def _origin(value: Any) -> str:
    # The origin is the first word of a line in leaves and notes: no white space, no '+'.
    if _text(value).split() != [value] or "+" in value:
        raise ValueError
    return str(value)


def _log_key(value: Any) -> str:
    parse_verifier_key(_text(value))
    return str(value)


def _issuer(value: Any) -> str:
    from_hex(_text(value), "issuer", 16)
    return str(value)


def _offset(value: Any) -> str:
    parse_offset(_text(value))
    return str(value)


def _port(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 65_535:
        raise ValueError
    return value


def _seconds(value: Any) -> float:
    if type(value) not in (int, float) or not 0.1 <= value <= 3600:
        raise ValueError
    return float(value)


def _action(value: Any) -> str:
    if value not in ACTIONS:
        raise ValueError
    return str(value)


def _tables(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not value or not all(isinstance(each, dict) for each in value):
        raise ValueError
    return value


def _url(value: Any) -> ReaderUrl:
    url = ReaderUrl.parse(_text(value))
    # Made once to hear now, and not at the first scan, that protocol or options do not exist.
    url.decoder()
    return url
