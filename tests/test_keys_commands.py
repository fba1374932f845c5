"""The registry of keys on the command line: enrol, delegate, rotate, revoke, list; with a server and without."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from app.__main__ import main
from devices.__main__ import main as devices
from tests.build import DOCK, Firm, World, item_code, private_key, pseudonym, running
from tests.served import World as Served
from tests.served import problem
from tests.served import world as served_world
from tests.serving import Serving, enrolled
from trace.errors import RevokedKeyError, UnknownKeyError, ValidationError
from trace.ledger.disclosure import Disclosure
from trace.ledger.key_request import make_request
from trace.ledger.keys import PrivateKey
from trace.ledger.leaf import KeyLine, Leaf, RevokeLine
from trace.observe import Device, observe_scan
from trace.store import ledger_rows

ORIGIN = "trace.example"
NAMES = {"name": "示例农场", "nameEn": "Example farm", "uscc": "91990102MADEM1137G"}


@pytest.fixture(autouse=True)
def origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUYUAN_ORIGIN", ORIGIN)


def run(*args: str) -> Result:
    return CliRunner().invoke(main, args, prog_name="suyuan")


def edge(*args: str) -> Result:
    return CliRunner().invoke(devices, args, prog_name="suyuan")


def told(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def refused(done: Result, message: str) -> None:
    assert (done.exit_code, done.output) == (1, f"Error: {message}\n")


def asked(folder: Path, name: str, role: str = "device", issuer: str | None = None, origin: str = ORIGIN) -> Path:
    """A key and a request, as the edge makes them."""
    request = folder / f"{name}.request"
    more = () if issuer is None else ("--issuer", issuer)
    args = ("--out", str(folder / f"{name}.key"), "--request", str(request), "--origin", origin, "--role", role)
    told(edge("key", *args, *more))
    return request


def listed(data: Path) -> dict[str, dict[str, Any]]:
    done = run("keys", "list", "--json", "--data", str(data))
    assert done.exit_code == 0, done.output
    return {each["key_id"]: each for each in map(json.loads, done.stdout.splitlines())}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A platform that is stopped."""
    with running(tmp_path / "data"):
        pass
    return tmp_path / "data"


# ---- enrolment ----------------------------------------------------------------------------------------


def test_an_enterprise_is_enrolled_with_its_names_and_gets_a_pseudonym(data: Path, tmp_path: Path) -> None:
    request = asked(tmp_path, "farm", "enterprise")
    key = PrivateKey.load(tmp_path / "farm.key")
    names = ("--name", NAMES["name"], "--name-en", NAMES["nameEn"], "--uscc", NAMES["uscc"])
    done = told(run("keys", "enrol", "--data", str(data), str(request), *names))
    assert done == {"key_id": key.key_id, "issuer": done["issuer"], "role": "enterprise", "registered": 2}
    assert len(done["issuer"]) == 32
    refused(run("keys", "enrol", "--data", str(data), str(request)), f"key {key.key_id[:16]}…: registered already")
    with running(data) as world, world.services.reading() as session:
        leaf = Leaf.parse(ledger_rows.leaves_at(session, 1, [2])[2].record)
        disclosed = ledger_rows.disclosures_of(session, 1, [2])[2]
    assert leaf.body == KeyLine(key.public, done["issuer"], "enterprise")
    assert {d.pointer[1:]: d.value for d in map(Disclosure.parse, disclosed)} == NAMES
    mine = listed(data)[key.key_id]
    assert (mine["role"], mine["issuer"], mine["state"], mine["registered_leaf"]) == (
        "enterprise",
        done["issuer"],
        "active",
        2,
    )


def test_a_device_is_enrolled_under_the_issuer_it_asks_for_and_no_other(data: Path, tmp_path: Path) -> None:
    issuer = pseudonym("farm")
    request = asked(tmp_path, "scale", issuer=issuer)
    args = ("keys", "enrol", "--data", str(data), str(request))
    refused(run(*args, "--issuer", "cd" * 16), f"key request: asks for issuer {issuer}, got {'cd' * 16}")
    assert told(run(*args))["issuer"] == issuer


@pytest.mark.parametrize("written", [b"", b"{}", b"\xff\xfe", b"x" * 10_000])
def test_what_is_no_request_is_one_line(data: Path, tmp_path: Path, written: bytes) -> None:
    file = tmp_path / "request"
    file.write_bytes(written)
    done = run("keys", "enrol", "--data", str(data), str(file))
    assert done.exit_code == 1 and done.output.startswith("Error: ") and done.output.count("\n") == 1


