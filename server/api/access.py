"""Logging in over the API, users, API tokens, and the audit trail."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from litestar import Request, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response

from server.api.given import GivenClock, GivenDb, GivenSettings, GivenThrottle, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, portion, shown
from server.auth import sessions, tokens, users
from server.auth.web import Credentials, admin, client_address, session_cookie
from server.errors import Forbidden
from server.tables import ApiToken, AuditEntry, User


class NewSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    login: str
    password: str


class AccountView(msgspec.Struct, frozen=True):
    """Who is asking. A browser's session sends `csrf` back as the header X-CSRF-Token with every change."""

    login: str
    name: str
    role: str
    engineer_id: str | None
    csrf: str


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    login: str
    role: Literal["admin", "engineer"]
    password: str
    name: str = ""
    engineer: str | None = None


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    password: str


class UserView(msgspec.Struct, frozen=True):
    id: int
    login: str
    name: str
    role: str
    engineer_id: str | None
    disabled_at: datetime | None


class NewApiToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str
    days: float = 90.0


class IssuedApiToken(msgspec.Struct, frozen=True):
    """`token` is shown this once."""

    id: str
    token: str
    expires_at: datetime


class ApiTokenView(msgspec.Struct, frozen=True):
    id: str
    label: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class AuditView(msgspec.Struct, frozen=True):
    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str


@post("/sessions", opt={"public": True}, sync_to_thread=True)
def log_in(
    data: JSONBody[NewSession],
    request: Request[Any, Any, Any],
    db: GivenDb,
    clock: GivenClock,
    settings: GivenSettings,
    throttle: GivenThrottle,
) -> Response[AccountView]:
    address = client_address(request, settings)
    login = sessions.log_in(db, throttle, data.login, data.password, address=address, now=clock())
    return Response(
        shown(AccountView, login.account), status_code=201, cookies=[session_cookie(settings, login.token)]
    )


@delete("/sessions", sync_to_thread=True)
def log_out(request: Request[Any, Any, Any], db: GivenDb, settings: GivenSettings) -> Response[None]:
    credentials = request.scope.get("auth")
    if isinstance(credentials, Credentials) and credentials.kind == "cookie":
        with db.write() as session:
            sessions.log_out(session, credentials.token)
    return Response(None, status_code=204, cookies=[session_cookie(settings, "")])


@get("/me", sync_to_thread=False)
def show_me(user: GivenUser) -> AccountView:
    return shown(AccountView, user)


@post("/users", guards=[admin], sync_to_thread=True)
def add_user(data: JSONBody[NewUser], db: GivenDb, user: GivenUser, clock: GivenClock) -> UserView:
    with db.write() as session:
        row = users.add_user(
            session,
            data.login,
            data.role,
            data.password,
            name=data.name,
            engineer_id=data.engineer,
            by=user.login,
            now=clock(),
        )
        return shown(UserView, row)


@get("/users", guards=[admin], sync_to_thread=True)
def list_users(db: GivenDb, after: After = "", limit: Limit = DEFAULT) -> Listing[UserView]:
    with db.read() as session:
        return by_id(session, UserView, sa.select(User), User.id, after=after, limit=limit)


@post("/users/{login:str}/password", guards=[admin], status_code=204, sync_to_thread=True)
def set_password(
    login: FromPath[str], data: JSONBody[NewPassword], db: GivenDb, user: GivenUser, clock: GivenClock
) -> None:
    with db.write() as session:
        users.set_password(session, login, data.password, by=user.login, now=clock())


@post("/users/{login:str}/disable", guards=[admin], status_code=200, sync_to_thread=True)
def disable_user(login: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> UserView:
    with db.write() as session:
        return shown(UserView, users.disable_user(session, login, by=user.login, now=clock()))


@post("/tokens", sync_to_thread=True)
def add_token(data: JSONBody[NewApiToken], db: GivenDb, user: GivenUser, clock: GivenClock) -> IssuedApiToken:
    if not user.by_cookie:
        # Otherwise a leaked token could outlive its own expiry.
        raise Forbidden("a token cannot make another token; log in with a password")
    now, valid_for = clock(), timedelta(days=min(max(data.days, 0.0), 1e5))
    with db.write() as session:
        token = tokens.issue_api_token(session, user.id, data.label, valid_for, by=user.login, now=now)
    return IssuedApiToken(tokens.public_id(token), token, now + valid_for)


@get("/tokens", sync_to_thread=True)
def list_tokens(
    db: GivenDb, user: GivenUser, after: After = "", limit: Limit = DEFAULT
) -> Listing[ApiTokenView]:
    query = sa.select(ApiToken).where(ApiToken.user_id == user.id, ApiToken.token_hash > after)
    with db.read() as session:
        rows = session.scalars(query.order_by(ApiToken.token_hash).limit(limit + 1)).all()
        views = [
            ApiTokenView(row.token_hash[:12], row.label, row.created_at, row.expires_at, row.revoked_at)
            for row in rows
        ]
        return portion(views, limit, [row.token_hash for row in rows])


@delete("/tokens/{id:str}", sync_to_thread=True)
def revoke_token(id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> None:
    owner = None if user.is_admin else user.id
    with db.write() as session:
        tokens.revoke_api_token(session, id, owner=owner, by=user.login, now=clock())


@get("/audit", guards=[admin], sync_to_thread=True)
def list_audit(
    db: GivenDb, subject: FromQuery[str] = "", after: After = "", limit: Limit = DEFAULT
) -> Listing[AuditView]:
    """Newest first; `subject` such as ``project:erp`` narrows it."""
    query = sa.select(AuditEntry)
    if subject:
        query = query.where(AuditEntry.subject == subject)
    with db.read() as session:
        return by_id(session, AuditView, query, AuditEntry.id, after=after, limit=limit, newest_first=True)


ROUTES = [
    log_in,
    log_out,
    show_me,
    add_user,
    list_users,
    set_password,
    disable_user,
    add_token,
    list_tokens,
    revoke_token,
    list_audit,
]
