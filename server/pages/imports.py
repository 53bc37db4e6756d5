"""The page that takes in runs from a file, and gives back the receipts file. For admins; no script needed."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, cast

import sqlalchemy as sa
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler
from litestar.response import Template
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server.api.given import GivenClock, GivenDb, GivenSettings, GivenUser
from server.api.problems import STATUS
from server.auth.account import Account
from server.carry.taking import Import, take_export
from server.db import Database
from server.pages.frame import frame, look, page
from server.tables import AgentRow, AuditEntry

LAST = 20


@dataclass(frozen=True)
class Past:
    """An import as the audit trail keeps it; `site` is None for an agent that is gone."""

    at: datetime
    by: str
    agent: str
    site: str | None
    detail: str


def within_limit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard before the form is read: how long it is has to be said, and to be allowed. The server in front
    reads no more than was announced.
    """
    most: int = connection.app.state.get("max_import", 0)
    length = connection.headers.get("content-length", "")
    if connection.scope.get("method") != "POST":
        return
    if not length.isascii() or not length.isdecimal():
        raise HTTPException(status_code=411, detail="the upload does not say how long it is")
    if len(length) > 15 or int(length) > most:
        raise HTTPException(
            status_code=413, detail=f"an import is at most {most} bytes here (FIRSTLIGHT_MAX_IMPORT)"
        )


def past_imports(session: Session) -> list[Past]:
    """The last imports, newest first."""
    agent = sa.func.substr(AuditEntry.subject, len("agent:") + 1)
    query = (
        sa.select(AuditEntry.at, AuditEntry.actor, agent, AgentRow.site_id, AuditEntry.detail)
        .outerjoin(AgentRow, AgentRow.id == agent)
        .where(AuditEntry.action == "import", AuditEntry.subject.like("agent:%"))
        .order_by(AuditEntry.id.desc())
        .limit(LAST)
    )
    return [Past(*row) for row in session.execute(query)]


@get("/imports", sync_to_thread=True)
def show_imports(db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    return _page(db, user, clock())


@post("/imports", status_code=200, request_max_body_size=None)
async def post_import(
    request: Request[Any, Any, Any],
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    settings: GivenSettings,
) -> Template:
    form = await request.form()
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        return await sync_to_thread(_page, db, user, clock(), refusal="Choose the file first.", status=400)
    try:
        file = cast("BinaryIO", upload.file)
        taken = await sync_to_thread(take_export, db, settings, clock, file, by=user.login)
    except BadInput as error:
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 400)
        words = f"{str(error)[:1].upper()}{str(error)[1:]}."
        return await sync_to_thread(_page, db, user, clock(), refusal=words, status=status)
    finally:
        await upload.close()
    return await sync_to_thread(_page, db, user, clock(), taken=taken)


def _page(
    db: Database,
    user: Account,
    now: datetime,
    *,
    taken: Import | None = None,
    refusal: str = "",
    status: int = 200,
) -> Template:
    with look(db) as session:
        return page(
            "imports.html",
            frame(session, user, now, "runs"),
            status=status,
            taken=taken,
            receipts=base64.b64encode(taken.receipts).decode() if taken else "",
            refusal=refusal,
            past=past_imports(session),
        )