def test_a_request_for_another_log_is_refused(data: Path, tmp_path: Path) -> None:
    request = asked(tmp_path, "farm", "enterprise", origin="else.example")
    refused(
        run("keys", "enrol", "--data", str(data), str(request)),
        "key request is meant for the log 'else.example', this is 'trace.example'",
    )


# ---- delegation ---------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path / "data") as world:
        yield world


def delegated(folder: Path, request: Path, issuer: str, out: str = "parcel.json") -> Result:
    return edge(
        "delegate", str(request), "--key", str(folder / "farm.key"), "--issuer", issuer,
        "--chain", str(folder / "farm.chain"), "--out", str(folder / out),
    )  # fmt: skip


def test_an_enterprise_registers_its_devices_offline(world: World, tmp_path: Path) -> None:
    issuer = pseudonym("farm")
    private_key("farm").save(tmp_path / "farm.key")
    world.firm("farm", role="enterprise")
    for number in (1, 2):
        name = f"scale{number}"
        request = asked(tmp_path, name)
        key = PrivateKey.load(tmp_path / f"{name}.key")
        done = told(delegated(tmp_path, request, issuer, f"{name}.json"))
        assert (done["key_id"], done["seq"]) == (key.key_id, number)
        device = Firm(issuer, Device(key, issuer, ORIGIN), key)
        with pytest.raises(UnknownKeyError):
            world.scan(device, item_code("TOO-EARLY"))
        receipt = world.send((tmp_path / f"{name}.json").read_bytes())
        assert Leaf.parse(receipt.leaf).body == KeyLine(key.public, issuer, "device")
        device.device = Device(key, issuer, ORIGIN)
        world.scan(device, item_code(f"A{number}"))
    assert world.audit()[0] == []


def test_the_same_request_gives_the_same_parcel_and_never_a_second_number(world: World, tmp_path: Path) -> None:
    private_key("farm").save(tmp_path / "farm.key")
    world.firm("farm", role="enterprise")
    request = asked(tmp_path, "scale", issuer=pseudonym("farm"))
    first = told(delegated(tmp_path, request, pseudonym("farm")))
    assert delegated(tmp_path, request, pseudonym("farm")).exit_code == 1, "the file is there"
    again = told(delegated(tmp_path, request, pseudonym("farm"), "again.json"))
    assert (first["seq"], again["seq"]) == (1, 1)
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "parcel.json").read_bytes()
    assert world.send((tmp_path / "parcel.json").read_bytes()).new
    assert not world.send((tmp_path / "again.json").read_bytes()).new


def test_an_enterprise_delegates_devices_of_its_own_alone(world: World, tmp_path: Path) -> None:
    private_key("farm").save(tmp_path / "farm.key")
    world.firm("farm", role="enterprise")
    refused(
        delegated(tmp_path, asked(tmp_path, "sub", "enterprise"), pseudonym("farm")),
        f"{tmp_path / 'sub.request'}: asks for role enterprise; an enterprise registers devices",
    )
    refused(
        delegated(tmp_path, asked(tmp_path, "scale", issuer="cd" * 16), pseudonym("farm")),
        f"key request: asks for issuer {'cd' * 16}, got {pseudonym('farm')}",
    )
    # Who lies about his issuer is found out by the log.
    told(delegated(tmp_path, asked(tmp_path, "liar"), "cd" * 16, "lie.json"))
    with pytest.raises(ValidationError, match="belongs to issuer"):
        world.send((tmp_path / "lie.json").read_bytes())


def test_a_device_delegates_nothing(world: World, tmp_path: Path) -> None:
    private_key("farm").save(tmp_path / "farm.key")
    world.firm("farm", role="device")
    told(delegated(tmp_path, asked(tmp_path, "scale"), pseudonym("farm")))
    with pytest.raises(ValidationError, match="a key of role device may not register a key of role device"):
        world.send((tmp_path / "parcel.json").read_bytes())


