"""The signed JSON: what a signer makes is read back, every other form is refused by the name of its member."""

from datetime import UTC, datetime
from typing import Any

import pytest
from build import ORIGIN, event_of, private_key, pseudonym

from trace.errors import LimitError, ParseError, SignatureError
from trace.ledger.canonical import canonical
from trace.ledger.disclosure import Disclosure, case_content, split, split_case
from trace.ledger.encoding import b64, b64u
from trace.ledger.envelope import HOP_TYPE, STATEMENT_TYPE, Envelope, pae
from trace.ledger.keys import PrivateKey
from trace.ledger.leaf import CorrectLine
from trace.ledger.payload import (
    POSSESSION_TYPE,
    Attested,
    CaseStep,
    Erasure,
    Head,
    Hop,
    KeyRegistration,
    KeyRevocation,
    KeyRotation,
    OtherTree,
    Seen,
    Signer,
    digests,
    parse_payload,
    parts_of,
    possession_body,
)

AT = datetime(2026, 11, 24, 3, 4, 5, 678000, tzinfo=UTC)
KEY = private_key("device")
NEXT_KEY = private_key("next")
ISSUER = pseudonym("firm")
DIGEST = b64u(bytes(32))


def signer(seq: int = 0, prev: bytes | None = None) -> Signer:
    return Signer(KEY, ISSUER, ORIGIN, seq, prev, random=bytes)


def proof_of(key: PrivateKey) -> str:
    """That `key` is held, by whoever rotates KEY to NEXT_KEY."""
    return b64u(key.sign(pae(POSSESSION_TYPE, possession_body(ORIGIN, KEY.key_id, NEXT_KEY.public))))


def hop(**changes: Any) -> dict[str, Any]:
    """A hop payload; a member given as None is null, `drop` names one to leave out."""
    drop = changes.pop("drop", None)
    plain = {
        "type": "hop",
        "iss": ISSUER,
        "dev": KEY.key_id,
        "seq": 1,
        "prev": None,
        "aud": ORIGIN,
        "nonce": b64u(bytes(16)),
        "seen": None,
        "signedAt": "2026-11-24T03:04:05.678Z",
        "event": {"type": "ObjectEvent"},
        "items": [],
        "_sd": [],
    } | changes
    plain.pop(drop, None)
    return plain


