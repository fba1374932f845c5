"""The ledger over HTTP: parcels in, receipts out; checkpoints, tiles and entries as c2sp.org/tlog-tiles has them."""

import gzip
import re

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized, UnsupportedMediaType

from app.access.rules import anybody
from app.current import services
from trace import monitor
from trace.capture import capture
from trace.errors import NotFoundError, ParseError, UnavailableError
from trace.ledger.envelope import MAX_PARCEL_BYTES, PARCEL_MEDIA_TYPE
from trace.ledger.tiles import Tile
from trace.publish import given_out
from trace.query import newest_checkpoint

FOR_EVER = "max-age=31536000, immutable"
"""Tiles never change: the name of a partial one says how wide it is."""

_INDEX = re.compile("0|[1-9][0-9]{0,14}")

api = Blueprint("ledger", __name__)


@api.post("/capture")
@anybody  # the signature says who sends
def post_parcel() -> tuple[Response, int]:
    """One parcel. 201 with the receipt when it is new, 200 with the stored receipt when it is not."""
    # A body without a length is cut off here, not refused: the byte too many tells the door that there was more.
    request.max_content_length = MAX_PARCEL_BYTES + 1
    if request.mimetype not in (PARCEL_MEDIA_TYPE, "application/json"):
        raise UnsupportedMediaType(f"media type {request.mimetype[:80]!r}: expected {PARCEL_MEDIA_TYPE}")
    here = services()
    if here.fork is not None:
        # Before anything is judged by an older state: a device registered since would be told that nobody knows it.
        raise UnavailableError("the log is stopped until its operator has put back the newest database", 60)
    data = request.get_data()
    with here.reading() as session:
        receipt = capture(session, here.settings.platform, here.settings.origin, data, here.sequencer)
    return jsonify(receipt.to_dict()), 201 if receipt.new else 200


@api.get("/checkpoint")
@anybody
def get_checkpoint() -> Response:
    """The newest signed tree head, a C2SP note with the cosignatures that there are."""
    here = services()
    with here.reading() as session:
        checkpoint = given_out(session, here.log.platform, here.log.origin, here.policy, here.clock.now())
    if checkpoint is None:
        raise UnavailableError("nothing is published yet", retry_after_s=2)
    response = Response(checkpoint.note, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-cache"
    return response


@api.get("/tile/<path:rest>")
@anybody  # hash tiles; entry bundles ask for a mirror's token below
def get_tile(rest: str) -> Response:
    """A hash tile or an entry bundle that the newest checkpoint covers."""
    here = services()
    try:
        wanted = Tile.parse(f"tile/{rest}")
    except ParseError as error:
        raise NotFoundError(str(error)) from error
    if wanted.entries:
        return _entries(wanted)
    tree = here.tree()
    with here.reading() as session:
        data = monitor.tile(session, here.log.platform, here.log.origin, tree, wanted)
    return Response(data, mimetype="application/octet-stream", headers={"Cache-Control": f"public, {FOR_EVER}"})


def _entries(wanted: Tile) -> Response:
    here = services()
    opened = here.settings.open_entries
    with here.reading() as session:
        if not opened and monitor.mirror_of(session, here.log.platform, _bearer_token()) is None:
            raise Unauthorized(
                "entry bundles are for registered mirrors: expected Authorization: Bearer and the token of one",
                www_authenticate=WWWAuthenticate("bearer"),
            )
        data = monitor.bundle(session, here.log.platform, here.log.origin, wanted)
    response = Response(data, mimetype="application/octet-stream")
    # What a mirror was given must not lie in a shared cache for others.
    response.headers["Cache-Control"] = f"{'public' if opened else 'private'}, {FOR_EVER}"
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"]:
        response.set_data(gzip.compress(data, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _bearer_token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@api.get("/tlog-proof/<index>")
@anybody
def get_tlog_proof(index: str) -> Response:
    """That a leaf is in the log, as a c2sp.org/tlog-proof@v1 file."""
    here = services()
    if _INDEX.fullmatch(index) is None:
        raise NotFoundError(f"leaf {index[:40]!r}: expected a number")
    tree = here.tree()
    with here.reading() as session:
        log = here.log
        found = monitor.tlog_proof(session, log.platform, log.origin, tree, int(index), here.policy, here.clock.now())
    name = f"{here.log.origin}-{index}.tlog-proof"
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-cache"}
    return Response(found.to_text(), mimetype="text/plain", headers=headers)


@api.get("/healthz")
@anybody
def health() -> Response:
    """Whether this process can read its log."""
    here = services()
    with here.reading() as session:
        checkpoint = newest_checkpoint(session, here.log)
    told = {"origin": here.settings.origin, "published": 0 if checkpoint is None else checkpoint.size}
    # Why it does not sign is for the log: it names files and machines.
    return jsonify(told if here.fork is None else {**told, "signing": False})