def test_an_enterprise_ends_its_devices_offline_and_no_others(world: World, tmp_path: Path) -> None:
    issuer = pseudonym("farm")
    private_key("farm").save(tmp_path / "farm.key")
    world.firm("farm", role="enterprise")
    told(delegated(tmp_path, asked(tmp_path, "scale"), issuer))
    world.send((tmp_path / "parcel.json").read_bytes())
    key = PrivateKey.load(tmp_path / "scale.key")
    device = Firm(issuer, Device(key, issuer, ORIGIN), key)
    world.scan(device, item_code("A1"))

    def withdrawn(key_id: str, out: str, *more: str) -> Result:
        return edge(
            "withdraw", key_id, "--key", str(tmp_path / "farm.key"), "--issuer", issuer, "--origin", ORIGIN,
            "--chain", str(tmp_path / "farm.chain"), "--out", str(tmp_path / out), *more,
        )  # fmt: skip

    assert told(withdrawn(key.key_id, "end.json", "--compromised-from", "4"))["seq"] == 2
    told(withdrawn(key.key_id, "again.json", "--compromised-from", "4"))
    assert (tmp_path / "end.json").read_bytes() == (tmp_path / "again.json").read_bytes()
    receipt = world.send((tmp_path / "end.json").read_bytes())
    assert Leaf.parse(receipt.leaf).body == RevokeLine(key.key_id, 4)
    with pytest.raises(RevokedKeyError):
        world.scan(device, item_code("A2"))
    other = world.firm("other")
    told(withdrawn(other.key_id, "other.json"))
    with pytest.raises(ValidationError, match="a key of role enterprise may not revoke a key of another party"):
        world.send((tmp_path / "other.json").read_bytes())
    refused(withdrawn("12", "short.json"), "key id '12': expected 64 lower-case hex digits")
    assert world.audit()[0] == []


# ---- rotation and revocation ---------------------------------------------------------------------------


