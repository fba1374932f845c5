"""Administration of the registry of keys: one order, carried out where the sequencer is.

The command line and `POST /admin/keys` both end here, so that the authority's chain has one owner.
"""

import secrets
from typing import Any

from app.services import Services
from trace.errors import ParseError, ValidationError
from trace.ledger.encoding import from_hex
from trace.ledger.key_request import REQUESTED_ROLES, KeyRequest
from trace.register import RegisteredKey, enrol, one_key, registered_keys, revoke_key, rotate
from trace.store.sequencer import Receipt

_MEMBERS = {
    "enrol": {"request", "issuer", "party"},
    "rotate": {"old", "request", "compromisedFrom"},
    "revoke": {"key", "compromisedFrom"},
}
_NAMES = ("name", "nameEn", "uscc")


def carry_out(services: Services, order: Any) -> dict[str, Any]:
    """`{"do": "enrol", "request": text, "issuer": pseudonym or null, "party": {name, nameEn, uscc}}`,
    `{"do": "rotate", "old": key id, "request": text, "compromisedFrom": leaf index or null}`, or
    `{"do": "revoke", "key": key id, "compromisedFrom": leaf index or null}`. A key id may be its first 8 digits.

    Gives what is now registered or ended, with its leaves. Raises: ParseError and what the doors raise.
    """
    do = order.get("do") if isinstance(order, dict) else None
    if not isinstance(do, str) or do not in _MEMBERS or set(order) != {"do", *_MEMBERS[do]}:
        raise ParseError(f"order: expected do and its members, one of {', '.join(_MEMBERS)}")
    if do == "enrol":
        return _enrol(services, order)
    since = order["compromisedFrom"]
    if since is not None and (type(since) is not int or since < 0):
        raise ParseError(f"compromisedFrom {since!r}: expected a leaf index or null")
    if do == "rotate":
        return _rotate(services, order, since)
    key = _one(services, order["key"])
    receipt = revoke_key(services.authority, key.key_id, since, services.clock.now())
    return _told(key.key_id, key.issuer, key.role, None, receipt)


def _enrol(services: Services, order: dict[str, Any]) -> dict[str, Any]:
    request = _request(order)
    party, issuer = order["party"], order["issuer"]
    if not isinstance(party, dict) or not all(n in _NAMES and isinstance(v, str) for n, v in party.items()):
        raise ParseError(f"party: expected an object of {', '.join(_NAMES)}")
    if issuer is not None:
        from_hex(str(issuer), "issuer", 16)
    owner = issuer or request.issuer or secrets.token_hex(16)
    receipt = enrol(services.authority, services.settings.origin, request, owner, services.clock.now(), party)
    return _told(request.key.key_id, owner, request.role, receipt, None)


def _rotate(services: Services, order: dict[str, Any], since: int | None) -> dict[str, Any]:
    request, old = _request(order), _one(services, order["old"])
    with services.reading() as session:
        every = {each.key_id: each for each in registered_keys(session, services.settings.platform)}
    registered, revoked = rotate(
        services.authority,
        services.settings.origin,
        old,
        request,
        since,
        services.clock.now(),
        every.get(request.key.key_id),
    )
    return _told(request.key.key_id, old.issuer, old.role, registered, revoked) | {"replaces": old.key_id}


def _request(order: dict[str, Any]) -> KeyRequest:
    if not isinstance(order["request"], str):
        raise ParseError("request: expected the text of a key request")
    return KeyRequest.parse(order["request"].encode("utf-8"))


def _one(services: Services, key_id: Any) -> RegisteredKey:
    with services.reading() as session:
        found = one_key(session, services.settings.platform, str(key_id))
    if found.role not in REQUESTED_ROLES:
        raise ValidationError(f"key {found.key_id[:16]}…: is the platform's own {found.role} key, it is not ended here")
    return found


def _told(key_id: str, issuer: str, role: str, registered: Receipt | None, revoked: Receipt | None) -> dict[str, Any]:
    leaves = {"registered": registered, "revoked": revoked}
    told = {name: receipt.leaf_index for name, receipt in leaves.items() if receipt is not None}
    return {"key_id": key_id, "issuer": issuer, "role": role, **told}
