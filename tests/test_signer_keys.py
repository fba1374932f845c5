"""The platform's key files: made once, for one user's eyes, sealed with a passphrase, never half written."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trace.errors import LimitError, NotFoundError, ParseError, TraceError, ValidationError
from trace.ledger.encoding import b64
from trace.signer import key_files
from trace.signer.head import NOTHING, Head
from trace.signer.key_files import Passphrase, Ring, is_sealed, open_ring, protect
from trace.signer.signed_head import SignedHead
from trace.signer.wire import ROLES

ORIGIN = "log.example"
COST = (key_files.LOG2_N, key_files.R, key_files.P)
WORDS = "correct horse battery"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the work: the cost is measured elsewhere, the format is the same."""
    monkeypatch.setattr(key_files, "LOG2_N", 12)


def phrase(words: str = WORDS) -> Passphrase:
    return Passphrase(words.encode)


def last(folder: Path, origin: str = ORIGIN) -> Head:
    """The head that a signer would start with."""
    head = SignedHead(folder, origin)
    head.close()
    return head.last


def moved(folder: Path, *heads: Head) -> None:
    signed = SignedHead(folder, ORIGIN)
    for head in heads:
        signed.move(head)
    signed.close()


def ids(ring: Ring) -> list[str]:
    return list(ring.by_key_id())


def test_keys_are_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, ORIGIN, None)
    assert len(set(ids(ring))) == 3
    assert [role for role, _ in ring.by_key_id().values()] == list(ROLES)
    assert ids(open_ring(tmp_path, ORIGIN, None)) == ids(ring)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("authority.key", "attestation.key", "log.key", "signed-head"), 0o600
    )
    assert last(tmp_path) == NOTHING
    assert "PrivateKey" not in repr(ring)


def test_a_start_that_was_cut_off_is_taken_up_as_long_as_nothing_was_signed(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, ORIGIN, None)
    (tmp_path / "log.key").unlink()
    again = open_ring(tmp_path, ORIGIN, None)
    assert ids(again)[:2] == ids(ring)[:2] and ids(again)[2] != ids(ring)[2]


