"""What the administrator may do, over HTTP for the command line of the same machine; JSON orders in, what is so out."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from app import key_admin, record_admin
from app.access.rules import administrator
from app.current import services
from trace.ledger.canonical import parse_json

api = Blueprint("admin", __name__)

MAX_ORDER_BYTES = 16_384


@api.post("/admin/keys")
@administrator
def post_key_order() -> Response:
    """Enrol, rotate or revoke; the answer says what is registered now."""
    return jsonify(key_admin.carry_out(services(), _order()))


@api.post("/admin/records")
@administrator
def post_record_order() -> Response:
    """Correct or erase; the answer names the leaf that says so."""
    return jsonify(record_admin.carry_out(services(), _order()))


def _order() -> Any:
    request.max_content_length = MAX_ORDER_BYTES + 1
    return parse_json(request.get_data(), "order", max_bytes=MAX_ORDER_BYTES)
