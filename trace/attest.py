"""The attesting door: a step that somebody typed or scanned without a device key, signed by the platform in his place.

The payload says for whom, and commits to the very bytes that were received, salted; every page says "recorded by the
platform for ...". A device's own signature is worth more, and this never looks like one.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.orm import Session

from trace.capture import RECEIVED_POINTER, PlatformSigner
from trace.errors import NotFoundError, ValidationError
from trace.ledger.disclosure import Disclosure, rebuild, split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.leaf import CorrectLine
from trace.ledger.payload import Attested, Hop, Signer, digests, parse_payload
from trace.observe import ReadPoint, observe_scan
from trace.store import ledger_rows
from trace.store.intake import Receipt
from trace.times import format_utc


def attest_scan(
    signer: PlatformSigner,
    received: bytes,
    where: ReadPoint,
    *,
    party: str,
    at: datetime,
    utc_offset: str,
    origin: str,
    event_id: str,
) -> tuple[Receipt, str]:
    """Record what a party says it scanned; gives the receipt and the canonical URI of the thing.

    `party` is its pseudonym. Raises: ValidationError when the code identifies nothing; otherwise as `capture`.
    """
    seen = observe_scan(received, where, at=at, utc_offset=utc_offset, origin=origin, event_id=event_id)

    def sign(key: Signer) -> Parcel:
        parts = split(seen.event, lambda: key.random(16))
        told = Disclosure.make(RECEIVED_POINTER, b64u(received), key.random(16))
        # The received bytes are a disclosure, but of no member of the event: their digest stands under `attests`.
        joined = replace(parts, disclosures=(*parts.disclosures, told))
        return key.hop(joined, at, attests=Attested(party, told.digest))

    return signer.record(sign), seen.uris[0]


def declare_error(
    session: Session, platform: int, signer: PlatformSigner, leaf_index: int, reason: str, at: datetime
) -> Receipt:
    """Declare that a recorded hop was an error (EPCIS 2.0, 7.4.1.4); nothing is deleted.

    `signer` is the attestation key for hops that the platform attested, else the authority. `reason` is a word of CBV
    2.0, 7.5: `did_not_occur` or `incorrect_data`. `session` is for reading.

    Raises: NotFoundError when no hop is recorded there (of one that has several leaves, in the first of them);
    ValidationError when it is erased in part; as `capture`.
    """
    leaf = ledger_rows.leaves_at(session, platform, [leaf_index]).get(leaf_index)
    stored = ledger_rows.envelopes_at(session, platform, [leaf_index]).get(leaf_index)
    hop = None if stored is None else parse_payload(stored.envelope)
    if leaf is None or stored is None or not isinstance(hop, Hop) or hop.corrects is not None:
        raise NotFoundError(f"leaf {leaf_index}: expected a recorded hop")
    texts = ledger_rows.disclosures_of(session, platform, [leaf_index]).get(leaf_index, [])
    told = [Disclosure.parse(text) for text in texts]
    if len(told) != len(digests(hop)):
        raise ValidationError(f"leaf {leaf_index}: part of it is erased, so its event cannot be told again")
    event = {
        **rebuild(hop.event, told),
        "errorDeclaration": {"declarationTime": format_utc(at), "reason": reason},
    }
    corrects = CorrectLine(leaf.index, leaf.leaf_hash)
    attests = hop.attests if signer.public.key_id == stored.envelope.key_id else None

    def sign(key: Signer) -> Parcel:
        parts = split(event, lambda: key.random(16))
        if attests is None:
            return key.hop(parts, at, corrects=corrects)
        # What the platform was given this time is the order to declare the error.
        order = Disclosure.make(RECEIVED_POINTER, b64u(f"{leaf_index} {reason}".encode()), key.random(16))
        joined = replace(parts, disclosures=(*parts.disclosures, order))
        return key.hop(joined, at, attests=Attested(attests.party, order.digest), corrects=corrects)

    return signer.record(sign)