def test_a_key_that_is_missing_later_is_never_made_anew(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    moved(tmp_path, Head(1, bytes(32)))
    (tmp_path / "log.key").unlink()
    with pytest.raises(NotFoundError) as refused:
        open_ring(tmp_path, ORIGIN, None)
    assert str(refused.value) == (
        f"{tmp_path / 'log.key'}: missing, and this log has signed; restore it from its backup"
    )
    assert not (tmp_path / "log.key").exists()


def test_keys_without_the_signed_head_are_not_used(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    (tmp_path / "signed-head").unlink()
    with pytest.raises(NotFoundError, match="write into it the first three lines of the newest checkpoint"):
        SignedHead(tmp_path, ORIGIN)
    (tmp_path / "log.key").unlink()
    with pytest.raises(NotFoundError, match="signed-head: missing beside keys"):
        open_ring(tmp_path, ORIGIN, None)


THREE = "log.example\n3\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


def test_the_signed_head_comes_back_and_belongs_to_one_log(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    for size in (3, 4, 9):
        moved(tmp_path, Head(size, bytes(range(32))))
        assert last(tmp_path) == Head(size, bytes(range(32)))
    moved(tmp_path, Head(10, bytes(32)), Head(10, bytes(32)), Head(11, bytes(32)), Head(15, bytes(32)))
    assert last(tmp_path) == Head(15, bytes(32))
    assert (tmp_path / "signed-head").stat().st_size == 1024
    with pytest.raises(ParseError, match=r"origin 'log\.example', expected 'else\.example'"):
        last(tmp_path, "else.example")


def test_a_signed_head_is_restored_by_the_first_three_lines_of_a_checkpoint(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    (tmp_path / "signed-head").write_text(THREE)
    assert last(tmp_path) == Head(3, bytes(range(32)))
    moved(tmp_path, Head(4, bytes(32)))
    assert last(tmp_path) == Head(4, bytes(32))
    for wrong in (THREE[:-1], THREE + "\n", "", THREE.replace("3", "x"), THREE * 2):
        (tmp_path / "signed-head").write_text(wrong)
        with pytest.raises(ParseError):
            last(tmp_path)


def test_a_write_that_is_cut_off_at_any_byte_leaves_the_head_before_it(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    path, before, after = tmp_path / "signed-head", Head(3, bytes(range(32))), Head(400, bytes(32))
    moved(tmp_path, before)
    old = path.read_bytes()
    moved(tmp_path, after)
    new = path.read_bytes()
    changed = [at for at in range(1024) if old[at] != new[at]]
    assert {at // 512 for at in changed} == {0}, "the other slot is not touched"
    for at in range(512):
        path.write_bytes(new[:at] + old[at:])
        assert last(tmp_path) == (after if at > changed[-1] else before), at


def test_a_signed_head_with_a_damaged_byte_never_says_more_than_was_signed(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    path = tmp_path / "signed-head"
    moved(tmp_path, Head(3, bytes(32)), Head(4, bytes(range(32))))
    good = path.read_bytes()
    for at in range(1024):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert last(tmp_path) in (Head(3, bytes(32)), Head(4, bytes(range(32))))
    path.write_bytes(b"x" * 1024)
    with pytest.raises(ParseError, match="neither slot is whole"):
        last(tmp_path)


def test_a_signed_head_that_cannot_be_written_does_not_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ring(tmp_path, ORIGIN, None)
    head = SignedHead(tmp_path, ORIGIN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr("os.fdatasync", full)
        with pytest.raises(OSError, match="No space left"):
            head.move(Head(3, bytes(32)))
    assert head.last == NOTHING
    with monkeypatch.context() as broken:
        broken.setattr("os.pwrite", lambda *_: 100)
        with pytest.raises(OSError, match="written in part"):
            head.move(Head(3, bytes(32)))
    head.move(Head(2, bytes(32)))
    head.close()
    head.close()
    assert last(tmp_path) == Head(2, bytes(32))


def test_an_origin_that_fits_no_slot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="origin of 500 characters: too long"):
        open_ring(tmp_path, "x" * 500, None)


@pytest.mark.parametrize("role", ROLES)
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, role: str) -> None:
    open_ring(tmp_path, ORIGIN, None)
    path = tmp_path / f"{role}.key"
    path.chmod(0o640)
    with pytest.raises(ParseError) as refused:
        open_ring(tmp_path, ORIGIN, None)
    assert str(refused.value) == f"key file {path}: others may read it; run chmod 600 on it"


def test_a_link_is_no_key_file(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    (tmp_path / "log.key").rename(tmp_path / "elsewhere")
    (tmp_path / "log.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        open_ring(tmp_path, ORIGIN, None)


# ---- sealed -----------------------------------------------------------------------------------------


def sealed(folder: Path) -> Ring:
    ring = open_ring(folder, ORIGIN, None)
    protect(folder, phrase("unused"), phrase())
    return ring


def test_sealed_keys_open_with_their_passphrase_and_with_no_other(tmp_path: Path) -> None:
    ring = sealed(tmp_path)
    assert all(is_sealed(tmp_path, role) for role in ROLES)
    assert ids(open_ring(tmp_path, ORIGIN, phrase())) == ids(ring)
    for wrong in ("correct horse batterz", "", "correct horse battery\n"):
        with pytest.raises(ParseError) as refused:
            open_ring(tmp_path, ORIGIN, phrase(wrong))
        assert str(refused.value) == "key file authority.key: this passphrase does not open it, or it was changed"
    with pytest.raises(ParseError, match=r"authority\.key: sealed; a passphrase is needed"):
        open_ring(tmp_path, ORIGIN, None)
    for path in tmp_path.glob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600
        text = path.read_text()
        assert WORDS not in text
        assert not any(key.seed.hex() in text or key.seed.hex().upper() in text for _, key in ring.by_key_id().values())


def test_keys_made_under_a_passphrase_are_sealed_from_the_first_moment(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, ORIGIN, phrase())
    assert all(is_sealed(tmp_path, role) for role in ROLES)
    assert ids(open_ring(tmp_path, ORIGIN, phrase())) == ids(ring)


def test_a_passphrase_is_changed_and_taken_off(tmp_path: Path) -> None:
    ring = sealed(tmp_path)
    protect(tmp_path, phrase(), phrase("another long passphrase"))
    with pytest.raises(ParseError):
        open_ring(tmp_path, ORIGIN, phrase())
    with pytest.raises(ParseError):
        protect(tmp_path, phrase(), None)
    assert ids(open_ring(tmp_path, ORIGIN, phrase("another long passphrase"))) == ids(ring)
    protect(tmp_path, phrase("another long passphrase"), None)
    assert ids(open_ring(tmp_path, ORIGIN, None)) == ids(ring)


def test_a_short_passphrase_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    ring = open_ring(tmp_path, ORIGIN, None)
    with pytest.raises(ValidationError, match="expected at least 12 characters"):
        protect(tmp_path, phrase(), phrase("eleven char"))
    assert ids(open_ring(tmp_path, ORIGIN, None)) == ids(ring)


def test_no_byte_of_a_sealed_file_can_be_changed(tmp_path: Path) -> None:
    sealed(tmp_path)
    path, words = tmp_path / "log.key", phrase()
    good = path.read_bytes()
    # All files share their salt, so the slow derivation is done once; a changed salt or cost derives anew.
    for at in range(len(good)):
        for flip in (0x01, 0x20, 0x80):
            path.write_bytes(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :])
            with pytest.raises(TraceError):
                open_ring(tmp_path, ORIGIN, words)
    path.write_bytes(good)
    open_ring(tmp_path, ORIGIN, words)


def test_a_sealed_file_under_the_name_of_another_key_is_refused(tmp_path: Path) -> None:
    """Who knows the passphrase could write one; the file would say another key than it holds."""
    ring = sealed(tmp_path)
    front = f"suyuan-ed25519-sealed scrypt 12 8 1 {b64(bytes(16))} {ring.log.key_id}"
    key = phrase().key(bytes(16), 12, 8, 1)
    lie = AESGCM(key).encrypt(bytes(12), ring.authority.seed, f"log {front}".encode())
    (tmp_path / "log.key").write_text(f"{front} {b64(bytes(12))} {b64(lie)}\n")
    with pytest.raises(ParseError, match=f"holds key {ring.authority.key_id[:16]}…, says {ring.log.key_id[:16]}…"):
        open_ring(tmp_path, ORIGIN, phrase())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to another user")
def test_a_key_file_of_another_user_is_refused(tmp_path: Path) -> None:
    open_ring(tmp_path, ORIGIN, None)
    os.chown(tmp_path / "log.key", 64_321, 64_321)
    with pytest.raises(ParseError, match="belongs to user 64321, the signer runs as 0"):
        open_ring(tmp_path, ORIGIN, None)


def test_a_sealed_file_stands_in_for_no_other(tmp_path: Path) -> None:
    sealed(tmp_path)
    shutil.copy(tmp_path / "authority.key", tmp_path / "log.key")
    with pytest.raises(ParseError, match=r"log\.key: this passphrase does not open it, or it was changed"):
        open_ring(tmp_path, ORIGIN, phrase())


@pytest.mark.parametrize(
    ("at", "word"),
    [(1, "argon2"), (2, "21"), (2, "0"), (2, "x"), (2, "999"), (3, "17"), (4, "5"), (4, "٤"), (5, "AA==")],
)
def test_a_sealed_file_of_another_form_or_cost_is_refused(tmp_path: Path, at: int, word: str) -> None:
    sealed(tmp_path)
    path = tmp_path / "authority.key"
    words = path.read_text().split(" ")
    words[at] = word
    path.write_text(" ".join(words))
    with pytest.raises(ParseError, match=r"^key file authority\.key: "):
        open_ring(tmp_path, ORIGIN, phrase())


def test_a_guess_costs_128_mib() -> None:
    assert COST == (17, 8, 1)
