"""What the request in hand is served with."""

from typing import cast

from flask import current_app, g

from app.access.accounts import Account
from app.services import Services


def services() -> Services:
    """The running parts of this process."""
    return cast(Services, current_app.extensions["suyuan"])


def account() -> Account:
    """Who is signed in. Requires: a view marked with a role."""
    return cast(Account, g.account)
