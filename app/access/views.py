"""Signing in and out."""

from urllib.parse import urlsplit

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from app.access.accounts import (
    LONGEST,
    LONGEST_NAME,
    close_session,
    open_session,
    password_matches,
    signed_in,
    stored_password,
)
from app.access.rules import COOKIE, anybody
from app.current import services
from app.translate import say

pages = Blueprint("access", __name__)

HOME = {"operator": "enterprise.record", "regulator": "regulator.blacklist"}


@pages.get("/login")
@anybody
def sign_in() -> str:
    return render_template("login.html", next=_inside(request.args.get("next", "")), username=None, error=None)


@pages.post("/login")
@anybody
def sign_in_with() -> Response:
    here, name = services(), request.form.get("username", "").strip()[:LONGEST_NAME]
    goes_to = _inside(request.form.get("next", ""))
    with here.reading() as session:
        stored = stored_password(session, here.settings.platform, name)
    if not password_matches(stored, request.form.get("password", "")[:200]):
        page = render_template("login.html", next=goes_to, username=name, error=say("e.wrong"))
        return make_response(page, 401)
    now, before = here.clock.now(), request.cookies.get(COOKIE, "")
    with here.writing() as session:
        if before:
            close_session(session, here.settings.platform, before)
        token = open_session(session, here.settings.platform, name, now)
    with here.reading() as session:
        who = signed_in(session, here.settings.platform, token, now)
    assert who is not None, "the session was just opened"
    response = redirect(goes_to or url_for(HOME[who.account.role]), 303)
    response.set_cookie(
        COOKIE,
        token,
        max_age=int(LONGEST.total_seconds()),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
    return response


@pages.post("/logout")
@anybody
def sign_out() -> Response:
    here, token = services(), request.cookies.get(COOKIE, "")
    if token:
        with here.writing() as session:
            close_session(session, here.settings.platform, token)
    response = redirect(url_for("public.home"), 303)
    response.delete_cookie(COOKIE)
    response.headers["Clear-Site-Data"] = '"cookies"'
    return response


def _inside(address: str) -> str:
    """The address if it stays on this site, else nothing: no redirect leaves the platform."""
    try:
        parts = urlsplit(address)  # takes out tabs and line breaks first, as browsers do
    except ValueError:
        return ""
    safe = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return address if safe else ""