def statement(kind: str, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = hop(type=kind, **changes)
    del plain["event"], plain["items"]
    return plain | body


def refusal(value: Any, payload_type: str = HOP_TYPE) -> str:
    payload = value if isinstance(value, bytes) else canonical(value)
    with pytest.raises((ParseError, LimitError, SignatureError)) as refused:
        parse_payload(Envelope(payload_type, payload, KEY.key_id, bytes(64)))
    return str(refused.value)


def test_a_hop_is_read_back_as_it_was_signed() -> None:
    cut = split(event_of(["urn:a"]), lambda: bytes(16))
    attests = Attested(pseudonym("other"), DIGEST)
    parcel = signer(4, bytes(32)).hop(cut, AT, Seen(3, bytes(32)), attests)
    read = parse_payload(parcel.envelope)
    head = Head("hop", ISSUER, KEY.key_id, 5, bytes(32), ORIGIN, Seen(3, bytes(32)), AT, frozenset(cut.sd))
    assert read == Hop(head, cut.public, cut.items, attests)
    assert digests(read) == (*cut.items, *cut.sd, DIGEST)
    assert parcel.disclosures == tuple(each.text for each in cut.disclosures)


def test_statements_are_read_back_as_they_were_signed() -> None:
    other = private_key("other").public
    body = {"alg": 1, "public": b64u(other.raw), "issuer": pseudonym("other"), "role": "device"}
    keyreg = parse_payload(signer().statement("keyreg", body, split({"name": "甲"}), AT).envelope)
    assert isinstance(keyreg, KeyRegistration)
    assert (keyreg.key, keyreg.issuer, keyreg.role) == (other, pseudonym("other"), "device")
    assert digests(keyreg) == tuple(keyreg.head.sd)
    revoke = {"key": other.key_id, "compromisedFrom": 7}
    keyrev = parse_payload(signer().statement("keyrev", revoke, split({}), AT).envelope)
    assert isinstance(keyrev, KeyRevocation)
    assert (keyrev.key_id, keyrev.compromised_from) == (other.key_id, 7)


def test_statements_about_keys_data_and_other_logs_are_read_back() -> None:
    nothing = split({})
    keyrot = parse_payload(signer().statement("keyrot", KEYROT, nothing, AT).envelope)
    assert isinstance(keyrot, KeyRotation)
    assert keyrot.line().line() == f"rotate {NEXT_KEY.key_id} 1 {b64(NEXT_KEY.public.raw)}"
    erase = parse_payload(signer().statement("erase", ERASE, nothing, AT).envelope)
    assert isinstance(erase, Erasure)
    assert (erase.line().line(), erase.basis) == ("erase 3 2,5", "PIPL 47")
    for kind in ("import", "anchor"):
        tree = parse_payload(signer().statement(kind, TREE, nothing, AT).envelope)
        assert isinstance(tree, OtherTree)
        assert tree.line().line() == f"{kind} other.example 9 {b64(bytes(32))}"


def test_a_step_of_a_case_is_read_back_and_its_content_is_disclosed() -> None:
    uri = f"https://{ORIGIN}/id/case/0123456789abcdef0123456789abcdef"
    cut = split_case(uri, {"name": "甲", "a/b~c": [1]}, {"note": None}, lambda: bytes(16))
    parcel = signer().statement("blacklist", CASE, cut, AT)
    read = parse_payload(parcel.envelope)
    assert isinstance(read, CaseStep)
    assert (read.act, read.approved_by, read.items) == ("publish", (ISSUER,), cut.items)
    assert digests(read) == (*cut.items, *cut.sd)
    told = [Disclosure.parse(text) for text in parcel.disclosures]
    assert case_content(told) == (uri, {"name": "甲", "a/b~c": [1]}, {"note": None})
    assert case_content(told[1:2]) == (None, {"name": "甲"}, {})
    assert [each.access(set(cut.items)) for each in told] == ["item", "public", "public", "regulator"]


@pytest.mark.parametrize(
    "pointers", [["/case", "/case"], ["/public/a", "/public/a"], ["/public"], ["/x/a"], ["/public/a/b"]]
)
def test_what_is_no_content_of_a_case_is_refused(pointers: list[str]) -> None:
    with pytest.raises(ParseError, match="expected /case, /public/… and /internal/…, each once"):
        case_content([Disclosure.make(pointer, "x", bytes(16)) for pointer in pointers])


def test_the_declaration_of_an_error_names_the_hop() -> None:
    corrects = CorrectLine(7, bytes(32))
    read = parse_payload(signer().hop(split(event_of(["urn:a"])), AT, corrects=corrects).envelope)
    assert isinstance(read, Hop)
    assert (read.head.kind, read.corrects) == ("correct", corrects)
    assert corrects.line() == f"correct 7 {b64(bytes(32))}"


def test_what_the_platform_signs_for_somebody_is_not_split() -> None:
    attests = Attested(pseudonym("other"), DIGEST)
    parcel = signer().hop(split(event_of([f"urn:{n}" for n in range(10_000)])), AT, attests=attests)
    read = parse_payload(parcel.envelope)
    assert (parts_of(read), len(parcel.envelope.payload) > 262_144) == (20, True)
    with pytest.raises(LimitError, match=r"^10001 keys in one event, at most 10000"):
        signer().hop(split(event_of([f"urn:{n}" for n in range(10_001)])), AT, attests=attests)
    assert parts_of(parse_payload(signer().hop(split(event_of([])), AT).envelope)) == 1


def test_each_signature_moves_the_chain() -> None:
    key = signer()
    first = key.hop(split(event_of(["urn:a"])), AT)
    second = key.hop(split(event_of(["urn:b"])), AT)
    assert (key.seq, key.prev) == (2, second.payload_hash)
    read = parse_payload(second.envelope)
    assert (read.head.seq, read.head.prev) == (2, first.payload_hash)


def test_what_is_too_much_is_not_signed_and_moves_nothing() -> None:
    key = signer()
    with pytest.raises(LimitError) as refused:
        key.hop(split(event_of([f"urn:{n}" for n in range(501)])), AT)
    assert str(refused.value) == "501 keys in one event, at most 500: split it before signing"
    with pytest.raises(LimitError, match=r"^payload of \d+ bytes, at most 262144$"):
        key.hop(split(event_of(["urn:a"], disposition="x" * 262_144)), AT)
    assert (key.seq, key.prev) == (0, None)


def test_a_chain_is_taken_up_whole_or_not_at_all() -> None:
    with pytest.raises(ValueError, match=r"^seq 3 and prev None do not belong together$"):
        signer(3)
    with pytest.raises(ParseError, match=r"^issuer 'me': expected a pseudonym of 32 lower-case hex digits$"):
        Signer(KEY, "me", ORIGIN)


ATTESTS = {"for": ISSUER, "received": DIGEST}
CORRECTS = {"leaf": 7, "hash": DIGEST}
AT_MOST = "at most 10000 in one parcel"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (hop(drop="aud"), "payload: missing members ['aud'], unexpected members []"),
        (hop(extra=1), "payload: missing members [], unexpected members ['extra']"),
        (hop(drop="type"), "payload type application/vnd.suyuan.hop.v1+json carries a 'None'"),
        (hop(type="keyreg"), "payload type application/vnd.suyuan.hop.v1+json carries a 'keyreg'"),
        (hop(type=["hop"]), "payload type application/vnd.suyuan.hop.v1+json carries a \"['hop']\""),
        (hop(dev="00" * 32), f"payload: dev {'0' * 16}…: expected the envelope's key id {KEY.key_id[:16]}…"),
        (hop(dev=None), f"payload: dev None…: expected the envelope's key id {KEY.key_id[:16]}…"),
        (hop(iss="A" * 32), f"iss {'A' * 32!r}: expected a pseudonym of 32 lower-case hex digits"),
        (hop(iss=7), "iss '7': expected a pseudonym of 32 lower-case hex digits"),
        (hop(seq=0), "payload: seq 0: expected a number from 1"),
        (hop(seq=True), "payload: seq True: expected a number from 1"),
        (hop(seq="1"), "payload: seq '1': expected a number from 1"),
        (hop(seq=1.5), "payload: seq 1.5: expected a number from 1"),
        (hop(seq=2), "payload: seq 2 with prev None: prev is null at seq 1 and only there"),
        (hop(prev=DIGEST), f"payload: seq 1 with prev {DIGEST!r}: prev is null at seq 1 and only there"),
        (hop(seq=2, prev="AA"), "prev 'AA': expected 32 bytes, got 1"),
        (hop(seq=2, prev={}), "prev '{}': expected base64url without padding"),
        (hop(aud=None), "payload: aud: expected str, got NoneType"),
        (hop(nonce=b64u(bytes(15))), f"nonce {b64u(bytes(15))!r}: expected 16 bytes, got 15"),
        (hop(nonce=1), "payload: nonce: expected str, got int"),
        (hop(seen=[]), "payload: seen: expected null or an object with size and root"),
        (hop(seen={"size": 1}), "payload: seen: expected null or an object with size and root"),
        (hop(seen={"size": "1", "root": DIGEST}), "payload: seen: expected null or an object with size and root"),
        (hop(seen={"size": 1, "root": "AA"}), "seen root 'AA': expected 32 bytes, got 1"),
        (
            hop(signedAt="2026-11-24"),
            "signedAt '2026-11-24': expected RFC 3339 with an offset, like 2026-11-24T09:30:00.000+08:00",
        ),
        (hop(signedAt="2026-13-24T00:00:00Z"), "signedAt '2026-13-24T00:00:00Z': no such date or time"),
        (hop(event=[]), "payload: event: expected dict, got list"),
        (
            hop(event={"readPoint": 1}),
            "payload: event member 'readPoint' is not public, expected it among the disclosures",
        ),
        (hop(items={}), "payload: items: expected list, got dict"),
        (hop(items=[1]), "items digest '1': expected base64url without padding"),
        (hop(items=["AA"]), "items digest 'AA': expected 32 bytes, got 1"),
        (hop(items=[DIGEST, DIGEST]), "payload: items: a digest stands twice"),
        (hop(items=[b64u(n.to_bytes(32)) for n in range(501)]), "payload: 501 items, at most 500 in one parcel"),
        (hop(_sd=[b64u(b"\xff" * 32), DIGEST]), "payload: _sd: expected sorted digests"),
        (hop(_sd=[DIGEST, DIGEST]), "payload: _sd: a digest stands twice"),
        (hop(attests=1), "payload: attests: expected dict, got int"),
        (hop(attests={"for": 1}), "payload: attests: expected for, received, got ['for']"),
        (
            hop(attests={"for": 1, "received": DIGEST}),
            "attests.for '1': expected a pseudonym of 32 lower-case hex digits",
        ),
        (
            hop(attests={"for": ISSUER, "received": "AA"}),
            "attests.received digest 'AA': expected 32 bytes, got 1",
        ),
        (canonical(hop()) + b"\n", f"payload: differs from its RFC 8785 form at byte {len(canonical(hop()))}"),
        (b"[]", "payload: expected a JSON object, got list"),
        (b'{"seq":1,"seq":1}', "member 'seq' stands twice in one object"),
        (b"[" * 100_000, "payload: nested deeper than 16 levels"),
        (b" " * 2_097_153, "payload: 2097153 bytes, at most 2097152 are taken"),
        (hop(attests=ATTESTS, items=[b64u(n.to_bytes(32)) for n in range(10_001)]), f"payload: 10001 items, {AT_MOST}"),
        (hop(corrects=CORRECTS), "payload: missing members [], unexpected members ['corrects']"),
        (hop(type="correct"), "payload: missing members ['corrects'], unexpected members []"),
        (hop(type="correct", corrects=7), "payload: corrects: expected dict, got int"),
        (hop(type="correct", corrects={"leaf": 7}), "payload: corrects: expected leaf, hash, got ['leaf']"),
        (
            hop(type="correct", corrects=CORRECTS | {"leaf": -1}),
            "payload: corrects.leaf -1: expected a whole number",
        ),
        (
            hop(type="correct", corrects=CORRECTS | {"hash": "AA"}),
            "corrects.hash 'AA': expected 32 bytes, got 1",
        ),
    ],
)
def test_a_hop_of_another_form_is_refused(value: Any, message: str) -> None:
    assert refusal(value) == message


