"""All agents, and one agent: when it was last seen, its keys, the branches of its chain, and what to do."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from checks.signed import key_name
from server import delivery
from server.agents import STATES, agent_lines, with_versions
from server.api.given import GivenClock, GivenDb, GivenUser
from server.auth.web import admin
from server.delivery.names import existing
from server.gaps import missing_of
from server.ingest.branches import accept_branch, branches_of
from server.pages.frame import frame, look, page
from server.pages.run_lines import newest_runs
from server.publishing.standing import standing
from server.tables import AgentKey, AgentRow, AgentRules, AuditEntry, Site

MOST_AGENTS = 200
LAST_DEEDS = 20
LAST_RUNS = 10

AnyRequest = Request[Any, Any, Any]


@get("/agents", sync_to_thread=True)
def list_agents(
    db: GivenDb, user: GivenUser, clock: GivenClock, site: FromQuery[str] = "", only: FromQuery[str] = ""
) -> Template:
    now = clock()
    with look(db) as session:
        named = existing(session, Site, site) if site else None
        every = agent_lines(session, now, site_id=site)
        lines = [line for line in every if not only or line.state == only]
        return page(
            "agents.html",
            frame(session, user, now, "agents"),
            site=named,
            chosen=only if only in STATES else "",
            counts={word: sum(line.state == word for line in every) for word in STATES},
            total=len(lines),
            everything=len(every),
            agents=with_versions(session, lines[:MOST_AGENTS]),
        )


@get("/agents/{id:str}", sync_to_thread=True)
def show_agent(id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        agent = existing(session, AgentRow, id)
        (line,) = with_versions(session, agent_lines(session, now, agent_id=id))
        keys = session.scalars(
            sa.select(AgentKey).where(AgentKey.agent_id == id).order_by(AgentKey.id.desc())
        ).all()
        deeds = session.scalars(
            sa.select(AuditEntry)
            .where(AuditEntry.subject == f"agent:{id}")
            .order_by(AuditEntry.id.desc())
            .limit(LAST_DEEDS)
        ).all()
        return page(
            "agent.html",
            frame(session, user, now, "agents"),
            agent=agent,
            line=line,
            keys=[(key_name(key.public_key), key) for key in keys],
            branches=branches_of(session, id),
            deeds=deeds,
            missing=missing_of(session, id),
            rules=session.get(AgentRules, id),
            published=standing(session, agent.site_id).version,
            runs=newest_runs(session, limit=LAST_RUNS, site_id=agent.site_id, agent_id=id),
        )


@post("/agents/{id:str}/revoke", guards=[admin])
async def post_revoke(
    id: FromPath[str], request: AnyRequest, db: GivenDb, user: GivenUser, clock: GivenClock
) -> Redirect:
    """Trust no key of the agent any more."""
    reason = str((await request.form()).get("reason", ""))

    def revoke() -> None:
        with db.write() as session:
            delivery.revoke_agent(session, id, by=user.login, now=clock(), reason=reason)

    await sync_to_thread(revoke)
    return Redirect(f"/agents/{id}", status_code=303)


@post("/agents/{id:str}/accept-branch", guards=[admin])
async def post_accept_branch(
    id: FromPath[str], request: AnyRequest, db: GivenDb, user: GivenUser, clock: GivenClock
) -> Redirect:
    """Let a held branch count, and leave the one that counted so far."""
    run = str((await request.form()).get("run", ""))

    def accept() -> None:
        with db.write() as session:
            accept_branch(session, run, by=user.login, now=clock())

    await sync_to_thread(accept)
    return Redirect(f"/agents/{id}", status_code=303)
