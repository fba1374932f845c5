"""The platform and its witnesses: quorum, faults of a witness, and the fork guard. Real witnesses over real HTTP."""

import hashlib
import html
import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from app import witnesses
from app.commands.serve import serve
from app.database import Database
from app.services import Services, load_secrets, open_services
from app.settings import SettingsError, read_settings
from app.signing import signer_keys
from app.witness import Witness, WitnessServer, open_witness
from tests.running import Process, free_port, wait_until
from tests.served import HTML, ORIGIN, START, World, settings, world
from tests.signing import signer_beside
from trace.errors import LedgerError, TraceError, UnavailableError
from trace.ledger.checkpoint import Head, sign_checkpoint
from trace.ledger.cosignature import cosign, cosignatures
from trace.ledger.keys import PrivateKey
from trace.ledger.note import Note, VerifierKey, cosigner_key, ed25519_key
from trace.ledger.policy import Policy
from trace.ledger.verify import Outcome, verify_package
from trace.ledger.verify_policy import read_policy
from trace.ledger.witness import AddCheckpoint
from trace.observe import Device
from trace.publish import SecondHead, given_out
from trace.register import register_key
from trace.signer.client import SignerClient
from trace.signer.key_files import open_ring
from trace.store import ledger_rows, witness_rows
from trace.times import SetClock, SystemClock

GTIN_PATH = "/01/09520000000028/21"


def log_key(folder: Path) -> PrivateKey:
    """Made before the first start, when it is asked for before."""
    told = settings(folder)
    told.signer_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return open_ring(told.signer_folder, told.origin, None).log


@dataclass
class Cosigner:
    """A witness on a port of its own."""

    witness: Witness
    url: str

    @property
    def line(self) -> str:
        return f"{self.witness.key} {self.url}"

    def size(self) -> int:
        note = self.witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
        return 0 if note is None else Head.parse(Note.parse(note).text).size


