"""Keys and signatures: published attacks are refused, key files are for the owner's eyes alone."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_core_ed25519_add

from trace.errors import ParseError, SignatureError
from trace.ledger.checkpoint import parse_verifier_key, verifier_key
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.key_request import KeyRequest, make_request
from trace.ledger.keys import Algorithm, PrivateKey, PublicKey
from trace.ledger.payload import Signer, parse_payload

SMALL_ORDER = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
"""The point of order 2."""
KEY = PrivateKey(bytes(range(32)))
START = datetime(2026, 11, 24, tzinfo=UTC)


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


def test_signatures_of_ecdsa_in_der_are_no_signatures_here_and_judged_as_published_in_ours(shared_data: Path) -> None:
    """C2SP/wycheproof, the ASN.1 file: our form is `r ‖ s` alone, so nothing else may pass for it."""
    judged = 0
    for public, test in cases(shared_data / "ledger" / "ecdsa" / "wycheproof_ecdsa_secp256r1_sha256_test.json"):
        der = bytes.fromhex(test["sig"])
        assert not holds(Algorithm.ECDSA_P256_SHA256, public, test["sig"], test["msg"]), test["tcId"]
        try:
            r, s = decode_dss_signature(der)
        except ValueError:
            assert test["result"] == "invalid", test["tcId"]
            continue
        if encode_dss_signature(r, s) != der or not (0 <= r < 2**256 and 0 <= s < 2**256):
            assert test["result"] == "invalid", test["tcId"]
            continue
        ours = (r.to_bytes(32) + s.to_bytes(32)).hex()
        accepted = holds(Algorithm.ECDSA_P256_SHA256, public, ours, test["msg"])
        assert accepted == (test["result"] == "valid"), (test["tcId"], test["comment"])
        judged += 1
    assert judged > 30


def test_every_key_and_signature_of_the_taming_paper_is_refused(shared_data: Path) -> None:
    """novifinancial/ed25519-speccheck: small order, mixed order, non-canonical points and scalars."""
    for case in json.loads((shared_data / "ledger" / "ed25519" / "speccheck_cases.json").read_text()):
        assert not holds(Algorithm.ED25519, case["pub_key"], case["signature"], case["message"]), case


FIELD = 2**255 - 19
ORDER_8 = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
"""RFC 8032's curve has eight points of small order; these are two of the four of order 8, the others are negatives."""


def encoding(y: int, sign: int) -> str:
    return (y | sign << 255).to_bytes(32, "little").hex()


WEAK = (
    # y of the points of order 4, 1 and 2, and all y that are written above the field.
    *(encoding(y, sign) for y in (0, 1, FIELD - 1, *range(FIELD, 2**255)) for sign in (0, 1)),
    *(encoding(int.from_bytes(bytes.fromhex(point), "little"), sign) for point in ORDER_8 for sign in (0, 1)),
)


@pytest.mark.parametrize("raw", WEAK)
def test_small_order_and_non_canonical_keys_are_refused_wherever_a_key_comes_in(raw: str) -> None:
    with pytest.raises(ParseError, match="not a canonical point of the prime-order group"):
        PublicKey.parse(Algorithm.ED25519, bytes.fromhex(raw))
    # As what they would say of themselves: at registration, in a verifier key, in a request.
    weak = PublicKey(Algorithm.ED25519, bytes.fromhex(raw))
    with pytest.raises(ParseError):
        parse_verifier_key(verifier_key("log.example", weak))
    body = {"alg": 1, "public": b64u(weak.raw), "issuer": "cd" * 16, "role": "device"}
    statement = Signer(KEY, "ab" * 16, "log.example").statement("keyreg", body, split({}), START).envelope
    with pytest.raises(ParseError):
        parse_payload(statement)
    with pytest.raises(ParseError):
        KeyRequest.parse(make_request(Pretending(weak), "log.example", None, "device"))


class Pretending:
    """Signs with one key under the name of another."""

    def __init__(self, public: PublicKey) -> None:
        self.public = public
        self.key_id = public.key_id

    def sign(self, message: bytes) -> bytes:
        return KEY.sign(message)


def test_a_key_of_mixed_order_is_refused() -> None:
    mixed = crypto_core_ed25519_add(KEY.public.raw, bytes.fromhex(ORDER_8[0]))
    with pytest.raises(ParseError):
        PublicKey.parse(Algorithm.ED25519, mixed)


@pytest.mark.parametrize("flip", [1, 2, 33, 64])
def test_a_p256_point_off_the_curve_is_refused(flip: int) -> None:
    good = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    raw = bytearray(good.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
    assert PublicKey.parse(Algorithm.ECDSA_P256_SHA256, bytes(raw)).raw == raw
    raw[flip] ^= 1
    with pytest.raises(ParseError, match="not a point of the curve"):
        PublicKey.parse(Algorithm.ECDSA_P256_SHA256, bytes(raw))


@pytest.mark.parametrize("coordinate", [0, 2**256 - 2**224 + 2**192 + 2**96 - 1, 2**256 - 1])
def test_p256_coordinates_above_the_field_and_the_point_at_infinity_are_refused(coordinate: int) -> None:
    for raw in (b"\x04" + coordinate.to_bytes(32) * 2, b"\x04" + bytes(32) + coordinate.to_bytes(32), b"\x00" * 65):
        with pytest.raises(ParseError):
            PublicKey.parse(Algorithm.ECDSA_P256_SHA256, raw)


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