def test_a_key_is_rotated_and_the_old_one_ends(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as world:
        old = world.firm("farm")
        world.scan(old, item_code("A1"))
    request = asked(tmp_path, "new")
    new = PrivateKey.load(tmp_path / "new.key")
    done = told(run("keys", "rotate", "--data", str(data), old.key_id[:8], str(request), "--compromised-from", "3"))
    assert done == {
        "key_id": new.key_id,
        "issuer": old.pseudonym,
        "role": "device",
        "registered": 4,
        "revoked": 5,
        "replaces": old.key_id,
    }
    keys = listed(data)
    assert (keys[old.key_id]["state"], keys[old.key_id]["revoked_leaf"]) == ("revoked", 5)
    assert keys[old.key_id]["compromised_from"] == 3
    assert (keys[new.key_id]["state"], keys[new.key_id]["issuer"]) == ("active", old.pseudonym)
    with running(data) as world:
        with pytest.raises(RevokedKeyError):
            world.scan(old, item_code("A2"))
        world.scan(Firm(old.pseudonym, Device(new, old.pseudonym, ORIGIN), new), item_code("A2"))
        assert world.audit()[0] == []
    refused(
        run("keys", "rotate", "--data", str(data), old.key_id, str(request)),
        f"key {old.key_id[:16]}…: revoked already at leaf 5",
    )


def test_a_rotation_that_was_cut_off_is_finished_by_the_same_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as world:
        old = world.firm("farm")
    request = asked(tmp_path, "new")
    told(run("keys", "enrol", "--data", str(data), str(request), "--issuer", old.pseudonym))
    done = told(run("keys", "rotate", "--data", str(data), old.key_id, str(request)))
    assert done["revoked"] == 4 and "registered" not in done
    # A key of somebody else is not taken for the new one.
    stranger = asked(tmp_path, "stranger")
    told(run("keys", "enrol", "--data", str(data), str(stranger)))
    refused(
        run("keys", "rotate", "--data", str(data), done["key_id"], str(stranger)),
        f"key {PrivateKey.load(tmp_path / 'stranger.key').key_id[:16]}…: registered already, for another party or "
        "role, or not active",
    )


def test_a_rotation_keeps_role_and_party(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as world:
        old = world.firm("farm")
    refused(
        run("keys", "rotate", "--data", str(data), old.key_id, str(asked(tmp_path, "big", "enterprise"))),
        "key request asks for role enterprise, the old key has device",
    )
    refused(
        run("keys", "rotate", "--data", str(data), old.key_id, str(asked(tmp_path, "else", issuer="cd" * 16))),
        f"key request: asks for issuer {'cd' * 16}, got {old.pseudonym}",
    )
    assert listed(data)[old.key_id]["state"] == "active"


def test_a_key_is_revoked_with_the_first_leaf_in_doubt(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as world:
        firm = world.firm("farm")
        world.scan(firm, item_code("A1"))
    done = told(run("keys", "revoke", "--data", str(data), firm.key_id, "--compromised-from", "2"))
    assert done == {"key_id": firm.key_id, "issuer": firm.pseudonym, "role": "device", "revoked": 4}
    refused(
        run("keys", "revoke", "--data", str(data), firm.key_id), f"key {firm.key_id[:16]}…: revoked already at leaf 4"
    )
    shown = run("keys", "list", "--data", str(data)).output
    state = "revoked at leaf 4, compromised from 2\t1 recorded, no gaps"
    assert f"{firm.key_id[:16]}\tdevice\t{firm.pseudonym}\tleaf 2\t{state}" in shown.splitlines()
    refused(run("keys", "revoke", "--data", str(data), "0" * 64), f"key {'0' * 64}: not registered in this log")
    refused(
        run("keys", "revoke", "--data", str(data), firm.key_id[:7]),
        f"key id '{firm.key_id[:7]}': expected more of it, at least 8 digits",
    )


@pytest.mark.parametrize("role", ["authority", "attestation"])
def test_the_platforms_own_keys_are_not_ended_here(data: Path, tmp_path: Path, role: str) -> None:
    key_id = next(each["key_id"] for each in listed(data).values() if each["role"] == role)
    message = f"key {key_id[:16]}…: is the platform's own {role} key, it is not ended here"
    refused(run("keys", "revoke", "--data", str(data), key_id), message)
    refused(run("keys", "rotate", "--data", str(data), key_id, str(asked(tmp_path, "new"))), message)


# ---- list ---------------------------------------------------------------------------------------------


def test_the_list_shows_what_is_missing_of_each_chain(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as world:
        firm = world.firm("farm")
        parcels = [world_parcel(world, firm, f"A{n}") for n in range(1, 9)]
        for seq in (2, 5, 7, 8):
            world.send(parcels[seq - 1])
        idle = world.firm("idle")
        shown = run("keys", "list", "--data", str(data)).output.splitlines()
    assert f"{firm.key_id[:16]}\tdevice\t{firm.pseudonym}\tleaf 2\tactive\t4 recorded, missing 1, 3-4, 6" in shown
    assert [line.split("\t")[-1] for line in shown if idle.key_id[:16] in line] == ["nothing sent"]
    mine = listed(data)[firm.key_id]
    assert (mine["recorded"], mine["newest_seq"], mine["gaps"]) == (4, 8, [[1, 1], [3, 4], [6, 6]])


def world_parcel(world: World, firm: Firm, serial: str) -> bytes:
    event = observe_scan(item_code(serial), DOCK, **world.occasion()).event
    return firm.device.sign(event, at=world.clock.now()).to_bytes()


def test_a_frozen_key_is_listed_as_frozen(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as world:
        firm = world.firm("farm")
        first = Device(firm.key, firm.pseudonym, ORIGIN)
        world.scan(firm, item_code("A1"))
        firm.device = first
        with pytest.raises(Exception, match="in quarantine"):
            world.scan(firm, item_code("A2"))
    assert listed(data)[firm.key_id]["state"] == "frozen"
    assert "\tfrozen since 2026-" in run("keys", "list", "--data", str(data)).output


def test_list_without_a_ledger_is_one_line(tmp_path: Path) -> None:
    done = run("keys", "list", "--data", str(tmp_path / "none"))
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "there is no ledger here" in done.output


# ---- beside a running server ----------------------------------------------------------------------------


def test_a_running_server_carries_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUYUAN_ORIGIN")
    with Serving(enrolled(tmp_path / "data")) as server:
        at = ("--data", str(server.told.data), "--url", f"http://127.0.0.1:{server.port}")
        request = asked(tmp_path, "farm", "enterprise", origin=server.told.origin)
        done = told(run("keys", "enrol", *at, str(request)))
        assert done["registered"] == 3
        refused(run("keys", "enrol", *at, str(request)), f"key {done['key_id'][:16]}…: registered already")
        other = asked(tmp_path, "farm2", "enterprise", origin=server.told.origin)
        assert told(run("keys", "rotate", *at, done["key_id"], str(other)))["revoked"] == 5
        assert listed(server.told.data)[done["key_id"]]["state"] == "revoked"
        assert server.scan("A1") == 6
        nowhere = run("keys", "revoke", "--data", str(server.told.data), "--url", "http://127.0.0.1:1", done["key_id"])
        assert nowhere.exit_code == 1 and "is the server there? see --url" in nowhere.output
        wait = httpx.post(f"http://127.0.0.1:{server.port}/admin/keys", json={"do": "revoke"}, timeout=30)
        assert wait.status_code == 401


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_world(tmp_path_factory.mktemp("keys") / "data") as running_:
        yield running_


def order(here: Served, body: Any, token: str | None = None) -> Any:
    secret = (here.services.settings.keys / "admin.secret").read_text()
    headers = {"Authorization": f"Bearer {secret if token is None else token}", "Accept": "application/json"}
    return here.visitor().post("/admin/keys", data=json.dumps(body), headers=headers)


@pytest.mark.parametrize("token", ["", "0" * 64, "é", "x"])
def test_without_the_secret_nothing_is_done(here: Served, token: str) -> None:
    assert order(here, {}, token).status_code == 401
    assert here.visitor().post("/admin/keys", data="{}").status_code == 401
    assert here.signed_in("inspector").post("/admin/keys", data="{}").status_code == 401


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ([], "order: expected do and its members, one of enrol, rotate, revoke"),
        ({"do": "drop"}, "order: expected do and its members, one of enrol, rotate, revoke"),
        ({"do": ["enrol"]}, "order: expected do and its members, one of enrol, rotate, revoke"),
        ({"do": "revoke", "key": "0" * 64}, "order: expected do and its members, one of enrol, rotate, revoke"),
        ({"do": "revoke", "key": "0" * 64, "compromisedFrom": -1}, "compromisedFrom -1: expected a leaf index or null"),
        ({"do": "revoke", "key": "0" * 64, "compromisedFrom": True}, "compromisedFrom True: expected a leaf index or "),
        ({"do": "enrol", "request": 7, "issuer": None, "party": {}}, "request: expected the text of a key request"),
        ({"do": "enrol", "request": "", "issuer": None, "party": {}}, "key request: not JSON at character 0: "),
    ],
)  # fmt: skip
def test_an_order_of_another_form_is_named(here: Served, body: Any, detail: str) -> None:
    answer = order(here, body)
    assert answer.status_code == 400
    assert problem(answer)["detail"].startswith(detail)


@pytest.mark.parametrize(
    "change", [{"issuer": "x"}, {"issuer": 7}, {"party": []}, {"party": {"phone": "1"}}, {"party": {"name": 1}}]
)
def test_an_order_to_enrol_with_a_wrong_member_is_refused(here: Served, change: dict[str, Any]) -> None:
    request = make_request(PrivateKey.generate(), ORIGIN, None, "device").decode()
    answer = order(here, {"do": "enrol", "request": request, "issuer": None, "party": {}} | change)
    assert answer.status_code == 400


# ---- the edge's own command ---------------------------------------------------------------------------------


def test_a_request_is_made_for_a_key_that_is_there(tmp_path: Path) -> None:
    told(edge("key", "--out", str(tmp_path / "a.key")))
    request = ("--request", str(tmp_path / "a.request"), "--origin", ORIGIN)
    told(edge("key", "--key", str(tmp_path / "a.key"), *request))
    assert edge("key", "--key", str(tmp_path / "a.key"), *request).exit_code == 1, "never over an existing file"


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--out", "{}/x", "--key", "{}/y"),
        ("--out", "{}/x", "--request", "{}/r"),
        ("--out", "{}/x", "--origin", ORIGIN),
        ("--out", "{}/x", "--role", "authority"),
    ],
)
def test_options_that_do_not_go_together_make_no_key(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert edge("key", *(arg.format(tmp_path) for arg in args)).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_issuer_makes_no_key(tmp_path: Path) -> None:
    args = ("--out", str(tmp_path / "x"), "--request", str(tmp_path / "r"), "--origin", ORIGIN, "--issuer", "farm")
    done = edge("key", *args)
    assert (done.exit_code, done.output) == (1, "Error: issuer 'farm': expected 32 lower-case hex digits\n")
    assert list(tmp_path.iterdir()) == []
