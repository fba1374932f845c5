"""The reading door: the story of a thing, and the proof of every step."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from trace.supervision.verdict import Verdict


class Via(StrEnum):
    """Why a step belongs to the story of a thing."""

    SELF = "self"
    """The step names the thing itself."""
    CONTAINER = "container"
    """The step names a case or pallet that the thing was inside of at that time."""
    LOT = "lot"
    """The step names the lot of the thing."""
    INPUT = "input"
    """The step belongs to something the thing was made from."""


@dataclass(frozen=True)
class Product:
    """Master data of a trade item."""

    gtin: str
    name_zh: str
    name_en: str
    spec: str
    """Content, as printed: `800 g`."""
    sector: str
    """`food` or `drug`."""
    maker_zh: str
    maker_en: str
    approval: str | None
    """Registration or approval number, as printed."""
    image: str | None = None
    """Name of a drawing in `app/static`, or None."""


@dataclass(frozen=True)
class Where:
    """Where a step took place, no finer than a district for the public."""

    gln: str
    site_zh: str
    site_en: str
    district_code: str
    """GB/T 2260, six digits."""
    district_zh: str
    district_en: str


@dataclass(frozen=True)
class Hop:
    """One step: one event on the ledger, seen from one thing."""

    leaf_index: int
    event_id: str
    event_type: str
    """EPCIS type: ObjectEvent, AggregationEvent, TransformationEvent ..."""
    action: str | None
    biz_step: str | None
    """Bare CBV word: `shipping`."""
    disposition: str | None
    event_time: datetime
    """As claimed by the signer, UTC."""
    utc_offset_minutes: int
    """Offset at the place of the event."""
    received_at: datetime
    """When the platform recorded it, UTC."""
    subject: str
    """Canonical URI of what the step names: the thing, its lot, a container or an input."""
    via: Via
    where: Where | None
    signer_zh: str
    """Who the signing key belongs to."""
    signer_en: str
    attested_for_zh: str | None
    """The party a step was recorded for, when the platform signed in its place; None for a device's own signature."""
    attested_for_en: str | None
    celsius_min: float | None
    celsius_max: float | None
    celsius_alarm: bool
    published: bool
    """Covered by a signed checkpoint."""
    quantity: str | None = None
    """As recorded, `62.4 kg`; only for the thing itself."""


@dataclass(frozen=True)
class Story:
    """All that the public may know of one thing."""

    uri: str
    """Canonical URI of the thing."""
    path: str
    """Its path on this server, as printed in a Digital Link: `/01/09520000000035/21/ABC`."""
    code: str
    """What people read off the pack, ungrouped."""
    kind: str
    """`item` (serial number), `lot`, `container` (SSCC) or `national` (a code that GS1 does not own)."""
    product: Product | None
    lot: str | None
    produced: date | None
    expiry: date | None
    verdict: Verdict
    sales: int
    hops: tuple[Hop, ...]
    """Time order, production first."""
    inside: tuple[str, ...]
    """URIs of what a container holds now; empty for others."""
    log_size: int
    """Leaves covered by the newest checkpoint."""
