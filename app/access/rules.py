"""Who may call a view. Every view carries one of these marks; a view without one is refused, and fails a test.

@anybody            public pages and what proves itself by a signature
@role("operator")   a signed-in account of that role
@administrator      whoever can read `keys/admin.secret`: the command line on the same machine
"""

import hmac
from collections.abc import Callable
from typing import Any, TypeVar

from flask import abort, current_app, g, redirect, request, url_for

from app.access.accounts import signed_in, touch_session
from app.problems import asks_for_json
from trace.times import to_ms

View = TypeVar("View", bound=Callable[..., Any])

COOKIE = "suyuan_session"
_MARK = "suyuan_access"
_TOUCH_MS = 60_000


def anybody(view: View) -> View:
    setattr(view, _MARK, "anybody")
    return view


def role(name: str) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, _MARK, name)
        return view

    return mark


def administrator(view: View) -> View:
    setattr(view, _MARK, "administrator")
    return view


def rule_of(view: Callable[..., Any] | None) -> str | None:
    """`anybody`, a role, or None for a view that nobody thought about."""
    return getattr(view, _MARK, None)


def check_access() -> Any:
    """Runs before every request."""
    g.account = None
    if request.endpoint is None or request.endpoint == "static":
        return None
    rule = rule_of(current_app.view_functions.get(request.endpoint))
    if rule == "anybody":
        return None
    if rule is None:
        abort(403)
    services = current_app.extensions["suyuan"]
    if rule == "administrator":
        told = request.authorization.token if request.authorization is not None else None
        if not hmac.compare_digest((told or "").encode("utf-8"), services.admin_secret.hex().encode("ascii")):
            abort(401)
        return None
    platform, now, token = services.settings.platform, services.clock.now(), request.cookies.get(COOKIE, "")
    with services.reading() as session:
        who = signed_in(session, platform, token, now) if token else None
    if who is None:
        if asks_for_json():
            abort(401)
        return redirect(url_for("access.sign_in", next=request.full_path.rstrip("?")))
    if who.account.role != rule:
        abort(403)
    g.account = who.account
    # One write a minute and session, not one a request.
    if to_ms(now) - who.seen_ms > _TOUCH_MS:
        with services.writing() as session:
            touch_session(session, platform, token, now)
    return None
