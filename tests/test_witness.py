"""The witness: published exchanges, its decisions, its memory, its HTTP, and kill -9.

The one promise: it never cosigns two roots for one size of a log.
"""

import base64
import hashlib
import http.client
import json
import os
import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from app.commands.witness import witness as command
from app.database import AlreadyRunningError
from app.witness import MAX_CONNECTIONS, DamagedStateError, Memory, Witness, WitnessServer, open_witness
from tests.running import Process, free_port, wait_until
from trace.errors import LimitError, ParseError
from trace.ledger.checkpoint import Head
from trace.ledger.cosignature import cosign, cosignatures
from trace.ledger.encoding import b64
from trace.ledger.keys import Algorithm, PrivateKey, PublicKey
from trace.ledger.merkle import EMPTY_ROOT, Tree
from trace.ledger.note import Note, VerifierKey, cosigner_key, ed25519_key, sign_note
from trace.ledger.witness import (
    MAX_REQUEST_BYTES,
    NEVER,
    PLAIN,
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    Answer,
    Logs,
    Seen,
    Submitted,
    read_request,
    refusal,
)
from trace.times import SetClock

ORIGIN = "trace.example"
LOG = PrivateKey(bytes(range(32)))
LOGS = {ORIGIN: (ed25519_key(ORIGIN, LOG.public),)}
AT = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)
NAME = "example.com/witness"


@dataclass
class Branch:
    """One history of the log; another seed gives another one behind the common leaves."""

    seed: int
    common: int = 3
    leaves: int = 40

    def __post_init__(self) -> None:
        self.tree = Tree(
            hashlib.sha256(b"%d/%d" % (n, self.seed if n >= self.common else 0)).digest() for n in range(self.leaves)
        )

    def note(self, size: int, key: PrivateKey = LOG, origin: str = ORIGIN) -> str:
        return str(sign_note(Head(origin, size, self.tree.root(size)).to_text(), origin, key))

    def request(self, old: int, size: int) -> AddCheckpoint:
        path = self.tree.consistency_path(old, size) if 0 < old <= size else []
        return AddCheckpoint(old, tuple(path), self.note(size))

    def body(self, old: int, size: int) -> bytes:
        return self.request(old, size).to_bytes()


TRUE, FORK = Branch(1), Branch(2)


@contextmanager
def witnessing(folder: Path, name: str | None = NAME, logs: Logs = LOGS) -> Iterator[Witness]:
    with open_witness(folder, name, logs, SetClock(AT)) as witness:
        yield witness


@contextmanager
def served(witness: Witness) -> Iterator[str]:
    with WitnessServer(("127.0.0.1", 0), witness) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


# ---- published exchanges ------------------------------------------------------------------------


def sigsum_log(key_hex: str) -> dict[str, tuple[VerifierKey, ...]]:
    public = PublicKey.parse(Algorithm.ED25519, bytes.fromhex(key_hex))
    origin = "sigsum.org/v1/tree/" + hashlib.sha256(public.raw).hexdigest()
    return {origin: (ed25519_key(origin, public),)}


def test_every_published_add_checkpoint_case(shared_data: Path, tmp_path: Path) -> None:
    """The open set leaves out steps of its order; what leads from one size to the next is in the script it is from."""
    folder = shared_data / "ledger" / "witness"
    told = json.loads((folder / "add_checkpoint_cases.json").read_text())
    between = [body for body, status, _ in hurl((folder / "torchwood_litewitness.txt").read_text()) if status == 200]
    with witnessing(tmp_path / "w", logs=sigsum_log(told["log_key_hex"])) as witness, served(witness) as url:
        for case in told["cases"]:
            answer = httpx.post(f"{url}/add-checkpoint", content=case["request_body"].encode())
            if answer.status_code == 409 and case["http_status"] != 409:
                (step,) = [body for body in between if body.startswith(f"old {answer.text}".encode())]
                assert httpx.post(f"{url}/add-checkpoint", content=step).status_code == 200
                answer = httpx.post(f"{url}/add-checkpoint", content=case["request_body"].encode())
            assert (answer.status_code, case["body_contains"] in answer.text) == (case["http_status"], True)
    assert len(told["cases"]) >= 4


