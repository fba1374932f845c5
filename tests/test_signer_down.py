"""The server beside its signer: what goes on without one, and what waits for it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.commands.options import read_passphrase
from app.services import open_services
from app.settings import Settings
from app.signing import move_keys, pinned
from tests import served
from tests.build import ORIGIN, START, World, item_code, pseudonym, settings
from tests.conftest import ROOT, missing
from tests.running import Process, children, free_port, is_running, wait_until
from tests.serving import Serving, cmdline, enrolled
from tests.signing import own_key, signer_thread
from trace.audit import Audit
from trace.errors import LedgerError, UnavailableError, ValidationError
from trace.ledger.keys import PrivateKey
from trace.signer.client import SignerClient, answers
from trace.signer.head import NOTHING
from trace.signer.signed_head import read
from trace.signer.users import parse_user
from trace.store import ledger_rows
from trace.times import SetClock, SystemClock


class Apart:
    """A running platform, and a signer that can be ended and started again."""

    def __init__(self, told: Settings) -> None:
        self.told = told
        self._signer = ExitStack()
        self.start()
        self._all = ExitStack()
        self.world = World(self._all.enter_context(open_services(told, clock := SetClock(START))), clock)

    def start(self) -> None:
        self._signer.enter_context(signer_thread(self.told))

    def end(self) -> None:
        self._signer.close()

    def close(self) -> None:
        self._all.close()
        self._signer.close()


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    made = Apart(settings(tmp_path))
    yield made
    made.close()


def published(world: World) -> int:
    with world.services.reading() as session:
        newest = ledger_rows.newest_checkpoint(session, 1, ORIGIN)
    return 0 if newest is None else newest.size


def test_hops_of_devices_are_recorded_without_a_signer_and_published_when_it_is_back(apart: Apart) -> None:
    world = apart.world
    firm = world.firm("farm")
    wait_until(lambda: published(world) == 3, "the first checkpoints")
    apart.end()
    receipts = [world.scan(firm, item_code(f"A{n}")) for n in range(5)]
    assert [receipt.leaf_index for receipt in receipts] == [3, 4, 5, 6, 7]
    with pytest.raises(UnavailableError) as refused:
        world.attest(firm.pseudonym, item_code("B1"))
    assert (str(refused.value), refused.value.retry_after_s) == ("the signer does not answer", 2)
    with pytest.raises(UnavailableError):
        world.services.publish_now()
    assert published(world) == 3
    apart.start()
    # Nobody captures anything more: the publisher has not given up.
    wait_until(lambda: published(world) == 8, "the checkpoint over all")
    assert world.attest(firm.pseudonym, item_code("B1")).leaf_index == 8
    assert world.audit()[0] == []


def test_over_http_what_must_be_signed_is_503_and_a_device_is_answered(tmp_path: Path) -> None:
    told, clock = served.settings(tmp_path), SetClock(START)
    with ExitStack() as stack, ExitStack() as signer:
        signer.enter_context(signer_thread(told))
        services = stack.enter_context(open_services(told, clock))
        here = served.World(services, clock, tmp_path, served._people_the(services))
        browser, device = here.signed_in(served.OPERATOR), here.visitor()
        token = served.csrf_token(browser.get("/enterprise/", headers=served.HTML))
        code = f"]d201{served.GTIN}21R1"
        form = {"csrf_token": token, "code": code, "biz_step": "receiving", "place": served.SHOP_GLN}
        signer.close()
        answer = browser.post("/enterprise/", data=form, headers=served.JSON)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert browser.post("/enterprise/", data=form, headers=served.HTML).status_code == 503
        parcel = here.parcel("D1").to_bytes()
        assert device.post("/capture", data=parcel, content_type="application/json").status_code == 201
        signer.enter_context(signer_thread(told))
        assert browser.post("/enterprise/", data=form, headers=served.JSON).status_code == 201


def test_the_server_starts_without_its_signer_once_it_knows_its_keys(apart: Apart) -> None:
    firm, clock, told = apart.world.firm("farm"), apart.world.clock, apart.told
    apart.close()
    with open_services(told, clock, watched_signer=True) as services:
        world = World(services, clock)
        assert world.scan(firm, item_code("A1")).leaf_index == 3
        with pytest.raises(UnavailableError):
            world.attest(firm.pseudonym, item_code("B1"))


def test_a_server_that_has_never_met_its_signer_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.signing.FIRST_CONTACT_S", 0)
    with pytest.raises(UnavailableError, match="no signer answers, and its public keys are not known yet"):
        open_services(settings(tmp_path), SetClock(START), watched_signer=True).__enter__()


def test_a_signer_with_other_keys_is_found_out(apart: Apart) -> None:
    told = apart.told
    apart.close()
    for path in told.signer_folder.iterdir():
        path.unlink()
    with signer_thread(told), pytest.raises(LedgerError, match="holds other keys than those of"):
        open_services(told, SetClock(START)).__enter__()


def test_services_start_a_signer_when_nobody_has(tmp_path: Path) -> None:
    told = settings(tmp_path)
    with open_services(told, SetClock(START)) as services:
        world = World(services, SetClock(START))
        assert world.attest(pseudonym("stall"), item_code("A1")).leaf_index == 2
        assert answers(told.signer_socket) == pinned(told)
        assert world.audit()[0] == []
    assert answers(told.signer_socket) is None


def test_the_web_process_holds_no_private_key(apart: Apart) -> None:
    """Not by name and not by value: what the services hold is walked through."""
    seeds = {own_key(apart.told, role).seed for role in ("authority", "attestation", "log")}
    todo, seen = [apart.world.services], set[int]()
    while todo:
        each = todo.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        assert not isinstance(each, PrivateKey)
        assert not (isinstance(each, bytes) and each in seeds)
        if type(each).__module__.split(".")[0] in ("app", "trace"):
            todo += list(getattr(each, "__dict__", {}).values())
        elif isinstance(each, list | tuple | set | frozenset):
            todo += list(each)
        elif isinstance(each, dict):
            todo += list(each.values())
    assert len(seen) > 50


def test_keys_of_a_first_version_are_moved_to_the_signer(tmp_path: Path) -> None:
    told = settings(tmp_path)
    told.keys.mkdir(parents=True)
    old = {role: PrivateKey.generate() for role in ("authority", "attestation", "log")}
    for role, key in old.items():
        key.save(told.keys / f"{role}.key")
    PrivateKey.generate().save(told.keys / "other.key")
    move_keys(told)
    move_keys(told)
    assert {role: own_key(told, role) for role in old} == old
    assert [path.name for path in told.keys.iterdir()] == ["other.key"]
    assert read(told.signer_folder / "signed-head", told.origin) == (NOTHING, None)
    with signer_thread(told):
        client = SignerClient(told.signer_socket)
        assert client.identity().log == old["log"].public
        client.close()


def test_a_passphrase_file_is_read_when_it_is_for_one_user(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.touch(mode=0o600)
    words.write_text("correct horse battery\n")
    assert read_passphrase(False, words) == b"correct horse battery"
    assert read_passphrase(False, None) is None
    words.write_text("\n")
    with pytest.raises(Exception, match="expected a passphrase, the file is empty"):
        read_passphrase(False, words)
    words.chmod(0o640)
    with pytest.raises(Exception, match="others may read it"):
        read_passphrase(False, words)


# ---- real processes -----------------------------------------------------------------------------------


def test_scans_are_recorded_while_the_signer_is_killed_again_and_again(tmp_path: Path) -> None:
    with Serving(enrolled(tmp_path / "data")) as server:
        leaf = 2
        for round_ in range(5):
            os.kill(server.signer(), signal.SIGKILL)
            for number in range(4):
                leaf += 1
                assert server.scan(f"R{round_}N{number}") == leaf
        os.kill(server.signer(), signal.SIGSTOP)  # it is there and says nothing
        assert server.scan("HANGS") == leaf + 1
        os.kill(server.signer(), signal.SIGKILL)
        wait_until(lambda: server.published() == leaf + 2, "a checkpoint over everything")
        last = server.signer()
    assert not is_running(last)
    with open_services(server.told, SystemClock()) as services, services.reading() as session:
        run = Audit(1, server.told.origin, services.log.verifier_key, services.log.item_secret)
        assert list(run.findings(session)) == []
        assert run.leaves == leaf + 2


def asked_at_a_terminal(args: list[str], answers_: list[str]) -> "tuple[int, str]":
    """Runs `python -m ARGS` at a terminal of its own; answers each question on standard error. Exit code and output."""
    inside, outside = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", *args], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=outside,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    os.close(outside)
    assert process.stderr is not None
    said = ""
    for answer in answers_:
        while not said.endswith(": "):
            character = process.stderr.read(1)
            assert character, said
            said += character
        said += "\n"
        os.write(inside, f"{answer}\n".encode())
    out, err = process.communicate(timeout=60)
    os.close(inside)
    return process.returncode, said + out + err


def test_keys_are_sealed_at_a_terminal_and_served_with_a_passphrase_file(tmp_path: Path) -> None:
    data = enrolled(tmp_path / "data")
    words = tmp_path / "credential"
    words.touch(mode=0o600)
    words.write_text("correct horse battery\n")
    protect = ["app", "signer", "--data", str(data), "--protect"]
    code, said = asked_at_a_terminal(protect, ["correct horse battery", "another horse battery"])
    assert code == 1 and "the two are not the same; nothing was changed" in said
    code, said = asked_at_a_terminal(protect, ["too short", "too short"])
    assert code == 1 and "passphrase: expected at least 12 characters" in said
    code, said = asked_at_a_terminal(protect, ["correct horse battery", "correct horse battery"])
    assert code == 0, said
    assert not any(path.read_text().startswith("suyuan-ed25519-seed") for path in data.rglob("*.key"))
    done = subprocess.run(
        [sys.executable, "-m", "app", "serve", "--data", str(data), "--port", str(free_port())],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "Error: the keys are sealed: give --passphrase-file or --passphrase-fd, or a terminal",
        "Error: the signer did not start; it says above why",
    ]
    with Serving(data, "--passphrase-file", str(words)) as server:
        os.kill(server.signer(), signal.SIGKILL)
        assert server.scan("ONE") == 3
        wait_until(lambda: server.published() == 4, "a checkpoint by the next signer")
    code, said = asked_at_a_terminal(["app", "signer", "--data", str(data), "--unprotect"], ["correct horse battery"])
    assert code == 0, said
    with Serving(data) as server:
        assert server.published() == 4


def test_serve_leaves_a_signer_alone_that_somebody_else_started(tmp_path: Path) -> None:
    data = enrolled(tmp_path / "data")
    signer = Process(tmp_path / "signer.log", "app", "signer", "--data", str(data))
    signer.wait_for("ready")
    with Serving(data) as server:
        assert [pid for pid in children(server.process.popen.pid) if b"\0trace.signer\0" in cmdline(pid)] == []
        server.scan("ONE")
        wait_until(lambda: server.published() == 4, "the checkpoint")
    assert is_running(signer.popen.pid)
    assert signer.stop() == 0


# ---- users of their own (root) --------------------------------------------------------------------------

SIGNER_UID, WEB_UID, STRANGER_UID = 64_321, 64_322, 64_323
"""Numbers need no entry in passwd, so nothing is left behind."""


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may walk through; pytest's own is closed."""
    folder = Path(tempfile.mkdtemp(prefix="suyuan-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def reachable(folder: Path) -> tuple[str, ...]:
    """Words in front of a command that let every user reach our interpreter, where it lies in root's own home.

    A private mount namespace: nobody else sees it, and it is gone with the process.
    """
    home = Path(os.__file__).resolve().parent
    closed = next((each for each in reversed(home.parents) if not each.stat().st_mode & 0o001), None)
    if closed is None:
        return ()
    inside = closed / home.relative_to(closed).parts[0]
    script = (
        'set -e; mount --make-rprivate /; mount --bind "$1" "$3"; mount -t tmpfs -o mode=755 none "$2"; '
        'mkdir "$1"; mount --bind "$3" "$1"; shift 3; exec "$@"'
    )
    seat = folder / "interpreter"
    seat.mkdir()
    words = ("unshare", "-m", "sh", "-c", script, "sh", str(inside), str(closed), str(seat))
    if subprocess.run([*words[:5], "sh", *words[6:], "true"], capture_output=True, check=False).returncode != 0:
        missing("an interpreter that other users may run, or the right to mount")
    return words


def as_user(uid: int, prefix: tuple[str, ...], code: str, *args: str) -> "subprocess.CompletedProcess[str]":
    """Python as this user. It becomes the user before it runs `code`."""
    front = f"import os, sys; os.setgroups([]); os.setresgid({uid}, {uid}, {uid}); os.setresuid({uid}, {uid}, {uid})\n"
    return subprocess.run(
        [*prefix, sys.executable, "-c", front + code, *args],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def status(pid: int, name: str) -> set[str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return set(next(line for line in lines if line.startswith(f"{name}:")).split()[1:])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start two users")
def test_started_as_root_neither_process_is_root_and_the_web_process_cannot_read_the_keys() -> None:
    with open_folder() as folder:
        prefix = reachable(folder)
        env = {"SUYUAN_SIGNER_USER": str(SIGNER_UID), "SUYUAN_WEB_USER": str(WEB_UID)}
        with Serving(enrolled(folder / "data"), prefix=prefix, env=env) as server:
            told, pid = server.told, server.signer()
            for process, uid in ((pid, SIGNER_UID), (server.worker(), WEB_UID)):
                assert status(process, "Uid") == status(process, "Gid") == {str(uid)}
                assert status(process, "Groups") == set()
                assert status(process, "NoNewPrivs") == {"1"}
                assert status(process, "CapEff") == {"0" * 16}
            for path in told.signer_folder.iterdir():
                assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (SIGNER_UID, 0o600)
            assert (told.signer_socket.stat().st_uid, told.signer_socket.stat().st_mode & 0o777) == (WEB_UID, 0o600)
            tries = (
                "open(sys.argv[1] + '/signer/log.key')",
                "os.listdir(sys.argv[1] + '/signer')",
                "os.unlink(sys.argv[1] + '/run/signer.sock')",
                "open('/proc/' + sys.argv[2] + '/mem', 'rb')",
                "os.listdir('/proc/' + sys.argv[2] + '/fd')",
                "os.kill(int(sys.argv[2]), 9)",
                "os.setuid(0)",
            )
            for tried in tries:
                done = as_user(WEB_UID, prefix, tried, str(told.data), str(pid))
                assert "PermissionError: " in done.stderr, (tried, done.stderr)
            # It may ask, and a third user may not.
            ask = "from pathlib import Path; from trace.signer.client import answers as who\n"
            ask += "print(end=who(Path(sys.argv[1])).to_text())"
            assert as_user(WEB_UID, prefix, ask, str(told.signer_socket)).stdout == pinned(told).to_text()
            assert "'NoneType'" in as_user(STRANGER_UID, prefix, ask, str(told.signer_socket)).stderr
            # Work goes on, over a restart too.
            assert server.scan("ONE") == 3
            os.kill(pid, signal.SIGKILL)
            assert server.scan("TWO") == 4
            wait_until(lambda: server.published() == 5, "a checkpoint by the next signer")
            assert status(server.signer(), "Uid") == {str(SIGNER_UID)}
        # A folder that the web user puts in the signer's place is not taken for it.
        real = told.signer_folder.rename(told.data / "away")
        swapped = as_user(WEB_UID, prefix, "os.mkdir(sys.argv[1])", str(told.signer_folder))
        assert swapped.returncode == 0, swapped.stderr
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "app", "signer", "--data", str(told.data)],
            cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert f"belongs to user {WEB_UID}, expected {SIGNER_UID}; somebody has put it there" in done.stderr
        told.signer_folder.rmdir()
        real.rename(told.signer_folder)
        # Root's commands may look at it afterwards.
        done = subprocess.run(
            [sys.executable, "-m", "app", "audit", "--data", str(told.data)], cwd=ROOT, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def test_a_user_is_a_name_of_the_machine_or_numbers_and_never_root() -> None:
    assert (parse_user("1200").uid, parse_user("1200").gid) == (1200, 1200)
    assert (parse_user("1200:7").uid, parse_user("1200:7").gid) == (1200, 7)
    assert parse_user("nobody").uid == 65_534
    for wrong in ("", "0", "root", "no such user", "1200:", "-1", "x" * 40, "nobody-of-that-name"):
        with pytest.raises(ValidationError):
            parse_user(wrong)
