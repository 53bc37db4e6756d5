"""Every refusal of the API as a problem document (RFC 9457): one clear sentence, and where the mistake is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Response
from sqlalchemy.exc import DataError, OperationalError

from checks.envelope import Problem
from checks.errors import BadInput
from server.errors import Forbidden, LoginFailed, NotFound, Refused, Throttled

MEDIA_TYPE: Final = "application/problem+json"
STATUS: Final[dict[type[BadInput], int]] = {
    NotFound: 404,
    Forbidden: 403,
    Refused: 409,
    LoginFailed: 401,
    Throttled: 429,
}
PLAIN: Final = {
    404: "there is nothing at this address",
    405: "this address does not take that method",
    413: "the request is larger than this collector takes",
}
"""Sentences for what the framework refuses with a bare phrase."""

log = logging.getLogger("firstlight.api")

AnyRequest = Request[Any, Any, Any]


def refused_input(request: AnyRequest, error: BadInput) -> Response[bytes]:
    """What a deed refused."""
    status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)
    headers = {"Retry-After": str(error.seconds)} if isinstance(error, Throttled) else {}
    return problem(status, str(error), headers=headers)


def refused_request(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What the framework refused before a deed was tried."""
    path, detail = "", error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list) and error.extra:
        first = error.extra[0]
        key, source = first.get("key", ""), getattr(first.get("source"), "value", first.get("source", ""))
        inside = "" if key == "data" else key
        path = ("$." + inside if inside else "$") if source == "body" else key
        detail = f"{path}: {first['message']}"
        if key == "data" and first["message"] == "'data'":
            detail = "the request needs a JSON body"
    elif detail == HTTPStatus(error.status_code).phrase:
        detail = PLAIN.get(error.status_code, detail)
    return problem(error.status_code, detail, path=path, headers=dict(error.headers or {}))


def unstorable(request: AnyRequest, error: DataError | OverflowError) -> Response[bytes]:
    """A value no column can hold, such as a NUL in a text; it got past the checks that name it better."""
    log.warning("%s %s: %s", request.method, request.url.path, error)
    return problem(400, "a value is too large, or holds characters that cannot be stored")


def busy(request: AnyRequest, error: OperationalError) -> Response[bytes]:
    """The store did not answer in time, or cannot be reached."""
    log.error("%s %s: the store did not answer", request.method, request.url.path, exc_info=error)
    return problem(503, "the store is busy or cannot be reached; try again", headers={"Retry-After": "5"})


def failed(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A mistake of ours: the log keeps the cause, the answer says none of it."""
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "the collector could not do this; its log says why")


def problem(
    status: int, detail: str, *, path: str = "", headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """A problem document; the title is the status in words."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, path=path)
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


HANDLERS: Final[dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]]] = {
    BadInput: refused_input,
    HTTPException: refused_request,
    DataError: unstorable,
    OverflowError: unstorable,
    OperationalError: busy,
    Exception: failed,
}