def hurl(text: str) -> list[tuple[bytes, int, str]]:
    """Body, status and assertion of each exchange of a hurl file."""
    found = re.findall(r"POST \S+\n```\n(.*?)```\nHTTP (\d+)\n\[Asserts\]\nbody (.*?)\n", text, re.DOTALL)
    return [(body.encode(), int(status), asserted) for body, status, asserted in found]


def replay(url: str, exchanges: list[tuple[bytes, int, str]]) -> None:
    for body, status, asserted in exchanges:
        answer = httpx.post(f"{url}/add-checkpoint", content=body)
        relation, wanted = asserted.split(" ", 1)
        if wanted == '"unknown log"':
            status = 404  # 403 in an older text of the specification
        assert answer.status_code == status, answer.text
        words = json.loads(wanted)
        assert answer.text == words if relation == "==" else words in answer.text
        if status == 409:
            assert answer.headers["Content-Type"] == "text/x.tlog.size"


def test_the_published_script_of_litewitness(shared_data: Path, tmp_path: Path) -> None:
    script = (shared_data / "ledger" / "witness" / "torchwood_litewitness.txt").read_text()
    exchanges = hurl(script)
    found = re.search("add-sigsum-log -key=(\\w+)", script)
    assert found is not None
    with witnessing(tmp_path / "w", logs=sigsum_log(found[1])) as witness, served(witness) as url:
        replay(url, exchanges)
        origin = next(iter(sigsum_log(found[1])))
        note = httpx.get(f"{url}/{hashlib.sha256(origin.encode()).hexdigest()}/checkpoint").text
        assert Head.parse(Note.parse(note).text).size == 5
    assert [status for _, status, _ in exchanges] == [200, 403, 403, 422, 422, 200, 409, 200, 409]


def test_the_published_script_of_the_go_checksum_database(shared_data: Path, tmp_path: Path) -> None:
    """Its key is named otherwise than its origin: `--log-as`."""
    script = (shared_data / "ledger" / "witness" / "torchwood_sumdb.txt").read_text()
    found = re.search("add-key -origin '([^']+)' -key (\\S+)", script)
    assert found is not None
    logs = {found[1]: (VerifierKey.parse(found[2]),)}
    with witnessing(tmp_path / "w", logs=logs) as witness, served(witness) as url:
        replay(url, hurl(script))
        note = witness.checkpoint(hashlib.sha256(found[1].encode()).hexdigest())
        assert Head.parse(Note.parse(str(note)).text).size == 35_225_469


# ---- decisions ----------------------------------------------------------------------------------


def decide(data: bytes, seen: Seen) -> Answer | None:
    submitted = read_request(data, LOGS)
    return submitted if isinstance(submitted, Answer) else refusal(submitted, seen)


def at(size: int, branch: Branch = TRUE) -> Seen:
    return Seen(size, branch.tree.root(size))


def test_what_begins_with_what_was_cosigned_may_be_cosigned() -> None:
    for old in range(12):
        for size in range(old, 12):
            assert decide(TRUE.body(old, size), at(old) if old else NEVER) is None


def twist(note: str) -> str:
    """Another signature."""
    lines = note.split("\n")
    blob = bytearray(base64.b64decode(lines[-2].split(" ")[2]))
    blob[20] ^= 1
    lines[-2] = f"\u2014 {ORIGIN} {b64(bytes(blob))}"
    return "\n".join(lines)


def body(old: int, note: str, *path: bytes) -> bytes:
    return AddCheckpoint(old, path, note).to_bytes()


NODE = bytes(32)


