"""For the demo alone: whether it is ready, and where its emulated readers are controlled. Loopback callers only."""

import ipaddress
import json
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from app.access.rules import anybody
from app.current import services

pages = Blueprint("demo", __name__)


def state() -> dict[str, Any] | None:
    """What `./suyuan demo` last wrote; None while it has not finished starting."""
    file = services().settings.demo_state
    if file is None:
        return None
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return told if isinstance(told, dict) and told.get("ready") is True else None


@pages.get("/demo/edge")
@anybody
def edge() -> Response:
    """Control addresses of the emulated scanner and the station, for `./suyuan scan`."""
    if not ipaddress.ip_address(request.remote_addr or "0.0.0.0").is_loopback:  # noqa: S104 (compared, not bound)
        abort(404)
    told = state()
    if told is None:
        abort(503)
    return jsonify({name: told[name] for name in ("scanner", "uhf", "station")})
