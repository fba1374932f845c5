"""Every call on the way to the disk fails once: nothing acknowledged is lost, nothing is double, the log does not fork.

`strace` makes the n-th call of one thread fail, for n = 1, 2, ... until an append, a publication or a start has no n-th
call any more. What the client is told is what `POST /capture` answers.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.services import open_services
from app.settings import read_settings
from tests.build import ORIGIN, event_of, item_uri, private_key, pseudonym
from tests.durability import (
    Json,
    Kind,
    Nursery,
    Witness,
    calls_made,
    fault,
    kinds_in_data,
    nursery,
    struck,
    witness,
)
from tests.running import Process, free_port, wait_until
from trace.observe import Device
from trace.register import register_key
from trace.times import SystemClock, format_utc

DISK = ("pwrite64", "fdatasync", "fsync", "ftruncate", "pread64", "openat", "unlink", "fallocate")
"""Calls that can fail under an open database. An append makes pwrite64 and fdatasync, the others when it has to.

Not fcntl: a lock on a local disk is memory of the kernel and gives neither EIO nor ENOSPC. (SQLite that cannot give a
lock back says "locking protocol" until it is started again.)
"""
START = (*DISK, "write", "rename", "link", "mkdir", "fchown", "flock")
PARCEL = {"Content-Type": "application/json"}
ERRORS = ("EIO", "ENOSPC")
CHECKPOINTING = ("PRAGMA wal_autocheckpoint=1",)
"""Each commit writes the database file too, which otherwise happens every thousand pages."""

errors = pytest.mark.parametrize("error", ERRORS)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Nursery]:
    with nursery(tmp_path) as made:
        yield made


def ready(platform: Nursery, watch: Witness, **more: object) -> Json:
    platform.start(**watch.request(**more))
    told = platform.wait_for("ready")
    assert told["kind"] == "ready", platform.words()
    return told


def is_published(platform: Nursery) -> bool:
    told = platform.ask("published", "published")
    return told["kind"] == "published" and bool(told["size"] == told["head"])


def told_plainly(answer: Json) -> None:
    """503 in words, or recorded all the same."""
    if answer["status"] == 201:
        return
    assert answer["status"] == 503, answer
    assert answer["told"]["type"].endswith("/not-now"), answer
    assert answer["told"]["detail"].startswith("the log could not be written: "), answer


# ---- an append --------------------------------------------------------------------------------------------


@errors
@pytest.mark.parametrize("pragmas", [(), CHECKPOINTING], ids=["commit", "commit and checkpoint"])
@kinds_in_data
def test_an_append_survives_an_error_of_every_call(
    tmp_path: Path, platform: Nursery, kind: Kind, pragmas: tuple[str, ...], error: str
) -> None:
    watch, log = witness(kind, tmp_path, tmp_path / "kept"), tmp_path / "strace"
    thread = ready(platform, watch, pragmas=pragmas)["sequencer"]
    strikes: dict[str, int] = {}
    refused = 0
    for call in DISK:
        nth = 1
        while True:
            with fault(thread, call, f"error={error}", nth, log):
                answer = platform.ask("new")
            told_plainly(answer)
            if not struck(log):
                assert answer["status"] == 201
                break
            # The process goes on, and the same bytes get the one receipt.
            again = platform.ask("again")
            assert again["status"] == (200 if answer["status"] == 201 else 201), again
            refused += answer["status"] == 503
            strikes[call] = nth
            nth += 1
    assert strikes["pwrite64"] > 10 and strikes["fdatasync"] >= 1
    assert refused > 10
    platform.end()
    watch.check_all()
    assert (watch.lost, len(watch.receipts)) == ([], len(DISK) + sum(strikes.values()))


@errors
@kinds_in_data
def test_the_publisher_survives_an_error_of_every_call_and_tries_again(
    tmp_path: Path, platform: Nursery, kind: Kind, error: str
) -> None:
    watch, log = witness(kind, tmp_path, tmp_path / "kept"), tmp_path / "strace"
    thread = ready(platform, watch)["publisher"]
    strikes: dict[str, int] = {}
    for call in DISK:
        nth = 1
        while True:
            with fault(thread, call, f"error={error}", nth, log):
                assert platform.ask("new")["status"] == 201
                wait_until(lambda: struck(log) or is_published(platform), "the publisher")
            if not struck(log):
                break
            if nth > 1:  # else it tries again by itself, two seconds later
                assert platform.ask("new")["status"] == 201
            wait_until(lambda: is_published(platform), "the next try of the publisher")
            strikes[call] = nth
            nth += 1
    assert strikes["pwrite64"] > 1 and strikes["fdatasync"] >= 1
    platform.end()
    watch.check_all()
    assert watch.published == len(watch)


# ---- a real server ----------------------------------------------------------------------------------------


@errors
@kinds_in_data
def test_a_server_whose_disk_fails_says_so_goes_on_and_gives_one_receipt(
    tmp_path: Path, kind: Kind, error: str
) -> None:
    data, log, port = tmp_path / "data", tmp_path / "strace", free_port()
    data.mkdir()
    (data / "suyuan.toml").write_text(f'database = "{kind.url(data)}"\norigin = "{ORIGIN}"\n')
    key, issuer = private_key("station"), pseudonym("station")
    with open_services(read_settings(environ={}, data=data), SystemClock()) as services:
        register_key(services.authority, key.public, issuer, "device", services.clock.now())
    device = Device(key, issuer, ORIGIN)
    server = Process(tmp_path / "server.log", "app", "serve", "--data", str(data), "--port", str(port))
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_until(lambda: _answers(client), "the server")
            worker = int((data / "server.lock").read_text())
            for call in ("pwrite64", "fdatasync"):
                now = SystemClock().now()
                parcel = device.sign(event_of([item_uri("A1")], eventTime=format_utc(now)), at=now).to_bytes()
                with fault(worker, call, f"error={error}", 1, log, whole=True):
                    answer = client.post("/capture", content=parcel, headers=PARCEL)
                assert struck(log)
                assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2"), answer.text
                told_plainly({"status": 503, "told": answer.json()})
                again = [client.post("/capture", content=parcel, headers=PARCEL) for _ in range(2)]
                assert [each.status_code for each in again] == [201, 200]
                assert again[0].json() == again[1].json()
            assert int((data / "server.lock").read_text()) == worker, "it went on"
    finally:
        server.stop()


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


# ---- kill at a call ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["sequencer", "publisher"])
@kinds_in_data
def test_kill_9_at_every_call_that_writes_loses_and_doubles_nothing(
    tmp_path: Path, platform: Nursery, kind: Kind, who: str
) -> None:
    watch, log = witness(kind, tmp_path, tmp_path / "kept"), tmp_path / "strace"
    killed: dict[str, int] = {}
    for call in ("pwrite64", "fdatasync"):
        nth = 1
        while True:
            thread = ready(platform, watch)[who]
            assert platform.ask("again")["status"] in (200, 201)
            wait_until(lambda: is_published(platform), "the publisher")
            watch.check()
            with fault(thread, call, "signal=KILL", nth, log):
                platform.ask("new")
                wait_until(lambda: platform.is_over() or is_published(platform), "an end")
            if not platform.is_over():
                platform.end()
                break
            killed[call] = nth
            nth += 1
    assert killed["pwrite64"] > 1 and killed["fdatasync"] >= 1
    watch.check_all()
    assert watch.lost == []


# ---- a first start ----------------------------------------------------------------------------------------


def first_starts(folder: Path, platform: Nursery, kind: Kind, amount: int | None) -> int:
    """One fault at a call of the first start, then a start without; how many were struck."""
    log = folder / "strace"
    faults = ("signal=KILL", "error=EIO", "error=ENOSPC")
    counted = witness(kind, folder / "counted", folder / "counted" / "kept")
    counted.data.parent.mkdir()
    platform.start(**counted.request(await_tracer=True))
    with fault(platform.pid, ",".join(START), "delay_enter=0", 1, log):
        assert platform.wait_for("ready")["kind"] == "ready", platform.words()
    platform.end()
    made = calls_made(log)
    assert made["pwrite64"] > 50 and made["fsync"] > 3, made
    points = [(call, what, n + 1) for call, calls in sorted(made.items()) for what in faults for n in range(calls)]
    if amount is not None:
        points = random.Random(amount).sample(points, amount)
    broken = []
    for call, what, nth in points:
        here = folder / "start"
        here.mkdir()
        watch = witness(kind, here, here / "kept")
        platform.start(**watch.request(await_tracer=True))
        with fault(platform.pid, call, what, nth, log):
            first = platform.wait_for("ready")
        if first["kind"] == "ready":
            platform.ask("new")
        platform.kill()
        platform.start(**watch.request())
        if platform.wait_for("ready")["kind"] == "ready" and platform.ask("new")["status"] == 201:
            platform.end()
            watch.check_all()
            assert watch.lost == [], (call, what, nth)
        else:
            broken.append((call, what, nth, platform.words()))
        shutil.rmtree(here)
    assert broken == []
    return len(points)


@kinds_in_data
def test_a_first_start_that_fails_or_is_killed_is_followed_by_a_good_one(
    tmp_path: Path, platform: Nursery, kind: Kind
) -> None:
    assert first_starts(tmp_path, platform, kind, 12) == 12


@pytest.mark.long
@pytest.mark.timeout(3600)
@kinds_in_data
def test_a_first_start_that_fails_or_is_killed_anywhere_is_followed_by_a_good_one(
    tmp_path: Path, platform: Nursery, kind: Kind
) -> None:
    assert first_starts(tmp_path, platform, kind, None) > 500
