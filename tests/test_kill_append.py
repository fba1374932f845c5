"""kill -9 of a platform that appends: at any moment, and at each call that writes.

The worker process is killed, not the machine: what was handed to the kernel stays. `test_power_cut.py` takes that away
too. `test_kill.py` kills the real server and a real station over HTTP.
"""

import random
import threading
from pathlib import Path

import pytest

from tests.durability import Kind, Nursery, kinds, nursery, witness

TERMINALS = 4
EACH_LOG = 500
"""Cycles on one log; then a new one, so that first starts are hit too."""


def kill_cycles(platform: Nursery, kind: Kind, folder: Path, cycles: int, seed: int) -> int:
    """How many receipts outlived it all."""
    chance = random.Random(seed)
    acknowledged = 0
    for log in range(0, cycles, EACH_LOG):
        here = folder / f"log-{log}"
        here.mkdir()
        watch = witness(kind, here, here / "kept")
        for _ in range(min(EACH_LOG, cycles - log)):
            platform.start(**watch.request(terminals=TERMINALS))
            if chance.random() < 0.25:
                pause = chance.uniform(0, 0.12)  # in its start, the first time in the making of tables and keys
            else:
                assert platform.wait_for("ready")["kind"] == "ready", platform.words()
                watch.check()
                watch.wait_for_a_receipt()
                pause = chance.uniform(0, 0.06)
            threading.Event().wait(pause)
            platform.kill()
        platform.start(**watch.request(terminals=TERMINALS))
        assert platform.wait_for("ready")["kind"] == "ready", platform.words()
        platform.end()
        watch.check_all()
        assert watch.lost == []
        acknowledged += len(watch.receipts)
    return acknowledged


@kinds
def test_25_kills_lose_and_double_nothing(tmp_path: Path, kind: Kind) -> None:
    with nursery(tmp_path) as platform:
        assert kill_cycles(platform, kind, tmp_path, 25, seed=25) > 15


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@kinds
def test_10_000_kills_lose_and_double_nothing(tmp_path: Path, kind: Kind) -> None:
    with nursery(tmp_path) as platform:
        assert kill_cycles(platform, kind, tmp_path, 10_000, seed=10_000) > 10_000
