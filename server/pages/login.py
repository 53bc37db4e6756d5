"""The door: a form to log in, and the way out."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.response import Redirect, Response

from server.api.given import GivenClock, GivenDb, GivenSettings
from server.auth.account import Account
from server.auth.sessions import log_in, log_out
from server.auth.web import Credentials, client_address, provide_throttle, session_cookie
from server.errors import LoginFailed, Throttled
from server.pages.frame import Frame, page

AnyRequest = Request[Any, Any, Any]


def inside(path: str) -> str:
    """`path` if it leads to a page of this collector, else the overview: the login redirects nowhere else."""
    plain = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if plain and len(path) <= 500 else "/"


@get("/login", opt={"public": True}, sync_to_thread=False)
def login_form(request: AnyRequest, clock: GivenClock) -> Response[Any]:
    """The form; somebody who is logged in is led on."""
    following = inside(request.query_params.get("next", "/"))
    if isinstance(request.scope.get("user"), Account):
        return Redirect(following, status_code=303)
    return page("login.html", Frame(clock(), None, example=False), next=following, login="", refusal="")


@post("/login", opt={"public": True})
async def post_login(
    request: AnyRequest, db: GivenDb, clock: GivenClock, settings: GivenSettings
) -> Response[Any]:
    """Begin a session and go where the visitor was heading."""
    form = await request.form()
    name, password = str(form.get("login", "")), str(form.get("password", ""))[:1000]
    following = inside(str(form.get("next", "/")))
    now = clock()
    try:
        begun = await sync_to_thread(
            log_in,
            db,
            provide_throttle(request),
            name,
            password,
            address=client_address(request, settings),
            now=now,
        )
    except (LoginFailed, Throttled) as error:
        status = 429 if isinstance(error, Throttled) else 401
        text = str(error)[0].upper() + str(error)[1:] + "."
        response: Response[Any] = page(
            "login.html",
            Frame(now, None, example=False),
            status=status,
            next=following,
            login=name,
            refusal=text,
        )
        if isinstance(error, Throttled):
            response.headers["Retry-After"] = str(error.seconds)
        return response
    return Redirect(following, status_code=303, cookies=[session_cookie(settings, begun.token)])


@post("/logout", sync_to_thread=True)
def logout(request: AnyRequest, db: GivenDb, settings: GivenSettings) -> Response[Any]:
    """End the session of this browser."""
    credentials = request.scope.get("auth")
    if isinstance(credentials, Credentials) and credentials.kind == "cookie":
        with db.write() as session:
            log_out(session, credentials.token)
    return Redirect("/login", status_code=303, cookies=[session_cookie(settings, "")])