@contextmanager
def cosigner(folder: Path, log: PrivateKey, server: type[WitnessServer] = WitnessServer) -> Iterator[Cosigner]:
    logs = {ORIGIN: (ed25519_key(ORIGIN, log.public),)}
    with (
        open_witness(folder, f"{folder.name}.example", logs, SystemClock()) as witness,
        server(("127.0.0.1", 0), witness) as served,
    ):
        thread = threading.Thread(target=served.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Cosigner(witness, f"http://127.0.0.1:{served.server_address[1]}")
        finally:
            served.shutdown()
            thread.join()


@dataclass
class City:
    """A data folder with witnesses around it; the platform on it is started and stopped by the test."""

    folder: Path
    stack: ExitStack
    cosigners: list[Cosigner] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.data = self.folder / "data"
        self.data.mkdir()
        self.log = log_key(self.data)
        self._device: Device | None = None

    @contextmanager
    def running(self) -> Iterator[World]:
        """The platform on what lies there; its people and their device are registered at the first start."""
        if self._device is None:
            with world(self.data) as here:
                self._device = here.device
                yield here
            return
        clock = SetClock(START)
        with signer_beside(settings(self.data)), open_services(settings(self.data), clock) as services:
            yield World(services, clock, self.data, self._device)

    @property
    def device(self) -> Device:
        assert self._device is not None
        return self._device

    def witness(self, server: type[WitnessServer] = WitnessServer) -> Cosigner:
        folder = self.folder / f"w{len(self.cosigners)}"
        self.cosigners.append(self.stack.enter_context(cosigner(folder, self.log, server)))
        return self.cosigners[-1]

    def policy(self, threshold: int, *more: str) -> None:
        lines = [each.line for each in self.cosigners] + list(more)
        text = "".join(f"witness w{n} {line}\n" for n, line in enumerate(lines))
        text += f"group all {threshold} {' '.join(f'w{n}' for n in range(len(lines)))}\nquorum all\n"
        (self.data / "witnesses.policy").write_text(text)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with ExitStack() as stack:
        yield City(tmp_path, stack)


def checkpoint(here: World) -> tuple[int, Note]:
    note = Note.parse(here.visitor().get("/checkpoint").text)
    return Head.parse(note.text).size, note


def newest(here: World) -> int:
    with here.services.reading() as session:
        found = ledger_rows.newest_checkpoint(session, 1, ORIGIN)
    return 0 if found is None else found.size


def cosigners_of(note: Note, city: City) -> int:
    return len(cosignatures(note, [each.witness.key for each in city.cosigners]))


def wait_for_cosigned(here: World, city: City, count: int) -> None:
    """Until the newest checkpoint is given out with so many cosignatures."""

    def holds() -> bool:
        size, note = checkpoint(here)
        return size == newest(here) and cosigners_of(note, city) == count

    here.services.publish_now()
    wait_until(holds, f"{count} cosignatures over {newest(here)} leaves")


DEAD = f"{cosigner_key('dead.example', PrivateKey(bytes(32)).public)} http://127.0.0.1:{free_port()}"


# ---- quorum -------------------------------------------------------------------------------------


def test_two_of_three_cosign_while_the_third_is_dead(city: City) -> None:
    city.witness(), city.witness()
    city.policy(2, DEAD)
    with city.running() as here:
        for serial in ("Q1", "Q2", "Q3"):
            here.record(serial)
            wait_for_cosigned(here, city, 2)
        size, note = checkpoint(here)
        assert note.signed_by(ed25519_key(ORIGIN, city.log.public))
        assert [each.size() for each in city.cosigners] == [size, size]
        package = here.visitor().get(f"{GTIN_PATH}/Q3/proof").get_json()
        assert cosigners_of(Note.parse(package["checkpoint"]), city) == 2
        proof = here.visitor().get(f"/tlog-proof/{size - 1}").text
        assert proof.endswith(f"\n\n{note}")


def test_a_fresh_checkpoint_is_held_back_for_its_quorum_and_not_for_ever(city: City) -> None:
    witness = city.witness()
    city.policy(1)
    with city.running() as here:
        here.record("H1")
        wait_for_cosigned(here, city, 1)
        before, _ = checkpoint(here)
        here.services.witnesses.stop()  # from here on nobody cosigns
        here.record("H2")
        here.services.publish_now()
        assert newest(here) == before + 1
        assert checkpoint(here)[0] == before
        waiting = here.visitor().get(f"{GTIN_PATH}/H2/proof")
        assert (waiting.status_code, waiting.headers["Retry-After"]) == (503, "1")
        assert here.visitor().get(f"/tlog-proof/{before}").status_code == 404
        here.clock.advance(seconds=5)
        size, note = checkpoint(here)
        assert (size, cosigners_of(note, city)) == (before + 1, 0)
        assert here.visitor().get(f"{GTIN_PATH}/H2/proof").status_code == 200
        # What an older checkpoint with a quorum covers is still proven by that.
        old = here.visitor().get(f"{GTIN_PATH}/H1/proof").get_json()["checkpoint"]
        assert (Head.parse(Note.parse(old).text).size, cosigners_of(Note.parse(old), city)) == (before, 1)
        assert witness.size() == before


def test_a_busy_log_without_witnesses_goes_on(city: City) -> None:
    """Each new checkpoint is fresh; what counts is how long the last cosigned one has been behind."""
    city.witness()
    city.policy(1)
    with city.running() as here:
        here.record("B0")
        wait_for_cosigned(here, city, 1)
        before, _ = checkpoint(here)
        here.services.witnesses.stop()
        shown = []
        for n in range(6):
            here.record(f"B{n + 1}")
            here.services.publish_now()
            shown.append(checkpoint(here)[0])
            here.clock.advance(seconds=2)
        assert shown == [before, before, before, before + 4, before + 5, before + 6]


def test_without_a_policy_checkpoints_are_given_out_at_once(city: City) -> None:
    with city.running() as here:
        here.record("N1")
        here.services.publish_now()
        size, note = checkpoint(here)
        assert (size, len(note.signatures)) == (newest(here), 1)
        with here.services.reading() as session:
            assert witness_rows.asked_ms_after(session, 1, 0) is None


def test_a_quorum_that_was_never_reached_hides_nothing(city: City) -> None:
    city.policy(1, DEAD)
    with city.running() as here:
        here.record("D1")
        here.services.publish_now()
        assert checkpoint(here)[0] == newest(here)
        policy = Policy.parse((city.data / "witnesses.policy").read_bytes())
        with here.services.reading() as session:
            found = given_out(session, 1, ORIGIN, policy, here.clock.now(), covering=2)
        assert found is not None and found.size == newest(here)


def test_a_witness_that_knows_us_already_names_the_size_to_begin_from(city: City) -> None:
    """409, c2sp.org/tlog-witness: our memory of what it cosigned is gone, its is not."""
    witness = city.witness()
    with city.running() as here:
        here.record("K1")
        here.services.publish_now()
        with here.services.reading() as session:
            signed = ledger_rows.newest_checkpoint(session, 1, ORIGIN)
        assert signed is not None
        assert witness.witness.add_checkpoint(AddCheckpoint(0, (), signed.note).to_bytes()).status == 200
    city.policy(1)
    with city.running() as here:
        here.record("K2")
        wait_for_cosigned(here, city, 1)
        assert witness.size() == newest(here) > signed.size


def test_cosignatures_survive_a_restart_and_go_on(city: City) -> None:
    city.witness()
    city.policy(1)
    with city.running() as here:
        here.record("R1")
        wait_for_cosigned(here, city, 1)
        before = checkpoint(here)
    with city.running() as here:
        assert checkpoint(here) == before
        here.record("R2")
        wait_for_cosigned(here, city, 1)
        assert city.cosigners[0].size() == newest(here)


# ---- a witness at fault -------------------------------------------------------------------------


Lie = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, str, str]]