@pytest.mark.parametrize(
    ("data", "seen", "status", "says"),
    [
        # Form.
        (b"", NEVER, 400, "request: expected 'old <size>', a consistency proof, a blank line and a checkpoint\n"),
        (b"\xff", NEVER, 400, "request: byte 0: expected UTF-8\n"),
        (TRUE.body(0, 5).replace(b"old 0", b"old 00"), NEVER, 400, "request: expected 'old <size>'"),
        (TRUE.body(0, 5).replace(b"old 0", b"old -1"), NEVER, 400, "request: expected 'old <size>'"),
        (TRUE.body(0, 5).replace(b"old 0", b"old 9223372036854775808"), NEVER, 400, "request: expected 'old <size>'"),
        (TRUE.body(0, 5).replace(b"old 0\n", b"old 0\r\n"), NEVER, 400, "request: expected 'old <size>'"),
        (TRUE.body(0, 5).replace(b"old 0\n\n", b"old 0\n"), NEVER, 400, "request: "),
        (body(3, TRUE.note(5), NODE[:31]), at(3), 400, "request: proof"),
        (
            body(3, TRUE.note(5), *[NODE] * 64),
            at(3),
            400,
            "request: 64 lines of consistency proof, at most 63 are read",
        ),
        (TRUE.body(0, 5)[:-1], NEVER, 400, "note: expected text, a blank line and signature lines that end with LF"),
        (body(0, TRUE.note(5).replace("\n5\n", "\n05\n")), NEVER, 400, "checkpoint: size '05': expected a decimal"),
        (b" " * (MAX_REQUEST_BYTES + 1), NEVER, 400, "request: 262145 bytes, at most 262144 are read\n"),
        # Who.
        (body(0, TRUE.note(5, origin="b.example")), NEVER, 404, "unknown log: b.example\n"),
        (body(0, twist(TRUE.note(5))), NEVER, 403, "invalid signature: signature does not belong to these bytes"),
        (
            body(0, TRUE.note(5, PrivateKey(bytes(32)))),
            NEVER,
            403,
            "invalid signature: none by a known key of trace.example\n",
        ),
        # Sizes.
        (body(6, TRUE.note(5)), at(6), 400, "old size 6: expected at most the checkpoint's size, 5\n"),
        (TRUE.body(4, 5), at(3), 409, "3\n"),
        (TRUE.body(0, 5), at(3), 409, "3\n"),
        (TRUE.body(3, 5), NEVER, 409, "0\n"),
        (TRUE.body(5, 5), at(7), 409, "7\n"),
        # Proofs.
        (body(0, TRUE.note(5), NODE), NEVER, 422, "consistency proof from 0 to 5: expected an empty one\n"),
        (body(5, TRUE.note(5), NODE), at(5), 422, "consistency proof from 5 to 5: expected an empty one\n"),
        (body(4, TRUE.note(5)), at(4), 422, "consistency proof from 4 to 5 does not hold\n"),
        (body(4, TRUE.note(5), NODE), at(4), 422, "consistency proof from 4 to 5 does not hold\n"),
        (FORK.body(5, 7), at(5), 422, "consistency proof from 5 to 7 does not hold\n"),
        (FORK.body(5, 5), at(5), 409, f"size 5 was cosigned with another root: {b64(TRUE.tree.root(5))}\n"),
        (
            body(0, str(sign_note(Head(ORIGIN, 0, NODE).to_text(), ORIGIN, LOG))),
            NEVER,
            422,
            "size 0: expected the root of the empty tree\n",
        ),
    ],
)
def test_anything_else_is_refused_as_the_specification_says(data: bytes, seen: Seen, status: int, says: str) -> None:
    answer = decide(data, seen)
    assert answer is not None
    assert answer.status == status
    assert answer.body.startswith(says)
    sized = status == 409 and answer.body == f"{seen.size}\n"
    assert answer.media_type == (SIZE_MEDIA_TYPE if sized else PLAIN)


def test_lines_of_unknown_keys_are_dropped_and_one_known_key_is_enough() -> None:
    note = Note.parse(TRUE.note(5))
    stranger = cosign(note.text, 7, "stranger.example", PrivateKey(bytes(32)))
    submitted = read_request(body(0, str(Note(note.text, (stranger, *note.signatures)))), LOGS)
    assert isinstance(submitted, Submitted)
    assert submitted.note == note
    two = {ORIGIN: (ed25519_key(ORIGIN, PrivateKey(bytes(32)).public), *LOGS[ORIGIN])}
    assert isinstance(read_request(body(0, TRUE.note(5)), two), Submitted)


