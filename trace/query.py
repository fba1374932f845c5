"""The reading door: the story of a thing, and the proof of every step.

Functions take a session for reading and give what anybody may know: district not address, no quantity, no partner's
terms, no other item of the same case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from trace.errors import NotFoundError, TraceError, UnavailableError
from trace.graph import MAX_DEPTH, Span, Step, Via, steps
from trace.identifiers.digital_link import parse_path, to_uri
from trace.identifiers.gs1_keys import Gtin, Lgtin, Sgtin, Sscc
from trace.identifiers.identify import identify
from trace.identifiers.national import NationalCode
from trace.identifiers.national_codes import national_code
from trace.identifiers.uris import EPC_SCHEME, Key, key_from_uri, keys_of, path_of, uri_of
from trace.issuing import LinkMark, check_link, mark_in
from trace.ledger.canonical import JsonObject
from trace.ledger.checkpoint import Checkpoint
from trace.ledger.disclosure import Access, Disclosure
from trace.ledger.encoding import b64
from trace.ledger.leaf import item_key
from trace.ledger.merkle import Tree
from trace.ledger.payload import MAX_ITEMS
from trace.ledger.policy import Policy
from trace.publish import given_out
from trace.store import ledger_rows, master_rows, trace_rows
from trace.store.ledger_rows import Gap, StoredDisclosure, StoredLeaf
from trace.store.trace_rows import Correction, IndexedEvent, Item
from trace.supervision.verdict import Facts, Verdict, judge
from trace.times import from_ms


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
    corrected_at: datetime | None = None
    """When it was declared to be an error, UTC; then no verdict counts it."""
    corrected_reason: str | None = None
    """CBV word: `did_not_occur`, `incorrect_data`."""
    late: bool = False
    """It came after a later payload of its device; `received_at` is true all the same."""


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

    @property
    def valid_hops(self) -> tuple[Hop, ...]:
        """Without those that were declared to be errors."""
        return tuple(hop for hop in self.hops if hop.corrected_at is None)


@dataclass(frozen=True)
class LateArrival:
    """A payload that came after a later one of its device."""

    seq: int
    leaf_index: int
    received_at: datetime


@dataclass(frozen=True)
class DeviceChain:
    """How complete the chain of one device is."""

    key_id: str
    newest_seq: int
    """0 when nothing came yet."""
    recorded: int
    gaps: tuple[Gap, ...]
    """Numbers that were used and never came. What is behind the newest one nobody but the device can know."""
    late: tuple[LateArrival, ...]
    """In log order."""


@dataclass(frozen=True)
class Log:
    """Which log is asked."""

    platform: int
    origin: str
    verifier_key: str
    item_secret: bytes = field(repr=False)


def story(session: Session, log: Log, uri: str, now: datetime, zone_offset: timedelta) -> Story:
    """All that the public may know of the thing with this canonical URI.

    Raises: ParseError when the URI is no canonical URI; NotFoundError when nothing is recorded under it.
    """
    key = key_from_uri(uri, log.origin)
    item = _recorded(session, log, uri)
    spans = _spans(session, log.platform, item)
    hops = trace_rows.hops_of(session, log.platform, {span.item_id for span in spans})
    counted = steps(spans, [(hop.item_id, hop.leaf_index) for hop in hops])
    events = trace_rows.events_at(session, log.platform, {step.leaf_index for step in counted})
    subjects = trace_rows.items(session, log.platform, {span.item_id for span in spans})
    checkpoint = ledger_rows.newest_checkpoint(session, log.platform, log.origin)
    covered = 0 if checkpoint is None else checkpoint.size
    names = _Names(session, log.platform, events.values())
    wrong = trace_rows.corrections_of(session, log.platform, {event.leaf_index for event in events.values()})
    # A correction is a leaf of its own, and is told where the event stands that it corrects.
    told = [
        _hop(events[step.leaf_index], step, subjects[step.item_id].uri, names, covered, wrong)
        for step in counted
        if step.leaf_index in events
    ]
    # The order of the log is what is proven; people read by the time of the event.
    told.sort(key=lambda hop: (hop.event_time, hop.leaf_index))
    lot_item = subjects.get(item.lot_item) if item.lot_item is not None else None
    lot_key = key if isinstance(key, Lgtin) else None
    if lot_item is not None:
        lot_of_item = key_from_uri(lot_item.uri, log.origin)
        lot_key = lot_of_item if isinstance(lot_of_item, Lgtin) else None
    produced, expiry = _dates(item, lot_item)
    # A lot is sold in many pieces; only a serialised thing must not be sold twice.
    valid = [hop for hop in told if hop.corrected_at is None]
    sales = 0 if _kind(key) == "lot" else sum(1 for hop in valid if hop.via is Via.SELF and _is_sale(hop))
    today = (now + zone_offset).date()
    return Story(
        uri=uri,
        path=path_of(uri),
        code=_code(key),
        kind=_kind(key),
        product=_product(session, log.platform, item.gtin),
        lot=None if lot_key is None else lot_key.lot,
        produced=produced,
        expiry=expiry,
        # Something is recorded under this URI, so a lot without steps of its own has units.
        verdict=judge(replace(_facts(valid, expiry, sales, _kind(key)), has_units=not told), today),
        sales=sales,
        hops=tuple(told),
        inside=tuple(trace_rows.inside_now(session, log.platform, item.item_id)) if isinstance(key, Sscc) else (),
        log_size=covered,
    )


def proof(
    session: Session, log: Log, tree: Tree, uri: str, now: datetime | None = None, policy: Policy | None = None
) -> JsonObject:
    """The proof package of docs/formats.md, section 7. `tree` holds at least the leaves of the newest checkpoint.

    With a policy and the time, the checkpoint is one that a quorum cosigned, where there is one.

    Raises: NotFoundError as `story`; UnavailableError while the newest step is not yet covered by a checkpoint.
    """
    item = _recorded(session, log, uri)
    spans = _spans(session, log.platform, item)
    hops = trace_rows.hops_of(session, log.platform, {span.item_id for span in spans})
    counted = steps(spans, [(hop.item_id, hop.leaf_index) for hop in hops])
    covering = max((step.leaf_index + 1 for step in counted), default=0)
    asked = policy if now is not None else None
    checkpoint = given_out(session, log.platform, log.origin, asked, now or from_ms(0), covering)
    if checkpoint is None or checkpoint.size < covering:
        raise UnavailableError("the newest step is recorded but not yet in a signed checkpoint", retry_after_s=1)
    subjects = trace_rows.items(session, log.platform, {step.item_id for step in counted})
    wanted = {step.leaf_index for step in counted}
    registrations = _registrations(session, log.platform, wanted)
    # Of a hop with several leaves, a correction names the first one.
    corrected = trace_rows.corrected_by(session, log.platform, wanted)
    indexes = sorted(wanted | registrations | corrected)
    leaves = ledger_rows.leaves_at(session, log.platform, indexes)
    envelopes = ledger_rows.envelopes_at(
        session, log.platform, sorted({leaf.envelope_leaf for leaf in leaves.values()})
    )
    shown = ledger_rows.stored_disclosures(session, log.platform, sorted(envelopes))
    told_uris = {subject.uri for subject in subjects.values()}
    return {
        "format": "suyuan-proof/v1",
        "origin": log.origin,
        "logKey": log.verifier_key,
        "uri": uri,
        "path": path_of(uri),
        "checkpoint": checkpoint.note,
        "itemKeys": {told: b64(item_key(log.item_secret, told)) for told in sorted(told_uris)},
        "entries": [
            {
                "index": index,
                "leaf": leaves[index].record,
                "path": [b64(node) for node in tree.inclusion_path(index, checkpoint.size)],
                "envelope": envelopes[leaves[index].envelope_leaf].envelope.to_dict(),
                "disclosures": _shown(leaves[index], shown.get(leaves[index].envelope_leaf, []), told_uris),
            }
            for index in indexes
        ],
        "steps": [
            {"index": step.leaf_index, "subject": subjects[step.item_id].uri, "via": str(step.via)} for step in counted
        ],
    }


def device_chain(session: Session, log: Log, key_id: str) -> DeviceChain:
    """Gaps and late arrivals of a device's chain.

    Raises: NotFoundError when no such key is registered.
    """
    if ledger_rows.key(session, log.platform, key_id) is None:
        raise NotFoundError(f"key {key_id[:16]}…: not registered in this log")
    newest, late, recorded = 0, [], 0
    for seq, leaf_index, rcv_ms in ledger_rows.arrivals_of_device(session, log.platform, key_id):
        recorded += 1
        if seq < newest:
            late.append(LateArrival(seq, leaf_index, from_ms(rcv_ms)))
        newest = max(newest, seq)
    gaps = ledger_rows.gaps_of_device(session, log.platform, key_id)
    return DeviceChain(key_id, newest, recorded, tuple(gaps), tuple(late))


def newest_checkpoint(session: Session, log: Log) -> Checkpoint | None:
    """The newest signed tree head, as the log alone signed it; None before the first."""
    return ledger_rows.newest_checkpoint(session, log.platform, log.origin)


@dataclass(frozen=True)
class Asked:
    """What somebody asked for: the URI to show, or why there is none."""

    uri: str | None
    """Canonical URI of the most specific thing that something is recorded under."""
    fallback: str | None
    """Canonical URI of the most specific thing that was named, recorded or not."""
    error: str | None


def asked_by_code(session: Session, log: Log, code: str, today: date) -> Asked:
    """For a code as printed, scanned or typed."""
    found = identify(code, today=today)
    if found.key is None:
        return Asked(None, None, found.error)
    return _asked(session, log, [uri_of(key, log.origin) for key in found.keys])


def asked_by_path(session: Session, log: Log, path: str) -> Asked:
    """For a Digital Link path, percent-decoded once: where it can be cut in two ways, both are looked up."""
    if path.startswith("/id/"):
        scheme, _, value = path.removeprefix("/id/").partition("/")
        try:
            uri = value if scheme == EPC_SCHEME else uri_of(national_code(scheme, value), log.origin)
            return _asked(session, log, [uri])
        except TraceError as error:
            return Asked(None, None, str(error))
    try:
        readings = parse_path(path)
    except TraceError as error:
        return Asked(None, None, str(error))
    uris = [uri_of(key, log.origin) for reading in readings for key in keys_of(reading.elements)]
    return _asked(session, log, list(dict.fromkeys(uris)))


def mark_of(path: str, query: str, keys: Sequence[bytes]) -> LinkMark:
    """What the mark of a link says (path decoded once, query as it came): whether one of our keys made it."""
    if mark_in(query) is None:
        return LinkMark.NONE  # most links, and every page asks
    try:
        link = to_uri(parse_path(path)[0])
        return check_link(f"{link}{'&' if '?' in link else '?'}{query}", keys)
    except TraceError:
        return LinkMark.NONE  # no link of ours at all


def _asked(session: Session, log: Log, uris: list[str]) -> Asked:
    recorded = next((uri for uri in uris if _item(session, log, uri) is not None), None)
    return Asked(recorded, uris[0] if uris else None, None)


@dataclass(frozen=True)
class RecentStep:
    """A step that a party recorded, or that was recorded for it."""

    leaf_index: int
    uri: str
    """What it is about."""
    biz_step: str | None
    event_time: datetime


def recent_steps(session: Session, log: Log, party: str, limit: int) -> list[RecentStep]:
    """The newest steps of a party (its pseudonym), newest first."""
    events = trace_rows.recent_of_party(session, log.platform, party, limit)
    about = trace_rows.main_items_of(session, log.platform, {event.leaf_index for event in events})
    return [
        RecentStep(event.leaf_index, about[event.leaf_index], event.biz_step, from_ms(event.event_ms))
        for event in events
        if event.leaf_index in about
    ]


@dataclass(frozen=True)
class FirstScan:
    """The step that a repeated scan would only say again."""

    leaf_index: int
    event_id: str
    uri: str
    """What was scanned."""
    gln: str | None
    """Where; None when the read point is no place of GS1."""
    event_time: datetime


def first_scan(session: Session, log: Log, uri: str, party: str, biz_step: str, since: datetime) -> FirstScan | None:
    """The newest step of a thing by a party (its pseudonym), if it is this step and was received after `since`."""
    item = trace_rows.item_by_uri(session, log.platform, uri)
    event = None if item is None else trace_rows.newest_of_party(session, log.platform, item.item_id, party)
    if event is None or event.biz_step != biz_step or from_ms(event.rcv_ms) <= since:
        return None
    return FirstScan(event.leaf_index, event.event_id, uri, _gln(event.read_point), from_ms(event.event_ms))


def item_name(session: Session, log: Log, uri: str, language: str) -> str | None:
    """Name of the product that a thing is, in `zh` or `en`; None when it is not known."""
    item = trace_rows.item_by_uri(session, log.platform, uri)
    product = _product(session, log.platform, None if item is None else item.gtin)
    if product is None:
        return None
    return product.name_en if language == "en" else product.name_zh


def product_of(session: Session, log: Log, gtin: str) -> Product | None:
    """Master data of a GTIN (14 digits)."""
    return _product(session, log.platform, gtin)


# ---- which steps ----------------------------------------------------------------------------------


def _item(session: Session, log: Log, uri: str) -> Item | None:
    item = trace_rows.item_by_uri(session, log.platform, uri)
    return item if item is not None and (item.hops > 0 or _has_members(session, log.platform, item)) else None


def _has_members(session: Session, platform: int, item: Item) -> bool:
    """A lot that was never named alone is known through its serialised units."""
    return False if item.lot_item is not None else trace_rows.has_units(session, platform, item.item_id)


def _recorded(session: Session, log: Log, uri: str) -> Item:
    item = _item(session, log, uri)
    if item is None:
        raise NotFoundError(f"{path_of(uri)}: nothing is recorded under this code")
    return item


def _spans(session: Session, platform: int, item: Item) -> list[Span]:
    """The thing, what it was inside of, its lot, and what it was made from, level by level."""
    spans = [Span(item.item_id, Via.SELF)]
    if item.lot_item is not None:
        spans.append(Span(item.lot_item, Via.LOT))
    spans += _containers(session, platform, spans[:1])
    spans += _inputs(session, platform, spans)
    return spans


def _containers(session: Session, platform: int, level: list[Span]) -> list[Span]:
    found: dict[Span, None] = {}
    for _ in range(MAX_DEPTH):
        stays = trace_rows.stays_of(session, platform, {span.item_id for span in level})
        reached = dict.fromkeys(
            narrowed
            for span in level
            for stay in stays
            if stay.child == span.item_id
            and (narrowed := span.narrowed(stay.parent, Via.CONTAINER, stay.from_leaf, stay.to_leaf)) is not None
        )
        # Containers that were packed into each other by mistake would otherwise double with each level.
        level = [span for span in reached if span not in found]
        if not level:
            break
        found |= dict.fromkeys(level)
    return list(found)


def _inputs(session: Session, platform: int, start: list[Span]) -> list[Span]:
    found: list[Span] = []
    seen = {span.item_id for span in start}
    level = [span.item_id for span in start if span.via in (Via.SELF, Via.LOT)]
    for _ in range(MAX_DEPTH):
        made = trace_rows.made_in(session, platform, level)
        went_in = trace_rows.inputs_of(session, platform, {leaf for leaves in made.values() for leaf in leaves})
        spans = [
            Span(item_id, Via.INPUT, 0, leaf)
            for leaf, item_ids in went_in.items()
            for item_id in item_ids
            if item_id not in seen
        ]
        if not spans:
            break
        # An input counts until the moment it went in, with the containers it came in.
        found += spans
        found += [
            Span(span.item_id, Via.INPUT, span.from_leaf, span.to_leaf)
            for span in _containers(session, platform, spans)
        ]
        level = [span.item_id for span in spans]
        lots = trace_rows.items(session, platform, level)
        more = [lot.lot_item for lot in lots.values() if lot.lot_item is not None and lot.lot_item not in seen]
        found += [Span(lot, Via.INPUT, 0, max(span.to_leaf or 0 for span in spans)) for lot in more]
        level += more
        seen.update(level)
    return found


def _registrations(session: Session, platform: int, leaves: set[int]) -> set[int]:
    """Leaves of the key registrations that a verifier needs for these leaves, up to the authority; and revocations."""
    keys = ledger_rows.keys(session, platform)
    first_parts = {leaf.envelope_leaf for leaf in ledger_rows.leaves_at(session, platform, sorted(leaves)).values()}
    stored = ledger_rows.envelopes_at(session, platform, sorted(first_parts))
    open_keys = {each.envelope.key_id for each in stored.values()}
    found: set[int] = set()
    while open_keys:
        states = [keys[key_id] for key_id in open_keys]
        fresh = {leaf for state in states for leaf in (state.registered_leaf, state.revoked_leaf) if leaf is not None}
        fresh -= found
        found |= fresh
        open_keys = {
            each.envelope.key_id for each in ledger_rows.envelopes_at(session, platform, sorted(fresh)).values()
        }
    return found


def _shown(leaf: StoredLeaf, stored: Sequence[StoredDisclosure], uris: set[str]) -> list[str]:
    """Public disclosures, and of the keys with a line in this leaf those that the story is about."""
    part = leaf.index - leaf.envelope_leaf
    items = (each for each in stored if each.access == Access.ITEM and each.position // MAX_ITEMS == part)
    named = [each.text for each in items if Disclosure.parse(each.text).value in uris]
    return [*named, *(each.text for each in stored if each.access == Access.PUBLIC)]


# ---- what is told of a step -------------------------------------------------------------------------


class _Names:
    """Names of places and parties, gathered once."""

    def __init__(self, session: Session, platform: int, events: Any) -> None:
        listed = list(events)
        self.sites = master_rows.sites(session, platform, {gln for e in listed if (gln := _gln(e.read_point))})
        wanted = {e.issuer for e in listed} | {e.attested_for for e in listed if e.attested_for is not None}
        self.parties = master_rows.parties(session, platform, wanted)
        self.regions = master_rows.regions(session, platform)


def _hop(
    event: IndexedEvent, step: Step, subject: str, names: _Names, covered: int, wrong: Mapping[int, Correction]
) -> Hop:
    correction = wrong.get(event.leaf_index)
    signer = names.parties.get(event.issuer)
    attested = None if event.attested_for is None else names.parties.get(event.attested_for)
    return Hop(
        leaf_index=event.leaf_index,
        event_id=event.event_id,
        event_type=event.event_type,
        action=event.action,
        biz_step=event.biz_step,
        disposition=event.disposition,
        event_time=from_ms(event.event_ms),
        utc_offset_minutes=event.offset_minutes,
        received_at=from_ms(event.rcv_ms),
        subject=subject,
        via=step.via,
        where=_where(event.read_point, names),
        signer_zh=event.issuer if signer is None else signer.name_zh,
        signer_en=event.issuer if signer is None else signer.name_en,
        attested_for_zh=None if event.attested_for is None else _name(attested, event.attested_for, "zh"),
        attested_for_en=None if event.attested_for is None else _name(attested, event.attested_for, "en"),
        celsius_min=event.celsius_low,
        celsius_max=event.celsius_high,
        celsius_alarm=event.celsius_alarm,
        published=step.leaf_index < covered,
        corrected_at=None if correction is None else from_ms(correction.declared_ms),
        corrected_reason=None if correction is None else correction.reason,
        late=event.late,
    )


def _name(party: master_rows.Party | None, pseudonym: str, language: str) -> str:
    if party is None:
        return pseudonym
    return party.name_zh if language == "zh" else party.name_en


def _where(read_point: str | None, names: _Names) -> Where | None:
    site = names.sites.get(_gln(read_point) or "")
    if site is None:
        return None
    region = names.regions.get(site.region)
    return Where(
        site.gln,
        site.name_zh,
        site.name_en,
        site.region,
        site.region if region is None else region.name_zh,
        site.region if region is None else region.name_en,
    )


def _gln(read_point: str | None) -> str | None:
    prefix = "https://id.gs1.org/414/"
    if read_point is None or not read_point.startswith(prefix):
        return None
    return read_point.removeprefix(prefix).split("/")[0]


def _facts(hops: list[Hop], expiry: date | None, sales: int, kind: str) -> Facts:
    # A logistic unit begins when it is packed.
    begins = ("commissioning", "packing") if kind == "container" else ("commissioning",)
    # The newest word of the laboratory and of the authority counts, subject by subject.
    tests: dict[str, str | None] = {}
    orders: dict[str, str | None] = {}
    breaches = [hop.celsius_max for hop in hops if hop.celsius_alarm and hop.celsius_max is not None]
    for hop in hops:
        if hop.biz_step == "inspecting":
            tests[hop.subject] = hop.disposition
        if hop.biz_step == "holding":
            orders[hop.subject] = hop.disposition
    return Facts(
        steps=len(hops),
        recalled="recalled" in orders.values(),
        halted="non_sellable_other" in orders.values(),
        failed_test="non_conformant" in tests.values(),
        cold_breach=max(breaches) if breaches else None,
        expiry=expiry,
        sales=sales,
        has_origin=any(hop.biz_step in begins or hop.event_type == "TransformationEvent" for hop in hops),
    )


def _is_sale(hop: Hop) -> bool:
    return hop.disposition in ("retail_sold", "dispensed")


def _dates(item: Item, lot: Item | None) -> tuple[date | None, date | None]:
    produced = item.produced or (None if lot is None else lot.produced)
    expiry = item.expiry or (None if lot is None else lot.expiry)
    return (
        None if produced is None else date.fromisoformat(produced),
        None if expiry is None else date.fromisoformat(expiry),
    )


def _product(session: Session, platform: int, gtin: str | None) -> Product | None:
    found = None if gtin is None else master_rows.product(session, platform, gtin)
    if found is None:
        return None
    maker = None if found.maker is None else master_rows.parties(session, platform, [found.maker]).get(found.maker)
    return Product(
        gtin=found.gtin,
        name_zh=found.name_zh,
        name_en=found.name_en,
        spec=found.spec,
        sector=found.sector,
        maker_zh="" if maker is None else maker.name_zh,
        maker_en="" if maker is None else maker.name_en,
        approval=found.approval,
        image=found.image,
    )


def _kind(key: Key) -> str:
    if isinstance(key, Sgtin):
        return "item"
    if isinstance(key, Lgtin | Gtin):
        return "lot"
    return "container" if isinstance(key, Sscc) else "national"


def _code(key: Key) -> str:
    """What people read off the pack."""
    if isinstance(key, Sgtin):
        return key.serial
    if isinstance(key, Lgtin):
        return key.lot
    return key.value if isinstance(key, NationalCode) else str(key)
