"""The ledger over HTTP: parcels in, receipts and checkpoints out."""

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import UnsupportedMediaType

from app.access.rules import anybody
from app.current import services
from trace.capture import capture
from trace.errors import UnavailableError
from trace.ledger.envelope import MAX_PARCEL_BYTES, PARCEL_MEDIA_TYPE
from trace.query import newest_checkpoint

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
    data = request.get_data()
    with here.reading() as session:
        receipt = capture(session, here.settings.platform, here.settings.origin, data, here.sequencer)
    return jsonify(receipt.to_dict()), 201 if receipt.new else 200


@api.get("/checkpoint")
@anybody
def get_checkpoint() -> Response:
    """The newest signed tree head, a C2SP note."""
    here = services()
    with here.reading() as session:
        checkpoint = newest_checkpoint(session, here.log)
    if checkpoint is None:
        raise UnavailableError("nothing is published yet", retry_after_s=2)
    response = Response(checkpoint.note, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-cache"
    return response


@api.get("/healthz")
@anybody
def health() -> Response:
    """Whether this process can read its log."""
    here = services()
    with here.reading() as session:
        checkpoint = newest_checkpoint(session, here.log)
    return jsonify({"origin": here.settings.origin, "published": 0 if checkpoint is None else checkpoint.size})
