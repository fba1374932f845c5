"""The attesting door: a step that somebody typed or scanned without a device key, signed by the platform in his place.

The payload says for whom, and commits to the very bytes that were received, salted; every page says "recorded by the
platform for ...". A device's own signature is worth more, and this never looks like one.
"""

from dataclasses import replace
from datetime import datetime

from trace.capture import RECEIVED_POINTER, PlatformSigner
from trace.ledger.disclosure import Disclosure, split
from trace.ledger.encoding import b64u
from trace.ledger.envelope import Parcel
from trace.ledger.payload import Attested, Signer
from trace.observe import ReadPoint, observe_scan
from trace.store.intake import Receipt


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