def test_an_extension_line_is_cosigned_with_the_rest(tmp_path: Path) -> None:
    text = Head(ORIGIN, 5, TRUE.tree.root(5)).to_text() + "an extension\n"
    with witnessing(tmp_path / "w") as witness:
        answer = witness.add_checkpoint(body(0, str(sign_note(text, ORIGIN, LOG))))
        assert answer.status == 200
        (found,) = cosignatures(Note.parse(f"{text}\n{answer.body}"), [witness.key])
        assert found.time_s == int(AT.timestamp())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    with suppress(ParseError, LimitError):
        assert AddCheckpoint.parse(data).to_bytes() == data
    answer = read_request(data, LOGS)
    assert isinstance(answer, Answer) and answer.status == 400


Step = tuple[bool, int, int]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_no_order_of_requests_gets_two_roots_for_one_size_cosigned(steps: list[Step]) -> None:
    seen, cosigned = NEVER, dict[int, bytes]()
    for forked, old, size in steps:
        branch = FORK if forked else TRUE
        # An honest old, a wrong one, or whatever the witness itself says.
        for claimed in (old, seen.size):
            submitted = read_request(branch.body(claimed, size), LOGS)
            if isinstance(submitted, Submitted) and refusal(submitted, seen) is None:
                assert size >= seen.size
                seen = Seen(submitted.head.size, submitted.head.root)
                assert cosigned.setdefault(seen.size, seen.root) == seen.root
    assert all(root in (TRUE.tree.root(size), FORK.tree.root(size)) for size, root in cosigned.items())
    beyond = [root == TRUE.tree.root(size) for size, root in cosigned.items() if size > TRUE.common]
    assert all(beyond) or not any(beyond)


# ---- memory -------------------------------------------------------------------------------------


def test_a_witness_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with witnessing(tmp_path / "w") as witness:
        assert witness.add_checkpoint(TRUE.body(0, 5)).status == 200
        key = witness.key
    with witnessing(tmp_path / "w", name=None) as witness:
        assert witness.key == key
        assert witness.add_checkpoint(FORK.body(0, 6)) == Answer(409, "5\n", SIZE_MEDIA_TYPE)
        assert witness.add_checkpoint(FORK.body(5, 6)).status == 422
        assert witness.add_checkpoint(TRUE.body(5, 5)).status == 200
        assert witness.add_checkpoint(TRUE.body(5, 9)).status == 200
    assert (tmp_path / "w" / "witness.key").stat().st_mode & 0o777 == 0o600


def test_the_newest_checkpoint_is_told_with_both_signatures(tmp_path: Path) -> None:
    where = hashlib.sha256(ORIGIN.encode()).hexdigest()
    with witnessing(tmp_path / "w") as witness:
        assert witness.checkpoint(where) is None
        answer = witness.add_checkpoint(TRUE.body(0, 5))
        assert witness.checkpoint(where) == TRUE.note(5) + answer.body
        assert witness.checkpoint("0" * 64) is None


