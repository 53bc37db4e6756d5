"""Enrolling machines: an admin makes a one-time token, the machine comes with it and its public key."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa
from litestar import get, post
from litestar.params import FromPath, JSONBody

from checks.envelope import Enrolled, Enrolment
from server import delivery
from server.api.given import GivenClock, GivenDb, GivenSettings, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.auth.web import admin
from server.delivery.enrolment import enrol_command
from server.delivery.names import existing
from server.tables import AgentRow, Site


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


@post("/agents/{id:str}/revoke", status_code=200, guards=[admin], sync_to_thread=True)
def revoke_agent(id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> AgentView:
    with db.write() as session:
        return shown(AgentView, delivery.revoke_agent(session, id, by=user.login, now=clock()))


ROUTES = [add_enrolment_token, enrol, list_agents, revoke_agent]
