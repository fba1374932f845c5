"""What the platform's keys sign: what they understand, for their own log, and nothing else. Pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trace.errors import LimitError, ParseError, TraceError, ValidationError
from trace.ledger.canonical import canonical, parse_json
from trace.ledger.checkpoint import sign_checkpoint
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import HOP_TYPE, STATEMENT_TYPE, Envelope, pae
from trace.ledger.keys import PrivateKey
from trace.ledger.leaf import CorrectLine
from trace.ledger.payload import Attested, Signer
from trace.signer.head import NOTHING, Head
from trace.signer.rules import check_checkpoint, check_payload
from trace.signer.wire import Answer, AskPublic, AskSignature, Identity, Outcome, frame, parse_request

ORIGIN = "log.example"
KEY, OTHER = PrivateKey(bytes(range(32))), PrivateKey(bytes(32))
ISSUER, PARTY = "ab" * 16, "cd" * 16
AT = datetime(2026, 11, 24, tzinfo=UTC)
EVENT = {"type": "ObjectEvent", "epcList": ["https://id.gs1.org/01/09520000000028/21/A1"], "action": "OBSERVE"}


def signer(key: PrivateKey = KEY, origin: str = ORIGIN) -> Signer:
    return Signer(key, ISSUER, origin)


def message(envelope: Envelope) -> bytes:
    return pae(envelope.payload_type, envelope.payload)


def hop(attests: bool = True, **of: Any) -> bytes:
    told = Attested(PARTY, b64u(bytes(32))) if attests else None
    return message(signer(**of).hop(split(EVENT), AT, attests=told).envelope)


def statement(**of: Any) -> bytes:
    key = OTHER.public
    body = {"alg": 1, "public": b64u(key.raw), "issuer": PARTY, "role": "device"}
    return message(signer(**of).statement("keyreg", body, split({}), AT).envelope)


MEANT_ELSEWHERE = "payload is meant for the log 'else.example', this is 'log.example'"
SIGNED_BY_OTHER = f"payload: dev {OTHER.key_id[:16]}…: expected the envelope's key id {KEY.key_id[:16]}…"


def payload(told: bytes) -> bytes:
    return told[told.index(b"{") :]


def test_the_attestation_key_signs_what_it_attests_and_the_authority_what_it_states() -> None:
    check_payload("attestation", KEY.key_id, ORIGIN, hop())
    check_payload("authority", KEY.key_id, ORIGIN, statement())
    revoke = {"key": OTHER.key_id, "compromisedFrom": 7}
    revoked = signer().statement("keyrev", revoke, split({}), AT).envelope
    check_payload("authority", KEY.key_id, ORIGIN, message(revoked))
    wrong = signer().hop(split(EVENT), AT, corrects=CorrectLine(3, bytes(32))).envelope
    check_payload("authority", KEY.key_id, ORIGIN, message(wrong))
    with pytest.raises(ValidationError, match="the attestation key signs hops with attests, got a correct"):
        check_payload("attestation", KEY.key_id, ORIGIN, message(wrong))


@pytest.mark.parametrize(
    ("role", "asked", "reason"),
    [
        ("attestation", hop(attests=False), "the attestation key signs hops with attests, got a hop"),
        ("attestation", statement(), "the attestation key signs hops with attests, got a keyreg"),
        ("authority", hop(), "the authority key signs statements and corrections, got a hop"),
        ("authority", hop(attests=False), "the authority key signs statements and corrections, got a hop"),
        ("authority", statement(origin="else.example"), MEANT_ELSEWHERE),
        ("attestation", hop(origin="else.example"), MEANT_ELSEWHERE),
        ("attestation", hop(key=OTHER), SIGNED_BY_OTHER),
        ("authority", statement(key=OTHER), SIGNED_BY_OTHER),
    ],
    ids=range(8),
)
def test_a_payload_for_another_key_log_or_purpose_is_refused(role: str, asked: bytes, reason: str) -> None:
    with pytest.raises(TraceError) as refused:
        check_payload(role, KEY.key_id, ORIGIN, asked)
    assert str(refused.value) == reason


GOOD = payload(hop())


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"DSSEv1",
        GOOD,
        f"{ORIGIN}\n4\n{'A' * 43}=\n".encode(),
        pae("application/vnd.suyuan.other.v1+json", GOOD),
        pae(STATEMENT_TYPE, GOOD),
        pae(HOP_TYPE, payload(statement())),
        pae(HOP_TYPE, b""),
        pae(HOP_TYPE, b"{}"),
        pae(HOP_TYPE, b"[1]"),
        pae(HOP_TYPE, b"\xff"),
        pae(HOP_TYPE, GOOD + b" "),
        pae(HOP_TYPE, GOOD.replace(b'"items"', b'"itemz"')),
        pae(HOP_TYPE, GOOD[:-1]),
        hop() + b"x",
        hop()[:-1],
        hop().replace(b"DSSEv1 ", b"DSSEv1  ", 1),
        hop().replace(b" %d {" % len(GOOD), b" 0%d {" % len(GOOD)),
        hop().replace(b"DSSEv1 34", b"DSSEv1 034", 1) + b"\n",
        pae(HOP_TYPE, canonical({**parse_json(GOOD, "x", max_bytes=9999), "more": 1})),
    ],
    ids=range(20),
)
def test_what_is_no_payload_of_ours_is_refused_by_both_keys(asked: bytes) -> None:
    for role in ("attestation", "authority"):
        with pytest.raises(TraceError):
            check_payload(role, KEY.key_id, ORIGIN, asked)


def test_a_payload_over_the_limit_is_refused() -> None:
    with pytest.raises(LimitError):
        check_payload("attestation", KEY.key_id, ORIGIN, pae(HOP_TYPE, b'"' + b"a" * 3_000_000 + b'"'))


# ---- checkpoints ----------------------------------------------------------------------------------

ROOT_A, ROOT_B = bytes(range(32)), bytes(32)


def body(size: int, root: bytes = ROOT_A, origin: str = ORIGIN) -> bytes:
    return Head(size, root).to_bytes(origin)


def test_what_the_publisher_signs_is_what_the_signer_reads() -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT_A, KEY).note
    assert note.partition("\n\n")[0] + "\n" == body(7).decode()
    assert check_checkpoint(ORIGIN, body(7), NOTHING) == Head(7, ROOT_A)


def test_heads_go_up_or_stay() -> None:
    last = Head(7, ROOT_A)
    assert check_checkpoint(ORIGIN, body(7), last) == last
    assert check_checkpoint(ORIGIN, body(8, ROOT_B), last) == Head(8, ROOT_B)
    assert check_checkpoint(ORIGIN, NOTHING.to_bytes(ORIGIN), NOTHING) == NOTHING


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (body(6), "a checkpoint over 7 leaves was signed, this one has 6"),
        (body(0), "a checkpoint over 7 leaves was signed, this one has 0"),
        (body(7, ROOT_B), "another checkpoint over 7 leaves was signed: this would be a second history"),
    ],
)
def test_a_head_that_goes_back_or_forks_is_refused(asked: bytes, reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        check_checkpoint(ORIGIN, asked, Head(7, ROOT_A))
    assert str(refused.value) == reason


def test_an_empty_log_has_one_root() -> None:
    with pytest.raises(ValidationError):
        check_checkpoint(ORIGIN, body(0), Head(0, ROOT_A))
    with pytest.raises(ValidationError, match="second history"):
        check_checkpoint(ORIGIN, body(0), NOTHING)


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"\n",
        body(9).removesuffix(b"\n"),
        body(9) + b"\n",
        body(9) + b"extension\n",
        body(9) + b"\n\xe2\x80\x94 log.example AAAA\n",
        body(9, origin="else.example"),
        body(9).replace(b"\n9\n", b"\n09\n"),
        body(9).replace(b"\n9\n", b"\n+9\n"),
        body(9).replace(b"\n9\n", b"\n-9\n"),
        body(9).replace(b"\n9\n", b"\n 9\n"),
        body(9).replace(b"\n9\n", "\n\u0669\n".encode()),
        body(9).replace(b"\n9\n", b"\n%d\n" % 10**16),
        body(9, bytes(31)),
        body(9).replace(b"=", b""),
        body(9).replace(b"\n", b"\r\n"),
        b"\xff" + body(9),
        hop(),
    ],
    ids=range(18),
)
def test_what_is_no_checkpoint_of_ours_is_refused(asked: bytes) -> None:
    with pytest.raises(ParseError):
        check_checkpoint(ORIGIN, asked, NOTHING)


# ---- the wire -------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [AskPublic(), AskSignature(KEY.key_id, b""), AskSignature(KEY.key_id, b"\n\0x")])
def test_requests_come_back(request_: AskPublic | AskSignature) -> None:
    assert parse_request(request_.to_bytes()) == request_


@pytest.mark.parametrize(
    "garbage",
    [b"", b"public", b"public\nx", b"public \n", b"sign\n", b"sign 00\n", b"SIGN " + b"0" * 64 + b"\n", b"\xff\n",
     b"sign " + b"A" * 64 + b"\n", b"sign " + b"0" * 64, b"sign  " + b"0" * 64 + b"\n", b"x" * 100_000],
)  # fmt: skip
def test_what_is_no_request_is_refused(garbage: bytes) -> None:
    with pytest.raises(ParseError):
        parse_request(garbage)


@pytest.mark.parametrize("outcome", Outcome)
def test_answers_come_back(outcome: Outcome) -> None:
    answer = Answer(outcome, b"a\nb")
    assert Answer.from_bytes(answer.to_bytes()) == answer


def test_what_is_no_answer_is_refused() -> None:
    for garbage in (b"", b"yes\n", b"\xff"):
        with pytest.raises(ParseError):
            Answer.from_bytes(garbage)


def test_a_frame_has_its_length_in_front_and_a_limit() -> None:
    assert frame(b"ab") == b"\0\0\0\2ab"
    with pytest.raises(LimitError):
        frame(bytes(4 * 2**20 + 1))


def test_public_keys_come_back_as_text() -> None:
    third = PrivateKey(b"\1" * 32).public
    identity = Identity(ORIGIN, KEY.public, OTHER.public, third)
    assert Identity.parse(identity.to_text()) == identity
    good = identity.to_text()
    small = "7P///////////////////////////////////////38="
    for bad in (
        "",
        good[:-1],
        good + "\n",
        good.replace("log 1", "log 2"),
        good.replace("authority", "attestation"),
        good.replace("origin", "Origin"),
        good.replace("log 1 " + good.split()[-1], f"log 1 {small}"),
    ):
        with pytest.raises(ParseError):
            Identity.parse(bad)
