"""The power goes: what was acknowledged is on the disk. And the disk is full.

The data folder lies on an ext4 of its own, which FS_IOC_SHUTDOWN stops as a power cut does: what was not flushed is
gone. Receipts that were there before count ("firm"); what comes while the disk dies does not. A control that flushes
less must lose, or this shows nothing.
"""

import os
import random
import threading
from pathlib import Path

import pytest

from tests.disk import Disk, disk
from tests.durability import KINDS, Kind, Nursery, Witness, kinds_in_data, nursery, witness

TERMINALS = 4
EACH_DISK = 100
"""Cycles on one disk; then a new one, so that first starts are hit too."""
LESS = ("PRAGMA synchronous=NORMAL",)
"""SQLite then flushes its log at checkpoints only, not at commits."""


def cut(platform: Nursery, machine: Disk, watch: Witness, pause_s: float) -> None:
    """The power goes, the machine comes back; what was acknowledged by then is firm, what came later is forgotten."""
    threading.Event().wait(pause_s)
    watch.hear()
    machine.cut_power()
    platform.kill()
    machine.restart()
    watch.forget_what_came_late()


def power_cuts(platform: Nursery, kind: Kind, folder: Path, cycles: int, seed: int) -> int:
    """How many firm receipts outlived it all."""
    chance = random.Random(seed)
    firm = 0
    for first in range(0, cycles, EACH_DISK):
        here = folder / f"disk-{first}"
        here.mkdir()
        with disk(here, 64) as machine:
            watch = witness(kind, machine.place, here / "kept")
            for _ in range(min(EACH_DISK, cycles - first)):
                platform.start(**watch.request(terminals=TERMINALS))
                if chance.random() < 0.2:
                    pause_s = chance.uniform(0, 0.15)  # in its start, the first time in the making of tables and keys
                else:
                    assert platform.wait_for("ready")["kind"] == "ready", platform.words()
                    watch.check()
                    watch.wait_for_a_receipt()
                    pause_s = chance.uniform(0, 0.15)
                cut(platform, machine, watch, pause_s)
            firm += len(watch.receipts)
            platform.start(**watch.request(terminals=TERMINALS))
            assert platform.wait_for("ready")["kind"] == "ready", platform.words()
            platform.end()
            watch.check_all()
            assert watch.lost == []
    return firm


@kinds_in_data
def test_5_power_cuts_lose_and_double_nothing(tmp_path: Path, kind: Kind) -> None:
    with nursery(tmp_path) as platform:
        assert power_cuts(platform, kind, tmp_path, 5, seed=5) >= 3


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
@kinds_in_data
def test_1000_power_cuts_lose_and_double_nothing(tmp_path: Path, kind: Kind) -> None:
    with nursery(tmp_path) as platform:
        assert power_cuts(platform, kind, tmp_path, 1000, seed=1000) > 1000


def test_a_log_that_is_not_flushed_at_commits_loses_what_it_acknowledged(tmp_path: Path) -> None:
    """The control: the same cut, the same count, and SQLite told to be quick."""
    kind = next(each for each in KINDS if each.name == "sqlite")
    with nursery(tmp_path) as platform, disk(tmp_path, 64) as machine:
        watch = witness(kind, machine.place, tmp_path / "kept")
        platform.start(**watch.request())
        assert platform.wait_for("ready")["kind"] == "ready", platform.words()
        platform.end()
        platform.start(**watch.request(terminals=TERMINALS, pragmas=LESS))
        assert platform.wait_for("ready")["kind"] == "ready", platform.words()
        watch.wait_for_a_receipt()
        cut(platform, machine, watch, 0.3)
        # Nothing is started on it: terminals that go on behind a loss would be taken for forged ones.
        watch.look_for_receipts()
        assert 0 < len(watch.lost) <= len(watch.receipts)


@kinds_in_data
def test_a_full_disk_is_told_and_survived(tmp_path: Path, kind: Kind) -> None:
    with nursery(tmp_path) as platform, disk(tmp_path, 24) as machine:
        watch = witness(kind, machine.place, tmp_path / "kept")
        platform.start(**watch.request())
        assert platform.wait_for("ready")["kind"] == "ready", platform.words()
        ballast = machine.place / "ballast"
        for _ in range(3):
            assert platform.ask("new")["status"] == 201
            _fill(ballast)
            refused = _first_refusal(platform)
            assert refused["told"]["type"].endswith("/not-now"), refused
            assert platform.ask("again")["status"] == 503
            ballast.unlink()
            # The process goes on by itself, and the same bytes get the one receipt.
            assert [platform.ask("again")["status"] for _ in range(2)] == [201, 200]
        platform.end()
        watch.check_all()
        assert watch.lost == []


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(os.urandom(size))
            except OSError:
                continue


def _first_refusal(platform: Nursery) -> dict[str, object]:
    for _ in range(200):
        answer = platform.ask("new")
        if answer["status"] != 201:
            assert answer["status"] == 503, answer
            return answer
    raise AssertionError("200 parcels fitted on a full disk")
