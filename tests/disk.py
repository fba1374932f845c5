"""A file system of our own in a file: it can lose its power, and it can be full. Needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.running import wait_until

FS_IOC_SHUTDOWN = 0x8004587D
"""Linux, include/uapi/linux/fs.h and fs/ext4: the file system stops at once."""
NOLOGFLUSH = 2
"""Nothing that is not on the disk or in the journal yet will ever be."""


class Disk:
    """ext4 in an image file, mounted by a loop device that the kernel takes away with the mount."""

    def __init__(self, image: Path, place: Path) -> None:
        self.place = place
        self._image = image

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.place))

    def unmount(self) -> None:
        """Waits while a process that was killed still lets go of its files."""
        wait_until(lambda: _is_done("umount", str(self.place)), f"umount of {self.place}", patience_s=20)

    def cut_power(self) -> None:
        """What was not flushed is gone; every further call gives EIO."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def restart(self) -> None:
        """As after a boot: the journal is played back.

        A process that was given a copy of all mounts in the meantime (a namespace of its own) keeps the dead disk, and
        mounting gives that one again: so until what is mounted can be written.
        """
        self.unmount()
        wait_until(self._comes_back, f"{self.place}, without power, to be let go by all")

    def _comes_back(self) -> bool:
        self.mount()
        probe = self.place / "probe"
        try:
            probe.touch()
            probe.unlink()
        except OSError:
            self.unmount()
            return False
        return True


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """A fresh disk, mounted; whatever happens, neither mount nor loop device is left."""
    _require()
    image, place = folder / "disk.img", folder / "disk"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    place.mkdir()
    _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
    made = Disk(image, place)
    try:
        made.mount()
        yield made
    finally:
        if place.is_mount():
            try:
                made.unmount()
            except AssertionError:
                _run("umount", "-l", str(place))
        image.unlink()


def _require() -> None:
    # Rights are not a part that could be installed: without them these tests are skipped even where CI=true.
    if os.geteuid() != 0:
        pytest.skip("mounting a disk of our own needs root")
    if not Path("/dev/loop-control").exists():
        pytest.skip("this machine (a container?) has no loop devices")
    for tool in ("mkfs.ext4", "mount", "umount"):
        if shutil.which(tool) is None:
            missing(tool)


def _is_done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
