"""The face: Flask, and the command line. `create_app` is the composition root of the server."""

from datetime import timedelta

from flask import Flask, Response
from flask_wtf import CSRFProtect

from app import admin_api, decode_api, demo_views, ledger_api, problems, translate
from app.access import rules
from app.access import views as access_views
from app.enterprise import views as enterprise_views
from app.public import views as public_views
from app.regulator import views as regulator_views
from app.services import Services
from app.site import Site

MAX_REQUEST_BYTES = 12 * 1024 * 1024
"""A photo of 10 MB and its form; views with less to expect say so."""


def create_app(services: Services) -> Flask:
    """The WSGI application on running services."""
    app = Flask(__name__)
    # A serial number may hold two slashes in a row; redirecting to one slash would show another thing.
    app.url_map.merge_slashes = False
    app.config.update(
        SECRET_KEY=services.web_secret,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        SESSION_COOKIE_NAME="suyuan_form",  # holds the CSRF secret and nothing else
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=8),
        WTF_CSRF_TIME_LIMIT=None,  # as long as the form's session
        TEMPLATES_AUTO_RELOAD=False,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions["suyuan"] = services
    translate.set_up(app)
    app.jinja_env.globals["site"] = Site()
    app.jinja_env.globals["ledger"] = {
        "origin": services.log.origin,
        "log_key": services.log.verifier_key,
        "policy": None if services.policy is None else services.policy.to_text(),
    }
    problems.register(app)
    csrf = CSRFProtect(app)
    for views in (public_views, access_views, enterprise_views, regulator_views):
        app.register_blueprint(views.pages)
    app.register_blueprint(ledger_api.api)
    app.register_blueprint(decode_api.api)
    app.register_blueprint(admin_api.api)
    # A parcel proves itself by its signature, a photo and a scan to decode change nothing: none needs a session.
    csrf.exempt(ledger_api.api)
    csrf.exempt(decode_api.api)
    csrf.exempt(admin_api.api)  # has a secret of its own and no cookie
    csrf.exempt("app.public.views.search_photo")
    if services.settings.demo_state is not None:
        app.register_blueprint(demo_views.pages)
    app.before_request(rules.check_access)
    app.after_request(_headers)
    return app


def _headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Permissions-Policy"] = "camera=(self), geolocation=(), microphone=()"
    headers.setdefault("Cache-Control", "no-store")
    return response
