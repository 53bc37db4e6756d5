"""Assignments, handovers and go-lives of projects over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa
from litestar import get, patch, post
from litestar.params import FromPath, JSONBody

from checks.model import Moment
from server import delivery
from server.api.given import GivenClock, GivenDb, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.auth.web import admin
from server.delivery.names import existing
from server.tables import Assignment, GoLive, Handover, Project


class NewAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`share` is the engineer's part of the project, above 0 and at most 1; `valid_from` defaults to now."""

    project: str
    engineer: str
    role: str
    share: float = 1.0
    valid_from: Moment | None = None
    valid_until: Moment | None = None


class AssignmentView(msgspec.Struct, frozen=True):
    id: int
    project_id: str
    engineer_id: str
    role: str
    share: float
    valid_from: datetime
    valid_until: datetime | None


class EndAssignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    valid_until: Moment


class NewHandover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`run` is the baseline both engineers stand for; what fails there stays with `from_engineer`."""

    project: str
    role: str
    to_engineer: str
    run: str
    from_engineer: str | None = None


class HandoverView(msgspec.Struct, frozen=True):
    id: int
    project_id: str
    role: str
    from_engineer_id: str | None
    to_engineer_id: str
    run_id: str
    at: datetime


class NewGoLive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    project: str
    started_at: Moment | None = None


class Cutover(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cutover_at: Moment | None = None


class EndGoLive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    outcome: Literal["live", "aborted", "rolled-back"]
    ended_at: Moment | None = None


class GoLiveView(msgspec.Struct, frozen=True):
    id: int
    project_id: str
    started_at: datetime
    cutover_at: datetime | None
    outcome: str
    ended_at: datetime | None


@post("/assignments", guards=[admin], sync_to_thread=True)
def add_assignment(
    data: JSONBody[NewAssignment], db: GivenDb, user: GivenUser, clock: GivenClock
) -> AssignmentView:
    with db.write() as session:
        row = delivery.assign(
            session,
            data.project,
            data.engineer,
            data.role,
            share=data.share,
            valid_from=data.valid_from,
            valid_until=data.valid_until,
            by=user.login,
            now=clock(),
        )
        return shown(AssignmentView, row)


@patch("/assignments/{id:int}", guards=[admin], sync_to_thread=True)
def end_assignment(
    id: FromPath[int], data: JSONBody[EndAssignment], db: GivenDb, user: GivenUser, clock: GivenClock
) -> AssignmentView:
    with db.write() as session:
        row = delivery.end_assignment(session, id, data.valid_until, by=user.login, now=clock())
        return shown(AssignmentView, row)


@get("/projects/{id:str}/assignments", sync_to_thread=True)
def list_assignments(
    id: FromPath[str], db: GivenDb, after: After = "", limit: Limit = DEFAULT
) -> Listing[AssignmentView]:
    with db.read() as session:
        existing(session, Project, id)
        query = sa.select(Assignment).where(Assignment.project_id == id)
        return by_id(session, AssignmentView, query, Assignment.id, after=after, limit=limit)


@post("/handovers", guards=[admin], sync_to_thread=True)
def add_handover(
    data: JSONBody[NewHandover], db: GivenDb, user: GivenUser, clock: GivenClock
) -> HandoverView:
    with db.write() as session:
        row = delivery.record_handover(
            session,
            data.project,
            data.role,
            data.to_engineer,
            data.run,
            from_engineer_id=data.from_engineer,
            by=user.login,
            now=clock(),
        )
        return shown(HandoverView, row)


@get("/projects/{id:str}/handovers", sync_to_thread=True)
def list_handovers(
    id: FromPath[str], db: GivenDb, after: After = "", limit: Limit = DEFAULT
) -> Listing[HandoverView]:
    with db.read() as session:
        existing(session, Project, id)
        query = sa.select(Handover).where(Handover.project_id == id)
        return by_id(session, HandoverView, query, Handover.id, after=after, limit=limit)


@post("/go-lives", guards=[admin], sync_to_thread=True)
def start_go_live(data: JSONBody[NewGoLive], db: GivenDb, user: GivenUser, clock: GivenClock) -> GoLiveView:
    with db.write() as session:
        row = delivery.record_go_live(
            session, data.project, started_at=data.started_at, by=user.login, now=clock()
        )
        return shown(GoLiveView, row)


@post("/go-lives/{id:int}/cutover", status_code=200, guards=[admin], sync_to_thread=True)
def record_cutover(
    id: FromPath[int], data: JSONBody[Cutover], db: GivenDb, user: GivenUser, clock: GivenClock
) -> GoLiveView:
    with db.write() as session:
        row = delivery.record_cutover(session, id, cutover_at=data.cutover_at, by=user.login, now=clock())
        return shown(GoLiveView, row)


@post("/go-lives/{id:int}/end", status_code=200, guards=[admin], sync_to_thread=True)
def end_go_live(
    id: FromPath[int], data: JSONBody[EndGoLive], db: GivenDb, user: GivenUser, clock: GivenClock
) -> GoLiveView:
    with db.write() as session:
        row = delivery.end_go_live(
            session, id, data.outcome, ended_at=data.ended_at, by=user.login, now=clock()
        )
        return shown(GoLiveView, row)


@get("/projects/{id:str}/go-lives", sync_to_thread=True)
def list_go_lives(
    id: FromPath[str], db: GivenDb, after: After = "", limit: Limit = DEFAULT
) -> Listing[GoLiveView]:
    with db.read() as session:
        existing(session, Project, id)
        query = sa.select(GoLive).where(GoLive.project_id == id)
        return by_id(session, GoLiveView, query, GoLive.id, after=after, limit=limit)


ROUTES = [
    add_assignment,
    end_assignment,
    list_assignments,
    add_handover,
    list_handovers,
    start_go_live,
    record_cutover,
    end_go_live,
    list_go_lives,
]
