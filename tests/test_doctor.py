"""`doctor`: which protection is in force, what is dangerous, and one sentence what to do."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine, event

from app.__main__ import main
from app.database import only_process
from app.examine import Found, Weight, examine
from app.settings import Settings
from tests.build import START, item_code, running, settings
from tests.signing import signer_thread
from trace.signer.key_files import Passphrase, protect
from trace.times import SetClock

EXPECTED = ["keys", "signer", "files", "database", "clock", "lock", "space", "libzbar", "chromium"]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A platform that was used and stopped, with the permissions of a server."""
    monkeypatch.setenv("SUYUAN_ORIGIN", "trace.example")
    mask = os.umask(0o077)
    with running(tmp_path / "data") as world:
        world.scan(world.firm("farm"), item_code("A1"))
    os.umask(mask)
    return settings(tmp_path / "data")


def doctor(told: Settings, *args: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--data", str(told.data), *args], prog_name="suyuan")


def found(told: Settings, clock: SetClock | None = None) -> dict[str, Found]:
    return {each.what: each for each in examine(told, clock or SetClock(START + timedelta(hours=1)))}


def test_a_stopped_platform_is_in_no_danger_and_every_line_says_what_to_do(told: Settings) -> None:
    done = doctor(told)
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(doctor(told, "--json").output)
    assert (value["data"], value["dangerous"]) == (str(told.data), 0)
    assert [each["what"] for each in value["found"]] == EXPECTED
    for each in value["found"]:
        assert set(each) == {"what", "weight", "said", "do"}
        assert (each["weight"] == "ok") == (each["do"] == ""), each
        assert f"{each['weight']:<7} {each['what']}: " in done.output and each["do"] in done.output
    seen = found(told)
    assert seen["database"].said == "synchronous=FULL, journal_mode=wal"
    assert seen["lock"].said == "free: no server runs here"
    assert "does not answer" in seen["signer"].said


def test_it_changes_nothing(told: Settings) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in told.data.rglob("*") if path.is_file()}
    doctor(told)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in told.data.rglob("*") if path.is_file()}
    assert after == before


def test_one_user_is_only_apart_and_it_says_so(told: Settings) -> None:
    keys = found(told)["keys"]
    assert keys.weight is Weight.NOTE
    assert "same user" in keys.said and "in the clear: a process of its own and no more" in keys.said
    assert "signer_user and web_user" in keys.do and "--protect" in keys.do


def test_sealed_keys_are_protected(told: Settings) -> None:
    words = Passphrase(lambda: b"correct horse battery")
    protect(told.signer_folder, words, words)
    keys = found(told)["keys"]
    assert keys.weight is Weight.OK
    assert "sealed with a passphrase: the web process cannot read them" in keys.said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
def test_keys_of_an_own_user_are_protected(told: Settings) -> None:
    for path in (told.signer_folder, *told.signer_folder.iterdir()):
        os.chown(path, 64_321, 64_321)
    keys = found(told)["keys"]
    assert keys.weight is Weight.OK
    assert keys.said == "own user 64321: the web process cannot read them"


def test_a_setting_that_is_not_in_force_is_named(told: Settings) -> None:
    wanted = Settings(told.data, told.origin, told.database, signer_user="64321", web_user="64322")
    notes = [each for each in examine(wanted, SetClock(START)) if each.what == "keys"]
    assert [each.said for each in notes][1:] == ["signer_user 64321 is set and not in force"]
    assert notes[1].do == "Start serve as root once; it gives the keys to their user."


@pytest.mark.parametrize("name", ["signer/log.key", "keys/item.secret", "keys/admin.secret", "suyuan.sqlite"])
def test_a_secret_that_others_may_read_is_dangerous(told: Settings, name: str) -> None:
    path = told.data / name
    path.chmod(0o644)
    done = doctor(told)
    assert done.exit_code == 1
    assert f"danger  files: {path}: mode 0644, owner " in done.output
    assert f"Run chmod 600 {path}: other users of this machine may read it." in done.output
    path.chmod(0o600)
    assert doctor(told).exit_code == 0


def test_a_running_signer_and_server_are_seen(told: Settings) -> None:
    with signer_thread(told), only_process(told.data):
        seen = found(told)
    assert (seen["signer"].weight, seen["signer"].said.split(" answers")[0]) == (Weight.OK, f"process {os.getpid()}")
    assert seen["lock"].said == f"held by the server, process {os.getpid()}"


def test_a_signer_with_other_keys_is_dangerous(told: Settings) -> None:
    shutil.rmtree(told.signer_folder)
    with signer_thread(told):
        signer = found(told)["signer"]
    assert signer.weight is Weight.DANGER
    assert "holds other keys than" in signer.said


def test_a_clock_behind_the_log_is_dangerous(told: Settings) -> None:
    clock = found(told, SetClock(START - timedelta(minutes=3)))["clock"]
    assert clock.weight is Weight.DANGER
    assert clock.said == (
        "the machine says 2026-11-24T00:57:00.000Z, the newest leaf was received at 2026-11-24T01:00:00.000Z"
    )
    assert found(told, SetClock(START - timedelta(minutes=1)))["clock"].weight is Weight.OK


@pytest.mark.parametrize("mode", ["NORMAL", "OFF"])
def test_a_database_that_may_forget_is_dangerous(told: Settings, mode: str) -> None:
    def forget(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA synchronous={mode}")

    # After the application has set it, as a wrong change of ours would.
    event.listen(Engine, "engine_connect", forget)
    try:
        database = found(told)["database"]
    finally:
        event.remove(Engine, "engine_connect", forget)
    assert (database.weight, database.said) == (Weight.DANGER, f"synchronous={mode}, journal_mode=wal")


def test_a_damaged_database_is_dangerous(told: Settings) -> None:
    (told.data / "suyuan.sqlite").write_bytes(b"not a database " * 1000)
    database = found(told)["database"]
    assert database.weight is Weight.DANGER
    assert database.said == "the database cannot be read as ours: file is not a database"
    assert doctor(told).exit_code == 1


def test_a_full_disk_is_dangerous_and_a_tight_one_is_noted(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, weight in ((10 * 2**20, Weight.DANGER), (2**30, Weight.NOTE), (2**40, Weight.OK)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: shutil._ntuple_diskusage(2**41, 1, free))
        assert found(told)["space"].weight is weight


def test_parts_that_are_missing_are_named_with_their_package(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    seen = found(told)
    assert (seen["libzbar"].said, seen["libzbar"].do) == (
        "missing; the second reader of photos",
        "To have it: apt-get install libzbar0.",
    )
    assert (seen["chromium"].weight, seen["chromium"].said) == (Weight.NOTE, "missing; tests of pages alone")


def test_an_empty_folder_is_no_danger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = settings(tmp_path / "none")
    assert "nothing is here yet" in found(nothing)["data"].said
    (tmp_path / "none").mkdir()
    seen = found(nothing)
    assert {each.weight for each in seen.values()} <= {Weight.OK, Weight.NOTE}
    assert "no keys yet" in seen["keys"].said and "no ledger yet" in seen["database"].said
    assert seen["lock"].said == "never taken: no server has run here"
    assert list((tmp_path / "none").iterdir()) == []
