"""A request to register a key proves that who asks has its private half."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trace.errors import LimitError, ParseError, SignatureError, TraceError, ValidationError
from trace.ledger.canonical import canonical, parse_json
from trace.ledger.encoding import b64, b64u
from trace.ledger.envelope import HOP_TYPE, Envelope, Parcel, pae
from trace.ledger.key_request import REQUEST_TYPE, KeyRequest, make_request
from trace.ledger.keys import Algorithm, PrivateKey, PublicKey

ORIGIN, ISSUER = "log.example", "ab" * 16
KEY, THIEF = PrivateKey(bytes(range(32))), PrivateKey(bytes(32))


def request(key: PrivateKey = KEY, issuer: str | None = ISSUER, role: str = "device") -> bytes:
    return make_request(key, ORIGIN, issuer, role, random=bytes)


def said() -> dict[str, Any]:
    envelope = Envelope.from_dict(parse_json(request(), "x", max_bytes=9999))
    payload: dict[str, Any] = parse_json(envelope.payload, "x", max_bytes=9999)
    return payload


def signed(payload: bytes, by: PrivateKey = KEY, kind: str = REQUEST_TYPE, key_id: str | None = None) -> bytes:
    return canonical(Envelope(kind, payload, key_id or by.key_id, by.sign(pae(kind, payload))).to_dict())


def test_a_request_comes_back() -> None:
    assert KeyRequest.parse(request()) == KeyRequest(KEY.public, ORIGIN, ISSUER, "device", bytes(16))
    assert KeyRequest.parse(request(issuer=None, role="enterprise")).issuer is None
    assert KeyRequest.parse(request().strip() + b"\r\n\n") == KeyRequest.parse(request())


def test_two_requests_of_one_key_differ() -> None:
    assert make_request(KEY, ORIGIN, None, "device") != make_request(KEY, ORIGIN, None, "device")


def test_a_key_of_a_browser_may_ask_too() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    raw = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    class Browser:
        public = PublicKey.parse(Algorithm.ECDSA_P256_SHA256, raw)
        key_id = public.key_id

        def sign(self, message: bytes) -> bytes:
            r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32) + s.to_bytes(32)

    assert KeyRequest.parse(make_request(Browser(), ORIGIN, None, "device")).key == Browser.public


def test_who_has_not_the_private_half_cannot_ask_for_a_key() -> None:
    payload = canonical(said())
    with pytest.raises(ParseError) as other:
        KeyRequest.parse(signed(payload, by=THIEF))
    assert str(other.value) == f"key request: signed by {THIEF.key_id[:16]}…, asks for {KEY.key_id[:16]}…"
    with pytest.raises(SignatureError):
        KeyRequest.parse(signed(payload, by=THIEF, key_id=KEY.key_id))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("aud", "else.example"),
        ("issuer", "cd" * 16),
        ("issuer", None),
        ("role", "enterprise"),
        ("nonce", b64u(b"\1" * 16)),
        ("public", b64u(THIEF.public.raw)),
        ("alg", 2),
    ],
)
def test_nothing_of_a_request_can_be_changed(member: str, value: Any) -> None:
    parts = parse_json(request(), "x", max_bytes=9999)
    parts["payload"] = b64(canonical(said() | {member: value}))
    with pytest.raises(TraceError):
        KeyRequest.parse(canonical(parts))


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("role", "authority", "key request: role 'authority': expected enterprise or device"),
        ("role", "attestation", "key request: role 'attestation': expected enterprise or device"),
        ("role", None, "key request: role 'None': expected enterprise or device"),
        ("type", "keyreg", "key request: expected type keyrequest and "),
        ("alg", True, "key request: alg: expected a number"),
        ("alg", 3, "algorithm byte 3: expected one of "),
        ("public", 7, "key request: public: expected a string, got int"),
        ("public", "", "Ed25519 public key: expected 32 bytes, got 0"),
        ("issuer", "AB" * 16, f"key request: issuer '{'AB' * 16}': expected 32 lower-case hex digits"),
        ("issuer", 7, "key request: issuer: expected a string, got int"),
        ("nonce", "AA", "key request: nonce 'AA': expected 16 bytes, got 1"),
        ("aud", None, "key request: aud: expected a string, got NoneType"),
        ("more", 1, "key request: expected type keyrequest and "),
    ],
)
def test_a_request_of_another_form_is_refused(member: str, value: Any, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        KeyRequest.parse(signed(canonical(said() | {member: value})))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        request().replace(b'"payload"', b' "payload"', 1),
        signed(canonical(said()), kind=HOP_TYPE),
        signed(b'{"type": "keyrequest"}'),
        Parcel(Envelope(REQUEST_TYPE, canonical(said()), KEY.key_id, bytes(64)), ()).to_bytes(),
    ],
    ids=range(8),
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ParseError):
        KeyRequest.parse(data)


def test_a_long_file_is_not_read() -> None:
    with pytest.raises(LimitError):
        KeyRequest.parse(b"[" * 5000)


def test_a_request_for_one_party_registers_nothing_for_another() -> None:
    asked = KeyRequest.parse(request())
    public = b64u(KEY.public.raw)
    assert asked.body(ISSUER) == {"alg": 1, "public": public, "issuer": ISSUER, "role": "device"}
    with pytest.raises(ValidationError) as refused:
        asked.body("cd" * 16)
    assert str(refused.value) == f"key request: asks for issuer {ISSUER}, got {'cd' * 16}"
