"""`serve` and `work` as processes of their own on one PostgreSQL: each may die at any time, and nothing is lost."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import build
import httpx
import pytest
from build import ORIGIN, START, Firm, event_of, item_uri, private_key, pseudonym
from postgres import Cluster
from running import Process, free_port, wait_until

from app.services import Role, Services, open_services
from app.settings import Settings
from trace import query
from trace.ledger.envelope import PARCEL_MEDIA_TYPE, Parcel
from trace.observe import Device
from trace.register import register_key
from trace.times import SystemClock


class Platform:
    """Two web workers and one that integrates."""

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        (self.data / "suyuan.toml").write_text(f'origin = "{ORIGIN}"\ndatabase = "{database}"\n')
        self.settings = Settings(self.data, ORIGIN, database)
        self.port = free_port()
        self.work = self.start_work()
        serve = ("app", "serve", "--data", str(self.data), "--port", str(self.port), "--workers", "2")
        self.serve = Process(folder / "serve.log", *serve)
        wait_until(self.answers, "the server")

    def start_work(self) -> Process:
        process = Process(self.folder / "work.log", "app", "work", "--data", str(self.data))
        wait_until(lambda: process.lines[:1] == ["integrating; Ctrl-C ends it"], "the worker")
        return process

    def answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=10).status_code == 200
        except httpx.HTTPError:
            return False

    def send(self, parcel: Parcel) -> tuple[int, str]:
        """As a station does it: again, until there is an answer that is one."""
        given: list[httpx.Response] = []

        def sent() -> bool:
            try:
                headers = {"Content-Type": PARCEL_MEDIA_TYPE}
                url = f"http://127.0.0.1:{self.port}/capture"
                given.append(httpx.post(url, content=parcel.to_bytes(), headers=headers, timeout=30))
            except httpx.HTTPError:
                return False
            return given[-1].status_code != 503

        wait_until(sent, "an answer")
        return given[-1].status_code, given[-1].text

    def stop(self) -> None:
        self.serve.stop(signal.SIGINT)
        self.work.stop()


@pytest.fixture
def platform(tmp_path: Path, postgresql: Cluster) -> Iterator[Platform]:
    platform = Platform(tmp_path, postgresql.url_of(tmp_path))
    try:
        yield platform
    finally:
        platform.stop()


def registered(services: Services, name: str) -> Firm:
    key = private_key(name)
    firm = Firm(pseudonym(name), Device(key, pseudonym(name), ORIGIN), key)
    register_key(services.authority, key.public, firm.pseudonym, "device", START)
    return firm


def test_the_worker_and_the_server_die_and_nothing_is_lost_or_doubled(platform: Platform) -> None:
    with open_services(platform.settings, SystemClock(), Role.WEB) as services:
        firm = registered(services, "farm")
        parcels = [firm.device.sign(event_of([item_uri("A1")]), at=START) for _ in range(6)]
        first = [platform.send(parcel) for parcel in parcels[:2]]
        platform.work.kill()
        platform.work = platform.start_work()
        first += [platform.send(parcel) for parcel in parcels[2:4]]
        for worker in children(platform.serve.popen.pid):
            os.kill(worker, signal.SIGKILL)
        wait_until(platform.answers, "the next web worker")
        first += [platform.send(parcel) for parcel in parcels[4:]]
        again = [platform.send(parcel) for parcel in parcels]
        assert [status for status, _ in first] == [201] * 6
        assert [status for status, _ in again] == [200] * 6
        assert [text for _, text in again] == [text for _, text in first]
        wait_until(lambda: published(services) >= 9, "a checkpoint over all")
        with services.reading() as session:
            assert list(build.auditor(services).findings(session)) == []


def test_two_processes_that_sign_with_the_platforms_key_do_not_fork_it(platform: Platform) -> None:
    """Keys of the platform have one chain, whoever signs: this process and another one in turn and at once."""
    with (
        open_services(platform.settings, SystemClock(), Role.WEB) as one,
        open_services(replace(platform.settings), SystemClock(), Role.WEB) as other,
    ):
        with ThreadPoolExecutor(6) as pool:
            names = [f"firm {n}" for n in range(12)]
            list(pool.map(lambda n: registered((one, other)[n % 2], names[n]), range(12)))
        with one.reading() as session:
            found = query.device_chain(session, one.log, one.authority.public.key_id)
        assert (found.newest_seq, found.recorded, found.gaps, found.late) == (14, 14, (), ())


def published(services: Services) -> int:
    with services.reading() as session:
        newest = query.newest_checkpoint(session, services.log)
    return 0 if newest is None else newest.size


def children(pid: int) -> list[int]:
    """Worker processes of a server that we started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
