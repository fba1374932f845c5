"""The record page: scan or type a code, choose the step, see the hop. The platform signs for the party, and says so."""

import uuid
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from flask import Blueprint, jsonify, render_template, request
from werkzeug.wrappers import Response

from app.access.rules import role
from app.current import account, services
from app.problems import row_of
from app.translate import language
from trace.attest import attest_scan
from trace.errors import TraceError, UnavailableError, ValidationError
from trace.identifiers.uris import path_of
from trace.observe import ReadPoint
from trace.query import item_name, recent_steps
from trace.register import party, sites_of

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


@pages.get("/enterprise/")
@role("operator")
def record() -> str:
    return _page(None)


@pages.post("/enterprise/")
@role("operator")
def record_scan() -> Response | str | tuple[Response | str, int]:
    """Record what was scanned as a step of the signed-in party."""
    last, status = _record()
    if request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json":
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
            places = {site.gln for site in sites_of(session, here.settings.platform, who.party)}
        place = request.form.get("place", "")
        if place not in places:
            raise ValidationError(f"place {place[:20]!r}: expected one of your own, {', '.join(sorted(places))}")
        where = ReadPoint(f"https://id.gs1.org/414/{place}", f"https://id.gs1.org/414/{place}", step, disposition)
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
    with here.reading() as session:
        name = item_name(session, here.log, uri, language())
    answer |= {"outcome": "ok", "leaf_index": receipt.leaf_index, "event_id": receipt.event_id}
    return {**answer, "code": _tail(uri), "product_name": name, "path": path_of(uri)}, int(HTTPStatus.CREATED)


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
