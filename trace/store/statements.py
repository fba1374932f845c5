"""What keys may do, and what a statement changes: the only place where the log looks into a payload that is no hop.

keyreg keyrot keyrev    which keys there are          recall blacklist decision   steps of cases, and their lists
erase                   which disclosures are gone    import anchor               heads of other logs

The state of a key is read where the leaf will stand, never at a claimed time.
"""

from collections.abc import Mapping
from dataclasses import replace

from trace.errors import ConflictError, ForkError, RevokedKeyError, UnknownKeyError, ValidationError
from trace.ledger.canonical import canonical
from trace.ledger.disclosure import Access
from trace.ledger.payload import (
    CaseStep,
    Erasure,
    Hop,
    KeyRegistration,
    KeyRevocation,
    KeyRotation,
    OtherTree,
    Statement,
)
from trace.store import supervision_rows
from trace.store.intake import Intake
from trace.store.ledger_rows import KeyState
from trace.store.log_state import LogState
from trace.store.writing import Rows
from trace.times import format_utc, from_ms


def check_key(state: LogState, intake: Intake) -> None:
    """Whether the key that signed may say this now.

    Raises: UnknownKeyError, RevokedKeyError, ForkError, ConflictError, ValidationError.
    """
    head, payload = intake.payload.head, intake.payload
    signer = state.keys.get(head.device)
    if signer is None:
        # The first leaf registers the authority, signed by itself; nothing else may be unknown.
        if state.size == 0 and isinstance(payload, KeyRegistration):
            if payload.role == "authority" and payload.key.key_id == head.device and payload.issuer == head.issuer:
                return
            raise ValidationError("the first leaf of a log must register the authority, signed by itself")
        raise UnknownKeyError(f"key {head.device[:16]}…: not registered in the log {state.origin}")
    if signer.revoked_leaf is not None:
        raise RevokedKeyError(f"key {head.device[:16]}…: revoked at leaf {signer.revoked_leaf}")
    if signer.issuer != head.issuer:
        raise ValidationError(
            f"key {head.device[:16]}… belongs to issuer {signer.issuer}, the payload says {head.issuer}"
        )
    if signer.frozen_ms is not None:
        raise ForkError(
            f"key {head.device[:16]}…: frozen since {format_utc(from_ms(signer.frozen_ms))}, it signed twice "
            "under one sequence number"
        )
    match payload:
        case Hop():
            _check_hop(signer, payload)
        case KeyRegistration():
            _check_registration(state, signer, payload)
        case KeyRevocation():
            _check_revocation(state, signer, payload)
        case KeyRotation():
            if payload.key.key_id in state.keys:
                raise ConflictError(f"key {payload.key.key_id[:16]}…: registered already")
        case Erasure() | OtherTree() | CaseStep():
            if signer.role != "authority":
                raise ValidationError(f"a key of role {signer.role} may not sign a {head.kind}, expected authority")


def check_erasure(size: int, payload: Erasure, told: Mapping[int, str]) -> None:
    """`told`: access class by position, of what the leaf's envelope discloses. Raises: ValidationError."""
    if payload.leaf_index >= size:
        raise ValidationError(f"erase leaf {payload.leaf_index}: the log has {size} leaves")
    for position in payload.positions:
        if position not in told:
            raise ValidationError(f"erase leaf {payload.leaf_index}: it has no disclosure {position}")
        if told[position] == Access.ITEM:
            raise ValidationError(
                f"erase leaf {payload.leaf_index}: disclosure {position} names a thing, expected another member"
            )


def _check_hop(signer: KeyState, payload: Hop) -> None:
    if payload.corrects is not None and payload.attests is None and signer.role == "authority":
        return
    if payload.attests is None:
        if signer.role not in ("device", "enterprise"):
            raise ValidationError(f"a key of role {signer.role} signs no hop of its own")
    elif signer.role != "attestation":
        raise ValidationError(f"a key of role {signer.role} may not sign for others")


def _check_registration(state: LogState, signer: KeyState, payload: KeyRegistration) -> None:
    delegated = signer.role == "enterprise" and payload.role == "device" and payload.issuer == signer.issuer
    if signer.role != "authority" and not delegated:
        raise ValidationError(f"a key of role {signer.role} may not register a key of role {payload.role}")
    if payload.role == "authority":
        raise ValidationError("the authority is registered by the first leaf alone")
    if payload.key.key_id in state.keys:
        raise ConflictError(f"key {payload.key.key_id[:16]}…: registered already")


def _check_revocation(state: LogState, signer: KeyState, payload: KeyRevocation) -> None:
    target = state.keys.get(payload.key_id)
    if target is None:
        raise UnknownKeyError(f"key {payload.key_id[:16]}…: not registered, so it cannot be revoked")
    if signer.role != "authority" and not (signer.role == "enterprise" and target.issuer == signer.issuer):
        raise ValidationError(f"a key of role {signer.role} may not revoke a key of another party")
    if target.revoked_leaf is not None:
        raise ConflictError(f"key {payload.key_id[:16]}…: revoked already at leaf {target.revoked_leaf}")


def apply(state: LogState, intake: Intake, payload: Statement, leaf_index: int, rows: Rows) -> None:
    """From this leaf on, what the statement says is so."""
    match payload:
        case KeyRegistration():
            _register(state, KeyState(payload.key, payload.issuer, payload.role, leaf_index, None, None), rows)
        case KeyRotation(head, key):
            old = state.keys[head.device]
            _register(state, KeyState(key, old.issuer, old.role, leaf_index, None, None), rows)
            _revoke(state, head.device, leaf_index, rows)
        case KeyRevocation():
            _revoke(state, payload.key_id, leaf_index, rows)
        case Erasure():
            rows.erased.append((payload.leaf_index, payload.positions))
        case CaseStep():
            _index_case(intake, payload, leaf_index, rows)


def _register(state: LogState, key: KeyState, rows: Rows) -> None:
    raw = key.key
    rows.key.append(
        (rows.platform, raw.key_id, int(raw.algorithm), raw.raw, key.issuer, key.role, key.registered_leaf, None, None)
    )
    state.keys[raw.key_id] = key


def _revoke(state: LogState, key_id: str, leaf_index: int, rows: Rows) -> None:
    rows.key_revoked.append((leaf_index, rows.platform, key_id))
    state.keys[key_id] = replace(state.keys[key_id], revoked_leaf=leaf_index)


def _index_case(intake: Intake, payload: CaseStep, leaf_index: int, rows: Rows) -> None:
    case = intake.case
    assert case is not None, "capture gives every step of a case its content"
    public, internal = (canonical(part).decode("utf-8") for part in (case.public, case.internal))
    rows.case_step.append(
        (
            rows.platform,
            leaf_index,
            payload.head.kind,
            case.uri,
            payload.act,
            "\n".join(payload.approved_by),
            public,
            internal,
        )
    )
    if case.entry is not None:
        rows.blacklist.append(supervision_rows.blacklist_row(rows.platform, case.entry, leaf_index))


def freeze(state: LogState, key_id: str, rcv_ms: int, rows: Rows) -> None:
    """The key was seen in two places: nothing more is taken from it until a person has looked."""
    if state.keys[key_id].frozen_ms is None:
        rows.key_frozen.append((rcv_ms, rows.platform, key_id))
        state.keys[key_id] = replace(state.keys[key_id], frozen_ms=rcv_ms)