KEYREG = {"alg": 1, "public": b64u(KEY.public.raw), "issuer": ISSUER, "role": "device"}
KEYREV = {"key": KEY.key_id, "compromisedFrom": None}
KINDS = "hop, correct, keyreg, keyrot, keyrev, erase, import, anchor, recall, blacklist, decision"
KEYROT = {"alg": 1, "public": b64u(NEXT_KEY.public.raw), "proof": proof_of(NEXT_KEY)}
ERASE = {"leaf": 3, "positions": [2, 5], "basis": "PIPL 47"}
TREE = {"origin": "other.example", "size": 9, "root": DIGEST}
CASE = {"act": "publish", "by": [ISSUER]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (hop(), "payload type application/vnd.suyuan.statement.v1+json carries a 'hop'"),
        (statement("witness", {"x": 1}), f"payload: type 'witness': expected {KINDS}"),
        (statement([], {}), f"payload: type '[]': expected {KINDS}"),
        (statement({}, {}), f"payload: type '{{}}': expected {KINDS}"),
        (statement("keyreg", {}), "payload: missing members ['key'], unexpected members []"),
        (statement("keyreg", {"key": 1}), "payload: key: expected dict, got int"),
        (statement("keyreg", {"key": {}}), "payload: key: expected alg, public, issuer, role, got []"),
        (
            statement("keyreg", {"key": KEYREG | {"role": "chef"}}),
            "payload: key role 'chef': expected one of authority, enterprise, device, attestation",
        ),
        (
            statement("keyreg", {"key": KEYREG | {"role": []}}),
            "payload: key role '[]': expected one of authority, enterprise, device, attestation",
        ),
        (statement("keyreg", {"key": KEYREG | {"alg": "1"}}), "payload: key alg: expected a number"),
        (statement("keyreg", {"key": KEYREG | {"alg": True}}), "payload: key alg: expected a number"),
        (
            statement("keyreg", {"key": KEYREG | {"alg": 3}}),
            "algorithm byte 3: expected one of 1 (ED25519), 2 (ECDSA_P256_SHA256)",
        ),
        (
            statement("keyreg", {"key": KEYREG | {"public": "AA"}}),
            "Ed25519 public key: expected 32 bytes, got 1",
        ),
        (
            statement("keyreg", {"key": KEYREG | {"issuer": "x"}}),
            "key issuer 'x': expected a pseudonym of 32 lower-case hex digits",
        ),
        (statement("keyrev", {"revoke": {}}), "payload: revoke: expected key, compromisedFrom, got []"),
        (
            statement("keyrev", {"revoke": KEYREV | {"compromisedFrom": -1}}),
            "payload: compromisedFrom -1: expected a leaf index or null",
        ),
        (
            statement("keyrev", {"revoke": KEYREV | {"compromisedFrom": True}}),
            "payload: compromisedFrom True: expected a leaf index or null",
        ),
        (
            statement("keyrev", {"revoke": KEYREV | {"key": "x"}}),
            "revoked key id 'x': expected 64 lower-case hex digits",
        ),
        (
            statement("keyrot", {"rotate": {"alg": 1, "public": "AA"}}),
            "payload: rotate: expected alg, public, proof, got ['alg', 'public']",
        ),
        (
            statement("keyrot", {"rotate": KEYROT | {"proof": proof_of(KEY)}}),
            f"signature does not belong to these bytes and key {NEXT_KEY.key_id[:16]}…",
        ),
        (statement("erase", {"erase": ERASE | {"leaf": "3"}}), "payload: erased leaf 3: expected a whole number"),
        (
            statement("erase", {"erase": ERASE | {"positions": []}}),
            "payload: erased positions []: expected rising numbers",
        ),
        (
            statement("erase", {"erase": ERASE | {"positions": [5, 2]}}),
            "payload: erased positions [5, 2]: expected rising numbers",
        ),
        (
            statement("erase", {"erase": ERASE | {"basis": ""}}),
            "payload: basis of 0 characters: expected 1 to 200",
        ),
        (
            statement("anchor", {"tree": TREE | {"origin": "two words"}}),
            "payload: origin 'two words': expected printable ASCII without spaces",
        ),
        (statement("import", {"tree": TREE | {"size": 1.5}}), "payload: size 1.5: expected a whole number"),
        (
            statement("recall", {"case": CASE | {"act": "burn"}, "items": [DIGEST]}),
            "payload: act 'burn': expected one of open, notify, hear, decide, publish, amend, withdraw, repair, "
            "expire, close",
        ),
        (
            statement("decision", {"case": CASE | {"by": []}, "items": [DIGEST]}),
            "payload: case.by names 0 people: expected 1 to 8, each once",
        ),
        (
            statement("decision", {"case": CASE | {"by": [ISSUER, ISSUER]}, "items": [DIGEST]}),
            "payload: case.by names 2 people: expected 1 to 8, each once",
        ),
        (
            statement("decision", {"case": CASE | {"by": ["chief"]}, "items": [DIGEST]}),
            "case.by 'chief': expected a pseudonym of 32 lower-case hex digits",
        ),
        (
            statement("blacklist", {"case": CASE, "items": []}),
            "payload: 0 items in a blacklist: expected one, the case",
        ),
        (statement("blacklist", {"case": CASE}), "payload: missing members ['items'], unexpected members []"),
    ],
)
def test_a_statement_of_another_form_is_refused(value: Any, message: str) -> None:
    assert refusal(value, STATEMENT_TYPE) == message


def test_a_payload_of_a_type_that_is_not_ours_is_refused() -> None:
    wanted = f"payload type 'text/plain': expected {HOP_TYPE} or {STATEMENT_TYPE}"
    assert refusal(hop(), "text/plain") == wanted


def test_messages_about_many_members_stay_short() -> None:
    assert len(refusal(hop(**{f"m{n}": n for n in range(5000)}))) < 200
