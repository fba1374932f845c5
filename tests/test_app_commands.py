"""The command line of the server: one line for what is wrong, and nothing deleted that is not ours."""

import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from app.__main__ import main
from app.commands.demo import OUR_FOLDERS, OURS
from app.commands.serve import Bell
from app.database import only_process
from app.settings import DEFAULT_ORIGIN, Settings, SettingsError, read_settings
from tests.conftest import ROOT
from tests.served import settings, world


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="suyuan")


def refused(done: Result, *words: str) -> None:
    """Ended 1 with one line."""
    assert done.exit_code == 1, done.output
    assert done.output.startswith("Error: ")
    assert done.output.count("\n") == 1
    for word in words:
        assert word in done.output


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# ---- help ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [[], *([name] for name in main.commands), ["account", "add"], ["account", "list"], ["account", "password"]],
    ids=" ".join,
)
def test_every_command_explains_itself(command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: suyuan {' '.join(command)}".rstrip())
    named: click.Command = main
    for name in command:
        assert isinstance(named, click.Group)
        named = named.commands[name]
    assert named.help
    options = [each for each in named.params if isinstance(each, click.Option) and not each.hidden]
    assert [each.name for each in options if not (each.help or each.type.name == "choice")] == []


def launcher(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(ROOT / "suyuan"), *args], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",), ("help",)])
def test_the_launcher_tells_a_newcomer_what_there_is(args: tuple[str, ...]) -> None:
    done = launcher(*args)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("demo", "test", *main.commands):
        assert f" {name} " in done.stdout, name


@pytest.mark.parametrize("name", ["demon", "--version", "./demo", "python; true"])
def test_an_unknown_command_is_named_before_anything_is_installed(name: str) -> None:
    done = launcher(name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"suyuan: unknown command '{name}'"
    assert "installing" not in done.stderr


def test_an_unknown_command_or_option_of_the_program_ends_2() -> None:
    assert run("demon").exit_code == 2
    assert run("serve", "--prot", "1").exit_code == 2
    assert run("serve", "--port", "0").exit_code == 2
    assert run("serve", "--port", "65536").exit_code == 2


# ---- settings -------------------------------------------------------------------------------------------


def test_settings_have_defaults_and_the_environment_is_above_the_file(tmp_path: Path) -> None:
    plain = read_settings({}, data=tmp_path)
    assert plain == Settings(tmp_path, DEFAULT_ORIGIN, f"sqlite:///{tmp_path}/suyuan.sqlite", 480)
    (tmp_path / "suyuan.toml").write_text('origin = "trace.city.example"\nzone_offset_minutes = 345\n')
    told = read_settings({"SUYUAN_ZONE_OFFSET_MINUTES": "-210"}, data=tmp_path)
    assert (told.origin, told.zone_offset_minutes) == ("trace.city.example", -210)
    assert read_settings({"SUYUAN_DATA": str(tmp_path)}).origin == "trace.city.example"
    assert (plain.open_entries, plain.second_head_file) == (False, tmp_path / "second-head.note")
    kept = {"SUYUAN_OPEN_ENTRIES": "True", "SUYUAN_SECOND_HEAD": str(tmp_path / "other")}
    told = read_settings(kept, data=tmp_path)
    assert (told.open_entries, told.second_head_file) == (True, tmp_path / "other")
    (tmp_path / "suyuan.toml").write_text("open_entries = true\n")
    assert read_settings({}, data=tmp_path).open_entries


_HOST = "expected a host name, like suyuan.example.gov.cn"
_URL = "expected a SQLAlchemy URL, like sqlite:////srv/suyuan/suyuan.sqlite or postgresql+psycopg://suyuan@db/suyuan"
_USER = "expected a user of this machine other than root, like"
_HEAD = "expected a file in a folder that is there, like /mnt/other/suyuan-head.note"
_MINUTES = "expected minutes east of UTC, -840 to 840, like 480"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ORIGIN", "Suyuan Example", f"setting origin 'Suyuan Example': {_HOST}"),
        ("ORIGIN", "", f"setting origin '': {_HOST}"),
        ("ORIGIN", "a.example/x", f"setting origin 'a.example/x': {_HOST}"),
        ("ORIGIN", "a.example\n", f"setting origin 'a.example\\n': {_HOST}"),
        (
            "DATABASE",
            "postgresql://suyuan:password@db/suyuan",
            f"setting database 'postgresql': {_URL}",
        ),
        ("DATABASE", "", f"setting database '': {_URL}"),
        ("SIGNER_USER", "root user", f"setting signer_user 'root user': {_USER} suyuan-signer or 1200"),
        ("WEB_USER", "0", f"setting web_user '0': {_USER} suyuan or 1201"),
        ("SIGNER_USER", "1200", "setting web_user: missing; a signer of its own needs signer_user and web_user"),
        ("WEB_USER", "1201", "setting signer_user: missing; a signer of its own needs signer_user and web_user"),
        ("OPEN_ENTRIES", "yes", "setting open_entries 'yes': expected true or false"),
        ("SECOND_HEAD", "head.note", f"setting second_head 'head.note': {_HEAD}"),
        ("SECOND_HEAD", "/no such folder/head.note", f"setting second_head '/no such folder/head.note': {_HEAD}"),
        *(
            ("ZONE_OFFSET_MINUTES", value, f"setting zone_offset_minutes {value!r}: {_MINUTES}")
            for value in ("", "eight", "841", "-841", "99999999", "4.5", "0x10", "٤٨٠")
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_an_example(
    tmp_path: Path, name: str, value: str, message: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({f"SUYUAN_{name}": value}, data=tmp_path)
    assert str(caught.value) == message


def test_signer_and_server_are_two_users(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"SUYUAN_SIGNER_USER": "suyuan", "SUYUAN_WEB_USER": "suyuan"}, data=tmp_path)
    assert str(caught.value) == "setting web_user 'suyuan': expected another user than signer_user"
    (tmp_path / "suyuan.toml").write_text('signer_user = 1200\nweb_user = "1201:1202"\n')
    told = read_settings({}, data=tmp_path)
    assert (told.signer_user, told.web_user) == ("1200", "1201:1202")


def test_a_folder_name_that_would_begin_the_options_of_a_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({}, data=tmp_path / "a?b")
    assert str(caught.value) == (
        f"setting data {str(tmp_path / 'a?b')!r}: expected a folder without '?' in its name, like /srv/suyuan"
    )


def test_a_wrong_settings_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "suyuan.toml"
    file.write_text("origin = ")
    refused(run("audit", "--data", str(tmp_path)), f"{file}: not TOML: ")
    file.write_bytes(b'origin = "\xff"')
    refused(run("audit", "--data", str(tmp_path)), f"{file}: not TOML: ")
    file.write_text("orgin = 'x'")
    refused(run("audit", "--data", str(tmp_path)), "setting 'orgin': unknown; there are origin, database, ")
    file.write_text("zone_offset_minutes = true")
    refused(run("audit", "--data", str(tmp_path)), "setting zone_offset_minutes 'True': ")


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.touch()
    with pytest.raises(SettingsError) as caught:
        read_settings({"SUYUAN_DATA": str(file)})
    assert str(caught.value) == f"setting data '{file}': expected a folder, like /srv/suyuan"
    assert run("audit", "--data", str(file)).exit_code == 2


# ---- demo: what --reset deletes ----------------------------------------------------------------------------


def made_by_a_demo(data: Path) -> tuple[list[Path], list[Path]]:
    """A folder as a demo leaves it, with files of somebody else beside each of ours."""
    ours = [data / name for name in (*OURS, "demo.json")]
    foreign = [data / "suyuan.toml", data / "suyuan.sqlite.bak", data / "notes.txt"]
    for folder, names in OUR_FOLDERS.items():
        (data / folder).mkdir(parents=True, exist_ok=True)
        ours += [data / folder / name for name in names]
        foreign += [data / folder / name for name in ("mine.key", "mine.secret", "outbox.db.bak", "mine.log", "x.new")]
    (data / "files").mkdir()
    foreign.append(data / "files" / "photo")
    for file in (*ours, *foreign):
        file.write_text("" if file.name == "suyuan.toml" else "x")
    return ours, foreign


def test_reset_deletes_its_own_files_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    ours, foreign = made_by_a_demo(tmp_path)

    class EnoughError(Exception):
        pass

    def stop_here(*_: object) -> None:
        raise EnoughError

    # The story is told elsewhere (test_walks): this one ends where it would begin.
    monkeypatch.setattr("app.commands.demo.open_services", stop_here)
    done = run("demo", "--reset", "--data", str(tmp_path), "--port", str(port))
    assert isinstance(done.exception, EnoughError), done.output
    assert [str(file) for file in ours if file.exists()] == [str(tmp_path / "demo.json")], "written for the new start"
    assert json.loads((tmp_path / "demo.json").read_text()) == {"ready": False}
    assert [str(file) for file in foreign if not file.exists()] == []


def test_without_reset_nothing_is_deleted(tmp_path: Path, port: int) -> None:
    ours, _ = made_by_a_demo(tmp_path)
    with only_process(tmp_path):
        refused(run("demo", "--data", str(tmp_path), "--port", str(port)), "is in use by process")
    assert [file for file in ours if not file.exists()] == []


def test_reset_does_not_touch_a_running_demo_on_another_port(tmp_path: Path, port: int) -> None:
    ours, foreign = made_by_a_demo(tmp_path)
    with only_process(tmp_path):
        refused(
            run("demo", "--reset", "--data", str(tmp_path), "--port", str(port)),
            f"{tmp_path} is in use by process ",
            "one server a data folder",
        )
    for file in (*ours, *foreign):
        assert file.read_text() == ("" if file.name == "suyuan.toml" else "x")


@pytest.mark.parametrize("flags", [(), ("--reset",)], ids=["start", "reset"])
def test_a_demo_does_not_move_into_a_platform(tmp_path: Path, port: int, flags: tuple[str, ...]) -> None:
    with world(tmp_path) as here:
        here.record("REAL")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "server.lock"}
    refused(
        run("demo", *flags, "--data", str(tmp_path), "--port", str(port)),
        f"{tmp_path} holds a platform that no demo made; name another folder with --data",
    )
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file() and file.name != "server.lock"}
    assert after == before


def test_a_demo_does_not_fill_a_database_that_was_set_for_serve(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUYUAN_DATABASE", f"sqlite:///{tmp_path / 'city.sqlite'}")
    refused(run("demo", "--data", str(tmp_path / "demo"), "--port", str(port)), "setting database is for serve")
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_one_line_and_changes_nothing(tmp_path: Path, busy_port: int) -> None:
    for command in ("demo", "serve"):
        done = run(command, "--data", str(tmp_path), "--port", str(busy_port))
        refused(done, f"port {busy_port} is in use on 127.0.0.1; name another with --port N")
    assert [file.name for file in tmp_path.iterdir() if file.name != "server.lock"] == []


# ---- serve, audit, verify -------------------------------------------------------------------------------------


def test_serve_on_a_folder_in_use_is_one_line(tmp_path: Path, port: int) -> None:
    with only_process(tmp_path):
        refused(run("serve", "--data", str(tmp_path), "--port", str(port)), f"{tmp_path} is in use by process ")


def test_a_bell_may_be_rung_by_a_signal_while_it_is_rung() -> None:
    """With a `threading.Event` in its place this hangs at once."""
    bell, rung = Bell(), 0

    def ring(*_: object) -> None:
        nonlocal rung
        rung += 1
        bell.set()

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1e-4, 1e-4)
    try:
        while rung < 200:
            bell.set()
            assert bell.wait(0)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    bell.clear()
    assert not bell.is_set() and not bell.wait(0.01)


def test_serve_on_an_address_of_somebody_else_is_one_line(tmp_path: Path, port: int) -> None:
    refused(run("serve", "--data", str(tmp_path), "--port", str(port), "--host", "no such host"), "host 'no such host'")


def test_audit_without_a_ledger_is_one_line_and_makes_none(tmp_path: Path) -> None:
    refused(run("audit", "--data", str(tmp_path / "none")), "suyuan.sqlite: there is no ledger here")
    assert list(tmp_path.iterdir()) == []


def test_audit_without_the_keys_is_one_line_and_makes_none(tmp_path: Path) -> None:
    (tmp_path / "suyuan.sqlite").touch()
    refused(run("audit", "--data", str(tmp_path)), "keys: the keys of this ledger are not here")
    assert [file.name for file in tmp_path.iterdir()] == ["suyuan.sqlite"]


def damaged(folder: Path) -> "sqlite3.Connection":
    with world(folder) as here:
        here.record("A1")
    return sqlite3.connect(folder / "suyuan.sqlite")


def test_audit_of_what_is_no_database_says_so(tmp_path: Path) -> None:
    damaged(tmp_path).close()
    (tmp_path / "suyuan.sqlite").write_bytes(b"not a database " * 1000)
    done = run("audit", "--data", str(tmp_path))
    assert done.exit_code == 1
    assert "BAD  log: the database cannot be read as ours: file is not a database" in done.output
    assert isinstance(done.exception, SystemExit)


def test_audit_of_values_of_another_type_says_so(tmp_path: Path) -> None:
    database = damaged(tmp_path)
    database.execute("DROP TRIGGER leaf_no_update")
    database.execute("UPDATE leaf SET record = x'00ff', leaf_hash = 7 WHERE leaf_index = 1")
    database.commit()
    database.close()
    done = run("audit", "--data", str(tmp_path))
    assert done.exit_code == 1
    assert "BAD" in done.output
    assert isinstance(done.exception, SystemExit)


def test_audit_beside_a_running_server_agrees_in_words_and_in_json(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.record("A1")
        here.services.publish_now()
        done = run("audit", "--data", str(tmp_path))
        assert done.exit_code == 0, done.output
        assert done.output.startswith("4 leaves, ") and done.output.endswith("everything agrees\n")
        told = json.loads(run("audit", "--json", "--data", str(tmp_path)).output)
        assert (told["leaves"], told["bad"]) == (4, [])
        done = run("audit", "--data", str(tmp_path), "--log-key", "x+00000000+AQ==")
        assert done.exit_code == 1


def test_audit_goes_on_from_the_last_one_in_order(tmp_path: Path) -> None:
    state = tmp_path / "audited.checkpoint"
    with world(tmp_path) as here:
        here.record("A1")
        here.services.publish_now()
        done = run("audit", "--since-last", "--data", str(tmp_path))
        assert (done.exit_code, done.stderr) == (0, "audited.checkpoint: nothing was audited yet, so everything is\n")
        first = state.read_text()
        assert first.splitlines()[1] == "4"
        here.record("A2")
        here.services.publish_now()
        done = run("audit", "--since-last", "--data", str(tmp_path))
        assert done.exit_code == 0
        assert done.output.startswith("5 leaves (those before 4 were audited before), ")
        assert state.read_text().splitlines()[1] == "5"
    with sqlite3.connect(tmp_path / "suyuan.sqlite") as database:
        database.execute("UPDATE head SET rcv_ms = 0")
    database.close()
    told = json.loads(run("audit", "--since-last", "--json", "--data", str(tmp_path)).stdout)
    assert (told["since"], [each["what"] for each in told["bad"]]) == (
        5,
        ["columns origin and rcv of the head do not repeat the leaves"],
    )
    kept = state.read_text()
    run("audit", "--data", str(tmp_path))
    assert state.read_text() == kept, "an audit with a finding is nothing to go on from"
    state.write_text(first.replace("4", "5", 1))
    refused(run("audit", "--since-last", "--data", str(tmp_path)), f"{state}: signature does not belong to these bytes")


def test_audit_that_cannot_keep_where_it_ended_still_says_its_verdict(tmp_path: Path) -> None:
    with world(tmp_path / "data") as here:
        here.record("A1")
        here.services.publish_now()
    nowhere = tmp_path / "no folder" / "state"
    done = run("audit", "--data", str(tmp_path / "data"), "--audited", str(nowhere))
    assert done.exit_code == 0
    assert done.stderr == f"{nowhere}: not kept for --since-last: No such file or directory\n"


def test_audit_names_the_leaves_that_it_does_not_print(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        for number in range(30):
            here.record(f"A{number}")
    with sqlite3.connect(tmp_path / "suyuan.sqlite") as database:
        database.execute("DROP TRIGGER envelope_no_update")
        database.execute("UPDATE envelope SET payload_hash = x'', rcv_ms = 0 WHERE leaf_index NOT IN (28, 30)")
    database.close()
    done = run("audit", "--data", str(tmp_path))
    lines = done.output.splitlines()
    assert [line.startswith("BAD  leaf ") for line in lines[:50]] == [True] * 50
    assert lines[50] == "BAD  and 12 more, leaves 25-27, 29, 31-32; --json has them all"
    assert lines[51].endswith(": 62 contradictions")


def test_audit_shows_a_bar_to_who_looks_at_it(tmp_path: Path) -> None:
    with world(tmp_path) as here:
        here.record("A1")
    looking, shown = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "app", "audit", "--data", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=shown,
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    os.close(shown)
    bar = os.read(looking, 10_000).decode()
    os.close(looking)
    assert "audit" in bar and "100%" in bar
    assert done.stdout.decode().startswith("4 leaves, ")


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff", b"{}"])
def test_verify_of_what_is_no_proof_ends_1_without_a_trace(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(content)
    done = run("verify", str(file))
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert done.output.startswith("INVALID.")


def test_verify_of_a_file_that_is_not_there_ends_2(tmp_path: Path) -> None:
    assert run("verify", str(tmp_path / "none")).exit_code == 2


# ---- account ---------------------------------------------------------------------------------------------------


def test_an_account_is_made_listed_and_given_a_new_password(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path))
    assert run("account", "list", *data).output == ""
    made = run("account", "add", *data, "zhou", "--role", "regulator")
    assert made.exit_code == 0
    name, password = made.output.split()
    assert (name, len(password)) == ("zhou", 19)
    assert run("account", "list", *data).output == "zhou\tregulator\n"
    again = run("account", "password", *data, "zhou").output.split()
    assert again[0] == "zhou" and again[1] != password
    refused(run("account", "add", *data, "zhou", "--role", "regulator"), "account 'zhou': exists already")
    refused(run("account", "password", *data, "nobody"), "account 'nobody': there is none")
    assert run("account", "list", *data).output == "zhou\tregulator\n"
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert password.encode() not in file.read_bytes()
            assert again[1].encode() not in file.read_bytes()


def test_an_operator_belongs_to_a_registered_enterprise(tmp_path: Path) -> None:
    with world(tmp_path):
        pass
    data = ("--data", str(tmp_path))
    refused(run("account", "add", *data, "wu", "--role", "operator"), "--uscc : expected the code of a registered")
    refused(
        run("account", "add", *data, "wu", "--role", "operator", "--uscc", "91990102MADEM0000X"),
        "--uscc 91990102MADEM0000X: expected the code of a registered enterprise",
    )
    made = run("account", "add", *data, "wu", "--role", "operator", "--uscc", "91990102MADEM1153E")
    assert made.exit_code == 0, made.output
    assert "wu\toperator" in run("account", "list", *data).output


@pytest.mark.parametrize("name", [" wu", "", "w" * 61, "w\tu"])
def test_an_account_has_a_name_that_can_be_typed(tmp_path: Path, name: str) -> None:
    refused(run("account", "add", "--data", str(tmp_path), "--role", "regulator", "--", name), "expected 1 to 60")


def test_settings_of_the_tests_are_those_of_a_server(tmp_path: Path) -> None:
    assert settings(tmp_path) == read_settings({}, data=tmp_path)
