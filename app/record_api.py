"""Corrections and erasures over HTTP, for the command line of the same machine."""

from flask import Blueprint, Response, jsonify, request

from app.access.rules import administrator
from app.current import services
from app.record_admin import carry_out
from trace.ledger.canonical import parse_json

api = Blueprint("records", __name__)

MAX_ORDER_BYTES = 16_384


@api.post("/admin/records")
@administrator
def post_order() -> Response:
    """Correct or erase; the answer names the leaf that says so."""
    request.max_content_length = MAX_ORDER_BYTES + 1
    return jsonify(carry_out(services(), parse_json(request.get_data(), "order", max_bytes=MAX_ORDER_BYTES)))
