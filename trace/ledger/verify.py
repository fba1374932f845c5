"""Checks a proof package with nothing but the package: docs/formats.md, section 7, as a program.

Written from the specification alone: it shares no line with the code that signs, so that a mistake made there is not
repeated here. `app/static/verify.js` is its twin on the phone, and `tests/test_verify.py` holds the two to the same
answers. Form is `verify_reading.py`, cryptography `verify_primitives.py`, witnesses `verify_policy.py`; here stand the
seven questions, in order.
No SQL, no clock, no network.

A check that fails says "false"; one that meets something unknown here (a reserved algorithm, a newer kind) says "could
not check". The two never stand for each other. What no check proves: that an item key belongs to a code; that a
container, lot or input step belongs to the thing; that no later hop is kept back.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from trace.errors import (
    ParseError,
    RevokedKeyError,
    SignatureError,
    TraceError,
    UncheckedError,
    UnknownKeyError,
    ValidationError,
)
from trace.ledger.verify_policy import demand, read_policy
from trace.ledger.verify_primitives import ed25519, included, open_note, p256, pae, parse_log_key, sha256, to_b64
from trace.ledger.verify_reading import CASES, ED25519, ITEMS_A_LEAF, KINDS, P256, Entry, Key, Package

_HOP = "application/vnd.suyuan.hop.v1+json"
_STATEMENT = "application/vnd.suyuan.statement.v1+json"
_POSSESSION = "application/vnd.suyuan.possession.v1"
_DELEGATED = ("enterprise", "device", "attestation")
"""Roles that the authority registers; its own is in leaf 0 alone."""

_PUBLIC_MEMBER = re.compile(
    "/(@context|type|eventID|eventTime|eventTimeZoneOffset|action|bizStep|disposition)(/.*)?", re.DOTALL
)
_KEY_POINTER = re.compile(
    "/case|/parentID|/(epcList|childEPCs|inputEPCList|outputEPCList)/[0-9]{1,5}"
    "|/(quantityList|childQuantityList|inputQuantityList|outputQuantityList)/[0-9]{1,5}/epcClass"
)


class Outcome(StrEnum):
    VALID = "valid"
    INVALID = "invalid"
    UNCHECKED = "unchecked"
    """Nothing was found false, but something could not be checked."""


@dataclass(frozen=True)
class Check:
    name: str
    """`checkpoint inclusion envelope signature disclosure subject chain`; `format` alone when nothing was readable."""
    ok: bool
    detail: str


@dataclass(frozen=True)
class Report:
    outcome: Outcome
    checks: tuple[Check, ...]
    steps: int = 0
    attested: int = 0
    """Steps that the platform signed for a party without a device."""
    log_key: str = ""
    """The verifier key that was used."""
    origin: str = ""
    size: int = 0
    """Leaves under the checkpoint."""
    uri: str = ""


def verify_package(
    data: bytes, *, log_key: str | None = None, expected_uri: str | None = None, policy: bytes | None = None
) -> Report:
    """What holds of a proof package.

    `log_key` is the verifier key that the caller trusts; without it, the one that the package names is used.
    `expected_uri` is the canonical URI of the thing that the caller holds in hand. `policy` is a tlog-policy file: the
    log must be one of its logs, if it lists any, and the checkpoint cosigned by its quorum.
    """
    try:
        package = Package.parse(data)
    except UncheckedError as error:
        return Report(Outcome.UNCHECKED, (Check("format", False, f"could not check: {error}"),))
    except TraceError as error:
        return Report(Outcome.INVALID, (Check("format", False, str(error)),))
    questions: dict[str, Callable[[], str]] = {
        "checkpoint": lambda: _checkpoint(package, log_key, policy),
        "inclusion": lambda: _inclusion(package),
        "envelope": lambda: _envelope(package),
        "signature": lambda: _signature(package),
        "disclosure": lambda: _disclosure(package),
        "subject": lambda: _subject(package, expected_uri),
        "chain": lambda: _chain(package),
    }
    checks = []
    outcome = Outcome.VALID
    for name, question in questions.items():
        # Every question is asked, whatever came before: the reader learns what still holds.
        try:
            checks.append(Check(name, True, question()))
        except UncheckedError as error:
            checks.append(Check(name, False, f"could not check: {error}"))
            outcome = Outcome.UNCHECKED if outcome is Outcome.VALID else outcome
        except TraceError as error:
            checks.append(Check(name, False, str(error)))
            outcome = Outcome.INVALID
    attested = {entry.index for entry in package.entries if entry.payload.attested}
    return Report(
        outcome=outcome,
        checks=tuple(checks),
        steps=len(package.steps),
        attested=sum(step.index in attested for step in package.steps),
        log_key=package.log_key if log_key is None else log_key,
        origin=package.origin,
        size=package.size,
        uri=package.uri,
    )


def _checkpoint(package: Package, trusted: str | None, policy: bytes | None) -> str:
    """The note is signed by the log key and cosigned as the policy demands, and everything is of one origin."""
    if trusted is not None:
        try:
            parse_log_key(trusted)
        except ParseError as error:
            raise UncheckedError(f"the key that was given is none: {error}") from error
        _same("log key", package.log_key, trusted)
    name, _, _ = parse_log_key(package.log_key)
    signed = open_note(package.checkpoint, package.log_key).split("\n")
    if len(signed) != 4:
        raise ParseError(f"checkpoint: {len(signed) - 1} signed lines, expected origin, size and root")
    _same("checkpoint: origin", signed[0], name)
    _same("package: origin", package.origin, name)
    signed_by = f"{package.size} leaves, signed by the log key of {name}"
    if policy is None:
        return signed_by
    try:
        rules = read_policy(policy)
    except ParseError as error:
        raise UncheckedError(f"the policy that was given is none: {error}") from error
    if rules.logs and package.log_key not in rules.logs:
        raise ValidationError(f"log key {package.log_key[:120]!r}: not among the logs of the policy")
    return f"{signed_by}, cosigned by {', '.join(demand(package.checkpoint, rules)) or 'nobody'}"


def _inclusion(package: Package) -> str:
    """Each leaf's hash and path give the checkpoint's root; leaves stand in log order."""
    before = None
    for entry in package.entries:
        _same(f"leaf {entry.index}: origin", entry.origin, package.origin)
        if not included(entry.leaf_hash, entry.index, package.size, entry.path, package.root):
            raise ValidationError(f"leaf {entry.index}: leaf and path do not give the root of {package.size} leaves")
        if before is not None and entry.index <= before.index:
            raise ValidationError(f"leaf {entry.index} stands after leaf {before.index}: expected log order")
        if before is not None and entry.rcv_ms < before.rcv_ms:
            raise ValidationError(f"leaf {entry.index}: received at {entry.rcv_ms}, earlier than leaf {before.index}")
        before = entry
    return f"{len(package.entries)} leaves are under the checkpoint"


def _envelope(package: Package) -> str:
    """Each leaf is what its envelope makes it: its lines are written again from the payload and compared."""
    _each(package.entries, _written_again)
    return f"{len(package.entries)} leaves repeat their envelopes"


def _written_again(entry: Entry) -> None:
    what = f"leaf {entry.index}"
    payload = entry.payload
    if payload.seq < 1 or (payload.seq == 1) != (payload.prev is None):
        raise ValidationError(f"{what}: seq {payload.seq}: expected prev from the second payload on, and only then")
    env_hash = sha256(b"\x00".join((entry.payload_bytes, bytes.fromhex(entry.key_id), entry.signature)))
    prev = "-" if payload.prev is None else to_b64(payload.prev)
    issuer_line = f"issuer {payload.issuer} {payload.device} {payload.seq} {prev}"
    _same(f"{what}: env line", entry.lines[3], f"env {to_b64(env_hash)} {entry.part}/{entry.parts}")
    _same(f"{what}: issuer line", entry.lines[1], issuer_line)
    _same(f"{what}: dev", payload.device, entry.key_id)
    _same(f"{what}: aud", payload.audience, entry.origin)
    if entry.kind not in KINDS:
        raise UncheckedError(f"{what}: kind {entry.kind} is not known here")
    _same(f"{what}: type", payload.kind, entry.kind)
    _same(f"{what}: payloadType", entry.payload_type, _HOP if entry.kind in ("hop", "correct") else _STATEMENT)
    parts = max(1, -(-len(payload.items) // ITEMS_A_LEAF))
    if entry.parts != parts or not 1 <= entry.part <= parts:
        raise ValidationError(f"{what}: part {entry.part}/{entry.parts}: expected 1 to {parts} of {parts}")
    if len(entry.items) != len(entry.digests):
        raise ValidationError(f"{what}: {len(entry.items)} item lines, expected {len(entry.digests)}")
    lines = entry.lines[4 : -1 - len(entry.items)]
    _same(f"{what}: body", "\n".join(lines), payload.body or "")


def _signature(package: Package) -> str:
    """Each envelope is signed by a key that an earlier leaf registers, up to the authority of leaf 0."""
    keys: dict[str, Key] = {}

    def check(entry: Entry) -> None:
        registers = entry.payload.key
        if entry.index == 0:
            signer = registers
            if signer is None or signer.role != "authority" or signer.key_id != entry.key_id:
                raise ValidationError("leaf 0: expected the authority's key, registered by itself")
        else:
            signer = keys.get(entry.key_id)
            if signer is None:
                raise UnknownKeyError(f"leaf {entry.index}: no earlier entry registers key {entry.key_id[:16]}")
        if registers is not None and entry.payload.kind == "keyrot":
            registers = replace(registers, issuer=signer.issuer, role=signer.role)
        if registers is not None:
            # Known from here on even if its registration turns out not checkable: then what it signed is not either.
            keys.setdefault(registers.key_id, registers)
        _same(f"leaf {entry.index}: issuer", entry.payload.issuer, signer.issuer)
        _authorised(entry, signer, keys)
        _verify(entry, signer)
        if registers is not None and entry.payload.proof is not None:
            held = f"{entry.payload.audience}\n{entry.key_id}\n{registers.key_id}\n".encode("ascii")
            if not _signed(registers, pae(_POSSESSION, held), entry.payload.proof, f"leaf {entry.index}"):
                raise SignatureError(f"leaf {entry.index}: the new key {registers.key_id[:16]} did not sign its proof")

    _each(package.entries, check)
    bad_from: dict[str, int] = {}
    for entry in package.entries:
        if entry.payload.revokes is not None:
            revoked, since = entry.payload.revokes
            first = entry.index if since is None else min(since, entry.index)
            bad_from[revoked] = min(first, bad_from.get(revoked, first))
        if entry.payload.kind == "keyrot":
            # The old key's last word.
            bad_from[entry.key_id] = min(entry.index + 1, bad_from.get(entry.key_id, entry.index + 1))
    for entry in package.entries:
        since = bad_from.get(entry.key_id)
        if since is not None and entry.index >= since:
            raise RevokedKeyError(f"leaf {entry.index}: key {entry.key_id[:16]} is revoked from leaf {since} on")
    return f"{len(package.entries)} envelopes are signed by keys that the authority of this log registered"


def _authorised(entry: Entry, signer: Key, keys: dict[str, Key]) -> None:
    """The role of a key says what it may sign (docs/formats.md, section 2)."""
    registers, revokes = entry.payload.key, entry.payload.revokes
    refused = f"leaf {entry.index}: a key of role {signer.role[:20]}"
    if entry.payload.kind == "keyreg" and registers is not None and entry.index > 0:
        own = signer.role == "enterprise" and registers.role == "device" and registers.issuer == signer.issuer
        if registers.role not in _DELEGATED or not (signer.role == "authority" or own):
            raise ValidationError(f"{refused} may not register a key of role {registers.role[:20]}")
    if revokes is not None:
        of = keys.get(revokes[0])
        own = signer.role == "enterprise" and of is not None and of.issuer == signer.issuer
        if not (signer.role == "authority" or own):
            raise ValidationError(f"{refused} may not revoke key {revokes[0][:16]}")
    if entry.payload.kind in ("hop", "correct"):
        # The platform never signs as if it had been there, nobody else for others.
        expected: tuple[str, ...] = ("attestation",) if entry.payload.attested else ("device", "enterprise")
        if entry.payload.kind == "correct" and not entry.payload.attested:
            expected = (*expected, "authority")
        if signer.role not in expected:
            raise ValidationError(f"{refused} signed a {entry.payload.kind}: expected {' or '.join(expected)}")
    if entry.payload.kind in ("erase", "import", "anchor", *CASES) and signer.role != "authority":
        raise ValidationError(f"{refused} signed a {entry.payload.kind}: expected authority")


def _verify(entry: Entry, signer: Key) -> None:
    if not _signed(signer, pae(entry.payload_type, entry.payload_bytes), entry.signature, f"leaf {entry.index}"):
        raise SignatureError(f"leaf {entry.index}: the signature is not one of key {signer.key_id[:16]} over this")


def _signed(key: Key, message: bytes, signature: bytes, what: str) -> bool:
    algorithm = {ED25519: ed25519, P256: p256}.get(key.algorithm)
    if algorithm is None:
        raise UncheckedError(f"{what}: algorithm {key.algorithm} is not known here")
    return algorithm(key.public, message, signature)


def _disclosure(package: Package) -> str:
    """Each disclosure is one that the signer committed to; none tells of an item that no step is about."""
    count = 0
    for entry in package.entries:
        pointers = set()
        items = set(entry.digests)
        for disclosure in entry.disclosures:
            what = f"leaf {entry.index}: disclosure of {disclosure.pointer[:60]!r}"
            if disclosure.digest in items:
                if _KEY_POINTER.fullmatch(disclosure.pointer) is None:
                    raise ValidationError(f"{what} stands in items: expected the pointer of a key")
                if not isinstance(disclosure.value, str) or disclosure.value not in package.item_keys:
                    raise ValidationError(f"{what} tells of {str(disclosure.value)[:80]!r}: no step is about it")
            elif disclosure.digest not in entry.payload.sd:
                raise ValidationError(f"{what}: digest {disclosure.digest} is not in the payload")
            elif _PUBLIC_MEMBER.fullmatch(disclosure.pointer):
                raise ValidationError(f"{what} would replace a public member")
            if disclosure.pointer in pointers:
                raise ValidationError(f"{what} stands twice")
            pointers.add(disclosure.pointer)
            count += 1
        for subject, item in entry.told:
            if package.item_keys.get(subject) != item.key:
                raise ValidationError(f"leaf {entry.index}: the item line of {subject[:80]} has another item key")
    return f"{count} disclosures are what was signed"


def _subject(package: Package, expected_uri: str | None) -> str:
    """Each step is a hop of its subject, and the package is about the thing that was asked for."""
    if expected_uri is not None:
        _same("uri", package.uri, expected_uri)
    host = package.origin.split("/")[0] if package.path.startswith("/id/") else "id.gs1.org"
    _same("uri", package.uri, f"https://{host}{package.path}")
    if set(package.item_keys) != {step.subject for step in package.steps}:
        raise ValidationError("itemKeys: expected one for each subject of a step, and no other")
    if len(set(package.item_keys.values())) != len(package.item_keys):
        raise ValidationError("itemKeys: two things have the same key")
    seen = set()
    for n, step in enumerate(package.steps):
        if (step.via == "self") != (step.subject == package.uri):
            raise ValidationError(f"step {n}: via {step.via} for {step.subject[:80]}: expected self for the thing only")
        if (step.index, step.subject) in seen:
            raise ValidationError(f"step {n}: leaf {step.index} is told twice")
        seen.add((step.index, step.subject))
        entry = package.by_index.get(step.index)
        line = (step.subject, package.item_keys[step.subject])
        if entry is None or line not in [(subject, item.key) for subject, item in entry.told]:
            raise ValidationError(
                f"step {n}: leaf {step.index} has no item line that is told to be {step.subject[:80]}"
            )
    return f"{len(package.steps)} steps are about what they say"


def _chain(package: Package) -> str:
    """The hops of the thing itself count 1, 2, … and each names the one before."""
    own = sorted(step.index for step in package.steps if step.via == "self")
    if not own:
        raise UncheckedError(f"no step is a hop of {package.uri[:120]} itself")
    before: tuple[int, bytes] | None = None
    for ord_, index in enumerate(own, 1):
        entry = package.by_index.get(index)
        found = {item for item in entry.items if item.key == package.item_keys.get(package.uri)} if entry else set()
        if entry is None or len(found) != 1:
            raise ValidationError(f"leaf {index}: {len(found)} different item lines of the thing, expected one")
        item = found.pop()
        if item.ord != ord_:
            raise ValidationError(f"leaf {index}: hop {item.ord} of the thing, expected hop {ord_}")
        if item.prev != before:
            name = "none" if before is None else f"leaf {before[0]} with its hash"
            raise ValidationError(f"leaf {index}: names another leaf as the hop before, expected {name}")
        before = (index, entry.leaf_hash)
    for entry in package.entries:
        if entry.payload.corrects is not None:
            _correction(package, entry, *entry.payload.corrects)
    return f"hops 1 to {len(own)} of the thing follow each other without a gap"


def _correction(package: Package, entry: Entry, index: int, leaf_hash: bytes) -> None:
    """Who says that a hop was an error is who recorded it, or the authority."""
    what = f"leaf {entry.index}: corrects leaf {index}"
    wrong = package.by_index.get(index)
    if wrong is None:
        raise UncheckedError(f"{what}, which is not in the package")
    if wrong.kind != "hop" or index >= entry.index or wrong.leaf_hash != leaf_hash:
        raise ValidationError(f"{what}: expected an earlier hop with that hash")
    # A hop of many things has several leaves, and its correction as many: part by part they name the same.
    same = package.by_index.get(index + entry.part - 1)
    if same is None or [item.key for item in same.items] != [item.key for item in entry.items]:
        raise ValidationError(f"{what}: names other things than that hop")
    by_authority = any(
        each.payload.key is not None and each.index == 0 and each.payload.key.issuer == entry.payload.issuer
        for each in package.entries
    )
    if not by_authority and (wrong.payload.issuer, wrong.payload.attested_for) != (
        entry.payload.issuer,
        entry.payload.attested_for,
    ):
        raise ValidationError(f"{what}: was recorded by another party")


def _each(entries: Iterable[Entry], check: Callable[[Entry], None]) -> None:
    """Checks all; what is false comes before what could not be checked, wherever they stand."""
    unchecked: UncheckedError | None = None
    for entry in entries:
        try:
            check(entry)
        except UncheckedError as error:
            unchecked = unchecked or error
    if unchecked is not None:
        raise unchecked


def _same(what: str, got: object, expected: object) -> None:
    if got != expected:
        raise ValidationError(f"{what} {str(got)[:200]!r}: expected {str(expected)[:200]!r}")
