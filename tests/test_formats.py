"""The worked example of docs/formats.md, section 8: the document, the code and a computation by hand agree.

`by_hand` uses hashlib, hmac, json and libsodium and nothing of ours; it is what somebody else would write who has the
document alone.
"""

import base64
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from build import settings
from nacl.signing import SigningKey

from app.database import Database
from trace.capture import capture
from trace.ledger.canonical import canonical
from trace.ledger.checkpoint import sign_checkpoint, verifier_key
from trace.ledger.disclosure import Disclosure, split
from trace.ledger.encoding import b64, b64u
from trace.ledger.envelope import Parcel, pae
from trace.ledger.keys import PrivateKey
from trace.ledger.leaf import item_key, record_hash
from trace.ledger.merkle import Tree
from trace.ledger.payload import Signer
from trace.observe import Device
from trace.store.intake import Receipt
from trace.store.sequencer import Sequencer
from trace.times import SetClock

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "formats.md"
WIDTH = 112
"""A line of so many characters goes on in the next."""
COLUMN = 22

ORIGIN = "trace.example"
AUTHORITY_SEED, DEVICE_SEED, LOG_SEED, ITEM_SECRET = (bytes([n]) * 32 for n in (1, 2, 3, 4))
AUTHORITY, PARTY = "a" * 32, "b" * 32
AT = datetime(2026, 11, 24, 3, 4, 5, 678_000, tzinfo=UTC)
SIGNED_AT = "2026-11-24T03:04:05.678Z"
RCV_MS = 1795489445678
ITEM = "https://id.gs1.org/01/09520000000028/21/A%2F1"
EVENT = {
    "type": "ObjectEvent",
    "eventID": "urn:uuid:00000000-0000-4000-8000-000000000001",
    "eventTime": "2026-11-24T11:04:00.000+08:00",
    "eventTimeZoneOffset": "+08:00",
    "action": "ADD",
    "bizStep": "commissioning",
    "epcList": [ITEM],
    "readPoint": {"id": "https://id.gs1.org/414/9520000000134/254/dock-1"},
    "ilmd": {"suyuan:variety": "五常大米"},
}
HOP, STATEMENT = "application/vnd.suyuan.hop.v1+json", "application/vnd.suyuan.statement.v1+json"


def counted() -> Callable[[int], bytes]:
    """16 bytes of 01, then of 02, and so on: salts in the order of the disclosures, then the nonce."""
    numbers = itertools.count(1)
    return lambda length: bytes([next(numbers)]) * length


# ---- by the code ----------------------------------------------------------------------------------------


def by_code(folder: Path) -> dict[str, str]:
    authority, device, log = PrivateKey(AUTHORITY_SEED), PrivateKey(DEVICE_SEED), PrivateKey(LOG_SEED)
    signer = Signer(authority, AUTHORITY, ORIGIN, random=counted())
    parcels = [
        signer.statement("keyreg", _key_body(key, issuer, role), split({}), AT)
        for key, issuer, role in ((authority, AUTHORITY, "authority"), (device, PARTY, "device"))
    ]
    hop = Device(device, PARTY, ORIGIN, random=counted()).sign(EVENT, at=AT)
    receipts = recorded(folder, [*parcels, hop])
    tree = Tree(record_hash(receipt.leaf) for receipt in receipts)
    told = {
        "authority public": authority.public.raw.hex(),
        "authority key id": authority.key_id,
        "device public": device.public.raw.hex(),
        "device key id": device.key_id,
        "event": canonical(EVENT).decode(),
        "payload": hop.envelope.payload.decode(),
        "payload hash": hop.payload_hash.hex(),
        "PAE hash": hashlib.sha256(pae(hop.envelope.payload_type, hop.envelope.payload)).hexdigest(),
        "signature": b64(hop.envelope.signature),
        "env hash": b64(hop.envelope.env_hash),
        "item key": b64(item_key(ITEM_SECRET, ITEM)),
        "root": b64(tree.root()),
        "verifier key": verifier_key(ORIGIN, log.public),
        "checkpoint": sign_checkpoint(ORIGIN, 3, tree.root(), log).note,
    }
    for n, receipt in enumerate(receipts):
        told |= {f"leaf {n}": receipt.leaf, f"leaf hash {n}": record_hash(receipt.leaf).hex()}
    for n, text in enumerate(hop.disclosures):
        each = Disclosure.parse(text)
        told |= {f"disclosure {n}": text, f"disclosure {n} JSON": _json(text), f"digest {n}": each.digest}
    return told


