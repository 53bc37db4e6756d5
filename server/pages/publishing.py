"""What is published for sites: the list, one publication in full; admins publish and withdraw here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from litestar.response import Redirect, Template
from sqlalchemy.orm import Session, defer

from checks.errors import BadInput
from checks.rules import PublishedProfile, ScheduleEntry, Waiver
from server.api.given import GivenClock, GivenDb, GivenUser
from server.auth.account import Account
from server.auth.web import admin
from server.db import Database
from server.delivery.names import existing
from server.pages.frame import frame, look, page
from server.publishing.audience import audience_in, audience_of
from server.publishing.events import publish_profile, withdraw
from server.publishing.standing import newest_of_each, withdrawn_ids
from server.tables import AgentRow, AgentRules, Customer, Publication, Site

AnyRequest = Request[Any, Any, Any]

KINDS = ("profile", "schedule", "waiver")
MOST = 300


@dataclass(frozen=True)
class Line:
    """A publication as the list shows it; `left` says why it is not in force, empty where it is."""

    id: int
    kind: str
    words: str
    audience: str
    site_id: str | None
    by: str
    at: datetime
    left: str


@dataclass(frozen=True)
class Fetched:
    """What the agents of a site have: of how many of them, how many the newest that any of them fetched."""

    site_id: str
    site_name: str
    agents: int
    fetched: int
    newest_at: datetime | None


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
    with look(db) as session:
        row = existing(session, Publication, id)
        gone = withdrawn_ids(session)
        text = ""
        if row.kind == "profile":
            text = msgspec.json.decode(row.document, type=PublishedProfile).text
        return page(
            "publication.html",
            frame(session, user, clock(), "published"),
            line=_lines(session, [row], gone)[0],
            text=text,
            gone=gone.get(id),
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
        query = sa.select(Publication).where(Publication.kind.in_(KINDS)).order_by(Publication.id.desc())
        rows = session.scalars(query.limit(MOST)).all()
        return page(
            "published.html",
            frame(session, user, now, "published"),
            status=400 if refusal else 200,
            lines=_lines(session, rows, withdrawn_ids(session)),
            fetched=_fetched(session),
            sites=session.execute(sa.select(Site.id, Site.name).order_by(Site.name)).all(),
            customers=session.execute(sa.select(Customer.id, Customer.name).order_by(Customer.name)).all(),
            refusal=refusal,
            text=text,
            for_whom=for_whom,
        )


def _lines(session: Session, rows: Any, gone: dict[int, Publication]) -> list[Line]:
    named = sa.select(Publication).where(Publication.kind.in_(KINDS)).order_by(Publication.id)
    every = session.scalars(named.options(defer(Publication.document))).all()
    standing = newest_of_each(every, gone)
    return [
        Line(
            row.id,
            row.kind,
            _words(row),
            str(audience_in(row)),
            row.site_id,
            row.by,
            row.at,
            "" if row.id in standing else "withdrawn" if row.id in gone else "replaced",
        )
        for row in rows
    ]


def _words(row: Publication) -> str:
    if row.kind == "waiver":
        waiver = msgspec.json.decode(row.document, type=Waiver)
        place = " ".join(filter(None, (waiver.item, waiver.object, waiver.target and f"at {waiver.target}")))
        until = f"{waiver.expires:%Y-%m-%d}"
        return f"{place} until {until}, approved by {waiver.approved_by}: {waiver.reason}"
    if row.kind == "schedule":
        entry = msgspec.json.decode(row.document, type=ScheduleEntry)
        when = f"every {entry.every}" if entry.every else f"at {entry.cron}"
        return f"{entry.name}, {when}, {entry.profile or 'the profile of the enrolment'}"
    return f"{row.name} {row.label}"


def _fetched(session: Session) -> list[Fetched]:
    """Per site with agents, how many have fetched something."""
    query = (
        sa.select(
            Site.id,
            Site.name,
            sa.func.count(AgentRow.id),
            sa.func.count(AgentRules.agent_id),
            sa.type_coerce(sa.func.max(AgentRules.fetched_at), AgentRules.fetched_at.type),
        )
        .join(AgentRow, AgentRow.site_id == Site.id)
        .outerjoin(AgentRules, AgentRules.agent_id == AgentRow.id)
        .group_by(Site.id, Site.name)
        .order_by(Site.name)
        .limit(MOST)
    )
    return [Fetched(*row) for row in session.execute(query)]
