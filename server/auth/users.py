"""People who may log in: added, given a new password, disabled."""

from __future__ import annotations

import re
from datetime import datetime
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.orm import Session as Transaction

from checks.errors import BadInput
from server import audit
from server.auth.account import Role
from server.auth.passwords import hash_password
from server.errors import NotFound, Refused
from server.tables import Engineer, Session, User

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


def add_user(
    session: Transaction,
    login: str,
    role: str,
    password: str,
    *,
    by: str,
    now: datetime,
    name: str = "",
    engineer_id: str | None = None,
) -> User:
    """A login; an engineer's names the engineer. Raises `Refused` where the login is taken."""
    login = login.strip().lower()
    if not LOGIN.fullmatch(login):
        raise BadInput(f"{login!r} cannot be a login: use up to 64 of a-z 0-9 . _ @ -")
    if role not in get_args(Role):
        raise BadInput(f"role is {role!r}; right is one of {', '.join(get_args(Role))}")
    if role == "engineer" and engineer_id is None:
        raise BadInput("an engineer's login must say which engineer it is")
    if engineer_id is not None and session.get(Engineer, engineer_id) is None:
        raise NotFound(f"there is no engineer {engineer_id}")
    if session.scalar(sa.select(User.id).where(User.login == login)) is not None:
        raise Refused(f"there is already a user {login}")
    user = User(
        login=login,
        name=name or login,
        role=role,
        engineer_id=engineer_id,
        password_hash=hash_password(password),
    )
    session.add(user)
    session.flush()
    detail = f"{role}, engineer {engineer_id}" if engineer_id else role
    audit.record(session, now, by, "add-user", f"user:{login}", detail)
    return user


def set_password(session: Transaction, login: str, password: str, *, by: str, now: datetime) -> None:
    """Replace a password and end the user's sessions."""
    user = user_of(session, login)
    user.password_hash = hash_password(password)
    session.execute(sa.delete(Session).where(Session.user_id == user.id))
    audit.record(session, now, by, "set-password", f"user:{user.login}")


def disable_user(session: Transaction, login: str, *, by: str, now: datetime) -> User:
    """Shut a login out from now on: sessions end, API tokens stop working.

    Raises `Refused` for the last admin, or nobody could let anyone in again.
    """
    user = user_of(session, login)
    if user.disabled_at is not None:
        raise Refused(f"user {user.login} is already disabled")
    others = sa.select(sa.func.count()).where(
        User.role == "admin", User.disabled_at.is_(None), User.id != user.id
    )
    if user.role == "admin" and not session.scalar(others):
        raise Refused(f"{user.login} is the last admin; add another first")
    user.disabled_at = now
    session.execute(sa.delete(Session).where(Session.user_id == user.id))
    audit.record(session, now, by, "disable-user", f"user:{user.login}")
    session.flush()
    return user


def user_of(session: Transaction, login: str) -> User:
    """The user with this login; raises `NotFound`."""
    user = session.scalar(sa.select(User).where(User.login == login.strip().lower()))
    if user is None:
        raise NotFound(f"there is no user {login}")
    return user
