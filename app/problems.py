"""Errors as answers: RFC 9457 problem details for programs, the same words on a page for people. One table.

`detail` is the message of the core's error, written to be shown. What nobody foresaw is a 500 with an incident number
that the log has too, and nothing else.
"""

import logging
import secrets
from http import HTTPStatus

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from trace import errors

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# Error class, status, last part of the type URI. The first row that fits counts.
TABLE: tuple[tuple[type[errors.TraceError], HTTPStatus, str], ...] = (
    (errors.LimitError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "over-limit"),
    (errors.ParseError, HTTPStatus.BAD_REQUEST, "not-readable"),
    (errors.ValidationError, HTTPStatus.BAD_REQUEST, "against-the-rules"),
    (errors.NotFoundError, HTTPStatus.NOT_FOUND, "not-recorded"),
    (errors.ForkError, HTTPStatus.CONFLICT, "device-fork"),
    (errors.ConflictError, HTTPStatus.CONFLICT, "conflict"),
    (errors.SignatureError, HTTPStatus.FORBIDDEN, "signature"),
    (errors.UnknownKeyError, HTTPStatus.FORBIDDEN, "unknown-key"),
    (errors.RevokedKeyError, HTTPStatus.FORBIDDEN, "revoked-key"),
    (errors.UnavailableError, HTTPStatus.SERVICE_UNAVAILABLE, "not-now"),
    (errors.UncheckedError, HTTPStatus.SERVICE_UNAVAILABLE, "not-checked"),
    (errors.LedgerError, HTTPStatus.INTERNAL_SERVER_ERROR, "ledger"),
)


def row_of(error: errors.TraceError) -> tuple[HTTPStatus, str]:
    """Status and type of an error of the core."""
    for kind, status, name in TABLE:
        if isinstance(error, kind):
            return status, name
    return HTTPStatus.INTERNAL_SERVER_ERROR, "unknown"


def register(app: Flask) -> None:
    app.register_error_handler(errors.TraceError, _of_the_core)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _unforeseen)


def asks_for_json() -> bool:
    """Whether the caller rather takes JSON where a page is usual."""
    return request.accept_mimetypes.best_match(("text/html", "application/json")) == "application/json"


def wants_json() -> bool:
    """In what an error is told: a browser says that it takes HTML, everything else gets JSON."""
    best = request.accept_mimetypes.best_match(("application/json", MEDIA_TYPE, "text/html"), default=MEDIA_TYPE)
    return best != "text/html"


def _of_the_core(error: errors.TraceError) -> Response:
    status, name = row_of(error)
    if isinstance(error, errors.LedgerError):
        logger.error("ledger contradicts itself: %s", error)
        return _unforeseen(error)
    response = _answer(status, name, str(error))
    if isinstance(error, errors.UnavailableError):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _of_http(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or 500)
    response = _answer(status, status.phrase.lower().replace(" ", "-"), error.description or status.phrase)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after", "www-authenticate"):
            response.headers[name] = value
    return response


def _unforeseen(error: Exception) -> Response:
    incident = secrets.token_hex(4)
    logger.exception("incident %s", incident, exc_info=error)
    return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "incident", "", incident)


def _answer(status: HTTPStatus, name: str, detail: str, incident: str | None = None) -> Response:
    if wants_json():
        body = {
            "type": f"https://{request.host}/problems/{name}",
            "title": status.phrase,
            "status": int(status),
            "detail": detail or f"incident {incident}",
            "instance": request.path,
        }
        response = jsonify(body)
        response.mimetype = MEDIA_TYPE
    else:
        page = render_template(
            "public/problem.html", status=int(status), detail=detail, incident=incident, retry=status == 503
        )
        response = make_response(page)
    response.status_code = int(status)
    response.headers["Cache-Control"] = "no-store"
    return response
