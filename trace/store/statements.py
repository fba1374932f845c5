"""What keys may do, and what a statement changes: the only place where the log looks into a payload that is no hop.

The state of a key is read where the leaf will stand, never at a claimed time.
"""

from dataclasses import replace

from trace.errors import ConflictError, ForkError, RevokedKeyError, UnknownKeyError, ValidationError
from trace.ledger.leaf import KeyLine, RevokeLine
from trace.ledger.payload import Hop, KeyRegistration, KeyRevocation, Statement
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
    if isinstance(payload, Hop):
        _check_hop(signer, payload)
    elif isinstance(payload, KeyRegistration):
        _check_registration(state, signer, payload)
    else:
        _check_revocation(state, signer, payload)


def _check_hop(signer: KeyState, payload: Hop) -> None:
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


def body_of(payload: Statement) -> KeyLine | RevokeLine:
    """What the statement's leaf says."""
    if isinstance(payload, KeyRegistration):
        return KeyLine(payload.key, payload.issuer, payload.role)
    return RevokeLine(payload.key_id, payload.compromised_from)


def apply(state: LogState, payload: Statement, leaf_index: int, rows: Rows) -> None:
    """From this leaf on, what the statement says is so."""
    if isinstance(payload, KeyRegistration):
        key = payload.key
        rows.key.append(
            (
                rows.platform,
                key.key_id,
                int(key.algorithm),
                key.raw,
                payload.issuer,
                payload.role,
                leaf_index,
                None,
                None,
            )
        )
        state.keys[key.key_id] = KeyState(key, payload.issuer, payload.role, leaf_index, None, None)
    else:
        rows.key_revoked.append((leaf_index, rows.platform, payload.key_id))
        state.keys[payload.key_id] = replace(state.keys[payload.key_id], revoked_leaf=leaf_index)


def freeze(state: LogState, key_id: str, rcv_ms: int, rows: Rows) -> None:
    """The key was seen in two places: nothing more is taken from it until a person has looked."""
    if state.keys[key_id].frozen_ms is None:
        rows.key_frozen.append((rcv_ms, rows.platform, key_id))
        state.keys[key_id] = replace(state.keys[key_id], frozen_ms=rcv_ms)
