"""The demo as a newcomer meets it: started, stopped, started again, killed in parts, reset."""

import os
import signal
import sqlite3
from pathlib import Path

import httpx

from tests.running import RunningDemo, children, is_running, running_demo, wait_until


def leaves(demo: RunningDemo) -> int:
    with sqlite3.connect(f"file:{demo.data / 'suyuan.sqlite'}?mode=ro", uri=True, timeout=30) as database:
        (count,) = database.execute("SELECT count(*) FROM leaf").fetchone()
    database.close()
    return int(count)


def test_the_demo_keeps_its_data_and_gives_new_passwords_at_each_start(tmp_path: Path) -> None:
    name = "我的 data 100%"  # a folder may be called almost anything
    with running_demo(tmp_path, name=name) as first:
        first.scan("]d2010952000000003521KEPT")
        before, password = leaves(first), first.password("operator")
        started = children(first.process.popen.pid)
        assert len(started) >= 4, "server and its worker, two emulators, a station"
        assert first.stop() == 0
        assert [pid for pid in started if is_running(pid)] == [], "Ctrl-C stops everything it started"
    with running_demo(tmp_path, name=name) as second:
        assert leaves(second) == before
        assert second.password("operator") != password
        shown = httpx.get(f"{second.url}/01/09520000000035/21/KEPT", headers={"Accept": "text/html"})
        assert shown.status_code == 200
    foreign = tmp_path / name / "mine.txt"
    foreign.write_text("not the demo's")
    with running_demo(tmp_path, "--reset", name=name) as third:
        gone = httpx.get(f"{third.url}/01/09520000000035/21/KEPT", headers={"Accept": "text/html"})
        assert gone.status_code == 404
        assert foreign.read_text() == "not the demo's"


def test_what_dies_is_started_again_and_the_front_page_waits_for_it(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        station = next(
            pid
            for pid in children(demo.process.popen.pid)
            if b"station\x00" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        os.kill(station, signal.SIGKILL)
        wait_until(lambda: demo.answers() == 503, "the front page to close")
        wait_until(lambda: demo.answers() == 200, "the front page to open again")
        assert demo.scan("]d2010952000000003521AFTER")["leaf_index"] > 0


def test_the_demo_survives_kill_9_and_its_children_end_with_it(tmp_path: Path) -> None:
    demo = RunningDemo(tmp_path / "data").wait()
    demo.scan("]d2010952000000003521BEFORE")
    started = children(demo.process.popen.pid)
    demo.process.kill()
    wait_until(lambda: not any(is_running(pid) for pid in started), "the children to end")
    with running_demo(tmp_path) as again:
        shown = httpx.get(f"{again.url}/01/09520000000035/21/BEFORE", headers={"Accept": "text/html"})
        assert shown.status_code == 200


def test_a_scan_is_recorded_while_the_signer_is_killed_and_started_again(tmp_path: Path) -> None:
    with running_demo(tmp_path) as demo:
        for serial in ("FIRST", "SECOND", "THIRD"):
            (signer,) = (
                pid
                for pid in children(demo.process.popen.pid)
                if b"-m\x00trace.signer\x00" in Path(f"/proc/{pid}/cmdline").read_bytes()
            )
            os.kill(signer, signal.SIGKILL)
            assert demo.scan(f"]d2010952000000003521{serial}")["leaf_index"] > 0
            wait_until(lambda: published(demo) == leaves(demo), "a checkpoint by the next signer")


def published(demo: RunningDemo) -> int:
    told: dict[str, int] = httpx.get(f"{demo.url}/healthz", timeout=30).json()
    return told["published"]
