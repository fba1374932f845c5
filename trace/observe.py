"""The observing door: what was read, where and why, becomes an EPCIS event and a signed parcel.

Runs wherever something is read: in a station, in the demo's story, behind a form. No SQL, no network, no clock: time,
event id and randomness come in.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from trace.epcis.vocabulary import CONTEXT
from trace.errors import ValidationError
from trace.identifiers.epc_binary import decode
from trace.identifiers.identify import Identified, identify, text_of
from trace.identifiers.uris import uri_of
from trace.ledger.canonical import JsonObject
from trace.ledger.disclosure import split
from trace.ledger.envelope import Parcel
from trace.ledger.keys import PrivateKey
from trace.ledger.leaf import CorrectLine
from trace.ledger.payload import Attested, Seen, Signer
from trace.times import format_utc, parse_offset


@dataclass(frozen=True)
class ReadPoint:
    """What a reader stands for: where it hangs, and what it means when something passes."""

    read_point: str
    """URI of the place, `https://id.gs1.org/414/9520000000080/254/dock-1`."""
    biz_location: str | None
    biz_step: str
    """Bare CBV word."""
    disposition: str | None
    action: str = "OBSERVE"


@dataclass(frozen=True)
class Observation:
    """An event, not yet signed."""

    event: JsonObject
    uris: tuple[str, ...]
    """Canonical URIs of what it is about, the main thing first."""


@dataclass(frozen=True)
class Amount:
    """So much of something."""

    quantity: Decimal
    uom: str | None = None
    """UN/ECE Rec 20 unit; None counts pieces."""


@dataclass(frozen=True)
class ColdChain:
    """A temperature record that came with the goods."""

    start: datetime
    end: datetime
    low: Decimal
    """Degrees Celsius."""
    high: Decimal
    alarm: bool


@dataclass(frozen=True)
class Occasion:
    """When and in whose log."""

    at: datetime
    utc_offset: str
    """At the place, `+08:00`."""
    origin: str
    event_id: str
    """`urn:uuid:…`, made by the signer."""


def observe_scan(
    raw: bytes,
    where: ReadPoint,
    *,
    at: datetime,
    utc_offset: str,
    origin: str,
    event_id: str,
    amount: Amount | None = None,
    cold_chain: ColdChain | None = None,
    master: Mapping[str, str] | None = None,
    documents: Mapping[str, str] | None = None,
) -> Observation:
    """An ObjectEvent about the one thing that was scanned.

    `raw` is what the reader sent, AIM identifier and all; it is kept in the event for disputes.
    `master` is what the code does not say itself (a drug trace code carries no lot), `cbvmda:lotNumber` and so on; it
    goes with action ADD. `documents` are business transactions, type to URI.
    Raises: ValidationError when the code identifies nothing, with the reason.
    """
    text, found = _identified(raw, at, utc_offset)
    uri = _uri(found, origin)
    event = _base("ObjectEvent", where, Occasion(at, utc_offset, origin, event_id))
    if _is_class(uri):
        event["epcList"] = []
        event["quantityList"] = [_quantity_element(uri, amount)]
    else:
        event["epcList"] = [uri]
    if where.action == "ADD":
        ilmd = {**_ilmd(found), **(master or {})}
        if ilmd:
            event["ilmd"] = ilmd
    if documents:
        event["bizTransactionList"] = [{"type": kind, "bizTransaction": ref} for kind, ref in documents.items()]
    if cold_chain is not None:
        event["sensorElementList"] = [_sensor_element(cold_chain)]
    event["suyuan:scan"] = text
    return Observation(event, (uri,))


def observe_tags(
    tags: Sequence[tuple[int, bytes]], where: ReadPoint, *, at: datetime, utc_offset: str, origin: str, event_id: str
) -> Observation:
    """An ObjectEvent about tags that came into a field together: (protocol control word, EPC bytes) each.

    Raises: ValidationError when one is not a GS1 key, naming it.
    """
    uris = []
    for pc, epc in tags:
        value = decode(epc, pc)
        if value.key is None:
            raise ValidationError(f"tag {epc.hex().upper()} (PC {pc:04X}): expected a GS1 EPC, got {value.uri}")
        uris.append(uri_of(value.key, origin))
    event = _base("ObjectEvent", where, Occasion(at, utc_offset, origin, event_id))
    event["epcList"] = uris
    event["suyuan:scan"] = " ".join(f"{pc:04X}:{epc.hex().upper()}" for pc, epc in tags)
    return Observation(event, tuple(uris))


def observe_pack(
    parent: bytes,
    children: Sequence[bytes],
    where: ReadPoint,
    *,
    at: datetime,
    utc_offset: str,
    origin: str,
    event_id: str,
) -> Observation:
    """An AggregationEvent: children go into a parent (action ADD) or come out of it (DELETE; none named: all).

    Raises: ValidationError as `observe_scan`.
    """
    parent_uri = _uri(_identified(parent, at, utc_offset)[1], origin)
    child_uris = [_uri(_identified(child, at, utc_offset)[1], origin) for child in children]
    event = _base("AggregationEvent", where, Occasion(at, utc_offset, origin, event_id))
    event["parentID"] = parent_uri
    event["childEPCs"] = child_uris
    return Observation(event, (parent_uri, *child_uris))


def observe_transformation(
    inputs: Sequence[tuple[bytes, Amount | None]],
    outputs: Sequence[tuple[bytes, Amount | None]],
    where: ReadPoint,
    *,
    at: datetime,
    utc_offset: str,
    origin: str,
    event_id: str,
) -> Observation:
    """A TransformationEvent: outputs were made from inputs. Lots carry an amount, serialised things do not.

    Raises: ValidationError as `observe_scan`.
    """
    event = _base("TransformationEvent", where, Occasion(at, utc_offset, origin, event_id))
    del event["action"]
    uris = []
    ilmd: JsonObject = {}
    for side, things in (("output", outputs), ("input", inputs)):
        epcs, quantities = [], []
        for raw, amount in things:
            found = _identified(raw, at, utc_offset)[1]
            uri = _uri(found, origin)
            uris.append(uri)
            if _is_class(uri):
                quantities.append(_quantity_element(uri, amount))
            else:
                epcs.append(uri)
            if side == "output":
                ilmd |= _ilmd(found)
        if epcs:
            event[f"{side}EPCList"] = epcs
        if quantities:
            event[f"{side}QuantityList"] = quantities
    if ilmd:
        event["ilmd"] = ilmd
    return Observation(event, tuple(uris))


class Device:
    """A device key and its chain. Pure: the caller keeps `seq` and `prev` durable together with each parcel."""

    def __init__(
        self,
        key: PrivateKey,
        issuer: str,
        origin: str,
        seq: int = 0,
        prev: bytes | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`seq` is the last one used (0: none yet), `prev` the SHA-256 of the payload that carried it."""
        self._signer = Signer(key, issuer, origin, seq, prev, random)

    @property
    def key_id(self) -> str:
        return self._signer.key_id

    @property
    def seq(self) -> int:
        return self._signer.seq

    @property
    def prev(self) -> bytes | None:
        return self._signer.prev

    def sign(
        self,
        event: JsonObject,
        *,
        at: datetime,
        seen: Seen | None = None,
        attests: Attested | None = None,
        corrects: CorrectLine | None = None,
    ) -> Parcel:
        """The parcel; moves `seq` and `prev`. `corrects` is the hop that `event`, with an errorDeclaration, takes back.

        Raises: LimitError when the event holds too many keys.
        """
        return self._signer.hop(split(event, lambda: self._signer.random(16)), at, seen, attests, corrects)


