"""Logging in and out: a random token in the browser's cookie, its SHA-256 in the store, for 12 hours."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import sqlalchemy as sa
from sqlalchemy.orm import Session as Transaction

from server import audit
from server.auth.account import Account, Role
from server.auth.passwords import verify_password
from server.auth.secret import digest_of, new_secret
from server.auth.throttle import Throttle
from server.db import Database
from server.errors import LoginFailed
from server.tables import Session, User

LASTS = timedelta(hours=12)

log = logging.getLogger("firstlight.auth")


@dataclass(frozen=True)
class Login:
    """A session that just began; `token` is for the cookie and exists nowhere else."""

    token: str
    account: Account
    expires_at: datetime


def log_in(
    db: Database, throttle: Throttle, login: str, password: str, *, address: str, now: datetime
) -> Login:
    """Begin a session. Raises `LoginFailed`, or `Throttled` after too many wrong passwords."""
    login = login.strip().lower()[:64]
    throttle.check(login, address, now)
    with db.read() as session:
        user = session.scalar(sa.select(User).where(User.login == login, User.disabled_at.is_(None)))
        stored = user.password_hash if user is not None else None
    # Outside of any transaction: it takes as long as hundreds of them.
    if not verify_password(stored, password):
        throttle.failed(login, address, now)
        log.warning("failed login of %r from %s", login, address)
        raise LoginFailed
    throttle.succeeded(login, address)
    with db.write() as session:
        user = session.scalar(
            sa.select(User).where(
                User.login == login, User.disabled_at.is_(None), User.password_hash == stored
            )
        )
        if user is None:  # disabled, or the password changed, while it was verified
            raise LoginFailed
        session.execute(sa.delete(Session).where(Session.expires_at <= now))
        token, csrf = new_secret("fls"), secrets.token_urlsafe(24)
        expires = now + LASTS
        session.add(
            Session(
                token_hash=digest_of(token), user_id=user.id, csrf=csrf, created_at=now, expires_at=expires
            )
        )
        audit.record(session, now, login, "log-in", f"user:{login}", f"from {address}")
        return Login(token, account_of(user, csrf), expires)


def log_out(session: Transaction, token: str) -> None:
    """End the session of this cookie; one that is unknown has ended already."""
    session.execute(sa.delete(Session).where(Session.token_hash == digest_of(token)))


def account_of_session(session: Transaction, token: str, now: datetime) -> Account | None:
    """Who the cookie's token belongs to, while the session lasts and the user is not disabled."""
    row = session.execute(
        sa.select(User, Session.csrf)
        .join(Session, Session.user_id == User.id)
        .where(Session.token_hash == digest_of(token), Session.expires_at > now, User.disabled_at.is_(None))
    ).one_or_none()
    return account_of(row[0], row[1]) if row is not None else None


def account_of(user: User, csrf: str = "") -> Account:
    return Account(user.id, user.login, user.name, cast("Role", user.role), user.engineer_id, csrf)
