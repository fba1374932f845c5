"""`POST /decode`: what one scan says, for handhelds and programs that have no parser of their own."""

from flask import Blueprint, Response, jsonify, request

from app.access.rules import anybody
from app.current import services
from trace.identifiers.decoded import decode_text

api = Blueprint("decode", __name__)

LONGEST_BYTES = 16_384
"""More than the largest symbol holds."""


@api.post("/decode")
@anybody
def post_scan() -> Response:
    """The body is the scan, byte for byte (`text/plain`); the answer is the object that `decode` prints."""
    request.max_content_length = LONGEST_BYTES
    data = request.get_data()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    gs = request.args.get("gs")
    here = services()
    today = (here.clock.now() + here.zone_offset).date()
    return jsonify(decode_text(text, gs=gs if gs and len(gs) == 1 else None, today=today).to_dict())
