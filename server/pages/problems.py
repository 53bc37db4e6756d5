"""What a browser sees when something cannot be shown: the way to the login, or one clear sentence.

The same handlers stand at the whole application; below ``/api/`` they answer with problem documents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from litestar import Request
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.response import Redirect, Response

from checks.errors import BadInput
from server.api import problems as api
from server.auth.account import Account
from server.pages.frame import HEADERS, Frame, page

log = logging.getLogger("firstlight.pages")

AnyRequest = Request[Any, Any, Any]

TITLES: Final = {
    400: "That address asks for something that does not exist",
    403: "This is not yours to do",
    404: "There is nothing here",
    405: "This address does not take that",
    409: "That contradicts what is stored",
    413: "That was too large",
    429: "Too many attempts",
    500: "Something went wrong on our side",
}


def refused_input(request: AnyRequest, error: BadInput) -> Response[Any]:
    """What a deed or a question refused."""
    if _is_api(request):
        return api.refused_input(request, error)
    status = next((api.STATUS[kind] for kind in type(error).__mro__ if kind in api.STATUS), 400)
    return _problem(request, status, str(error))


def refused_request(request: AnyRequest, error: HTTPException) -> Response[Any]:
    """What the framework refused; without a login it leads to the form and back."""
    if _is_api(request):
        return api.refused_request(request, error)
    if isinstance(error, NotAuthorizedException):
        return _to_login(request)
    detail = error.detail if error.status_code == 403 else ""
    return _problem(request, error.status_code, detail)


def failed(request: AnyRequest, error: Exception) -> Response[Any]:
    """A mistake of ours: the log keeps the cause, the page says none of it."""
    if _is_api(request):
        return api.failed(request, error)
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _problem(request, 500, "The collector could not make this page. Its log says why.")


EXCEPTION_HANDLERS: Final[dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]]] = {
    BadInput: refused_input,
    HTTPException: refused_request,
    Exception: failed,
}


def _is_api(request: AnyRequest) -> bool:
    return request.url.path.startswith("/api/")


def _to_login(request: AnyRequest) -> Response[Any]:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = f"?next={quote(path, safe='/')}" if request.method == "GET" and path != "/" else ""
    return Redirect(f"/login{back}", status_code=303, headers=HEADERS)


def _problem(request: AnyRequest, status: int, detail: str) -> Response[Any]:
    account = request.scope.get("user")
    known = account if isinstance(account, Account) else None
    response = page(
        "problem.html",
        Frame(datetime.now(UTC), known, example=False),
        status=status,
        code=status,
        title=TITLES.get(status, TITLES[400 if status < 500 else 500]),
        detail=detail or "The address may be mistyped, or what it named is no longer kept.",
    )
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response
