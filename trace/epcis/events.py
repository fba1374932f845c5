"""EPCIS 2.0 events as JSON objects: what must stand in one, and typed views of what we read from it.

The parsed object is kept as it came (extensions and all); these functions look at it and never rewrite it. First cut:
the event types and members that stations and forms make. The full rule sheet belongs to the EPCIS repository to come.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from trace.epcis.vocabulary import ACTIONS, BIZ_STEPS, DISPOSITIONS
from trace.errors import ParseError, ValidationError
from trace.times import parse_instant, parse_offset

EventObject = Mapping[str, Any]

EVENT_TYPES = ("ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent")

# Lists whose members are EPC URIs, and lists of quantity elements, by event type (EPCIS 2.0, section 7.4).
_EPCS = {
    "ObjectEvent": ("epcList",),
    "AggregationEvent": ("childEPCs",),
    "TransactionEvent": ("epcList",),
    "TransformationEvent": ("inputEPCList", "outputEPCList"),
    "AssociationEvent": ("childEPCs",),
}
_QUANTITIES = {
    "ObjectEvent": ("quantityList",),
    "AggregationEvent": ("childQuantityList",),
    "TransactionEvent": ("quantityList",),
    "TransformationEvent": ("inputQuantityList", "outputQuantityList"),
    "AssociationEvent": ("childQuantityList",),
}
_PARENT_TYPES = ("AggregationEvent", "TransactionEvent", "AssociationEvent")


@dataclass(frozen=True)
class Temperature:
    """What the sensor reports of an event say of temperature, in degrees Celsius."""

    low: float
    high: float
    alarm: bool
    """A report carries ALARM_CONDITION."""


@dataclass(frozen=True)
class EventView:
    """The members that the index and the rules read."""

    event_id: str
    event_type: str
    action: str | None
    biz_step: str | None
    disposition: str | None
    event_time: datetime
    """UTC."""
    utc_offset: timedelta
    read_point: str | None
    biz_location: str | None
    parent: str | None
    epcs: tuple[str, ...]
    classes: tuple[str, ...]
    inputs: tuple[str, ...]
    """EPCs and classes that a transformation consumed."""
    outputs: tuple[str, ...]
    temperature: Temperature | None


def view(event: EventObject) -> EventView:
    """The event, checked.

    Raises: ValidationError or ParseError naming the member, what was expected and what came.
    """
    kind = event.get("type")
    if kind not in EVENT_TYPES:
        raise ValidationError(f"event type {str(kind)[:40]!r}: expected one of {', '.join(EVENT_TYPES)}")
    event_id = _text(event, "eventID")
    if not event_id.startswith(("urn:", "ni:", "http://", "https://")):
        raise ValidationError(f"eventID {event_id[:60]!r}: expected a URI")
    offset = parse_offset(_text(event, "eventTimeZoneOffset"))
    action = _action(event, kind)
    parent = _parent(event, kind, action)
    lists = {name: _epc_list(event, name) for name in _EPCS[kind]}
    if parent is not None and parent in lists.get("childEPCs", ()):
        raise ValidationError(f"parentID {parent[:80]}: is among its own childEPCs")
    classes = {name: _class_list(event, name) for name in _QUANTITIES[kind]}
    if kind == "TransformationEvent":
        inputs = lists["inputEPCList"] + classes["inputQuantityList"]
        outputs = lists["outputEPCList"] + classes["outputQuantityList"]
        if "transformationID" not in event and not (inputs and outputs):
            raise ValidationError("TransformationEvent: expected at least one input and one output")
    else:
        inputs = outputs = ()
        needed = action != "DELETE" or kind == "ObjectEvent"
        if needed and not any(lists.values()) and not any(classes.values()) and not event.get("sensorElementList"):
            raise ValidationError(f"{kind}: names nothing; expected EPCs or quantities")
    return EventView(
        event_id=event_id,
        event_type=kind,
        action=action,
        biz_step=_word(event, "bizStep", BIZ_STEPS),
        disposition=_word(event, "disposition", DISPOSITIONS),
        event_time=parse_instant(_text(event, "eventTime"), "eventTime"),
        utc_offset=offset,
        read_point=_place(event, "readPoint"),
        biz_location=_place(event, "bizLocation"),
        parent=parent,
        epcs=sum((lists[name] for name in _EPCS[kind]), ()),
        classes=sum((classes[name] for name in _QUANTITIES[kind]), ()),
        inputs=inputs,
        outputs=outputs,
        temperature=_temperature(event),
    )


def _action(event: EventObject, kind: str) -> str | None:
    action = event.get("action")
    if kind == "TransformationEvent":
        if action is not None:
            raise ValidationError("TransformationEvent: has no action")
        return None
    if not isinstance(action, str) or action not in ACTIONS:
        raise ValidationError(f"{kind}: action {str(action)[:20]!r}: expected ADD, OBSERVE or DELETE")
    if "ilmd" in event and action != "ADD":
        raise ValidationError(f"{kind}: ilmd goes with action ADD only, got {action}")
    return action


def _parent(event: EventObject, kind: str, action: str | None) -> str | None:
    if "parentID" not in event:
        # Said in the prose of EPCIS 2.0 (section 7.4.3); the official JSON Schema does not check it.
        if kind in ("AggregationEvent", "AssociationEvent") and action != "OBSERVE":
            raise ValidationError(f"{kind} with action {action}: expected parentID")
        return None
    if kind not in _PARENT_TYPES:
        raise ValidationError(f"{kind}: has no parentID")
    return _text(event, "parentID")


def _epc_list(event: EventObject, name: str) -> tuple[str, ...]:
    value = event.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValidationError(f"{name}: expected a list of URIs")
    if len(set(value)) != len(value):
        twice = next(each for n, each in enumerate(value) if each in value[:n])
        raise ValidationError(f"{name}: {twice[:80]} stands twice")
    return tuple(value)


def _class_list(event: EventObject, name: str) -> tuple[str, ...]:
    value = event.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ValidationError(f"{name}: expected a list of quantity elements")
    classes = []
    for element in value:
        classes.append(_text(element, "epcClass"))
        quantity = element.get("quantity")
        if quantity is not None and (isinstance(quantity, bool) or not isinstance(quantity, int | float)):
            raise ValidationError(f"{name}: quantity {str(quantity)[:20]!r}: expected a number")
        if quantity is not None and quantity <= 0:
            raise ValidationError(f"{name}: quantity {quantity}: expected more than 0")
    return tuple(classes)


def quantities(event: EventObject, name: str) -> dict[str, tuple[Decimal, str | None]]:
    """Class URI to (quantity, UN/ECE Rec 20 unit) of one quantity list; elements without a quantity are left out."""
    return {
        element["epcClass"]: (Decimal(str(element["quantity"])), element.get("uom"))
        for element in event.get(name, [])
        if "quantity" in element
    }


def _place(event: EventObject, name: str) -> str | None:
    place = event.get(name)
    if place is None:
        return None
    if not isinstance(place, dict):
        raise ValidationError(f"{name}: expected an object with id, got {type(place).__name__}")
    return _text(place, "id", f"{name}.id")


def _word(event: EventObject, name: str, words: frozenset[str]) -> str | None:
    word = event.get(name)
    if word is None:
        return None
    # A word that is not of CBV is a URI of somebody's own vocabulary (CBV 2.0, section 7.1).
    if not isinstance(word, str) or (word not in words and ":" not in word):
        raise ValidationError(f"{name} {str(word)[:40]!r}: expected a CBV word or a URI")
    return word


def _temperature(event: EventObject) -> Temperature | None:
    low: list[float] = []
    high: list[float] = []
    alarm = False
    elements = event.get("sensorElementList", [])
    if not isinstance(elements, list):
        raise ValidationError("sensorElementList: expected a list")
    for element in elements:
        reports = element.get("sensorReport") if isinstance(element, dict) else None
        if not isinstance(reports, list) or not reports:
            raise ValidationError("sensorElementList: each element needs at least one sensorReport")
        for report in reports:
            if not isinstance(report, dict):
                raise ValidationError("sensorReport: expected an object")
            alarm = alarm or report.get("exception") == "ALARM_CONDITION"
            if report.get("type") != "Temperature" or report.get("uom") != "CEL":
                continue
            for name in ("value", "minValue", "maxValue"):
                number = report.get(name)
                if isinstance(number, int | float) and not isinstance(number, bool):
                    low.append(float(number))
                    high.append(float(number))
    return Temperature(min(low), max(high), alarm) if low else None


def _text(holder: Mapping[str, Any], name: str, what: str | None = None) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise ParseError(f"{what or name}: expected text, got {str(value)[:40]!r}")
    return value
