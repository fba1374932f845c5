"""The signer as a process: what it answers over its socket, and that nothing a client does ends it."""

import errno
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.settings import Settings
from app.signing import signer_args
from tests.conftest import ROOT
from tests.running import is_running, wait_until
from tests.served import settings
from tests.signing import own_key, signer_thread
from trace.errors import LedgerError, SignatureError, TraceError, UnavailableError
from trace.ledger.checkpoint import open_checkpoint, sign_checkpoint
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.keys import PrivateKey, SigningKey
from trace.ledger.payload import Attested, Signer
from trace.signer import server as server_module
from trace.signer import signed_head
from trace.signer.child import SignerChild
from trace.signer.client import RemoteKey, SignerClient, answers
from trace.signer.head import Head
from trace.signer.key_files import Passphrase, open_ring
from trace.signer.sockets import short_name
from trace.signer.wire import Answer, AskPublic, AskSignature, Outcome, frame, read_frame

AT = datetime(2026, 11, 24, tzinfo=UTC)
EVENT = {"type": "ObjectEvent", "epcList": ["https://id.gs1.org/01/09520000000028/21/A1"], "action": "OBSERVE"}


@pytest.fixture
def told(tmp_path: Path) -> Settings:
    return settings(tmp_path)


@pytest.fixture
def running(told: Settings) -> Iterator[Settings]:
    with signer_thread(told):
        yield told


@pytest.fixture
def client(running: Settings) -> Iterator[SignerClient]:
    made = SignerClient(running.signer_socket)
    yield made
    made.close()


def raw(told: Settings) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(30)
    with short_name(told.signer_socket) as name:
        connection.connect(name)
    return connection


def log_key(client: SignerClient) -> RemoteKey:
    return RemoteKey(client, client.identity().log)


def works(told: Settings) -> bool:
    return answers(told.signer_socket) is not None


def signs(origin: str, key: RemoteKey) -> bool:
    try:
        return sign_checkpoint(origin, 2, bytes(32), key).size == 2
    except UnavailableError:
        return False


# ---- signing --------------------------------------------------------------------------------------


def test_a_remote_key_signs_as_the_key_itself_would(running: Settings, client: SignerClient) -> None:
    identity = client.identity()
    assert identity.origin == running.origin
    for role, public in (("attestation", identity.attestation), ("authority", identity.authority)):
        near, far = own_key(running, role), RemoteKey(client, public)
        assert (near.public, near.key_id) == (far.public, far.key_id)
        envelopes = []
        for key in (near, far):
            signing: SigningKey = key
            chain = Signer(signing, "ab" * 16, running.origin, random=bytes)
            if role == "attestation":
                cut = split(EVENT, lambda: bytes(16))
                envelopes.append(chain.hop(cut, AT, attests=Attested("cd" * 16, b64u(bytes(32)))).envelope)
            else:
                body = {"alg": 1, "public": b64u(public.raw), "issuer": "cd" * 16, "role": "device"}
                envelopes.append(chain.statement("keyreg", body, split({}), AT).envelope)
        assert envelopes[0] == envelopes[1]


def test_checkpoints_are_signed_as_long_as_the_log_goes_on(running: Settings, client: SignerClient) -> None:
    key, root = log_key(client), bytes(range(32))
    first = sign_checkpoint(running.origin, 3, root, key)
    assert open_checkpoint(first.note, running.origin, key.public) == first
    assert sign_checkpoint(running.origin, 3, root, key) == first
    sign_checkpoint(running.origin, 5, root, key)
    with pytest.raises(LedgerError) as back:
        sign_checkpoint(running.origin, 3, root, key)
    assert str(back.value) == "the signer refuses: a checkpoint over 5 leaves was signed, this one has 3"
    with pytest.raises(LedgerError, match="this would be a second history"):
        sign_checkpoint(running.origin, 5, bytes(32), key)
    with pytest.raises(LedgerError, match=r"origin 'else\.example', expected"):
        sign_checkpoint("else.example", 9, root, key)
    sign_checkpoint(running.origin, 6, root, key)


