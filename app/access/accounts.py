"""Accounts and signed-in browsers, in the database; the cookie is only a token."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.access.passwords import hash_password, matches
from app.access.rows import AccountRow, SessionRow
from trace.errors import ConflictError, ValidationError
from trace.times import to_ms

ROLES = ("operator", "regulator")
LONGEST_NAME = 60
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)


@dataclass(frozen=True)
class Account:
    """Somebody who is signed in."""

    name: str
    role: str
    party: str | None
    region: str | None
    display_zh: str
    display_en: str


def add_account(session: Session, platform: int, account: Account, password: str) -> None:
    """Raises: ValidationError when nobody could type the name; ConflictError when it is taken."""
    if (
        not account.name.isprintable()
        or account.name != account.name.strip()
        or not 1 <= len(account.name) <= LONGEST_NAME
    ):
        raise ValidationError(
            f"account {account.name[:80]!r}: expected 1 to {LONGEST_NAME} characters without spaces around"
        )
    if session.get(AccountRow, (platform, account.name)) is not None:
        raise ConflictError(f"account {account.name!r}: exists already")
    session.add(AccountRow(platform=platform, password_hash=hash_password(password), **vars(account)))


def set_password(session: Session, platform: int, name: str, password: str) -> bool:
    """Also ends the account's sessions. False when there is no such account."""
    row = session.get(AccountRow, (platform, name))
    if row is None:
        return False
    row.password_hash = hash_password(password)
    session.execute(delete(SessionRow).where(SessionRow.platform == platform, SessionRow.account == name))
    return True


def accounts(session: Session, platform: int) -> list[Account]:
    rows = session.scalars(select(AccountRow).where(AccountRow.platform == platform).order_by(AccountRow.name))
    return [_account(row) for row in rows]


def stored_password(session: Session, platform: int, name: str) -> str | None:
    row = session.get(AccountRow, (platform, name))
    return None if row is None else row.password_hash


def password_matches(stored: str | None, password: str) -> bool:
    """Slow on purpose: call it outside any transaction."""
    return matches(stored, password)


def open_session(session: Session, platform: int, name: str, now: datetime) -> str:
    """A fresh token for the cookie."""
    token = secrets.token_urlsafe(32)
    session.add(
        SessionRow(platform=platform, token_hash=_hash(token), account=name, created_ms=to_ms(now), seen_ms=to_ms(now))
    )
    return token


@dataclass(frozen=True)
class SignedIn:
    """A live session."""

    account: Account
    seen_ms: int
    """When it was last written down that somebody is there."""


def signed_in(session: Session, platform: int, token: str, now: datetime) -> SignedIn | None:
    """Who holds this token; None when it is unknown or its time is over."""
    row = session.get(SessionRow, (platform, _hash(token)))
    if row is None:
        return None
    if to_ms(now) - row.seen_ms > IDLE / timedelta(milliseconds=1):
        return None
    if to_ms(now) - row.created_ms > LONGEST / timedelta(milliseconds=1):
        return None
    account = session.get(AccountRow, (platform, row.account))
    return None if account is None else SignedIn(_account(account), row.seen_ms)


def touch_session(session: Session, platform: int, token: str, now: datetime) -> None:
    """Somebody is still there."""
    row = session.get(SessionRow, (platform, _hash(token)))
    if row is not None:
        row.seen_ms = to_ms(now)


def close_session(session: Session, platform: int, token: str) -> None:
    session.execute(delete(SessionRow).where(SessionRow.platform == platform, SessionRow.token_hash == _hash(token)))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8")).digest()


def _account(row: AccountRow) -> Account:
    return Account(row.name, row.role, row.party, row.region, row.display_zh, row.display_en)
