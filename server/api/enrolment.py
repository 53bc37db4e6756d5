"""Enrolling machines: an admin makes a one-time token, the machine comes with it and its public key.

After that an agent changes its key by itself, an admin revokes it, and rules on the branches of its chain.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, FromQuery, JSONBody

from checks.envelope import (
    HEADER_NEW_SIGNATURE,
    HEADER_SIGNATURE,
    Enrolled,
    Enrolment,
    KeyChanged,
)
from checks.signed import key_name
from server import delivery
from server.api.given import GivenClock, GivenDb, GivenSettings, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.auth.web import admin
from server.delivery.enrolment import enrol_command
from server.delivery.names import existing
from server.ingest import branches
from server.ingest.branches import branches_of
from server.tables import AgentKey, AgentRow, Site


class NewEnrolmentToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first plan reported under the token is accepted and bound to `project`, or to the site alone."""

    site: str
    project: str | None = None
    profile: str = ""
    interval_s: int = 86_400
    hours: float = 24.0


class EnrolmentTokenView(msgspec.Struct, frozen=True):
    """`token` is shown this once; `command` is what to type on the machine."""

    token: str
    expires_at: datetime
    command: str


class AgentView(msgspec.Struct, frozen=True):
    id: str
    site_id: str
    target_id: str
    enrolled_at: datetime
    last_seen_at: datetime | None
    clock_offset_ms: int


class KeyView(msgspec.Struct, frozen=True):
    """`name` is the beginning of the key's digest; up to `last_sequence` it is valid, null for the newest."""

    name: str
    created_at: datetime
    last_sequence: int | None
    revoked_at: datetime | None


class BranchView(msgspec.Struct, frozen=True):
    """Held runs that follow each other. `newest` is a run of it, by which it can be accepted."""

    newest: str
    first: int
    last: int
    runs: int
    last_received: datetime
    stranger: bool


class AgentDetail(msgspec.Struct, frozen=True):
    agent: AgentView
    fingerprint: str
    keys: list[KeyView]
    branches: list[BranchView]


class BranchAccepted(msgspec.Struct, frozen=True):
    """How many runs count that were held before."""

    runs: int


@post("/enrolment-tokens", guards=[admin], sync_to_thread=True)
def add_enrolment_token(
    data: JSONBody[NewEnrolmentToken],
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    settings: GivenSettings,
) -> EnrolmentTokenView:
    now, valid_for = clock(), timedelta(hours=min(max(data.hours, 0.0), 1e6))
    with db.write() as session:
        token = delivery.issue_enrolment_token(
            session,
            data.site,
            project_id=data.project,
            profile_id=data.profile,
            interval_s=data.interval_s,
            valid_for=valid_for,
            by=user.login,
            now=now,
        )
    return EnrolmentTokenView(token, now + valid_for, enrol_command(settings.url, token))


@post("/enrol", status_code=200, opt={"public": True}, sync_to_thread=True)
def enrol(data: JSONBody[Enrolment], db: GivenDb, clock: GivenClock) -> Enrolled:
    with db.write() as session:
        return delivery.enrol(session, data, now=clock())


@get("/sites/{id:str}/agents", sync_to_thread=True)
def list_agents(
    id: FromPath[str], db: GivenDb, after: After = "", limit: Limit = DEFAULT
) -> Listing[AgentView]:
    with db.read() as session:
        existing(session, Site, id)
        query = sa.select(AgentRow).where(AgentRow.site_id == id)
        return by_id(session, AgentView, query, AgentRow.id, after=after, limit=limit)


@get("/agents/{id:str}", sync_to_thread=True)
def show_agent(id: FromPath[str], db: GivenDb) -> AgentDetail:
    with db.read() as session:
        agent = existing(session, AgentRow, id)
        keys = session.scalars(sa.select(AgentKey).where(AgentKey.agent_id == id).order_by(AgentKey.id))
        return AgentDetail(
            agent=shown(AgentView, agent),
            fingerprint=agent.fingerprint,
            keys=[
                KeyView(key_name(key.public_key), key.created_at, key.last_sequence, key.revoked_at)
                for key in keys
            ],
            branches=[
                msgspec.convert(one, BranchView, from_attributes=True) for one in branches_of(session, id)
            ],
        )


@post("/agents/{id:str}/revoke", status_code=200, guards=[admin], sync_to_thread=True)
def revoke_agent(
    id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock, reason: FromQuery[str] = ""
) -> AgentView:
    with db.write() as session:
        agent = delivery.revoke_agent(session, id, by=user.login, now=clock(), reason=reason)
        return shown(AgentView, agent)


@post("/agents/{id:str}/keys", status_code=200, opt={"public": True})
async def change_key(
    id: FromPath[str], request: Request[Any, Any, Any], db: GivenDb, clock: GivenClock
) -> KeyChanged:
    """An agent's next key. The body is a `KeyChange`; both keys sign it, in two headers."""
    body = await request.body()

    def change() -> KeyChanged:
        with db.write() as session:
            return delivery.rotate_key(
                session,
                id,
                body=body,
                signature=request.headers.get(HEADER_SIGNATURE, ""),
                new_signature=request.headers.get(HEADER_NEW_SIGNATURE, ""),
                now=clock(),
            )

    return await sync_to_thread(change)


@post("/runs/{id:str}/accept-branch", status_code=200, guards=[admin], sync_to_thread=True)
def accept_branch(id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> BranchAccepted:
    """Let a held run count, with what is before and after it on its branch; the other branch is left."""
    with db.write() as session:
        return BranchAccepted(branches.accept_branch(session, id, by=user.login, now=clock()))


ROUTES = [
    add_enrolment_token,
    enrol,
    list_agents,
    show_agent,
    revoke_agent,
    change_key,
    accept_branch,
]
