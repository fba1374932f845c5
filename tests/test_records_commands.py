"""`correct` and `erase` on the command line, with a server and without."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.__main__ import main
from tests.build import item_code, running
from tests.served import World as Served
from tests.served import world as served_world
from tests.serving import Serving, enrolled

ORIGIN = "trace.example"


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="suyuan")


def told(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_a_record_is_corrected_and_what_is_personal_is_erased(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUYUAN_ORIGIN", ORIGIN)
    with running(tmp_path) as world:
        farm = world.firm("farm")
        typed = world.attest(farm.pseudonym, item_code("A1")).leaf_index
        scanned = world.scan(farm, item_code("A2")).leaf_index
    data = ("--data", str(tmp_path))
    for leaf, reason in ((typed, "did_not_occur"), (scanned, "incorrect_data")):
        done = told(run("correct", *data, "--reason", reason, str(leaf)))
        assert (done["corrected"], done["reason"]) == (leaf, reason)
    again = run("correct", *data, "--reason", "did_not_occur", str(typed))
    assert (again.exit_code, again.output.startswith(f"Error: correction of leaf {typed}: declared already")) == (
        1,
        True,
    )
    done = told(run("erase", *data, "--basis", "PIPL 47", str(typed)))
    assert (done["erased"], len(done["positions"])) == (typed, 1)
    nothing = run("erase", *data, "--basis", "PIPL 47", str(scanned))
    assert nothing.output == f"Error: leaf {scanned}: nothing personal is disclosed there, or not any more\n"
    named = told(run("erase", *data, "--basis", "PIPL 47", "--position", "1", "--position", "2", str(scanned)))
    assert named["positions"] == [1, 2]
    with running(tmp_path) as world:
        assert world.audit()[0] == []


def test_a_running_server_carries_it_out(tmp_path: Path) -> None:
    with Serving(enrolled(tmp_path / "data")) as server:
        at = ("--data", str(server.told.data), "--url", f"http://127.0.0.1:{server.port}")
        leaf = server.scan("A1")
        assert told(run("correct", *at, "--reason", "did_not_occur", str(leaf)))["leaf"] == leaf + 1
        refused = run("erase", *at, "--basis", "PIPL 47", "--position", "0", str(leaf))
        assert refused.output.startswith(f"Error: erase leaf {leaf}: disclosure 0 names a thing")


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_world(tmp_path_factory.mktemp("records") / "data") as running_:
        yield running_


def post(here: Served, body: Any, token: str | None = None) -> Any:
    secret = (here.services.settings.keys / "admin.secret").read_text()
    headers = {"Authorization": f"Bearer {secret if token is None else token}", "Accept": "application/json"}
    return here.visitor().post("/admin/records", data=json.dumps(body), headers=headers)


def test_without_the_secret_nothing_is_done(here: Served) -> None:
    assert post(here, {}, "x").status_code == 401
    assert here.signed_in("inspector").post("/admin/records", data="{}").status_code == 401


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ([], "order: expected do and its members, one of correct, erase"),
        ({"do": "correct", "leaf": 1}, "order: expected do and its members, one of correct, erase"),
        ({"do": "correct", "leaf": -1, "reason": "x"}, "leaf -1: expected a leaf index"),
        ({"do": "correct", "leaf": True, "reason": "x"}, "leaf True: expected a leaf index"),
        ({"do": "correct", "leaf": 1, "reason": "x"}, "reason 'x': expected one of did_not_occur, incorrect_data"),
        ({"do": "correct", "leaf": 0, "reason": "did_not_occur"}, "leaf 0: expected a recorded hop"),
        ({"do": "erase", "leaf": 1, "positions": None, "basis": 7}, "basis: expected the legal ground, like PIPL 47"),
        ({"do": "erase", "leaf": 1, "positions": "1", "basis": "x"}, "positions 1: expected a list of numbers"),
        ({"do": "erase", "leaf": 1, "positions": [-1], "basis": "x"}, "positions [-1]: expected a list of numbers"),
        ({"do": "erase", "leaf": 10**9, "positions": [1], "basis": "x"}, "erase leaf 1000000000: the log has "),
    ],
)
def test_an_order_that_says_nothing_sensible_is_refused_with_the_reason(here: Served, body: Any, detail: str) -> None:
    answer = post(here, body)
    assert answer.status_code in (400, 404, 422)
    assert answer.get_json()["detail"].startswith(detail)
