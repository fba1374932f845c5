"""DSSE envelope and parcel: the published example, and every form that is no parcel."""

import json
from pathlib import Path
from typing import Any

import pytest

from trace.errors import LimitError, ParseError
from trace.ledger.encoding import b64, from_b64
from trace.ledger.envelope import HOP_TYPE, MAX_PARCEL_BYTES, Envelope, Parcel, pae
from trace.ledger.keys import Algorithm, PublicKey

KEY_ID = "ab" * 32
ENVELOPE = Envelope(HOP_TYPE, b'{"type":"hop"}', KEY_ID, bytes(64))
PARCEL = Parcel(ENVELOPE, ("b25l", "dHdv"))


def test_the_published_example_is_signed_over_its_pae(shared_data: Path) -> None:
    """secure-systems-lab/dsse, protocol.md."""
    case = json.loads((shared_data / "ledger" / "dsse" / "dsse_vectors.json").read_text())
    told = pae(case["payloadType"], case["payload_utf8"].encode())
    assert told == case["pae"].encode()
    raw = b"\x04" + int(case["x"]).to_bytes(32) + int(case["y"]).to_bytes(32)
    PublicKey.parse(Algorithm.ECDSA_P256_SHA256, raw).verify(from_b64(case["sig_b64"], "sig"), told)


def test_pae_counts_bytes_and_not_characters() -> None:
    assert pae("类型", "é".encode()) == b"DSSEv1 6 \xe7\xb1\xbb\xe5\x9e\x8b 2 \xc3\xa9"
    assert pae("", b"") == b"DSSEv1 0  0 "


def test_a_parcel_is_a_round_trip() -> None:
    assert Parcel.from_bytes(PARCEL.to_bytes()) == PARCEL
    assert PARCEL.payload_hash == ENVELOPE.payload_hash


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ENVELOPE.to_dict().items() if key != name}


SIGNATURE = {"keyid": KEY_ID, "sig": b64(bytes(64))}


@pytest.mark.parametrize(
    ("parcel", "message"),
    [
        ([], "parcel: expected an object with ['disclosures', 'envelope'], got list"),
        ({"envelope": {}}, "parcel: expected an object with ['disclosures', 'envelope'], got ['envelope']"),
        ({"envelope": 1, "disclosures": {}}, "parcel: disclosures: expected a list of strings"),
        ({"envelope": ENVELOPE.to_dict(), "disclosures": [1]}, "disclosure: expected a string, got int"),
        (
            {"envelope": 1, "disclosures": []},
            "envelope: expected an object with ['payload', 'payloadType', 'signatures'], got int",
        ),
        (
            {"envelope": without("payload"), "disclosures": []},
            "envelope: expected an object with ['payload', 'payloadType', 'signatures'], "
            "got ['payloadType', 'signatures']",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"signatures": []}, "disclosures": []},
            "envelope: expected exactly one signature",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"signatures": [SIGNATURE, SIGNATURE]}, "disclosures": []},
            "envelope: expected exactly one signature",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"signatures": [SIGNATURE | {"alg": "none"}]}, "disclosures": []},
            "envelope signature: expected an object with ['keyid', 'sig'], got ['alg', 'keyid', 'sig']",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"signatures": [SIGNATURE | {"keyid": "AB" * 32}]}, "disclosures": []},
            f"keyid {'AB' * 32!r}: expected 64 lower-case hex digits",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"signatures": [SIGNATURE | {"sig": "AA"}]}, "disclosures": []},
            "signature 'AA': expected base64 with padding",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"payload": "e30"}, "disclosures": []},
            "payload 'e30': expected base64 with padding",
        ),
        (
            {"envelope": ENVELOPE.to_dict() | {"payloadType": None}, "disclosures": []},
            "payloadType: expected a string, got NoneType",
        ),
    ],
)
def test_what_is_no_parcel_is_refused(parcel: Any, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        Parcel.from_bytes(json.dumps(parcel).encode())
    assert str(refused.value) == message


def test_limits_of_a_parcel() -> None:
    many = Parcel(ENVELOPE, ("b25l",) * 4097)
    with pytest.raises(LimitError) as refused:
        Parcel.from_bytes(many.to_bytes())
    assert str(refused.value) == "parcel: 4097 disclosures, at most 4096 are taken"
    with pytest.raises(LimitError) as refused:
        Parcel.from_bytes(b" " * (MAX_PARCEL_BYTES + 1))
    assert str(refused.value) == "parcel: 1500001 bytes, at most 1500000 are taken"


def test_a_message_about_a_thousand_members_stays_short() -> None:
    with pytest.raises(ParseError) as refused:
        Parcel.from_bytes(json.dumps({f"member{n}": 1 for n in range(1000)}).encode())
    assert len(str(refused.value)) < 250


def test_the_env_hash_of_a_damaged_key_id_is_a_parse_error() -> None:
    with pytest.raises(ParseError):
        _ = Envelope(HOP_TYPE, b"", "`b" * 32, bytes(64)).env_hash
