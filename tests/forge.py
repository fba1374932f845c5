"""A log in miniature that signs, straight from docs/formats.md and from nothing else: what the verifiers are tested on.

It obeys no rule by itself, so that a test can forge what an honest log would never write. All keys come from fixed
seeds and all salts from a counter: the same bytes in every run.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey

ORIGIN = "trace.example/linhe"
ITEM = "https://id.gs1.org/01/06901234567892/21/ABC123"
MATE = "https://id.gs1.org/01/06901234567892/21/ABC124"
PALLET = "https://id.gs1.org/00/069012345000000017"
HOP = "application/vnd.suyuan.hop.v1+json"
STATEMENT = "application/vnd.suyuan.statement.v1+json"
PUBLIC = ("type", "eventID", "eventTime", "eventTimeZoneOffset", "action", "bizStep", "disposition")
KEYED = ("parentID", "epcList", "childEPCs", "inputEPCList", "outputEPCList")

Json = dict[str, Any]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def dumps(value: Any) -> bytes:
    """RFC 8785 for values without floats and with ASCII names, which is all this file writes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pae(kind: str, payload: bytes) -> bytes:
    return f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload


class Signer:
    """A key and its own chain of payloads."""

    def __init__(self, name: str, role: str, algorithm: int = 1, issuer: str | None = None) -> None:
        seed = sha256(name.encode())
        self.role = role
        self.algorithm = algorithm
        self.issuer = sha256((issuer or name).encode() + b" pseudonym")[:16].hex()
        self.seq = 0
        self.prev: bytes | None = None
        self.sign: Callable[[bytes], bytes]
        if algorithm == 2:
            private = derive_private_key(int.from_bytes(seed, "big") >> 1, SECP256R1())
            self.public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

            def sign(message: bytes) -> bytes:
                der = private.sign(message, ECDSA(SHA256(), deterministic_signing=True))
                return b"".join(n.to_bytes(32, "big") for n in decode_dss_signature(der))

            self.sign = sign
        else:
            key = SigningKey(seed)
            self.public = bytes(key.verify_key)
            self.sign = lambda message: key.sign(message).signature

    @property
    def key_id(self) -> str:
        return sha256(bytes([self.algorithm]) + self.public).hex()


