"""What the administrator may do to records: declare one an error, and erase what must go. Nothing is rewritten.

The command line and `POST /admin/records` both end here.
"""

from typing import Any

from app.services import Services
from trace.attest import declare_error
from trace.errors import NotFoundError, ParseError
from trace.register import erase, personal_disclosures
from trace.store import ledger_rows

REASONS = ("did_not_occur", "incorrect_data")
"""CBV 2.0, section 7.5."""
_MEMBERS = {"correct": {"leaf", "reason"}, "erase": {"leaf", "positions", "basis"}}


def carry_out(services: Services, order: Any) -> dict[str, Any]:
    """`{"do": "correct", "leaf": index, "reason": word}`, or
    `{"do": "erase", "leaf": index, "positions": [n, ...] or null, "basis": text}`: null is what is personal.

    Gives the leaf that says so. Raises: ParseError and what the doors raise.
    """
    do = order.get("do") if isinstance(order, dict) else None
    if not isinstance(do, str) or do not in _MEMBERS or set(order) != {"do", *_MEMBERS[do]}:
        raise ParseError(f"order: expected do and its members, one of {', '.join(_MEMBERS)}")
    leaf = order["leaf"]
    if type(leaf) is not int or leaf < 0:
        raise ParseError(f"leaf {str(leaf)[:20]}: expected a leaf index")
    return _correct(services, leaf, order["reason"]) if do == "correct" else _erase(services, leaf, order)


def _correct(services: Services, leaf: int, reason: Any) -> dict[str, Any]:
    if reason not in REASONS:
        raise ParseError(f"reason {str(reason)[:40]!r}: expected one of {', '.join(REASONS)}")
    platform, now = services.settings.platform, services.clock.now()
    with services.reading() as session:
        stored = ledger_rows.envelopes_at(session, platform, [leaf]).get(leaf)
        ours = stored is not None and stored.envelope.key_id == services.attestation.public.key_id
        # What the platform recorded for a party it takes back for that party; all else, the authority declares.
        signer = services.attestation if ours else services.authority
        receipt = declare_error(session, platform, signer, leaf, reason, now)
    return {"corrected": leaf, "leaf": receipt.leaf_index, "reason": reason}


def _erase(services: Services, leaf: int, order: dict[str, Any]) -> dict[str, Any]:
    positions, basis = order["positions"], order["basis"]
    if not isinstance(basis, str):
        raise ParseError("basis: expected the legal ground, like PIPL 47")
    if positions is None:
        with services.reading() as session:
            positions = personal_disclosures(session, services.settings.platform, leaf)
        if not positions:
            raise NotFoundError(f"leaf {leaf}: nothing personal is disclosed there, or not any more")
    if not isinstance(positions, list) or not all(type(each) is int and each >= 0 for each in positions):
        raise ParseError(f"positions {str(positions)[:40]}: expected a list of numbers")
    receipt = erase(services.authority, leaf, positions, basis, services.clock.now())
    services.database.forget()
    return {"erased": leaf, "positions": sorted(set(positions)), "leaf": receipt.leaf_index}