def _identified(raw: bytes, at: datetime, utc_offset: str) -> tuple[str, Identified]:
    text = text_of(raw)
    found = identify(text, today=(at + parse_offset(utc_offset)).date())
    if found.key is None:
        raise ValidationError(found.error or f"{text[:80]!r}: identifies nothing")
    return text, found


def _uri(found: Identified, origin: str) -> str:
    assert found.key is not None, "checked by _identified"
    return uri_of(found.key, origin)


def _is_class(uri: str) -> bool:
    """Whether a URI names a class (a GTIN, or a lot of one) and so stands in a quantity list."""
    return uri.startswith("https://id.gs1.org/01/") and "/21/" not in uri


def _base(kind: str, where: ReadPoint, occasion: Occasion) -> JsonObject:
    event: JsonObject = {
        "@context": [CONTEXT, {"suyuan": f"https://{occasion.origin}/voc/"}],
        "type": kind,
        "eventID": occasion.event_id,
        "eventTime": format_utc(occasion.at),
        "eventTimeZoneOffset": occasion.utc_offset,
        "action": where.action,
        "bizStep": where.biz_step,
        "readPoint": {"id": where.read_point},
    }
    if where.disposition is not None:
        event["disposition"] = where.disposition
    if where.biz_location is not None:
        event["bizLocation"] = {"id": where.biz_location}
    return event


def _ilmd(found: Identified) -> JsonObject:
    """Instance and lot master data as printed in the code (CBV 2.0, section 9.2)."""
    ilmd: JsonObject = {}
    if found.lot is not None:
        ilmd["cbvmda:lotNumber"] = found.lot
    if found.produced is not None:
        ilmd["cbvmda:productionDate"] = found.produced.isoformat()
    if found.expiry is not None:
        ilmd["cbvmda:itemExpirationDate"] = found.expiry.isoformat()
    return ilmd


def _quantity_element(uri: str, amount: Amount | None) -> JsonObject:
    element: JsonObject = {"epcClass": uri}
    if amount is not None:
        whole = amount.quantity == amount.quantity.to_integral_value()
        element["quantity"] = int(amount.quantity) if whole else float(amount.quantity)
        if amount.uom is not None:
            element["uom"] = amount.uom
    return element


def _sensor_element(record: ColdChain) -> JsonObject:
    report: dict[str, Any] = {
        "type": "Temperature",
        "minValue": float(record.low),
        "maxValue": float(record.high),
        "uom": "CEL",
    }
    if record.alarm:
        report["exception"] = "ALARM_CONDITION"
    return {
        "sensorMetadata": {"startTime": format_utc(record.start), "endTime": format_utc(record.end)},
        "sensorReport": [report],
    }