class Log:
    """Leaves with their envelopes, and what a proof needs of them."""

    def __init__(self) -> None:
        self.key = SigningKey(sha256(b"log key"))
        self.leaves: list[str] = []
        self.parcels: list[tuple[Json, list[str], list[str]]] = []
        self.heads: dict[str, tuple[int, int]] = {}
        self._salts = 0

    @property
    def log_key(self) -> str:
        raw = b"\x01" + bytes(self.key.verify_key)
        key_hash = sha256(ORIGIN.encode() + b"\n" + raw)[:4]
        return f"{ORIGIN}+{key_hash.hex()}+{b64(raw)}"

    def disclose(self, pointer: str, value: Any) -> str:
        self._salts += 1
        return b64u(dumps([b64u(sha256(b"salt%d" % self._salts)[:16]), pointer, value]))

    # ---- what is written ---------------------------------------------------------------------

    def register(self, by: Signer, key: Signer, **twist: Any) -> int:
        name = self.disclose("/name", f"{key.role} 某公司")
        told = {"alg": key.algorithm, "public": b64u(key.public), "issuer": key.issuer, "role": key.role}
        line = f"key {key.key_id} {key.algorithm} {b64(key.public)} {key.issuer} {key.role}"
        return self._append(by, "keyreg", {"key": told}, [name], [line], **twist)

    def revoke(self, by: Signer, key: Signer, since: int | None = None) -> int:
        told = {"key": key.key_id, "compromisedFrom": since}
        line = f"revoke {key.key_id} {'-' if since is None else since}"
        return self._append(by, "keyrev", {"revoke": told}, [], [line])

    def rotate(self, by: Signer, to: Signer, *, held_by: Signer | None = None, **twist: Any) -> int:
        """`to` takes the place of `by`; `held_by` is who really signs the proof of possession."""
        to.issuer, to.role = by.issuer, by.role
        held = pae("application/vnd.suyuan.possession.v1", f"{ORIGIN}\n{by.key_id}\n{to.key_id}\n".encode())
        told = {"alg": to.algorithm, "public": b64u(to.public), "proof": b64u((held_by or to).sign(held))}
        line = f"rotate {to.key_id} {to.algorithm} {b64(to.public)}"
        return self._append(by, "keyrot", {"rotate": told}, [], [line], **twist)

    def erase(self, by: Signer, leaf: int, positions: list[int], **twist: Any) -> int:
        told = {"leaf": leaf, "positions": positions, "basis": "PIPL 47"}
        return self._append(
            by, "erase", {"erase": told}, [], [f"erase {leaf} {','.join(map(str, positions))}"], **twist
        )

    def other_tree(self, by: Signer, kind: str, **twist: Any) -> int:
        told = {"origin": "b.example", "size": 9, "root": b64u(sha256(b"root"))}
        return self._append(by, kind, {"tree": told}, [], [f"{kind} b.example 9 {b64(sha256(b'root'))}"], **twist)

    def case(self, by: Signer, kind: str, uri: str, act: str, public: Json, **twist: Any) -> int:
        item = self.disclose("/case", uri)
        others = [self.disclose(f"/public/{name}", value) for name, value in public.items()]
        body = {"case": {"act": act, "by": ["a" * 32, "b" * 32]}, "items": [b64u(sha256(item.encode()))]}
        return self._append(by, kind, body, [item], [self._item_line(uri)], others, **twist)

    def correct(self, by: Signer, wrong: int, event: Json, *, leaf_hash: bytes | None = None, **twist: Any) -> int:
        """The same event again, which says that leaf `wrong` was an error."""
        hash_ = self.leaf_hash(wrong) if leaf_hash is None else leaf_hash
        told = {**event, "errorDeclaration": {"declarationTime": "2026-11-24T05:00:00Z"}}
        line = f"correct {wrong} {b64(hash_)}"
        return self.hop(by, told, corrects=({"leaf": wrong, "hash": b64u(hash_)}, line), **twist)

    def _item_line(self, uri: str, part: int = 0) -> str:
        ord_, before = self.heads.get(uri, (0, 0))
        prev = f"{before} {b64(self.leaf_hash(before))}" if ord_ else "- -"
        self.heads[uri] = (ord_ + 1, len(self.leaves) + part)
        return f"item {b64(self.item_key(uri))} {ord_ + 1} {prev}"

    def hop(
        self,
        by: Signer,
        event: Json,
        *,
        attests: str | None = None,
        corrects: tuple[Json, str] | None = None,
        **twist: Any,
    ) -> int:
        """Gives the index of the (first) leaf."""
        items, others = [], []
        uris = []
        for name in KEYED:
            values = [event[name]] if name == "parentID" and name in event else event.get(name, [])
            for n, uri in enumerate(values):
                items.append(self.disclose("/parentID" if name == "parentID" else f"/{name}/{n}", uri))
                uris.append(uri)
        others = [self.disclose(f"/{k}", v) for k, v in event.items() if k not in (*PUBLIC, *KEYED)]
        body: Json = {"event": {k: v for k, v in event.items() if k in PUBLIC}}
        body["items"] = [b64u(sha256(item.encode())) for item in items]
        if attests:
            body["attests"] = {"for": attests, "received": b64u(sha256(b"received"))}
        lines = [self._item_line(uri, n // 500) for n, uri in enumerate(uris)]
        if corrects:
            body["corrects"] = corrects[0]
            return self._append(by, "correct", body, items, lines, others, first_line=corrects[1], **twist)
        return self._append(by, "hop", body, items, lines, others, **twist)

    def _append(
        self,
        by: Signer,
        kind: str,
        body: Json,
        told: list[str],
        lines: list[str],
        others: list[str] | None = None,
        *,
        first_line: str | None = None,
        payload_twist: Json | None = None,
        raw_twist: Callable[[bytes], bytes] = lambda payload: payload,
        line_twist: Callable[[str], str] = lambda line: line,
    ) -> int:
        by.seq += 1
        sd = told if others is None else others
        payload: Json = {
            "type": kind,
            "iss": by.issuer,
            "dev": by.key_id,
            "seq": by.seq,
            "prev": None if by.prev is None else b64u(by.prev),
            "aud": ORIGIN,
            "nonce": b64u(sha256(b"nonce%d" % len(self.leaves))[:16]),
            "seen": None,
            "signedAt": "2026-11-24T03:04:05.678Z",
            "_sd": sorted(b64u(sha256(each.encode())) for each in sd),
            **body,
            **(payload_twist or {}),
        }
        data = raw_twist(dumps(payload))
        payload_type = HOP if kind in ("hop", "correct") else STATEMENT
        signature = by.sign(pae(payload_type, data))
        env = sha256(data + b"\x00" + bytes.fromhex(by.key_id) + b"\x00" + signature)
        prev = "-" if by.prev is None else b64(by.prev)
        parts = max(1, -(-len(lines) // 500))
        first = len(self.leaves)
        for part in range(parts):
            record = [
                f"{ORIGIN}/{kind}/v1",
                f"issuer {payload['iss']} {by.key_id} {by.seq} {prev}",
                f"rcv {1795489445678 + len(self.leaves)}",
                f"env {b64(env)} {part + 1}/{parts}",
                *([first_line] if first_line else []),
                *(line_twist(line) for line in lines[part * 500 : part * 500 + 500]),
            ]
            self.leaves.append("\n".join(record) + "\n")
            envelope: Json = {"payload": b64(data), "payloadType": payload_type}
            envelope["signatures"] = [{"keyid": by.key_id, "sig": b64(signature)}]
            self.parcels.append((envelope, [*told, *(others or [])], payload.get("items", [])))
        by.prev = sha256(data)
        return first

    # ---- what is proven ----------------------------------------------------------------------

    def leaf_hash(self, index: int) -> bytes:
        return sha256(b"\x00" + self.leaves[index].encode())

    @staticmethod
    def item_key(uri: str) -> bytes:
        return b"\x01" + hmac.digest(b"item secret", b"\x01" + uri.encode(), "sha256")

    def checkpoint(self) -> str:
        body = f"{ORIGIN}\n{len(self.leaves)}\n{b64(root([self.leaf_hash(n) for n in range(len(self.leaves))]))}\n"
        key_hash = bytes.fromhex(self.log_key.split("+")[1])
        return f"{body}\n\u2014 {ORIGIN} {b64(key_hash + self.key.sign(body.encode()).signature)}\n"

    def entry(self, index: int, subjects: set[str]) -> Json:
        hashes = [self.leaf_hash(n) for n in range(len(self.leaves))]
        envelope, disclosures, items = self.parcels[index]
        start = 500 * (int(self.leaves[index].split("\n")[3].split(" ")[2].split("/")[0]) - 1)
        here = set(items[start : start + 500])
        shown = []
        for told in disclosures:
            digest = b64u(sha256(told.encode()))
            value = json.loads(base64.urlsafe_b64decode(told + "=" * (-len(told) % 4)))[2]
            if digest not in items or (digest in here and value in subjects):
                shown.append(told)
        return {
            "index": index,
            "leaf": self.leaves[index],
            "path": [b64(node) for node in path(index, hashes)],
            "envelope": envelope,
            "disclosures": shown,
        }

    def package(self, uri: str, steps: list[tuple[int, str, str]], others: tuple[int, ...]) -> Json:
        """`steps` are (leaf, subject, via); `others` are the leaves of keys."""
        subjects = {subject for _, subject, _ in steps}
        return {
            "format": "suyuan-proof/v1",
            "origin": ORIGIN,
            "logKey": self.log_key,
            "uri": uri,
            "path": uri.removeprefix("https://id.gs1.org").removeprefix("https://trace.example"),
            "checkpoint": self.checkpoint(),
            "itemKeys": {subject: b64(self.item_key(subject)) for subject in sorted(subjects)},
            "entries": [self.entry(n, subjects) for n in sorted({*others, *(step[0] for step in steps)})],
            "steps": [{"index": index, "subject": subject, "via": via} for index, subject, via in steps],
        }


def root(hashes: list[bytes]) -> bytes:
    """MTH, as RFC 6962, section 2.1, writes it."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:]))


def path(m: int, hashes: list[bytes]) -> list[bytes]:
    """PATH, as RFC 6962, section 2.1.1, writes it."""
    if len(hashes) == 1:
        return []
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    if m < k:
        return [*path(m, hashes[:k]), root(hashes[k:])]
    return [*path(m - k, hashes[k:]), root(hashes[:k])]


class Story:
    """One pack from the plant to the counter: made with its mate, packed, moved on the pallet, unpacked, sold.

    The last hop has no device: the platform signs it for the shop. `log` and the signers are open to be twisted.
    """

    def __init__(self) -> None:
        self.log = Log()
        self.authority = Signer("authority", "authority")
        self.plant = Signer("plant", "enterprise")
        self.scanner = Signer("scanner", "device", issuer="plant")
        self.phone = Signer("phone", "device", algorithm=2)
        self.platform = Signer("platform", "attestation")
        self.steps: list[tuple[int, str, str]] = []
        self.keys: list[int] = []

    def register(self) -> "Story":
        for by, key in (
            (self.authority, self.authority),
            (self.authority, self.plant),
            (self.plant, self.scanner),
            (self.authority, self.phone),
            (self.authority, self.platform),
        ):
            self.keys.append(self.log.register(by, key))
        return self

    def travel(self) -> "Story":
        for by, event, subject, via, attests in (
            (self.scanner, {"bizStep": "commissioning", "epcList": [ITEM, MATE]}, ITEM, "self", None),
            (self.scanner, {"bizStep": "packing", "parentID": PALLET, "childEPCs": [MATE, ITEM]}, ITEM, "self", None),
            (self.scanner, {"bizStep": "shipping", "epcList": [PALLET]}, PALLET, "container", None),
            (self.phone, {"bizStep": "unpacking", "parentID": PALLET, "childEPCs": [MATE, ITEM]}, ITEM, "self", None),
            (self.platform, {"bizStep": "retail_selling", "epcList": [ITEM]}, ITEM, "self", "f" * 32),
        ):
            self.hop(by, event, subject, via, attests=attests)
        self.log.hop(self.scanner, {"bizStep": "shipping", "epcList": [MATE]})
        return self

    def hop(self, by: Signer, event: Json, subject: str = ITEM, via: str = "self", **twist: Any) -> int:
        place = {"readPoint": {"id": "https://id.gs1.org/414/6901234500009"}, "type": "ObjectEvent"}
        index = self.log.hop(by, {**event, **place, "eventTime": "2026-11-24T11:04:05.678+08:00"}, **twist)
        self.steps.append((index, subject, via))
        return index

    def package(self) -> Json:
        return self.log.package(ITEM, self.steps, tuple(self.keys))
