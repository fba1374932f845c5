"""The record page: scan or type a code, choose the step, see the hop. The platform signs for the party, and says so."""

import threading
import uuid
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, jsonify, render_template, request
from werkzeug.wrappers import Response

from app import formats
from app.access.rules import role
from app.current import account, services
from app.problems import asks_for_json, row_of
from app.translate import language, name_in, say
from trace.attest import attest_scan
from trace.errors import TraceError, UnavailableError, ValidationError
from trace.identifiers.uris import path_of
from trace.observe import ReadPoint
from trace.query import FirstScan, asked_by_code, first_scan, item_name, recent_steps
from trace.register import Site, party, sites_of
from trace.times import from_ms

pages = Blueprint("enterprise", __name__)

STEPS = (
    ("receiving", "in_progress"),
    ("storing", "in_progress"),
    ("shipping", "in_transit"),
    ("inspecting", "conformant"),
    ("retail_selling", "retail_sold"),
    ("dispensing", "dispensed"),
)
"""What can be chosen, with the disposition that goes with it (CBV 2.0, section 7.2)."""
RECENT = 10
SAME_SCAN = timedelta(seconds=2.5)
"""A trigger pressed twice, or a form sent twice, says the same thing again within this time."""

_one_at_a_time = threading.Lock()
"""Between looking for the first scan and recording: of two requests at once, one must see the other's."""


@pages.get("/enterprise/")
@role("operator")
def record() -> str:
    return _page(None)


@pages.post("/enterprise/")
@role("operator")
def record_scan() -> Response | str | tuple[Response | str, int]:
    """Record what was scanned as a step of the signed-in party."""
    last, status = _record()
    if asks_for_json():
        return jsonify(last), status
    return _page(last), status


def _record() -> tuple[dict[str, Any], int]:
    here, who = services(), account()
    code, step = request.form.get("code", "")[:500], request.form.get("biz_step", "")
    answer: dict[str, Any] = {"code": code, "step": step, "product_name": None, "path": None, "message": ""}
    try:
        disposition = dict(STEPS).get(step)
        if disposition is None:
            raise ValidationError(f"biz_step {step[:40]!r}: expected one of {', '.join(dict(STEPS))}")
        assert who.party is not None, "an operator belongs to a party"
        with here.reading() as session:
            places = {site.gln: site for site in sites_of(session, here.settings.platform, who.party)}
        place = request.form.get("place", "")
        if place not in places:
            raise ValidationError(f"place {place[:20]!r}: expected one of your own, {', '.join(sorted(places))}")
        where = ReadPoint(f"https://id.gs1.org/414/{place}", f"https://id.gs1.org/414/{place}", step, disposition)
        with _one_at_a_time:
            first = _first_scan(code, who.party, step)
            if first is not None:
                return answer | _again(first, places), int(HTTPStatus.OK)
            receipt, uri = attest_scan(
                here.attestation,
                code.encode("utf-8"),
                where,
                party=who.party,
                at=here.clock.now(),
                utc_offset=here.utc_offset,
                origin=here.settings.origin,
                event_id=f"urn:uuid:{uuid.uuid4()}",
            )
    except UnavailableError:
        raise
    except TraceError as error:
        return {**answer, "outcome": "unread", "message": str(error)}, int(row_of(error)[0])
    answer |= {"outcome": "ok", "leaf_index": receipt.leaf_index, "event_id": receipt.event_id}
    return answer | _thing(uri), int(HTTPStatus.CREATED)


def _first_scan(code: str, party: str, step: str) -> FirstScan | None:
    here, now = services(), services().clock.now()
    since = now - SAME_SCAN
    # Whoever got no answer was told to scan again: what he scanned first may be in the log by now.
    unanswered = here.attestation.settle()
    if unanswered is not None:
        since = min(since, from_ms(unanswered.rcv_ms) - SAME_SCAN)
    with here.reading() as session:
        uri = asked_by_code(session, here.log, code, here.day_of(now)).fallback
        return None if uri is None else first_scan(session, here.log, uri, party, step, since)


def _again(first: FirstScan, places: dict[str, Site]) -> dict[str, Any]:
    """The answer to a scan that was recorded a moment ago: where and when."""
    now, site = services().clock.now(), places.get(first.gln or "")
    at = formats.moment(first.event_time, language(), formats.local(now).date())
    if site is None:
        said = say("rec.again", time=at)
    else:
        said = say("rec.again_at", time=at, place=name_in(language(), site.name_zh, site.name_en).text)
    told = {"outcome": "duplicate", "leaf_index": first.leaf_index, "event_id": first.event_id}
    # Plain text: the page escapes it, the script sets it as text.
    return told | {"message": said.unescape()} | _thing(first.uri)


def _thing(uri: str) -> dict[str, Any]:
    """What was scanned, in words."""
    here = services()
    with here.reading() as session:
        name = item_name(session, here.log, uri, language())
    return {"code": _tail(uri), "product_name": name, "path": path_of(uri)}


def _page(last: dict[str, Any] | None) -> str:
    here, who = services(), account()
    assert who.party is not None, "an operator belongs to a party"
    with here.reading() as session:
        return render_template(
            "enterprise/record.html",
            party=party(session, here.settings.platform, who.party),
            steps=[(step, f"step.{step}") for step, _ in STEPS],
            places=sites_of(session, here.settings.platform, who.party),
            chosen_place=request.form.get("place"),
            last=last,
            recent=[
                {
                    "outcome": "ok",
                    "code": _tail(each.uri),
                    "product_name": item_name(session, here.log, each.uri, language()),
                    "path": path_of(each.uri),
                }
                for each in recent_steps(session, here.log, who.party, RECENT)
            ],
        )


def _tail(uri: str) -> str:
    """The part of a key that people compare with the pack: serial, lot or number."""
    return unquote(path_of(uri).rsplit("/", 1)[-1])
