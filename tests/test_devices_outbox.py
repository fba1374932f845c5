"""devices/outbox.py: what add() returned for is there, whatever happens."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from devices.outbox import Answered, Outbox, OutboxCounts, Waiting
from trace.errors import ConflictError, NotFoundError, ParseError

ROOT = Path(__file__).resolve().parents[1]
KEY = "ab" * 32


def payload_hash(seq: int) -> bytes:
    return seq.to_bytes(32)


def fill(outbox: Outbox, count: int) -> None:
    first = outbox.state()[0] + 1
    for seq in range(first, first + count):
        outbox.add(seq, payload_hash(seq), b"parcel %d" % seq, f"note {seq}")


def test_a_new_outbox_begins_the_chain(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", KEY)
    assert outbox.state() == (0, None)
    assert outbox.waiting(10) == []
    assert outbox.counts() == OutboxCounts(0, 0, 0)
    outbox.close()


def test_parcels_wait_in_order_and_over_a_restart(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", KEY)
    fill(outbox, 3)
    outbox.close()
    outbox = Outbox(tmp_path / "outbox.db", KEY)
    assert outbox.state() == (3, payload_hash(3))
    assert outbox.waiting(2) == [Waiting(1, b"parcel 1", "note 1"), Waiting(2, b"parcel 2", "note 2")]
    outbox.close()


def test_answers_are_kept_in_the_order_they_came(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", KEY)
    fill(outbox, 3)
    outbox.recorded(2, '{"leaf_index":7}')
    outbox.refused(1, "400 not a parcel")
    outbox.recorded(3, '{"leaf_index":8}')
    assert outbox.counts() == OutboxCounts(waiting=0, recorded=2, refused=1)
    assert outbox.receipts_after(0) == [
        Answered(1, 2, '{"leaf_index":7}', "note 2"),
        Answered(3, 3, '{"leaf_index":8}', "note 3"),
    ]
    assert outbox.receipts_after(1) == [Answered(3, 3, '{"leaf_index":8}', "note 3")]
    outbox.close()


def test_a_number_that_does_not_continue_the_chain_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", KEY)
    fill(outbox, 1)
    for seq in (1, 3):
        with pytest.raises(ConflictError) as caught:
            outbox.add(seq, payload_hash(seq), b"x", "")
        assert str(caught.value) == f"outbox outbox.db: expected parcel 2, got {seq}"
    assert outbox.state() == (1, payload_hash(1))
    outbox.close()


def test_a_second_answer_to_one_parcel_is_refused(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", KEY)
    fill(outbox, 1)
    outbox.recorded(1, "{}")
    with pytest.raises(ConflictError) as caught:
        outbox.refused(1, "too late")
    assert str(caught.value) == "outbox outbox.db: parcel 1 is not waiting for an answer"
    outbox.close()


def test_only_old_recorded_parcels_are_dropped(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db", KEY, keep_recorded=2)
    fill(outbox, 6)
    outbox.refused(1, "no")
    for seq in (2, 3, 4, 5):
        outbox.recorded(seq, "{}")
    assert outbox.counts() == OutboxCounts(waiting=1, recorded=2, refused=1)
    assert [answered.seq for answered in outbox.receipts_after(0)] == [4, 5]
    assert outbox.state() == (6, payload_hash(6))
    outbox.close()


def test_an_outbox_of_another_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    Outbox(path, KEY).close()
    with pytest.raises(ConflictError) as caught:
        Outbox(path, "cd" * 32)
    assert str(caught.value) == (
        f"outbox {path}: holds the chain of key abababababababab…, expected that of key cdcdcdcdcdcdcdcd…; "
        "a new key needs a new outbox file"
    )


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, KEY)
    with pytest.raises(ConflictError) as caught:
        Outbox(path, KEY)
    assert str(caught.value) == f"outbox {path}: another process has it open; stop that station first"
    outbox.close()
    Outbox(path, KEY).close()


def test_a_file_that_is_no_outbox_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"x" * 4096)
    with pytest.raises(ParseError, match="expected an SQLite file, file is not a database"):
        Outbox(path, KEY)
    with pytest.raises(NotFoundError) as caught:
        Outbox(tmp_path / "nowhere" / "outbox.db", KEY)
    assert str(caught.value) == (
        f"outbox {tmp_path / 'nowhere' / 'outbox.db'}: cannot be opened: is there a folder that we may write to?"
    )
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(ParseError, match="expected layout 1, got 0"):
        Outbox(other, KEY)


# The child adds parcels and answers some, and says each number only after add() has returned.
CHILD = """
import sys
from pathlib import Path
from devices.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]), "ab" * 32)
seq, _ = outbox.state()
while True:
    seq += 1
    outbox.add(seq, seq.to_bytes(32), b"parcel %d" % seq * 200, str(seq))
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
    if seq % 3 == 0:
        outbox.recorded(seq - 1, "{}")
"""


def kill_cycle(path: Path, after: int) -> int:
    """Start a station that only adds, kill it after `after` numbers; the last number it said."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    said = 0
    for _ in range(after):
        said = int(child.stdout.readline())
    os.kill(child.pid, signal.SIGKILL)
    # What it said between our last line and the kill counts too; a line cut short does not.
    rest = child.stdout.read().split("\n")[:-1]
    child.wait()
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    return max([said, *map(int, rest)])


@pytest.mark.parametrize("cycles", [20, pytest.param(300, marks=pytest.mark.long)])
def test_kill_9_at_any_point_loses_nothing_and_breaks_no_chain(tmp_path: Path, cycles: int) -> None:
    path = tmp_path / "outbox.db"
    rng = random.Random(20261124)
    for _ in range(cycles):
        said = kill_cycle(path, rng.randint(1, 30))
        outbox = Outbox(path, KEY)
        newest, prev = outbox.state()
        # One more may have reached the disk than was said, never one less.
        assert said <= newest <= said + 1
        assert prev == payload_hash(newest)
        outbox.close()
        db = sqlite3.connect(path)
        rows = db.execute("SELECT seq, payload_hash, parcel FROM parcel ORDER BY seq").fetchall()
        db.close()
        assert [row[0] for row in rows] == list(range(1, newest + 1))
        assert all(row[1] == payload_hash(row[0]) and row[2] == b"parcel %d" % row[0] * 200 for row in rows)
