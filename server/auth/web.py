"""Access at the door of the web application: who sent a request, and the guards that routes stand behind.

`authentication(...)` is the application's middleware. It refuses nothing: it fills ``scope["user"]`` with
an `Account` or None, and the guards refuse. Routers of pages and API name `GUARDS`; a route that is open to
everyone says ``opt={"public": True}``, one for admins adds the guard `admin`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from server.auth.account import Account
from server.auth.sessions import LASTS, account_of_session
from server.auth.throttle import Throttle
from server.auth.tokens import account_of_token
from server.clock import Clock
from server.db import Database
from server.settings import Settings

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Connection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True)
class Credentials:
    """What a request brought to say who sent it."""

    kind: Literal["cookie", "bearer"]
    token: str


def authentication(db: Database, settings: Settings, clock: Clock) -> DefineMiddleware:
    """The middleware that finds out who sent a request."""

    def find(credentials: Credentials) -> Account | None:
        account = account_of_session if credentials.kind == "cookie" else account_of_token
        with db.read() as session:
            return account(session, credentials.token, clock())

    def wrap(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            credentials = credentials_of(scope["headers"], cookie_name(settings))
            account = await sync_to_thread(find, credentials) if credentials else None
            scope["user"] = account
            scope["auth"] = credentials
            await app(scope, receive, send)

        return middleware

    return DefineMiddleware(wrap)


def credentials_of(headers: Any, cookie: str) -> Credentials | None:
    """A bearer token, else the session cookie. A wrong bearer token never falls back to the cookie."""
    found: Credentials | None = None
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return Credentials("bearer", value[7:].strip().decode("latin-1"))
        if name == b"cookie" and found is None:
            found = _from_cookies(value.decode("latin-1"), cookie)
    return found


def _from_cookies(text: str, name: str) -> Credentials | None:
    try:
        morsel = SimpleCookie(text).get(name)
    except CookieError:
        return None
    return Credentials("cookie", morsel.value) if morsel is not None and morsel.value else None


def cookie_name(settings: Settings) -> str:
    """With TLS the name promises browsers that no other host and no plain page could have set it."""
    return "__Host-firstlight" if settings.cookies_secure else "firstlight"


def session_cookie(settings: Settings, token: str) -> Cookie:
    """The cookie that carries a session; an empty token takes it away."""
    return Cookie(
        key=cookie_name(settings),
        value=token,
        path="/",
        httponly=True,
        secure=settings.cookies_secure,
        samesite="lax",
        max_age=int(LASTS.total_seconds()) if token else 0,
    )


def client_address(connection: Connection, settings: Settings) -> str:
    """Where a request came from: the peer, or what a trusted proxy of one's own says."""
    if settings.trust_proxy:
        # The last entry is the one our own proxy wrote; all before it are the client's word.
        forwarded = connection.headers.get("x-forwarded-for", "").rsplit(",", 1)[-1].strip()
        if forwarded:
            return forwarded[:64]
    return connection.client.host if connection.client else ""


def provide_user(request: Request[Any, Any, Any]) -> Account:
    """The dependency ``user`` of handlers behind a login."""
    account = request.scope.get("user")
    if not isinstance(account, Account):
        raise NotAuthorizedException(detail="log in first")
    return account


def provide_throttle(request: Request[Any, Any, Any]) -> Throttle:
    """The dependency ``throttle``: one for all login routes of an application."""
    throttle: Throttle = request.app.state.setdefault("throttle", Throttle())
    return throttle


def logged_in(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard: somebody is logged in, unless the route is public."""
    if handler.opt.get("public"):
        return
    if not isinstance(connection.scope.get("user"), Account):
        raise NotAuthorizedException(
            detail="this needs a login or a valid API token", headers={"WWW-Authenticate": "Bearer"}
        )


def admin(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard: an admin is logged in."""
    account = connection.scope.get("user")
    if not isinstance(account, Account) or not account.is_admin:
        raise PermissionDeniedException(detail="only an admin may do this")


async def own_origin(connection: Connection, handler: BaseRouteHandler) -> None:
    """Guard: a change that a browser sends comes from a page of this collector.

    A session's change carries its CSRF token, in the header or in the form's hidden field. Without a
    session (the login form) the browser's word on the origin must do.
    """
    if connection.scope.get("method") in SAFE:
        return
    _not_from_elsewhere(connection.headers)
    account = connection.scope.get("user")
    if not isinstance(account, Account) or not account.by_cookie:
        return
    given = connection.headers.get(CSRF_HEADER)
    if given is None and isinstance(connection, Request):
        kind = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in FORMS:
            given = (await connection.form()).get(CSRF_FIELD)
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), account.csrf.encode()):
        raise PermissionDeniedException(
            detail=f"the request does not carry this session's {CSRF_HEADER}; reload the page and try again"
        )


def _not_from_elsewhere(headers: Mapping[str, str]) -> None:
    origin = headers.get("origin")
    elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        elsewhere = True
    if elsewhere:
        raise PermissionDeniedException(detail="the request was sent by a page of another site")


GUARDS: list[Callable[..., Any]] = [logged_in, own_origin]
"""What every router of pages and API stands behind."""
