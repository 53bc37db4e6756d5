"""What is published for sites: the list, one publication in full; admins publish and withdraw here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from litestar.response import Redirect, Template

from checks.errors import BadInput
from server.api.given import GivenClock, GivenDb, GivenUser
from server.auth.account import Account
from server.auth.web import admin
from server.db import Database
from server.delivery.names import existing
from server.errors import NotFound
from server.pages.frame import frame, look, page
from server.publishing.audience import audience_of
from server.publishing.events import publish_profile, withdraw
from server.publishing.lines import KINDS, fetched_lines, lines_of, published_lines, text_of
from server.publishing.standing import withdrawn_ids
from server.tables import Customer, Publication, Site

AnyRequest = Request[Any, Any, Any]


@get("/published", sync_to_thread=True)
def list_published(db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    return _page(db, user, clock())


@post("/published", status_code=200, guards=[admin])
async def post_profile(
    request: AnyRequest, db: GivenDb, user: GivenUser, clock: GivenClock
) -> Template | Redirect:
    """Publish a profile; what is wrong with it is said on the page, and the text stays."""
    form = await request.form()
    text, for_whom = str(form.get("text", "")), str(form.get("audience", ""))
    now = clock()

    def publish() -> int:
        kind, _, id = for_whom.partition(":")
        with db.write() as session:
            audience = audience_of(
                session,
                site=id if kind == "site" else None,
                customer=id if kind == "customer" else None,
                everyone=kind == "everyone",
            )
            return publish_profile(session, text.replace("\r\n", "\n"), audience, by=user.login, now=now).id

    try:
        made = await sync_to_thread(publish)
    except BadInput as error:
        return await sync_to_thread(_page, db, user, now, str(error), text, for_whom)
    return Redirect(f"/published/{made}", status_code=303)


@get("/published/{id:int}", sync_to_thread=True)
def show_published(id: FromPath[int], db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        row = existing(session, Publication, id)
        if row.kind not in KINDS:
            raise NotFound(f"there is no page for a {row.kind}")
        (line,) = lines_of(session, [row], now)
        return page(
            "publication.html",
            frame(session, user, now, "published"),
            line=line,
            text=text_of(row),
            gone=withdrawn_ids(session).get(id),
        )


@post("/published/{id:int}/withdraw", guards=[admin])
async def post_withdraw(
    id: FromPath[int], request: AnyRequest, db: GivenDb, user: GivenUser, clock: GivenClock
) -> Redirect:
    """Take a publication back."""

    def take_back() -> None:
        with db.write() as session:
            withdraw(session, id, by=user.login, now=clock())

    await sync_to_thread(take_back)
    return Redirect(f"/published/{id}", status_code=303)


def _page(
    db: Database, user: Account, now: datetime, refusal: str = "", text: str = "", for_whom: str = ""
) -> Template:
    with look(db) as session:
        lines, total = published_lines(session, now)
        return page(
            "published.html",
            frame(session, user, now, "published"),
            status=400 if refusal else 200,
            lines=lines,
            total=total,
            fetched=fetched_lines(session),
            sites=session.execute(sa.select(Site.id, Site.name).order_by(Site.name)).all(),
            customers=session.execute(sa.select(Customer.id, Customer.name).order_by(Customer.name)).all(),
            refusal=refusal,
            text=text,
            for_whom=for_whom,
        )
