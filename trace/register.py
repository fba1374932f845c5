"""The registering door: parties and their keys, places, products, the cases and lists of regulators, erasures.

Keys, cases, erasures and the heads of other logs are leaves, signed by the authority. Master data are plain rows; the
caller owns the transaction.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from trace.capture import PlatformSigner
from trace.errors import ConflictError, NotFoundError, ValidationError
from trace.ledger.canonical import JsonObject
from trace.ledger.checkpoint import Checkpoint
from trace.ledger.disclosure import Access, split, split_case
from trace.ledger.encoding import b64u
from trace.ledger.envelope import pae
from trace.ledger.key_request import KeyRequest
from trace.ledger.keys import PublicKey, SigningKey
from trace.ledger.leaf import Leaf, RevokeLine
from trace.ledger.payload import POSSESSION_TYPE, possession_body
from trace.store import ledger_rows, master_rows, supervision_rows
from trace.store.intake import Receipt
from trace.store.key_rows import Chain, chains
from trace.store.master_rows import Party, Region, Site, TradeItem
from trace.supervision.blacklist import BlacklistEntry, Listing, listing

KEY_ID_START = 8
"""Digits of a key id that name a key to a person."""


def register_key(
    authority: PlatformSigner,
    key: PublicKey,
    issuer: str,
    role: str,
    at: datetime,
    party: dict[str, str] | None = None,
) -> Receipt:
    """Bind a key to an issuer, by a leaf signed by the authority. `party` (name, nameEn, uscc) becomes disclosures."""
    body: JsonObject = {"alg": int(key.algorithm), "public": b64u(key.raw), "issuer": issuer, "role": role}
    return authority.record(lambda signer: signer.statement("keyreg", body, split(dict(party or {})), at))


def revoke_key(authority: PlatformSigner, key_id: str, compromised_from: int | None, at: datetime) -> Receipt:
    """End a key: later leaves of it are refused, earlier ones from `compromised_from` on are disputed."""
    body: JsonObject = {"key": key_id, "compromisedFrom": compromised_from}
    return authority.record(lambda signer: signer.statement("keyrev", body, split({}), at))


@dataclass(frozen=True)
class RegisteredKey:
    """A key of the registry as it stands now."""

    key_id: str
    role: str
    issuer: str
    registered_leaf: int
    revoked_leaf: int | None
    compromised_from: int | None
    """Leaf index from which on its leaves are disputed."""
    frozen_ms: int | None
    chain: Chain | None
    """None when it has sent nothing."""

    @property
    def state(self) -> str:
        """`active`, `revoked` or `frozen`."""
        return "revoked" if self.revoked_leaf is not None else "frozen" if self.frozen_ms is not None else "active"


def registered_keys(session: Session, platform: int) -> list[RegisteredKey]:
    """The whole registry, in the order of registration."""
    states, of_device = ledger_rows.keys(session, platform), chains(session, platform)
    ends = [state.revoked_leaf for state in states.values() if state.revoked_leaf is not None]
    leaves = ledger_rows.leaves_at(session, platform, ends)
    found = []
    for key_id, state in states.items():
        line = None if state.revoked_leaf is None else Leaf.parse(leaves[state.revoked_leaf].record).body
        since = line.compromised_from if isinstance(line, RevokeLine) else None
        found.append(
            RegisteredKey(
                key_id,
                state.role,
                state.issuer,
                state.registered_leaf,
                state.revoked_leaf,
                since,
                state.frozen_ms,
                of_device.get(key_id),
            )
        )
    return sorted(found, key=lambda each: each.registered_leaf)


def one_key(session: Session, platform: int, start: str) -> RegisteredKey:
    """The key whose id begins so. Raises: NotFoundError when there is none; ValidationError when it may be several."""
    found = [each for each in registered_keys(session, platform) if each.key_id.startswith(start)]
    if len(start) < KEY_ID_START or len(found) > 1:
        raise ValidationError(f"key id {start[:64]!r}: expected more of it, at least {KEY_ID_START} digits")
    if not found:
        raise NotFoundError(f"key {start[:64]}: not registered in this log")
    return found[0]


def enrol(
    authority: PlatformSigner,
    origin: str,
    request: KeyRequest,
    issuer: str,
    at: datetime,
    party: dict[str, str] | None = None,
) -> Receipt:
    """Register a key whose holder has proved that he holds it. Raises: ValidationError, ConflictError; as `capture`."""
    if request.origin != origin:
        raise ValidationError(f"key request is meant for the log {request.origin[:80]!r}, this is {origin!r}")
    body = request.body(issuer)
    return authority.record(lambda signer: signer.statement("keyreg", body, split(dict(party or {})), at))


def rotate(
    authority: PlatformSigner,
    origin: str,
    old: RegisteredKey,
    request: KeyRequest,
    compromised_from: int | None,
    at: datetime,
    known: RegisteredKey | None,
) -> tuple[Receipt | None, Receipt]:
    """A new key in the place of an old one: registered first, then the old one ends.

    `known` is the new key when it is registered already: a rotation that was cut off in the middle is finished. Gives
    the receipts of the registration (None when it was there) and of the revocation. Raises: as `enrol`.
    """
    if request.role != old.role:
        raise ValidationError(f"key request asks for role {request.role}, the old key has {old.role}")
    if old.revoked_leaf is not None:
        raise ConflictError(f"key {old.key_id[:16]}…: revoked already at leaf {old.revoked_leaf}")
    if known is not None and (known.issuer, known.role, known.state) != (old.issuer, old.role, "active"):
        raise ConflictError(f"key {known.key_id[:16]}…: registered already, for another party or role, or not active")
    registered = None if known is not None else enrol(authority, origin, request, old.issuer, at)
    return registered, revoke_key(authority, old.key_id, compromised_from, at)


def possession(new: SigningKey, origin: str, old_key_id: str) -> bytes:
    """The proof that whoever rotates a key holds the new one."""
    return new.sign(pae(POSSESSION_TYPE, possession_body(origin, old_key_id, new.public)))


def new_case(origin: str) -> str:
    """URI of a case that nobody has opened yet."""
    return f"https://{origin.split('/')[0]}/id/case/{os.urandom(16).hex()}"


def record_case(
    authority: PlatformSigner,
    kind: str,
    case: str,
    act: str,
    approved_by: Sequence[str],
    at: datetime,
    *,
    public: JsonObject,
    internal: JsonObject | None = None,
) -> Receipt:
    """One step of a case (`recall`, `blacklist`, `decision`): see `ACTS` in trace/ledger/payload.py.

    `case` is its URI, `approved_by` the pseudonyms of who decided. Raises: as `capture`.
    """
    body: JsonObject = {"act": act, "by": list(approved_by)}
    parts = split_case(case, public, internal or {})
    return authority.record(lambda signer: signer.statement(kind, body, parts, at))


def list_entry(
    authority: PlatformSigner, entry: BlacklistEntry, case: str, act: str, approved_by: Sequence[str], at: datetime
) -> Receipt:
    """A step of a blacklist case: from now on the list says this of the entry. Raises: as `capture`."""
    return record_case(authority, "blacklist", case, act, approved_by, at, public=entry.to_members())


def erase(authority: PlatformSigner, leaf_index: int, positions: Sequence[int], basis: str, at: datetime) -> Receipt:
    """Delete disclosures of a leaf, with their salts, and say so in the log; every signature and proof still holds.

    `positions` count the payload's digests (docs/formats.md, 2.2). Raises: as `capture`.
    """
    body: JsonObject = {"leaf": leaf_index, "positions": sorted(set(positions)), "basis": basis}
    return authority.record(lambda signer: signer.statement("erase", body, split({}), at))


def personal_disclosures(session: Session, platform: int, leaf_index: int) -> list[int]:
    """Positions of what a leaf discloses to nobody but the person concerned, as far as it is not erased."""
    stored = ledger_rows.stored_disclosures(session, platform, [leaf_index]).get(leaf_index, [])
    return [each.position for each in stored if each.access == Access.PERSONAL]


def record_other_log(authority: PlatformSigner, kind: str, head: Checkpoint, at: datetime) -> Receipt:
    """`anchor`: this log has seen that head. `import`: this log goes on from there. The note becomes a disclosure."""
    body: JsonObject = {"origin": head.origin, "size": head.size, "root": b64u(head.root)}
    return authority.record(lambda signer: signer.statement(kind, body, split({"note": head.note}), at))


def add_master_data(
    session: Session,
    platform: int,
    regions: list[Region],
    parties: list[Party],
    sites: list[Site],
    products: list[TradeItem],
) -> None:
    """Add what is new; nothing is overwritten."""
    for region in regions:
        master_rows.add_region(session, platform, region)
    for party in parties:
        master_rows.add_party(session, platform, party)
    session.flush()  # sites name their party
    for site in sites:
        master_rows.add_site(session, platform, site)
    for product in products:
        master_rows.add_product(session, platform, product)


def party_by_uscc(session: Session, platform: int, uscc: str) -> Party | None:
    return master_rows.party_by_uscc(session, platform, uscc)


def party(session: Session, platform: int, pseudonym: str) -> Party | None:
    return master_rows.parties(session, platform, [pseudonym]).get(pseudonym)


def sites_of(session: Session, platform: int, pseudonym: str) -> list[Site]:
    """Places of a party, in the order of their GLNs."""
    return master_rows.sites_of_party(session, platform, pseudonym)


def blacklist(session: Session, platform: int, today: date) -> list[Listing]:
    """Every entry with its status as of `today`, newest first."""
    return [listing(entry, today) for entry in supervision_rows.blacklist(session, platform)]