def test_what_was_signed_is_remembered_over_a_restart(told: Settings) -> None:
    for sizes, refused in (((4, 9), None), ((9, 12), 8), ((13,), 11)):
        with signer_thread(told):
            client = SignerClient(told.signer_socket)
            for size in sizes:
                sign_checkpoint(told.origin, size, bytes(32), log_key(client))
            if refused is not None:
                with pytest.raises(LedgerError):
                    sign_checkpoint(told.origin, refused, bytes(32), log_key(client))
            client.close()
    assert signed_head.read(told.signer_folder / "signed-head", told.origin)[0] == Head(13, bytes(32))


def test_no_signature_leaves_before_the_head_is_on_disk(
    running: Settings, client: SignerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = log_key(client)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", full)
        with pytest.raises(UnavailableError, match="the signed head could not be written: No space left on device"):
            sign_checkpoint(running.origin, 3, bytes(32), key)
    sign_checkpoint(running.origin, 3, bytes(range(32)), key)


def test_each_key_signs_its_own_kind_and_a_stranger_none(running: Settings, client: SignerClient) -> None:
    identity = client.identity()
    head = Head(3, bytes(32)).to_bytes(running.origin)
    for key_id in (identity.authority.key_id, identity.attestation.key_id, "0" * 64):
        with pytest.raises(LedgerError, match=r"^the signer refuses: "):
            client.sign(key_id, head)
    chain = Signer(PrivateKey(bytes(32)), "ab" * 16, running.origin)
    hop = chain.hop(split(EVENT), AT, attests=Attested("cd" * 16, b64u(bytes(32)))).envelope
    for key_id in (identity.log.key_id, identity.attestation.key_id):
        with pytest.raises(LedgerError, match=r"^the signer refuses: "):
            client.sign(key_id, b"DSSEv1 1 x " + hop.payload)


# ---- clients of all kinds ---------------------------------------------------------------------------


def test_many_requests_are_answered_in_their_order(running: Settings, client: SignerClient) -> None:
    identity = client.identity()
    heads = [Head(size, bytes(32)).to_bytes(running.origin) for size in range(1, 101)]
    with raw(running) as connection:
        # All sent before one is read; they wait in the socket.
        sender = threading.Thread(
            target=lambda: [connection.sendall(frame(AskSignature(identity.log.key_id, h).to_bytes())) for h in heads]
        )
        sender.start()
        for head in heads:
            told = read_frame(connection, 30)
            assert told is not None
            answer = Answer.from_bytes(told)
            assert answer.outcome is Outcome.OK
            identity.log.verify(answer.body, head)
        sender.join()


def test_several_clients_at_once_never_get_two_heads_of_one_size(running: Settings) -> None:
    signed: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        client = SignerClient(running.signer_socket)
        key = log_key(client)
        for size in range(1, 30):
            try:
                sign_checkpoint(running.origin, size, bytes([number]) * 32, key)
            except LedgerError:
                continue
            signed.append((size, number))
        client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [size for size, _ in signed]
    assert signed and len(set(sizes)) == len(sizes)


GARBAGE = [
    b"",
    b"\0",
    b"\0\0\0",
    b"\0\0\0\0",
    b"\0\0\0\5ab",
    b"\xff\xff\xff\xff",
    b"GET / HTTP/1.1\r\n\r\n",
    frame(b"nonsense\n"),
    frame(b"sign \xff\n") * 50,
    frame(b"sign " + b"0" * 64 + b"\n" + bytes(1_000_000)),
    bytes(range(256)) * 100,
]


def test_garbage_and_clients_that_vanish_end_nothing(running: Settings) -> None:
    for sent in GARBAGE:
        for reads in (True, False):
            with raw(running) as connection:
                try:
                    connection.sendall(sent)
                    if reads:
                        connection.shutdown(socket.SHUT_WR)
                        while connection.recv(65_536):
                            pass
                except OSError:  # closed upon in the middle
                    continue
        assert works(running)


def test_a_refused_request_leaves_the_connection_open(running: Settings) -> None:
    with raw(running) as connection:
        for sent, outcome in ((b"nonsense\n", Outcome.REFUSED), (AskPublic().to_bytes(), Outcome.OK)):
            connection.sendall(frame(sent))
            told = read_frame(connection, 30)
            assert told is not None and Answer.from_bytes(told).outcome is outcome


def test_a_client_that_stops_in_a_frame_is_let_go(running: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PATIENCE_S", 0.05)
    with raw(running) as connection:
        connection.sendall(b"\0\0\0\7pub")
        assert connection.recv(1) == b"", "closed from the other side"
    assert works(running)


def test_more_connections_than_it_holds_are_closed_and_the_others_go_on(running: Settings) -> None:
    held = [raw(running) for _ in range(server_module.CONNECTIONS)]
    for connection in held:  # an answer shows that it is being served
        connection.sendall(frame(AskPublic().to_bytes()))
        assert read_frame(connection, 30) is not None
    with raw(running) as one_more:
        assert one_more.recv(1) == b""
    held.pop().close()
    wait_until(lambda: works(running), "a free place")
    for connection in held:
        connection.sendall(frame(AskPublic().to_bytes()))
        assert read_frame(connection, 30) is not None
        connection.close()


def test_a_mistake_of_our_own_is_an_answer_and_no_end(running: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    client = SignerClient(running.signer_socket)
    identity = client.identity()
    monkeypatch.setattr(server_module, "check_payload", broken)
    with pytest.raises(UnavailableError, match="the signer made a mistake; its log has it"):
        client.sign(identity.authority.key_id, b"x")
    client.close()
    assert works(running)


def test_a_user_who_may_not_ask_gets_nothing(told: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "peer", lambda _: (1, 65_534, 65_534))
    with signer_thread(told), raw(told) as connection:
        assert connection.recv(1) == b"", "closed unheard"
        assert answers(told.signer_socket) is None


# ---- the client -------------------------------------------------------------------------------------


def test_without_a_signer_it_is_said_that_it_is_not_there(told: Settings) -> None:
    told.signer_socket.parent.mkdir(parents=True)
    client = SignerClient(told.signer_socket)
    with pytest.raises(UnavailableError) as refused:
        client.sign("0" * 64, b"x")
    assert (str(refused.value), refused.value.retry_after_s) == ("the signer does not answer", 2)
    assert answers(told.signer_socket) is None
    assert answers(told.data / "nowhere" / "signer.sock") is None


def test_a_client_finds_the_signer_that_was_started_again(told: Settings) -> None:
    client = SignerClient(told.signer_socket)
    with signer_thread(told):
        key = log_key(client)
        sign_checkpoint(told.origin, 1, bytes(32), key)
    with pytest.raises(UnavailableError):
        sign_checkpoint(told.origin, 2, bytes(32), key)
    with signer_thread(told):
        sign_checkpoint(told.origin, 2, bytes(32), key)
    with signer_thread(told):  # its connection is of the signer before
        sign_checkpoint(told.origin, 3, bytes(32), key)
    client.close()


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\4what", frame(b"ok\n" + bytes(64)), b"\xff\xff\xff\xff"])
def test_what_answers_wrongly_is_not_believed(told: Settings, answer: bytes) -> None:
    told.signer_socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with short_name(told.signer_socket) as name:
            listener.bind(name)
        listener.listen()

        def impostor() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=impostor, daemon=True)
        thread.start()
        client = SignerClient(told.signer_socket)
        with pytest.raises((UnavailableError, LedgerError)):
            RemoteKey(client, PrivateKey(bytes(32)).public).sign(b"x")
        client.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_signer_that_hangs_is_given_up(told: Settings) -> None:
    with SignerChild(signer_args(told), told.signer_socket) as child:
        client = SignerClient(told.signer_socket)
        key = log_key(client)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
        with pytest.raises(UnavailableError):
            sign_checkpoint(told.origin, 1, bytes(32), key)
        os.kill(child.pid, signal.SIGCONT)
        # The late answer to the old question is not taken for one to the new.
        wait_until(lambda: works(told) and signs(told.origin, key), "the signer to be asked again")
        checked = sign_checkpoint(told.origin, 2, bytes(32), key)
        open_checkpoint(checked.note, told.origin, key.public)
        client.close()


# ---- the process ------------------------------------------------------------------------------------


def test_the_child_is_started_again_when_it_is_killed_and_ended_with_the_block(told: Settings) -> None:
    with SignerChild(signer_args(told), told.signer_socket) as child:
        client = SignerClient(told.signer_socket)
        key, first = log_key(client), child.pid
        assert first is not None
        for size in (1, 2, 3):
            before = child.pid
            assert before is not None
            sign_checkpoint(told.origin, size, bytes(32), key)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda was=before: child.pid != was and works(told), "the next signer")  # type: ignore[misc]
        with pytest.raises(LedgerError, match="a checkpoint over 3 leaves was signed"):
            sign_checkpoint(told.origin, 2, bytes(32), key)
        client.close()
        last = child.pid
    assert last is not None and not is_running(last)
    assert not works(told)
    assert not told.signer_socket.exists()


def test_the_socket_and_the_keys_are_for_the_owner_alone(told: Settings) -> None:
    with SignerChild(signer_args(told), told.signer_socket) as child:
        state = told.signer_socket.lstat()
        assert stat.S_ISSOCK(state.st_mode) and state.st_mode & 0o777 == 0o600
        assert [path.name for path in told.signer_folder.iterdir() if path.stat().st_mode & 0o077] == []
        assert told.signer_folder.stat().st_mode & 0o777 == 0o700
        environ = Path(f"/proc/{child.pid}/environ").read_bytes() if os.geteuid() == 0 else b""
        for role in ("authority", "attestation", "log"):
            assert own_key(told, role).seed.hex().encode() not in environ


def test_the_signer_ends_with_who_started_it(told: Settings) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom trace.signer.child import SignerChild\n"
        "with SignerChild(sys.argv[2:], Path(sys.argv[1])) as child:\n"
        "    print(child.pid, flush=True)\n    time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(told.signer_socket), *signer_args(told)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_running(pid), "the signer to end")


def test_two_signers_do_not_share_keys(running: Settings) -> None:
    done = signer(running)
    assert done.returncode == 1
    assert "another signer has these keys open; one a platform" in done.stderr
    assert works(running), "the first one's socket is still its own"


def signer(told: Settings, *more: str, **options: object) -> "subprocess.CompletedProcess[str]":
    """`python -m trace.signer` until it ends."""
    return subprocess.run(
        [sys.executable, "-m", "trace.signer", *signer_args(told), *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
        stdin=subprocess.DEVNULL,
        check=False,
        **options,  # type: ignore[call-overload]
    )


def test_sealed_keys_need_their_passphrase_from_a_file_or_a_descriptor(told: Settings, tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.touch(mode=0o600)
    words.write_text("correct horse battery\n")
    told.signer_folder.mkdir(parents=True)
    ring = open_ring(told.signer_folder, told.origin, None)
    done = signer(told, "--change", "protect", "--passphrase-file", str(words))
    assert (done.returncode, json.loads(done.stdout)["kind"]) == (0, "protect")
    assert ring.log.seed.hex() not in (told.signer_folder / "log.key").read_text()
    # Nobody there to ask.
    done = signer(told)
    assert done.returncode == 1
    assert done.stderr == "Error: the keys are sealed: give --passphrase-file or --passphrase-fd, or a terminal\n"
    # A child gets it through a pipe, again after kill -9.
    with SignerChild(signer_args(told), told.signer_socket, b"correct horse battery") as child:
        before = child.pid
        assert before is not None
        arguments = Path(f"/proc/{before}/cmdline").read_bytes() + Path(f"/proc/{os.getpid()}/environ").read_bytes()
        assert b"correct horse" not in arguments
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: child.pid != before and works(told), "the next signer")
        identity = answers(told.signer_socket)
        assert identity == ring.identity(told.origin)
    with pytest.raises(UnavailableError, match="the signer did not start; it says above why"):
        SignerChild(signer_args(told), told.signer_socket, b"a wrong passphrase").__enter__()
    done = signer(told, "--change", "unprotect", "--passphrase-file", str(words))
    assert done.returncode == 0
    assert open_ring(told.signer_folder, told.origin, None).log == ring.log
    words.chmod(0o644)
    done = signer(told, "--passphrase-file", str(words))
    assert (done.returncode, done.stderr) == (1, f"Error: {words}: others may read it; run chmod 600 on it\n")


def test_a_passphrase_seals_keys_that_are_made(told: Settings) -> None:
    with SignerChild(signer_args(told), told.signer_socket, b"correct horse battery"):
        identity = answers(told.signer_socket)
    assert "seed" not in (told.signer_folder / "log.key").read_text()
    ring = open_ring(told.signer_folder, told.origin, Passphrase(lambda: b"correct horse battery"))
    assert identity == ring.identity(told.origin)


def test_a_signature_that_is_none_is_never_passed_on(running: Settings, client: SignerClient) -> None:
    class Fault(SignerClient):
        """A bit that flips between the signer and us."""

        def sign(self, key_id: str, message: bytes) -> bytes:
            good = super().sign(key_id, message)
            return bytes([good[0] ^ 1]) + good[1:]

    key = RemoteKey(Fault(running.signer_socket), client.identity().log)
    with pytest.raises(LedgerError, match="the signer's answer is no signature of key"):
        sign_checkpoint(running.origin, 1, bytes(32), key)
    key.client.close()
    with pytest.raises(SignatureError):
        key.public.verify(bytes(64), b"x")


def test_the_signers_process_has_nothing_of_the_server_in_it() -> None:
    code = (
        "import sys, trace.signer.__main__\n"
        "print([name for name in sys.modules if name.split('.')[0] in "
        "('flask', 'sqlalchemy', 'alembic', 'granian', 'httpx', 'app', 'devices', 'scanners', 'http')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_error_of_the_core_is_what_a_client_raises(running: Settings) -> None:
    with pytest.raises(TraceError):
        SignerClient(running.signer_socket).sign("0" * 64, bytes(5_000_000))


def test_a_signer_of_somebody_else_is_used_and_replaced_when_it_is_gone(told: Settings) -> None:
    with signer_thread(told), SignerChild(signer_args(told), told.signer_socket) as child:
        assert child.pid is None
        client = SignerClient(told.signer_socket)
        sign_checkpoint(told.origin, 1, bytes(32), log_key(client))
        assert child.pid is None
        client.close()
    assert not works(told)
    first = signer_thread(told)
    first.__enter__()
    with SignerChild(signer_args(told), told.signer_socket) as child:
        first.__exit__(None, None, None)
        wait_until(lambda: child.pid is not None and works(told), "a signer of our own")
        client = SignerClient(told.signer_socket)
        with pytest.raises(LedgerError, match="this would be a second history"):
            sign_checkpoint(told.origin, 1, bytes(range(32)), log_key(client))
        client.close()
    assert not works(told)


def test_a_server_that_was_killed_leaves_the_next_one_a_signer(told: Settings) -> None:
    """The old signer may still answer when the next server looks, and be gone a moment later."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom trace.signer.child import SignerChild\n"
        "with SignerChild(sys.argv[2:], Path(sys.argv[1])):\n    print(flush=True)\n    time.sleep(600)\n"
    )
    for size in range(1, 4):
        parent = subprocess.Popen(
            [sys.executable, "-c", code, str(told.signer_socket), *signer_args(told)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"\n"
        parent.kill()
        with SignerChild(signer_args(told), told.signer_socket) as child:
            wait_until(lambda: child.pid is not None and works(told), "a signer of the next server")
            client = SignerClient(told.signer_socket)
            sign_checkpoint(told.origin, size, bytes(32), log_key(client))
            client.close()
        parent.wait()
        parent.stdout.close()
