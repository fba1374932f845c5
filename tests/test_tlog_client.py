"""A stranger follows the log: a C2SP client written here from the specifications alone walks it over HTTP.

tlog-checkpoint and signed-note for the head, tlog-tiles for hashes and entries, tlog-proof for one record. It shares
nothing with the code that serves.
"""

import base64
import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from nacl.signing import VerifyKey
from werkzeug.test import TestResponse

from app.commands.mirror import mirror
from tests.served import ORIGIN, World, problem, world
from trace import monitor

FOR_EVER = "public, max-age=31536000, immutable"
SIZE = 600
"""Two full tiles, a partial one, and the level above."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("log") / "data") as running:
        for serial in range(SIZE):
            running.record(f"T{serial}")
        running.services.publish_now()
        yield running


@pytest.fixture(scope="module")
def token(here: World) -> str:
    told = CliRunner().invoke(mirror, ["add", "city mirror", "--data", str(here.folder)])
    assert told.exit_code == 0, told.output
    return told.output.strip()


# ---- the client ---------------------------------------------------------------------------------


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha(b"\x01" + mth(hashes[:k]) + mth(hashes[k:]))


@dataclass
class Client:
    """Knows the verifier key of the log, and a token if it is a mirror."""

    browser: FlaskClient
    vkey: str
    token: str = ""

    def get(self, path: str) -> TestResponse:
        return self.browser.get(path, headers={"Authorization": f"Bearer {self.token}"} if self.token else {})

    def checkpoint(self) -> tuple[int, bytes]:
        answer = self.get("/checkpoint")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        text, _, signatures = answer.get_data(as_text=True).rpartition("\n\n")
        name, key_id, key = self.vkey.split("+", 2)
        public = base64.b64decode(key)
        assert sha(name.encode() + b"\n" + public)[:4].hex() == key_id
        for line in signatures.splitlines():
            _, signer, blob = line.split(" ")
            data = base64.b64decode(blob)
            if (signer, data[:4].hex()) == (name, key_id):
                VerifyKey(public[1:]).verify(f"{text}\n".encode(), data[4:])
                origin, size, root = text.split("\n")
                assert origin == name
                return int(size), base64.b64decode(root)
        raise AssertionError("not signed by the log")

    @staticmethod
    def number(n: int) -> str:
        """Three digits an element, all but the last with an x."""
        digits = f"{n:03d}"
        digits = digits.rjust(-(-len(digits) // 3) * 3, "0")
        elements = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        return "/".join([f"x{element}" for element in elements[:-1]] + elements[-1:])

    def level(self, level: int, size: int) -> list[bytes]:
        """All nodes of a tile level."""
        hashes: list[bytes] = []
        nodes = size // 256**level
        for n in range(-(-nodes // 256)):
            width = min(256, nodes - 256 * n)
            suffix = "" if width == 256 else f".p/{width}"
            answer = self.get(f"/tile/{level}/{self.number(n)}{suffix}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/octet-stream")
            assert answer.headers["Cache-Control"] == FOR_EVER
            assert len(answer.data) == 32 * width
            hashes += [answer.data[at : at + 32] for at in range(0, 32 * width, 32)]
        return hashes

    def entries(self, size: int) -> list[bytes]:
        records: list[bytes] = []
        for n in range(-(-size // 256)):
            width = min(256, size - 256 * n)
            answer = self.get(f"/tile/entries/{self.number(n)}{'' if width == 256 else f'.p/{width}'}")
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/octet-stream")
            data = answer.data
            while data:
                length = int.from_bytes(data[:2], "big")
                records.append(data[2 : 2 + length])
                data = data[2 + length :]
        return records


@pytest.fixture
def client(here: World) -> Client:
    return Client(here.visitor(), here.services.log.verifier_key)


def test_tiles_lead_to_the_root_of_the_checkpoint(client: Client) -> None:
    size, root = client.checkpoint()
    assert size >= SIZE
    leaves = client.level(0, size)
    assert mth(leaves) == root
    above = client.level(1, size)
    assert above == [mth(leaves[at : at + 256]) for at in range(0, size // 256 * 256, 256)]


def test_a_mirror_reads_entries_that_hash_to_the_tiles(client: Client, token: str) -> None:
    size, _ = client.checkpoint()
    records = replace(client, token=token).entries(size)
    assert [sha(b"\x00" + record) for record in records] == client.level(0, size)
    assert all(record.startswith(f"{ORIGIN}/".encode()) and record.endswith(b"\n") for record in records)


def test_one_record_is_proven_by_a_file(client: Client, token: str) -> None:
    size, root = client.checkpoint()
    records = replace(client, token=token).entries(size)
    for index in (0, 1, 255, 256, 511, 512, size - 1):
        answer = client.get(f"/tlog-proof/{index}")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        head, _, note = answer.get_data(as_text=True).partition("\n\n")
        first, told, *nodes = head.split("\n")
        assert (first, told) == ("c2sp.org/tlog-proof@v1", f"index {index}")
        assert note == client.get("/checkpoint").get_data(as_text=True)
        found, node, last = sha(b"\x00" + records[index]), index, size - 1
        for sibling in map(base64.b64decode, nodes):
            if node % 2 or node == last:
                found = sha(b"\x01" + sibling + found)
                while node and node % 2 == 0:
                    node, last = node // 2, last // 2
            else:
                found = sha(b"\x01" + found + sibling)
            node, last = node // 2, last // 2
        assert (last, found) == (0, root)


def test_an_older_partial_tile_stays_where_it_was(client: Client) -> None:
    """Logs must serve the partial tiles of every checkpoint they made, and may go on when the full one is there."""
    full = client.get("/tile/0/000").data
    for width in (1, 7, 255):
        assert client.get(f"/tile/0/000.p/{width}").data == full[: 32 * width]


NOT_COVERED = "0/003 0/002 0/002.p/255 1/000 1/000.p/3 2/000.p/1 63/000.p/1 0/x001/000 entries/003".split()
MISSPELT = "64/000 0/0 0/x000/000 0/000.p/0 0/000.p/256 0/000/ data/000 0/000.p %2e/000".split()


@pytest.mark.parametrize("path", [*NOT_COVERED, *MISSPELT])
def test_what_the_checkpoint_does_not_cover_and_other_spellings_are_404_and_not_kept(
    client: Client, token: str, path: str
) -> None:
    answer = replace(client, token=token).get(f"/tile/{path}")
    assert problem(answer)["status"] == 404
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("index", ["-1", "01", "1.0", "x", "999999999999999", "9999999999999999"])
def test_a_proof_of_no_leaf_is_404(client: Client, index: str) -> None:
    assert problem(client.get(f"/tlog-proof/{index}"))["status"] == 404


# ---- who may read entries -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer x", "Basic {token}", "{token}", "Bearer {token}x"]
)
def test_entries_are_for_registered_mirrors(here: World, token: str, authorization: str) -> None:
    headers = {"Authorization": authorization.format(token=token)} if authorization else {}
    answer = here.visitor().get("/tile/entries/000", headers=headers)
    assert problem(answer)["status"] == 401
    assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
    assert (answer.headers["Cache-Control"], b"hop/v1" in answer.data) == ("no-store", False)


def test_entries_for_a_mirror_stay_out_of_shared_caches_and_are_compressed_when_asked(here: World, token: str) -> None:
    told = {"Authorization": f"Bearer {token}"}
    plain = here.visitor().get("/tile/entries/000", headers=told)
    assert plain.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert "Content-Encoding" not in plain.headers
    packed = here.visitor().get("/tile/entries/000", headers={**told, "Accept-Encoding": "gzip, identity"})
    assert (packed.headers["Content-Encoding"], packed.headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data)


def test_entries_may_be_opened_to_all(here: World) -> None:
    here.services.settings = replace(here.services.settings, open_entries=True)
    try:
        answer = here.visitor().get("/tile/entries/000")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_EVER)
    finally:
        here.services.settings = replace(here.services.settings, open_entries=False)


def test_the_token_is_kept_as_its_hash_alone_and_can_be_taken_back(here: World, token: str) -> None:
    run = CliRunner().invoke
    data = ["--data", str(here.folder)]
    assert re.fullmatch("[A-Za-z0-9_-]{43}", token)
    second = run(mirror, ["add", "second", *data]).output.strip()
    files = [file.read_bytes() for file in here.folder.glob("suyuan.sqlite*")]
    assert not any(second.encode() in data for data in files)
    assert any(hashlib.sha256(second.encode()).digest() in data for data in files)
    listed = run(mirror, ["list", *data]).output.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["city mirror", "second"]
    with here.services.reading() as session:
        assert monitor.mirror_of(session, 1, second) == "second"
        assert monitor.mirror_of(session, 1, "") is None
    again = run(mirror, ["add", "second", *data])
    assert (again.exit_code, again.output) == (1, "Error: mirror 'second': there is one of this name\n")
    assert run(mirror, ["add", " ", *data]).output.startswith("Error: mirror ' ': expected a printable name")
    assert run(mirror, ["remove", "second", *data]).exit_code == 0
    assert run(mirror, ["remove", "second", *data]).output == "Error: mirror 'second': there is none\n"
    answer = here.visitor().get("/tile/entries/000", headers={"Authorization": f"Bearer {second}"})
    assert answer.status_code == 401
