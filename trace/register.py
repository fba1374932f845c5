"""The registering door: parties and their keys, places, products, and the lists that regulators keep.

Keys are leaves of the log, signed by the authority. Master data are plain rows; the caller owns the transaction.
"""

from datetime import date, datetime

from sqlalchemy.orm import Session

from trace.capture import PlatformSigner
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import split
from trace.ledger.encoding import b64u
from trace.ledger.keys import PublicKey
from trace.store import master_rows, supervision_rows
from trace.store.intake import Receipt
from trace.store.master_rows import Party, Region, Site, TradeItem
from trace.supervision.blacklist import BlacklistEntry, Listing, listing


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


def add_blacklist_entry(session: Session, platform: int, entry: BlacklistEntry) -> None:
    supervision_rows.add_blacklist_entry(session, platform, entry)


def blacklist(session: Session, platform: int, today: date) -> list[Listing]:
    """Every entry with its status as of `today`, newest first."""
    return [listing(entry, today) for entry in supervision_rows.blacklist(session, platform)]