def test_many_at_once_get_one_history(tmp_path: Path) -> None:
    """Sixteen threads push two branches; the race of the specification's last paragraph would roll leaves back."""
    answers: list[tuple[Branch, int, Answer]] = []
    with witnessing(tmp_path / "w") as witness:

        def push(branch: Branch, seed: int) -> None:
            chance, old = random.Random(seed), 0
            for _ in range(25):
                size = old + chance.randrange(3)
                if size > 39:
                    return
                answer = witness.add_checkpoint(branch.body(old, size))
                answers.append((branch, size, answer))
                if answer.status == 200:
                    old = size
                elif answer.media_type == SIZE_MEDIA_TYPE:
                    old = int(answer.body)

        threads = [threading.Thread(target=push, args=(branch, n)) for n, branch in enumerate([TRUE, FORK] * 8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest())
    good = [(branch.tree.root(size), size) for branch, size, answer in answers if answer.status == 200]
    assert len({size for _, size in good}) == len(set(good))
    assert {answer.status for *_, answer in answers} <= {200, 409, 422}
    assert Head.parse(Note.parse(str(last)).text).size == max(size for _, size in good)


def edit(statement: str) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        database = sqlite3.connect(folder / "witness.sqlite")
        database.execute(statement)
        database.commit()
        database.close()

    return act


def overwrite(at: int, data: bytes) -> Callable[[Path], None]:
    def act(folder: Path) -> None:
        with (folder / "witness.sqlite").open("r+b") as file:
            file.seek(at)
            file.write(data)

    return act


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "memory gone": (lambda f: (f / "witness.sqlite").unlink(), "what this key cosigned is forgotten"),
    "memory emptied": (lambda f: os.truncate(f / "witness.sqlite", 0), "version 0, expected 1"),
    "memory cut": (lambda f: os.truncate(f / "witness.sqlite", 6000), "SQLite finds it damaged|cannot be read as ours"),
    "no database": (overwrite(0, b"no database"), "cannot be read as ours: file is not a database"),
    "key gone": (lambda f: (f / "witness.key").unlink(), "witness.key is gone, witness.sqlite is there"),
    "size lowered": (edit("UPDATE cosigned SET size = 4"), "the stored checkpoint is not the one that was cosigned"),
    "root changed": (edit("UPDATE cosigned SET root = zeroblob(32)"), "the stored checkpoint is not the one that was"),
    "root as text": (edit("UPDATE cosigned SET root = CAST('x' AS BLOB)"), "the stored checkpoint is not the one"),
    "origin changed": (edit("UPDATE cosigned SET origin = 'b.example'"), "b.example: the stored checkpoint is not"),
    "note changed": (edit("UPDATE cosigned SET note = replace(note, char(10) || '5', char(10) || '6')"), "the stored"),
    "no note": (edit("UPDATE cosigned SET note = ''"), "note: expected text, a blank line and signature lines"),
    "cosignature gone": (
        edit("UPDATE cosigned SET note = substr(note, 1, instr(note, '\u2014 example.com') - 1)"),
        "the stored checkpoint is not the one that was cosigned",
    ),
    "two keys": (edit("INSERT INTO witness SELECT * FROM witness"), "cannot be read as ours: too many values"),
    "no key": (edit("DELETE FROM witness"), "cannot be read as ours: not enough values"),
    "table gone": (edit("DROP TABLE cosigned"), "cannot be read as ours: no such table: cosigned"),
    "other version": (edit("PRAGMA user_version = 2"), "version 2, expected 1"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_it_does_not_start_on_a_damaged_state(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "w"
    with witnessing(folder) as witness:
        assert witness.add_checkpoint(TRUE.body(0, 5)).status == 200
    act, says = DAMAGES[damage]
    act(folder)
    with pytest.raises(DamagedStateError, match=says), witnessing(folder):
        raise AssertionError("started")


def test_it_does_not_start_with_the_memory_of_another_key_or_name(tmp_path: Path) -> None:
    for name in "ab":
        with witnessing(tmp_path / name):
            pass
    (tmp_path / "a" / "witness.sqlite").write_bytes((tmp_path / "b" / "witness.sqlite").read_bytes())
    with pytest.raises(DamagedStateError, match="the key beside it is another"), witnessing(tmp_path / "a"):
        raise AssertionError("started")
    with pytest.raises(DamagedStateError, match="a new name needs a new"), witnessing(tmp_path / "b", "else.example"):
        raise AssertionError("started")


def test_a_start_that_was_cut_before_the_key_begins_again(tmp_path: Path) -> None:
    with witnessing(tmp_path / "w") as witness:
        lost = witness.key
    (tmp_path / "w" / "witness.key").unlink()
    with witnessing(tmp_path / "w") as witness:
        assert witness.key != lost


def test_a_key_that_others_may_read_a_bad_name_and_a_second_process_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParseError, match="a new witness needs a name"), witnessing(tmp_path / "n", name=None):
        raise AssertionError("started")
    with (
        pytest.raises(ParseError, match="expected one without spaces and plus"),
        witnessing(tmp_path / "n", name="a b"),
    ):
        raise AssertionError("started")
    with witnessing(tmp_path / "w"), pytest.raises(AlreadyRunningError), witnessing(tmp_path / "w"):
        raise AssertionError("started")
    (tmp_path / "w" / "witness.key").chmod(0o644)
    with pytest.raises(ParseError, match="others may read it"), witnessing(tmp_path / "w"):
        raise AssertionError("started")


def test_what_stands_there_is_compared_before_it_is_replaced(tmp_path: Path) -> None:
    Memory.create(tmp_path / "m.sqlite", "key")
    memory = Memory(tmp_path / "m.sqlite")
    with memory.transaction():
        memory.record(ORIGIN, NEVER, at(3), "three")
    for old in (NEVER, at(4), Seen(3, EMPTY_ROOT)):
        with pytest.raises(DamagedStateError, match="the newest cosigned checkpoint is not"), memory.transaction():
            memory.record(ORIGIN, old, at(5), "five")
    assert (memory.seen(ORIGIN), memory.note(ORIGIN)) == (at(3), "three")
    with memory.transaction():
        memory.record(ORIGIN, at(3), at(5), "five")
    memory.close()
    again = Memory(tmp_path / "m.sqlite")
    assert (again.seen(ORIGIN), again.note(ORIGIN), again.seen("b"), again.note("b")) == (at(5), "five", NEVER, None)
    again.close()


def test_a_disk_that_is_full_gives_no_cosignature(tmp_path: Path) -> None:
    """The answer comes after the commit: what cannot be kept is not said."""
    with witnessing(tmp_path / "w") as witness:
        assert witness.add_checkpoint(TRUE.body(0, 3)).status == 200
        database = witness._memory._db
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        text = Head(ORIGIN, 9, TRUE.tree.root(9)).to_text() + ("x" * 9000 + "\n") * 3
        note = str(sign_note(text, ORIGIN, LOG))
        request = AddCheckpoint(3, tuple(TRUE.tree.consistency_path(3, 9)), note)
        with pytest.raises(sqlite3.OperationalError, match="full"):
            witness.add_checkpoint(request.to_bytes())
        assert witness.add_checkpoint(TRUE.body(3, 4)).status == 200


# ---- HTTP ---------------------------------------------------------------------------------------


def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    with witnessing(tmp_path / "w") as witness, served(witness) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        connection.connect()
        socket = connection.sock
        for old, size in ((0, 3), (3, 5), (9, 9), (5, 5)):
            connection.request("POST", "/add-checkpoint", TRUE.body(old, size))
            answer = connection.getresponse()
            told = answer.read().decode()
            assert (answer.status, connection.sock) == (409 if old == 9 else 200, socket)
            if answer.status == 200:
                assert answer.headers["Content-Type"] == PLAIN
                assert re.fullmatch("\u2014 example.com/witness [0-9A-Za-z+/=]{104}\n", told)
        connection.request("GET", f"/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
        assert connection.getresponse().read().decode().startswith(f"{ORIGIN}\n5\n")
        connection.close()


def test_other_requests_get_an_answer_and_do_nothing(tmp_path: Path) -> None:
    good = TRUE.body(0, 5)
    with witnessing(tmp_path / "w") as witness, served(witness) as url:
        assert httpx.post(f"{url}/add-checkpoint/", content=good).status_code == 404
        assert httpx.post(f"{url}/", content=good).status_code == 404
        assert httpx.get(f"{url}/add-checkpoint").status_code == 404
        assert httpx.get(f"{url}/{'A' * 64}/checkpoint").status_code == 404
        assert httpx.put(f"{url}/add-checkpoint", content=good).status_code == 501
        assert httpx.post(f"{url}/add-checkpoint", content=iter([good])).status_code == 411
        assert httpx.post(f"{url}/add-checkpoint", content=b"x" * (MAX_REQUEST_BYTES + 1)).status_code == 413
        assert httpx.post(f"{url}/add-checkpoint", content=b"").status_code == 400
        assert witness.checkpoint(hashlib.sha256(ORIGIN.encode()).hexdigest()) is None


def test_silent_connections_do_not_shut_the_door_for_ever(tmp_path: Path) -> None:
    with witnessing(tmp_path / "w") as witness, served(witness) as url:
        host = url.removeprefix("http://")
        silent = [http.client.HTTPConnection(host, timeout=20) for _ in range(MAX_CONNECTIONS + 8)]
        for connection in silent:
            connection.connect()
        for connection in silent:
            connection.close()

        def cosigned() -> bool:
            with suppress(httpx.HTTPError):
                return httpx.post(f"{url}/add-checkpoint", content=TRUE.body(0, 0)).status_code == 200
            return False

        wait_until(cosigned, "a free place")


# ---- the command --------------------------------------------------------------------------------


class Running:
    """`witness` as a process."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        log = ("--log", str(LOGS[ORIGIN][0]))
        self.process = Process(
            folder.with_suffix(".log"), "app", "witness", "--data", str(folder), "--name", NAME,
            "--listen", f"127.0.0.1:{port}", *log, *arguments,
        )  # fmt: skip
        ready = self.process.wait_for("ready")
        self.key = VerifierKey.parse(ready["vkey"])
        assert ready["logs"] == [ORIGIN]


@pytest.mark.parametrize("cycles", [6, pytest.param(200, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
def test_kill_9_at_any_moment_never_makes_it_cosign_two_roots(tmp_path: Path, cycles: int) -> None:
    """Two branches are pushed without pause, the process is killed and started again in between."""
    true, fork = Branch(1, leaves=cycles * 40), Branch(2, leaves=cycles * 40)
    last_size = cycles * 40 - 1
    chance, folder, port = random.Random(7), tmp_path / "w", free_port()
    cosigned: dict[int, set[bytes]] = {}
    newest = 0
    for _ in range(cycles):
        running = Running(folder, port)
        stop = threading.Event()

        def push(branch: Branch, url: str, key: VerifierKey, stop: threading.Event = stop) -> None:
            old = 0
            with httpx.Client(timeout=20) as client:
                while not stop.is_set() and old < last_size:
                    size = old + 1
                    try:
                        answer = client.post(f"{url}/add-checkpoint", content=branch.body(old, size))
                    except httpx.HTTPError:
                        return
                    if answer.status_code == 200:
                        text = Note.parse(branch.note(size)).text
                        assert len(cosignatures(Note.parse(f"{text}\n{answer.text}"), [key])) == 1
                        cosigned.setdefault(size, set()).add(branch.tree.root(size))
                        old = size
                    elif answer.headers["Content-Type"] == SIZE_MEDIA_TYPE:
                        old = int(answer.text)

        threads = [threading.Thread(target=push, args=(branch, running.url, running.key)) for branch in (fork, true)]
        for thread in threads:
            thread.start()
        goal = min(last_size, newest + chance.randrange(1, 8))
        wait_until(lambda goal=goal: max(cosigned, default=0) >= goal, f"a cosignature over {goal} leaves")
        running.process.kill()
        stop.set()
        for thread in threads:
            thread.join()
        newest = max(cosigned)
    last = Running(folder, port)
    note = httpx.get(f"{last.url}/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint").text
    assert last.process.stop() == 0
    # Nothing that anybody was told is forgotten, and for each size there is one root.
    head = Head.parse(Note.parse(note).text)
    assert head.size >= newest
    assert all(len(roots) == 1 for roots in cosigned.values())
    branch = true if head.root == true.tree.root(head.size) else fork
    assert all(roots == {branch.tree.root(size)} for size, roots in cosigned.items())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--listen", "nowhere"], "--listen 'nowhere': expected HOST:PORT, like 127.0.0.1:7380"),
        (["--listen", "127.0.0.1:99999"], "--listen '127.0.0.1:99999': expected HOST:PORT"),
        (["--log", "x"], "verifier key 'x': expected <name>+<key hash>+<key>"),
        (["--log", str(cosigner_key("w.example", LOG.public))], "log w.example: type 0x04: expected 0x01, Ed25519"),
        ([], "a new witness needs a name, like witness.example/county"),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    listen = [] if "--listen" in arguments else ["--listen", f"127.0.0.1:{free_port()}"]
    result = CliRunner().invoke(command, ["--data", str(tmp_path / "w"), *listen, *arguments])
    assert (result.exit_code, result.output.strip().startswith(f"Error: {says}")) == (1, True), result.output
    assert len(result.output.strip().splitlines()) == 1
