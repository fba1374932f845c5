"""Serial ports of this machine and what is plugged into them, by names that survive a restart.

`/dev/ttyUSB0` is whichever adapter woke first. `/dev/serial/by-id` names the device by maker, model and serial number;
cheap adapters (CH340, PL2303) have none, and two of them are told apart by `/dev/serial/by-path`, the socket.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serial.tools import list_ports

BY_ID = Path("/dev/serial/by-id")
BY_PATH = Path("/dev/serial/by-path")


@dataclass(frozen=True)
class Port:
    """One port that exists now."""

    path: str
    """The steadiest name: by-id, else by-path, else the device."""
    device: str
    description: str
    vid: int | None
    pid: int | None
    serial_number: str | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "device": self.device,
            "description": self.description,
            "vid": None if self.vid is None else f"{self.vid:04x}",
            "pid": None if self.pid is None else f"{self.pid:04x}",
            "serial_number": self.serial_number,
        }


def ports() -> list[Port]:
    """Those with a by-id name first."""
    names = {**_names(BY_PATH), **_names(BY_ID)}
    found = [
        Port(
            path=names.get(each.device, each.device),
            device=each.device,
            description=each.description or "",
            vid=each.vid,
            pid=each.pid,
            serial_number=each.serial_number,
        )
        for each in list_ports.comports()
    ]
    return sorted(found, key=lambda port: (not port.path.startswith(str(BY_ID)), port.path == port.device, port.path))


def _names(folder: Path) -> dict[str, str]:
    """Device path to its name in a folder of symbolic links."""
    if not folder.is_dir():
        return {}
    return {str(name.resolve()): str(name) for name in sorted(folder.iterdir())}
