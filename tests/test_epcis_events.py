"""EPCIS events: what must stand in one, by the name of the member that is wrong."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from build import event_of

from trace.epcis.events import EventView, Temperature, quantities, view
from trace.errors import ParseError, ValidationError

EVENT_ID = "urn:uuid:00000000-0000-4000-8000-000000000000"
PACK = {"type": "AggregationEvent", "parentID": "urn:p", "childEPCs": ["urn:c"], "epcList": None, "action": "ADD"}
MAKE = {
    "type": "TransformationEvent",
    "epcList": None,
    "action": None,
    "inputQuantityList": [{"epcClass": "urn:i", "quantity": 2, "uom": "KGM"}],
    "outputEPCList": ["urn:o"],
}


def refusal(event: dict[str, Any]) -> str:
    with pytest.raises((ParseError, ValidationError)) as refused:
        view(event)
    return str(refused.value)


def test_an_object_event_is_seen_whole() -> None:
    report = {"type": "Temperature", "uom": "CEL", "minValue": -1.5, "maxValue": 9, "exception": "ALARM_CONDITION"}
    other = {"type": "RelativeHumidity", "uom": "A93", "value": 99}
    event = event_of(
        ["urn:a"],
        eventID=EVENT_ID,
        eventTime="2026-11-24T08:59:00+08:00",
        disposition="in_transit",
        bizLocation={"id": "urn:place"},
        quantityList=[{"epcClass": "urn:class", "quantity": 1.5}],
        sensorElementList=[{"sensorReport": [report, other]}],
    )
    assert view(event) == EventView(
        event_id=EVENT_ID,
        event_type="ObjectEvent",
        action="OBSERVE",
        biz_step="receiving",
        disposition="in_transit",
        event_time=datetime(2026, 11, 24, 0, 59, tzinfo=UTC),
        utc_offset=timedelta(hours=8),
        read_point="https://id.gs1.org/414/9520000000134/254/dock-1",
        biz_location="urn:place",
        parent=None,
        epcs=("urn:a",),
        classes=("urn:class",),
        inputs=(),
        outputs=(),
        temperature=Temperature(-1.5, 9.0, True),
    )


def test_an_aggregation_and_a_transformation_say_what_went_where() -> None:
    packed = view(event_of(**PACK))
    assert (packed.parent, packed.epcs) == ("urn:p", ("urn:c",))
    made = view(event_of(**MAKE))
    assert (made.action, made.inputs, made.outputs) == (None, ("urn:i",), ("urn:o",))
    assert quantities(event_of(**MAKE), "inputQuantityList") == {"urn:i": (Decimal(2), "KGM")}


@pytest.mark.parametrize(
    "event",
    [
        event_of(**PACK | {"action": "DELETE", "childEPCs": None}),
        event_of(**PACK | {"action": "OBSERVE", "parentID": None}),
        event_of(**MAKE | {"outputEPCList": None, "transformationID": "urn:t"}),
        event_of(sensorElementList=[{"sensorReport": [{"type": "Temperature", "uom": "FAH", "value": 1}]}]),
        event_of(["urn:a"], bizStep="https://example.com/our-own-step", disposition=None, readPoint=None),
        event_of(["urn:a"], action="ADD", ilmd={}),
        event_of(["urn:a"], eventID="ni:///sha-256;00?ver=CBV2.0"),
    ],
)
def test_these_are_events_too(event: dict[str, Any]) -> None:
    assert view(event).temperature is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"type": "QuantityEvent"},
            "event type 'QuantityEvent': expected one of ObjectEvent, AggregationEvent, TransactionEvent, "
            "TransformationEvent, AssociationEvent",
        ),
        ({"eventID": None}, "eventID: expected text, got 'None'"),
        ({"eventID": ""}, "eventID: expected text, got ''"),
        ({"eventID": "42"}, "eventID '42': expected a URI"),
        ({"eventTime": 5}, "eventTime: expected text, got '5'"),
        ({"eventTimeZoneOffset": "+8"}, "eventTimeZoneOffset '+8': expected ±hh:mm, at most 14:00, like +08:00"),
        ({"action": None}, "ObjectEvent: action 'None': expected ADD, OBSERVE or DELETE"),
        ({"action": "add"}, "ObjectEvent: action 'add': expected ADD, OBSERVE or DELETE"),
        ({"action": {}}, "ObjectEvent: action '{}': expected ADD, OBSERVE or DELETE"),
        ({"action": ["ADD"]}, "ObjectEvent: action \"['ADD']\": expected ADD, OBSERVE or DELETE"),
        ({"ilmd": {}}, "ObjectEvent: ilmd goes with action ADD only, got OBSERVE"),
        ({"parentID": "urn:p"}, "ObjectEvent: has no parentID"),
        ({"epcList": None}, "ObjectEvent: names nothing; expected EPCs or quantities"),
        ({"epcList": []}, "ObjectEvent: names nothing; expected EPCs or quantities"),
        ({"epcList": "urn:a"}, "epcList: expected a list of URIs"),
        ({"epcList": [1]}, "epcList: expected a list of URIs"),
        ({"epcList": ["urn:a", "urn:b", "urn:a"]}, "epcList: urn:a stands twice"),
        ({"quantityList": {}}, "quantityList: expected a list of quantity elements"),
        ({"quantityList": ["urn:c"]}, "quantityList: expected a list of quantity elements"),
        ({"quantityList": [{}]}, "epcClass: expected text, got 'None'"),
        ({"quantityList": [{"epcClass": "urn:c", "quantity": "5"}]}, "quantityList: quantity '5': expected a number"),
        (
            {"quantityList": [{"epcClass": "urn:c", "quantity": True}]},
            "quantityList: quantity 'True': expected a number",
        ),
        ({"quantityList": [{"epcClass": "urn:c", "quantity": 0}]}, "quantityList: quantity 0: expected more than 0"),
        ({"bizStep": "recieving"}, "bizStep 'recieving': expected a CBV word or a URI"),
        ({"bizStep": 5}, "bizStep '5': expected a CBV word or a URI"),
        ({"disposition": "good"}, "disposition 'good': expected a CBV word or a URI"),
        ({"readPoint": "urn:x"}, "readPoint: expected an object with id, got str"),
        ({"readPoint": {}}, "readPoint.id: expected text, got 'None'"),
        ({"bizLocation": {"id": 1}}, "bizLocation.id: expected text, got '1'"),
        ({"sensorElementList": {"a": 1}}, "sensorElementList: expected a list"),
        ({"sensorElementList": [1]}, "sensorElementList: each element needs at least one sensorReport"),
        (
            {"sensorElementList": [{"sensorReport": []}]},
            "sensorElementList: each element needs at least one sensorReport",
        ),
        ({"sensorElementList": [{"sensorReport": [1]}]}, "sensorReport: expected an object"),
        (PACK | {"parentID": None}, "AggregationEvent with action ADD: expected parentID"),
        (PACK | {"parentID": 5}, "parentID: expected text, got '5'"),
        (PACK | {"childEPCs": None}, "AggregationEvent: names nothing; expected EPCs or quantities"),
        (PACK | {"childEPCs": ["urn:a", "urn:p"]}, "parentID urn:p: is among its own childEPCs"),
        (MAKE | {"action": "ADD"}, "TransformationEvent: has no action"),
        (MAKE | {"outputEPCList": None}, "TransformationEvent: expected at least one input and one output"),
        (MAKE | {"inputQuantityList": []}, "TransformationEvent: expected at least one input and one output"),
        (MAKE | {"parentID": "urn:p"}, "TransformationEvent: has no parentID"),
    ],
)
def test_what_is_against_the_standard_is_named(changes: dict[str, Any], message: str) -> None:
    assert refusal(event_of(**{"epcList": ["urn:a"]} | changes)) == message
