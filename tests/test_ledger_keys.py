"""Keys and signatures: published attacks are refused, key files are for the owner's eyes alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from trace.errors import ParseError, SignatureError
from trace.ledger.keys import Algorithm, PrivateKey, PublicKey

SMALL_ORDER = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
"""The point of order 2."""
KEY = PrivateKey(bytes(range(32)))


def cases(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """(public key in hex, test) of a Wycheproof file."""
    groups = json.loads(path.read_text())["testGroups"]
    return [
        (group["publicKey"].get("pk") or group["publicKey"]["uncompressed"], test)
        for group in groups
        for test in group["tests"]
    ]


def holds(algorithm: Algorithm, public: str, signature: str, message: str) -> bool:
    try:
        PublicKey.parse(algorithm, bytes.fromhex(public)).verify(bytes.fromhex(signature), bytes.fromhex(message))
    except (ParseError, SignatureError):
        return False
    return True


@pytest.mark.parametrize(
    ("file", "algorithm"),
    [
        ("ed25519/wycheproof_ed25519_test.json", Algorithm.ED25519),
        ("ecdsa/wycheproof_ecdsa_secp256r1_sha256_p1363_test.json", Algorithm.ECDSA_P256_SHA256),
    ],
)
def test_wycheproof_signatures_are_judged_as_published(shared_data: Path, file: str, algorithm: Algorithm) -> None:
    """C2SP/wycheproof."""
    wrong = [
        (test["tcId"], test["comment"])
        for public, test in cases(shared_data / "ledger" / file)
        if holds(algorithm, public, test["sig"], test["msg"]) != (test["result"] == "valid")
    ]
    assert wrong == []


def test_every_key_and_signature_of_the_taming_paper_is_refused(shared_data: Path) -> None:
    """novifinancial/ed25519-speccheck: small order, mixed order, non-canonical points and scalars."""
    for case in json.loads((shared_data / "ledger" / "ed25519" / "speccheck_cases.json").read_text()):
        assert not holds(Algorithm.ED25519, case["pub_key"], case["signature"], case["message"]), case


def test_a_signature_belongs_to_its_bytes_and_its_key() -> None:
    signature = KEY.sign(b"message")
    KEY.public.verify(signature, b"message")
    refusal = f"signature does not belong to these bytes and key {KEY.key_id[:16]}…"
    for public, data in ((KEY.public, b"messagf"), (PrivateKey(bytes(32)).public, b"message")):
        with pytest.raises(SignatureError) as refused:
            public.verify(signature, data)
        assert str(refused.value) == refusal.replace(KEY.key_id[:16], public.key_id[:16])
    with pytest.raises(SignatureError) as refused:
        KEY.public.verify(signature + b"\0", b"message")
    assert str(refused.value) == f"signature of key {KEY.key_id[:16]}…: expected 64 bytes, got 65"


@pytest.mark.parametrize(
    ("algorithm", "raw", "message"),
    [
        (1, "00" * 31, "Ed25519 public key: expected 32 bytes, got 31"),
        (1, SMALL_ORDER, f"Ed25519 public key {SMALL_ORDER}: not a canonical point of the prime-order group"),
        (1, "ff" * 32, f"Ed25519 public key {'ff' * 32}: not a canonical point of the prime-order group"),
        (2, "04" + "00" * 63, "P-256 public key: expected 65 bytes beginning 04, got 64"),
        (2, "02" + "00" * 64, "P-256 public key: expected 65 bytes beginning 04, got 65"),
        (2, "04" + "01" * 64, f"P-256 public key {'04' + '01' * 11}…: not a point of the curve"),
        (3, "", "algorithm byte 3: expected one of 1 (ED25519), 2 (ECDSA_P256_SHA256)"),
        (0, "", "algorithm byte 0: expected one of 1 (ED25519), 2 (ECDSA_P256_SHA256)"),
    ],
)
def test_what_is_no_usable_key_is_refused(algorithm: int, raw: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        PublicKey.parse(algorithm, bytes.fromhex(raw))
    assert str(refused.value) == message


def test_a_key_file_comes_back_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    KEY.save(path)
    assert PrivateKey.load(path) == KEY
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    KEY.save(path)
    with pytest.raises(FileExistsError):
        PrivateKey.generate().save(path)
    assert PrivateKey.load(path) == KEY


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (None, 0o640, "key file log.key: others may read it; run chmod 600 on it"),
        ("", 0o600, "key file log.key: expected one line 'suyuan-ed25519-seed <64 hex digits>'"),
        ("ssh-key " + "0" * 64, 0o600, "key file log.key: expected one line 'suyuan-ed25519-seed <64 hex digits>'"),
        ("suyuan-ed25519-seed 00", 0o600, "key file log.key: expected one line 'suyuan-ed25519-seed <64 hex digits>'"),
        ("suyuan-ed25519-seed " + "g" * 64, 0o600, "key file log.key: the seed is not hex"),
    ],
)
def test_a_bad_key_file_is_refused(tmp_path: Path, text: str | None, mode: int, message: str) -> None:
    path = tmp_path / "log.key"
    KEY.save(path)
    if text is not None:
        path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ParseError) as refused:
        PrivateKey.load(path)
    assert str(refused.value) == message


def test_a_private_key_is_never_shown() -> None:
    assert repr(KEY) == f"PrivateKey({KEY.key_id[:16]}…)"


def test_fresh_keys_differ() -> None:
    assert PrivateKey.generate() != PrivateKey.generate()


def test_a_key_is_saved_whole_once_and_over_what_a_killed_process_left(tmp_path: Path) -> None:
    first, second = PrivateKey.generate(), PrivateKey.generate()
    file, left = tmp_path / "log.key", tmp_path / "log.key.new"
    left.write_bytes(b"suyuan-ed")  # killed in the middle of writing
    first.save(file)
    with pytest.raises(FileExistsError):
        second.save(file)
    assert PrivateKey.load(file) == first
    assert [each.name for each in tmp_path.iterdir()] == ["log.key"]