@contextmanager
def liar(lie: Lie) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that answers as `lie` says; its URL, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._lie(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            self._lie(b"")

        def _lie(self, data: bytes) -> None:
            asked.append(self.command)
            status, media_type, body = lie(self, data)
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name is http.server's)
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that hung up is none of our errors."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


OWN = PrivateKey(bytes([9]) * 32)
LIAR = cosigner_key("liar.example", OWN.public)


def posted(answer: Callable[[bytes], tuple[int, str, str]]) -> Lie:
    """404 to everything but add-checkpoint."""
    return lambda handler, data: answer(data) if handler.command == "POST" else (404, "text/plain", "")


def over(data: bytes, twist: Callable[[str], str] = str, key: PrivateKey = OWN, name: str = "liar.example") -> str:
    """A cosignature line over the checkpoint of the request, or over a twisted one."""
    return f"{cosign(twist(Note.parse(AddCheckpoint.parse(data).note).text), 7, name, key)}\n"


LIES: dict[str, Lie] = {
    "nonsense": posted(lambda data: (200, "text/plain", "nonsense\n")),
    "nothing": posted(lambda data: (200, "text/plain", "")),
    "another text": posted(lambda data: (200, "text/plain", over(data, lambda text: text + "x\n"))),
    "another key": posted(lambda data: (200, "text/plain", over(data, key=PrivateKey(bytes([8]) * 32)))),
    "another name": posted(lambda data: (200, "text/plain", over(data, name="else.example"))),
    "endless": posted(lambda data: (200, "text/plain", "x" * 300_000)),
    "an error": posted(lambda data: (500, "text/plain", "on fire\n")),
    "unknown log": posted(lambda data: (404, "text/plain", "unknown log\n")),
    "a size that never fits": posted(lambda data: (409, "text/x.tlog.size", "0\n")),
    "no size": posted(lambda data: (409, "text/x.tlog.size", "many\n")),
    "a redirect": posted(lambda data: (307, "text/plain", "")),
    "a checkpoint that we never signed": lambda handler, data: (
        200,
        "text/plain",
        sign_checkpoint(ORIGIN, 999, bytes(32), OWN).note,
    ),
}


@pytest.mark.parametrize("lie", [name for name in LIES if name != "no size"])
def test_a_lying_witness_keeps_nobody_from_publishing(city: City, lie: str) -> None:
    city.witness()
    with liar(LIES[lie]) as (url, asked):
        city.policy(1, f"{LIAR} {url}")
        with city.running() as here:
            here.record("L1")
            wait_for_cosigned(here, city, 1)
            wait_until(lambda: bool(asked), "a question to the liar")
            assert here.services.fork is None
            with here.services.reading() as session:
                lines = witness_rows.cosignatures(session, 1, newest(here))
            assert OWN.key_id not in lines


def test_lines_of_others_in_an_answer_are_ignored(city: City) -> None:
    def two(data: bytes) -> tuple[int, str, str]:
        return 200, "text/plain", over(data, name="else.example") + over(data)

    with liar(posted(two)) as (url, _):
        city.policy(1, f"{LIAR} {url}")
        with city.running() as here:
            here.record("O1")
            here.services.publish_now()

            def cosigned() -> bool:
                with here.services.reading() as session:
                    return OWN.key_id in witness_rows.cosignatures(session, 1, newest(here))

            wait_until(cosigned, "the cosignature")
            size, note = checkpoint(here)
            assert [line.name for line in note.signatures] == [ORIGIN, "liar.example"]
            assert size == newest(here)


def test_a_witness_that_agreed_before_cannot_stop_us_by_a_number(city: City, caplog: pytest.LogCaptureFixture) -> None:
    """After the first agreement nothing here can have gone back without a restart."""
    answers = [lambda data: (200, "text/plain", over(data))]

    def later(data: bytes) -> tuple[int, str, str]:
        return answers[0](data)

    with liar(posted(later)) as (url, asked):
        city.policy(1, f"{LIAR} {url}")
        with city.running() as here:

            def cosigned() -> bool:
                with here.services.reading() as session:
                    return OWN.key_id in witness_rows.cosignatures(session, 1, newest(here))

            here.record("A1")
            here.services.publish_now()
            wait_until(cosigned, "the cosignature")
            for answer in (
                (409, "text/x.tlog.size", "999\n"),
                (422, "text/plain", "no\n"),
                (409, "text/plain", "no\n"),
            ):
                answers[0] = lambda data, answer=answer: answer
                count = len(asked)
                here.record(f"A{count}{answer[0]}{answer[2].strip()}")
                here.services.publish_now()
                wait_until(lambda count=count: len(asked) > count, "a question")
            assert here.services.fork is None
            here.record("A9")


def test_a_witness_that_hangs_is_waited_for_once_and_not_long(city: City, caplog: pytest.LogCaptureFixture) -> None:
    """It answers only when the test ends; the platform signs without what it knows, and says so once."""
    release = threading.Event()

    def hang(handler: BaseHTTPRequestHandler, data: bytes) -> tuple[int, str, str]:
        release.wait()
        return 404, "text/plain", ""

    with caplog.at_level(logging.WARNING), liar(hang) as (url, asked):
        city.policy(1, f"{LIAR} {url}")
        try:
            with city.running() as here:
                here.record("W1")
                here.services.publish_now()
                here.services.publish_now()
                assert newest(here) == 4
                assert here.services.fork is None
                assert set(asked) == {"GET"}
                release.set()
        finally:
            release.set()
    late = [record.getMessage() for record in caplog.records if "has not answered yet" in record.getMessage()]
    assert late == ["witness w0 has not answered yet; signing without what it knows"]


def test_a_witness_that_answers_drop_by_drop_is_given_up(
    city: City, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read is in time, the answer never ends."""
    monkeypatch.setattr(witnesses, "TIMEOUT_S", 1)
    release = threading.Event()

    def drip(handler: BaseHTTPRequestHandler, data: bytes) -> tuple[int, str, str]:
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            while not release.wait(0.01):
                handler.wfile.write(b"x")
        raise ConnectionAbortedError

    with caplog.at_level(logging.WARNING), liar(drip) as (url, _):
        city.policy(1, f"{LIAR} {url}")
        try:
            with city.running() as here:
                here.record("V1")
                here.services.publish_now()
                assert newest(here) == 4
                wait_until(lambda: any("takes longer than 2 s" in said for said in caplog.messages), "giving up")
        finally:
            release.set()


def test_a_url_that_is_none_is_a_witness_that_is_away(city: City) -> None:
    city.policy(1, f"{LIAR} gopher://w.example", f"{DEAD[: DEAD.index(' ')]} http://[")
    with city.running() as here:
        here.record("G1")
        here.services.publish_now()
        assert newest(here) == 4
        assert here.services.fork is None


# ---- the fork guard -----------------------------------------------------------------------------


def copy_of(folder: Path, data: Path) -> Path:
    """The database as it stands, closed."""
    copy = folder / "older.sqlite"
    assert not list(data.glob("suyuan.sqlite-*"))
    shutil.copy(data / "suyuan.sqlite", copy)
    return copy


def restore(copy: Path, data: Path) -> None:
    for file in data.glob("suyuan.sqlite*"):
        file.unlink()
    shutil.copy(copy, data / "suyuan.sqlite")


def older_copy(city: City, *serials: str) -> int:
    """Run, copy the database, run on, put the copy back. Leaves that were signed."""
    with city.running() as here:
        here.record("F0")
        here.services.publish_now()
    copy = copy_of(city.folder, city.data)
    with city.running() as here:
        for serial in serials or ("F1", "F2"):
            here.record(serial)
        if city.cosigners:
            wait_for_cosigned(here, city, len(city.cosigners))
        else:
            here.services.publish_now()
        signed = newest(here)
    restore(copy, city.data)
    return signed


def refuses(here: World, says: str) -> None:
    """Signs nothing, takes nothing, goes on reading."""
    before = newest(here)
    assert here.services.fork is not None
    with pytest.raises(LedgerError, match=says):
        here.services.publish_now()
    assert newest(here) == before
    with pytest.raises(UnavailableError):
        here.record("F9")
    browser = here.visitor()
    assert browser.get(f"{GTIN_PATH}/F0", headers=HTML).status_code == 200
    assert browser.get("/checkpoint").status_code == 200
    assert browser.get("/healthz").get_json()["signing"] is False
    sent = browser.post("/capture", data=here.parcel("F8").to_bytes(), content_type="application/json")
    assert (sent.status_code, sent.headers["Retry-After"]) == (503, "60")


def test_an_older_copy_is_served_and_not_signed(city: City, caplog: pytest.LogCaptureFixture) -> None:
    signed = older_copy(city)
    with caplog.at_level(logging.ERROR), city.running() as here:
        refuses(here, "an older copy was restored")
        (told,) = [record.getMessage() for record in caplog.records if record.name == "app.services"]
        assert f"second-head.note knows a checkpoint over {signed} leaves that this log signed" in told
        assert f"and the database has {signed - 2}: an older copy was restored." in told
        assert "To recover, stop the server, put back the newest copy of the database and start again." in told
    with city.running() as here:
        assert here.services.fork is not None  # again, until it is resolved


def test_the_newest_copy_put_back_signs_again(city: City) -> None:
    with city.running() as here:
        here.record("F0")
        here.services.publish_now()
    older = copy_of(city.folder, city.data)
    with city.running() as here:
        here.record("F1")
        here.services.publish_now()
    newer = city.folder / "newer.sqlite"
    shutil.copy(city.data / "suyuan.sqlite", newer)
    restore(older, city.data)
    with city.running() as here:
        assert here.services.fork is not None
    restore(newer, city.data)
    with city.running() as here:
        before = newest(here)
        here.record("F2")
        here.services.publish_now()
        assert here.services.fork is None
        assert newest(here) == before + 1


def test_a_clean_restart_signs(city: City) -> None:
    city.witness()
    city.policy(1)
    for serial in ("C1", "C2", "C3"):
        with city.running() as here:
            assert here.services.fork is None
            here.record(serial)
            wait_for_cosigned(here, city, 1)


class Mute(WitnessServer):
    """A witness that tells nobody what it cosigned: the monitoring prefix may be elsewhere."""

    def finish_request(self, request: object, client_address: object) -> None:
        class Handler(self.RequestHandlerClass):  # type: ignore[name-defined, misc]
            def do_GET(self) -> None:  # noqa: N802  (the name is http.server's)
                self.send_error(404)

        Handler(request, client_address, self)


@pytest.mark.parametrize("server", [WitnessServer, Mute])
def test_with_the_whole_folder_restored_a_witness_still_knows(city: City, server: type[WitnessServer]) -> None:
    """The second head file lies in the folder and is as old as the database: only somebody else can know better."""
    witness = city.witness(server)
    city.policy(1)
    signed = older_copy(city)
    (city.data / "second-head.note").unlink()
    with city.running() as here:
        wait_until(lambda: here.services.fork is not None, "the witness's answer")
        refuses(here, f"witness w0 .* knows a checkpoint over {signed} leaves")
        assert newest(here) == signed - 2
    assert witness.size() == signed


def test_with_everything_but_the_keys_gone_nothing_is_signed_before_a_witness_is_heard(city: City) -> None:
    witness = city.witness()
    city.policy(1)
    signed = older_copy(city)
    for file in (*city.data.glob("suyuan.sqlite*"), city.data / "second-head.note"):
        file.unlink()
    with city.running() as here:
        wait_until(lambda: here.services.fork is not None, "the witness's answer")
        assert newest(here) == 0
        assert here.visitor().get("/checkpoint").status_code == 503
        assert not (city.data / "second-head.note").exists()
    assert witness.size() == signed


@pytest.mark.parametrize("server", [WitnessServer, Mute])
def test_another_history_of_the_same_length_or_more_is_found_too(city: City, server: type[WitnessServer]) -> None:
    witness = city.witness(server)
    city.policy(1)
    signed = older_copy(city)
    for file in ("second-head.note", "witnesses.policy"):
        (city.data / file).unlink()
    with city.running() as here:
        # An operator who starts without guard writes another history.
        for serial in ("X1", "X2", "X3"):
            here.record(serial)
        here.services.publish_now()
        assert newest(here) > signed
    (city.data / "second-head.note").unlink()
    city.policy(1)
    with city.running() as here:
        wait_until(lambda: here.services.fork is not None, "the witness's answer")
        refuses(here, "it is another history")
    assert witness.size() == signed


def test_another_history_is_found_by_the_second_head_as_well(city: City) -> None:
    signed = older_copy(city)
    kept = (city.data / "second-head.note").read_text()
    (city.data / "second-head.note").unlink()
    with city.running() as here:
        for serial in ("X1", "X2", "X3"):
            here.record(serial)
        here.services.publish_now()
        assert newest(here) > signed
    (city.data / "second-head.note").write_text(kept)
    with city.running() as here:
        here.record("X4")
        wait_until(lambda: here.services.fork is not None, "the publisher")
        refuses(here, "leaves in the database are others: it is another history")


def test_the_first_checkpoint_after_a_start_waits_for_what_witnesses_know(city: City) -> None:
    """With a leaf that is committed and not signed: nothing is signed before the witness has said what it knows."""
    city.witness()
    city.policy(1)
    signed = older_copy(city)
    (city.data / "second-head.note").unlink()
    (city.data / "witnesses.policy").rename(city.folder / "policy")
    with unpublished(city) as here:
        here.record("U1")
        before = newest(here)
    (city.folder / "policy").rename(city.data / "witnesses.policy")
    with city.running() as here:
        wait_until(lambda: here.services.fork is not None, "the witness's answer")
        assert newest(here) == before < signed


@contextmanager
def unpublished(city: City) -> Iterator[World]:
    """A platform that takes parcels and signs nothing."""
    told, clock = settings(city.data), SetClock(START)
    with ExitStack() as stack:
        stack.enter_context(signer_beside(told))
        client = SignerClient(told.signer_socket)
        stack.callback(client.close)
        keys = signer_keys(told, client)
        services = Services(told, clock, Database(told.database), load_secrets(told.keys), keys)
        stack.callback(services.close)
        services.sequencer.start()
        yield World(services, clock, city.data, city.device)


def test_a_second_head_that_is_none_is_a_reason_to_stop(city: City) -> None:
    with city.running() as here:
        here.record("F0")
        here.services.publish_now()
    (city.data / "second-head.note").write_text("nonsense")
    with city.running() as here:
        refuses(here, "the second head file .* not a checkpoint of this log")


def test_the_second_head_is_written_before_a_checkpoint_is_given_out(city: City) -> None:
    with city.running() as here:
        here.record("F0")
        here.services.publish_now()
        file = city.data / "second-head.note"
        head = SecondHead(file).read(ORIGIN, city.log.public)
        assert head is not None and head.size == newest(here)
        # Where it cannot be written, nothing is given out.
        file.unlink()
        file.mkdir()
        before = newest(here)
        here.record("F1")
        with pytest.raises(LedgerError) as refused:
            here.services.publish_now()
        assert refused.value.code is None  # it may pass
        assert newest(here) == before
        file.rmdir()
        here.services.publish_now()
        assert newest(here) == before + 1


def test_a_crash_between_second_head_and_commit_is_no_fork(city: City) -> None:
    """The file says what will be signed again: the leaves were committed before."""
    with city.running() as here:
        here.record("F0")
        here.services.publish_now()
    with unpublished(city) as here:
        here.record("F1")
        tree = here.services.tree()
        size = len(tree)
        assert size == newest(here) + 1
    lost = sign_checkpoint(ORIGIN, size, tree.root(size), city.log)
    SecondHead(city.data / "second-head.note").write(lost)
    with city.running() as here:
        here.services.publish_now()
        assert here.services.fork is None
        with here.services.reading() as session:
            assert ledger_rows.newest_checkpoint(session, 1, ORIGIN) == lost


def test_a_database_that_is_gone_is_an_older_copy_too(city: City) -> None:
    with city.running() as here:
        here.record("F0")
        here.services.publish_now()
    for file in city.data.glob("suyuan.sqlite*"):
        file.unlink()
    with city.running() as here:
        assert "over 4 leaves that this log signed, and the database has 0" in str(here.services.fork)
        # The device is not registered in what is left; it must not hear that it never was.
        sent = here.visitor().post("/capture", data=here.parcel("F1").to_bytes(), content_type="application/json")
        assert sent.status_code == 503
        assert here.visitor().get("/checkpoint").status_code == 503


def test_the_second_head_may_lie_on_another_disk(city: City) -> None:
    other = city.folder / "other disk"
    other.mkdir()
    told = replace(settings(city.data), second_head=other / "head.note")
    with signer_beside(told), open_services(told, SetClock(START)) as services:
        services.publish_now()
        assert (other / "head.note").read_text().startswith(f"{ORIGIN}\n2\n")
    assert not (city.data / "second-head.note").exists()


# ---- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("quorum\n", "witnesses.policy: policy, line 1: 0 words behind 'quorum': expected quorum <name>"),
        (
            f"log {ed25519_key('b.example', OWN.public)}\nquorum none\n",
            "witnesses.policy: expected this log among its logs: log suyuan.yunqiao.example",
        ),
    ],
)
def test_a_policy_that_is_wrong_is_said_at_start(city: City, text: str, says: str) -> None:
    (city.data / "witnesses.policy").write_text(text)
    with pytest.raises(SettingsError) as refused, city.running():
        raise AssertionError("started")
    assert says in str(refused.value)


def test_serve_says_what_is_wrong_with_the_policy_in_one_line(city: City) -> None:
    (city.data / "witnesses.policy").write_text("quorum nobody\n")
    result = CliRunner().invoke(serve, ["--data", str(city.data), "--port", str(free_port())])
    says = "policy, line 1: 'nobody': no earlier line defines a witness or group of this name"
    assert (result.exit_code, result.output) == (1, f"Error: {city.data / 'witnesses.policy'}: {says}\n")


def test_a_policy_that_names_this_log_is_taken(city: City) -> None:
    key = VerifierKey.parse(str(ed25519_key(ORIGIN, city.log.public)))
    (city.data / "witnesses.policy").write_text(f"log {key} https://log.example/\nquorum none\n")
    with city.running() as here:
        here.services.publish_now()
        assert checkpoint(here)[0] == newest(here) == 3


# ---- the page and the command -------------------------------------------------------------------


def test_the_page_ships_the_policy_and_the_command_demands_it(city: City) -> None:
    city.witness(), city.witness()
    city.policy(2)
    with city.running() as here:
        here.record("P1")
        wait_for_cosigned(here, city, 2)
        page = here.visitor().get(f"{GTIN_PATH}/P1", headers=HTML).text
        shipped = re.search('data-policy="([^"]*)"', page)
        assert shipped is not None
        assert len(page.encode()) < 12 * 1024
        package = here.visitor().get(f"{GTIN_PATH}/P1/proof").data
    policy = (city.data / "witnesses.policy").read_bytes()
    shown = html.unescape(shipped[1]).encode()
    assert read_policy(shown) == read_policy(policy)
    assert str(city.cosigners[0].url).encode() not in shown
    for demanded in (policy, shown):
        report = verify_package(package, policy=demanded)
        assert (report.outcome, report.checks[0].detail.endswith("cosigned by w0, w1")) == (Outcome.VALID, True)
    more = policy.replace(b"group all 2 w0 w1", f"witness w9 {LIAR}\ngroup all 3 w0 w1 w9".encode())
    assert verify_package(package, policy=more).outcome is Outcome.INVALID


def test_without_a_policy_the_page_ships_none(city: City) -> None:
    with city.running() as here:
        here.record("P1")
        here.services.publish_now()
        assert "data-policy" not in here.visitor().get(f"{GTIN_PATH}/P1", headers=HTML).text


def test_server_and_witness_as_processes_agree_after_kill_9_of_both(tmp_path: Path) -> None:
    """`./suyuan serve` and `./suyuan witness` as an operator runs them."""
    data, port, other = tmp_path / "data", free_port(), free_port()
    with open_services(read_settings({}, data=data), SystemClock()) as services:
        log = services.log.verifier_key
        services.publish_now()
    url = f"http://127.0.0.1:{port}"

    def witness() -> tuple[Process, str]:
        process = Process(
            tmp_path / "witness.log", "app", "witness", "--data", str(tmp_path / "w"), "--name", "w.example/one",
            "--listen", f"127.0.0.1:{other}", "--log", log,
        )  # fmt: skip
        return process, process.wait_for("ready")["vkey"]

    def cosigned_size() -> int:
        try:
            note = Note.parse(httpx.get(f"{url}/checkpoint", timeout=5).text)
        except (httpx.HTTPError, TraceError):
            return 0
        lines = cosignatures(note, [VerifierKey.parse(vkey)])
        return Head.parse(note.text).size if lines else 0

    def server() -> Process:
        return Process(tmp_path / "server.log", "app", "serve", "--data", str(data), "--port", str(port))

    def register(name: str) -> None:
        """One more leaf, written while nobody serves."""
        with open_services(read_settings({}, data=data), SystemClock()) as services:
            key = PrivateKey(hashlib.sha256(name.encode()).digest())
            register_key(services.authority, key.public, "5a" * 16, "device", SystemClock().now())

    running, vkey = witness()
    (data / "witnesses.policy").write_text(f"log {log} {url}\nwitness w {vkey} http://127.0.0.1:{other}\nquorum w\n")
    serving = server()
    try:
        wait_until(lambda: cosigned_size() == 2, "a cosigned checkpoint")
        worker = int((data / "server.lock").read_text())
        running.kill()
        os.kill(worker, signal.SIGKILL)
        running, again = witness()
        assert again == vkey
        wait_until(lambda: cosigned_size() == 2, "the same after kill -9")
        serving.stop()
        register("another device")
        serving = server()
        wait_until(lambda: cosigned_size() == 3, "the next one")
    finally:
        serving.stop()
        running.stop()
    where = hashlib.sha256(b"suyuan.yunqiao.example").hexdigest()
    running, _ = witness()
    try:
        newest = httpx.get(f"http://127.0.0.1:{other}/{where}/checkpoint").text
        assert newest.startswith("suyuan.yunqiao.example\n3\n")
    finally:
        assert running.stop() == 0