def _key_body(key: PrivateKey, issuer: str, role: str) -> dict[str, Any]:
    return {"alg": 1, "public": b64u(key.public.raw), "issuer": issuer, "role": role}


def _json(text: str) -> str:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def recorded(folder: Path, parcels: list[Parcel]) -> list[Receipt]:
    """What the log answers to these parcels."""
    database = Database(settings(folder).database)
    database.migrate()
    sequencer = Sequencer(1, ORIGIN, ITEM_SECRET, database.writing, SetClock(AT))
    try:
        sequencer.start()
        receipts = []
        for parcel in parcels:
            with database.reading() as session:
                receipts.append(capture(session, 1, ORIGIN, parcel.to_bytes(), sequencer))
        return receipts
    finally:
        sequencer.stop()
        database.close()


# ---- by hand ----------------------------------------------------------------------------------------------


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def std(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jcs(value: Any) -> bytes:
    """RFC 8785 for what the example holds: no floats, and names in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def by_hand() -> dict[str, str]:
    authority, device, log = map(SigningKey, (AUTHORITY_SEED, DEVICE_SEED, LOG_SEED))
    authority_id, device_id = (sha(b"\x01", bytes(key.verify_key)).hex() for key in (authority, device))
    told = {
        "authority public": bytes(authority.verify_key).hex(),
        "authority key id": authority_id,
        "device public": bytes(device.verify_key).hex(),
        "device key id": device_id,
        "event": jcs(EVENT).decode(),
    }

    members = [
        ("/epcList/0", ITEM),
        ("/readPoint", EVENT["readPoint"]),
        ("/ilmd/suyuan:variety", "五常大米"),
    ]
    digests = []
    for n, (pointer, value) in enumerate(members):
        array = jcs([url(bytes([n + 1]) * 16), pointer, value])
        digests.append(url(sha(url(array).encode())))
        told |= {f"disclosure {n} JSON": array.decode(), f"disclosure {n}": url(array), f"digest {n}": digests[n]}

    def head(kind: str, issuer: str, key_id: str, seq: int, prev: bytes | None, nonce: int) -> dict[str, Any]:
        return {
            "type": kind,
            "iss": issuer,
            "dev": key_id,
            "seq": seq,
            "prev": None if prev is None else url(prev),
            "aud": ORIGIN,
            "nonce": url(bytes([nonce]) * 16),
            "seen": None,
            "signedAt": SIGNED_AT,
        }

    def sign(key: SigningKey, kind: str, payload: bytes) -> bytes:
        return key.sign(b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)).signature

    def leaf(kind: str, payload: dict[str, Any], key: SigningKey, type_: str, line: str) -> str:
        data = jcs(payload)
        env = sha(data, b"\x00", bytes.fromhex(payload["dev"]), b"\x00", sign(key, type_, data))
        prev = "-" if payload["prev"] is None else std(base64.urlsafe_b64decode(payload["prev"] + "="))
        issuer = f"issuer {payload['iss']} {payload['dev']} {payload['seq']} {prev}"
        return f"{ORIGIN}/{kind}/v1\n{issuer}\nrcv {RCV_MS}\nenv {std(env)} 1/1\n{line}\n"

    def keyreg(seq: int, prev: bytes | None, public: bytes, issuer: str, role: str) -> dict[str, Any]:
        key = {"alg": 1, "public": url(public), "issuer": issuer, "role": role}
        return head("keyreg", AUTHORITY, authority_id, seq, prev, seq) | {"key": key, "_sd": []}

    first = keyreg(1, None, bytes(authority.verify_key), AUTHORITY, "authority")
    second = keyreg(2, sha(jcs(first)), bytes(device.verify_key), PARTY, "device")
    public = {name: EVENT[name] for name in EVENT if name not in ("epcList", "readPoint", "ilmd")}
    hop = head("hop", PARTY, device_id, 1, None, 4)
    hop |= {"event": public, "items": digests[:1], "_sd": sorted(digests[1:])}
    payload, signature = jcs(hop), sign(device, HOP, jcs(hop))
    key = b"\x01" + hmac.new(ITEM_SECRET, b"\x01" + ITEM.encode(), "sha256").digest()
    told |= {
        "payload": payload.decode(),
        "payload hash": sha(payload).hex(),
        "PAE hash": sha(b"DSSEv1 34 " + HOP.encode() + b" %d " % len(payload) + payload).hex(),
        "signature": std(signature),
        "env hash": std(sha(payload, b"\x00", bytes.fromhex(device_id), b"\x00", signature)),
        "item key": std(key),
    }

    def key_line(key_id: str, public: bytes, issuer: str, role: str) -> str:
        return f"key {key_id} 1 {std(public)} {issuer} {role}"

    records = [
        leaf(
            "keyreg",
            first,
            authority,
            STATEMENT,
            key_line(authority_id, bytes(authority.verify_key), AUTHORITY, "authority"),
        ),
        leaf("keyreg", second, authority, STATEMENT, key_line(device_id, bytes(device.verify_key), PARTY, "device")),
        leaf("hop", hop, device, HOP, f"item {std(key)} 1 - -"),
    ]
    hashes = [sha(b"\x00", record.encode()) for record in records]
    for n, record in enumerate(records):
        told |= {f"leaf {n}": record, f"leaf hash {n}": hashes[n].hex()}
    root = sha(b"\x01", sha(b"\x01", hashes[0], hashes[1]), hashes[2])
    body = f"{ORIGIN}\n3\n{std(root)}\n"
    log_public = b"\x01" + bytes(log.verify_key)
    key_hash = sha(ORIGIN.encode(), b"\n", log_public)[:4]
    line = std(key_hash + log.sign(body.encode()).signature)
    return told | {
        "root": std(root),
        "verifier key": f"{ORIGIN}+{key_hash.hex()}+{std(log_public)}",
        "checkpoint": f"{body}\n\u2014 {ORIGIN} {line}\n",
    }


# ---- by the document ----------------------------------------------------------------------------------------


def by_document() -> dict[str, str]:
    """Blocks with a name hold one text; blocks without hold a name and a value a line."""
    section = DOCUMENT.read_text(encoding="utf-8").split("\n## 8. Worked example\n")[1]
    told: dict[str, str] = {}
    for name, block in re.findall(r"^```(.*)\n((?:.*\n)*?)```$", section, re.MULTILINE):
        if name:
            joined = re.sub(rf"^(.{{{WIDTH}}})\n", r"\1", block, flags=re.MULTILINE)
            told[name] = joined if name.startswith(("leaf", "checkpoint")) else joined.removesuffix("\n")
        else:
            told |= {line[:COLUMN].rstrip(): line[COLUMN:] for line in block.splitlines()}
    return told


GIVEN = {
    "origin": ORIGIN,
    "authority seed": AUTHORITY_SEED.hex(),
    "device seed": DEVICE_SEED.hex(),
    "log seed": LOG_SEED.hex(),
    "item secret": ITEM_SECRET.hex(),
    "authority pseudonym": AUTHORITY,
    "device pseudonym": PARTY,
    "signedAt": SIGNED_AT,
    "rcv": str(RCV_MS),
    "item": ITEM,
}


def test_code_and_document_and_a_computation_by_hand_agree(tmp_path: Path) -> None:
    wanted = by_hand()
    assert by_code(tmp_path) == wanted
    assert by_document() == GIVEN | wanted


def test_the_event_is_put_together_again_from_the_document() -> None:
    told = by_document()
    event = json.loads(told["payload"])["event"]
    for n in range(3):
        _, pointer, value = json.loads(told[f"disclosure {n} JSON"])
        name, _, inner = pointer.removeprefix("/").partition("/")
        event[name] = [value] if name == "epcList" else {inner: value} if inner else value
    assert event == json.loads(told["event"]) == EVENT
