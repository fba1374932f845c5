"""The registry of keys over HTTP, for the command line of the same machine."""

from flask import Blueprint, Response, jsonify, request

from app.access.rules import administrator
from app.current import services
from app.key_admin import carry_out
from trace.ledger.canonical import parse_json

api = Blueprint("keys", __name__)

MAX_ORDER_BYTES = 16_384


@api.post("/admin/keys")
@administrator
def post_order() -> Response:
    """Enrol, rotate or revoke; the answer says what is registered now."""
    request.max_content_length = MAX_ORDER_BYTES + 1
    return jsonify(carry_out(services(), parse_json(request.get_data(), "order", max_bytes=MAX_ORDER_BYTES)))
