"""Decisions over the API: one person proposes, another approves."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from checks.model import Moment, Severity
from server import decisions
from server.api.given import GivenClock, GivenDb, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.tables import Decision


class NewSeverity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another severity for the episode of `finding` that covers `at`."""

    finding: int
    at: Moment
    severity: Severity
    reason: str


class NewCause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another cause for the episode of `finding` that covers `at`."""

    finding: int
    at: Moment
    cause: decisions.Cause
    reason: str


class NewRetirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Puts the lapsed episode of `finding` that covers `at` away."""

    finding: int
    at: Moment
    reason: str


class NewExclusion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Leaves `unit` out of `kpi`; `note` tells the approver more than the typed `reason`."""

    kpi: str
    unit: str
    reason: decisions.ExclusionReason
    note: str


class DecisionView(msgspec.Struct, frozen=True):
    """Pending while neither `approved_at` nor `rejected_at` is set; only approved ones count."""

    id: int
    kind: str
    finding_id: int | None
    at: datetime | None
    kpi: str | None
    unit: str | None
    old_value: str
    new_value: str
    reason: str
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    rejected_at: datetime | None


@post("/decisions/severity", sync_to_thread=True)
def propose_severity(
    data: JSONBody[NewSeverity], db: GivenDb, user: GivenUser, clock: GivenClock
) -> DecisionView:
    with db.write() as session:
        row = decisions.propose_severity(
            session, data.finding, data.at, data.severity.value, data.reason, by=user, now=clock()
        )
        return shown(DecisionView, row)


@post("/decisions/cause", sync_to_thread=True)
def propose_cause(data: JSONBody[NewCause], db: GivenDb, user: GivenUser, clock: GivenClock) -> DecisionView:
    with db.write() as session:
        row = decisions.propose_cause(
            session, data.finding, data.at, data.cause, data.reason, by=user, now=clock()
        )
        return shown(DecisionView, row)


@post("/decisions/retirement", sync_to_thread=True)
def propose_retirement(
    data: JSONBody[NewRetirement], db: GivenDb, user: GivenUser, clock: GivenClock
) -> DecisionView:
    with db.write() as session:
        row = decisions.propose_retirement(session, data.finding, data.at, data.reason, by=user, now=clock())
        return shown(DecisionView, row)


@post("/decisions/exclusion", sync_to_thread=True)
def propose_exclusion(
    data: JSONBody[NewExclusion], db: GivenDb, user: GivenUser, clock: GivenClock
) -> DecisionView:
    with db.write() as session:
        row = decisions.propose_exclusion(
            session, data.kpi, data.unit, data.reason, data.note, by=user, now=clock()
        )
        return shown(DecisionView, row)


@post("/decisions/{id:int}/approve", status_code=200, sync_to_thread=True)
def approve(id: FromPath[int], db: GivenDb, user: GivenUser, clock: GivenClock) -> DecisionView:
    with db.write() as session:
        return shown(DecisionView, decisions.approve(session, id, by=user, now=clock()))


@post("/decisions/{id:int}/reject", status_code=200, sync_to_thread=True)
def reject(id: FromPath[int], db: GivenDb, user: GivenUser, clock: GivenClock) -> DecisionView:
    with db.write() as session:
        return shown(DecisionView, decisions.reject(session, id, by=user, now=clock()))


@get("/decisions", sync_to_thread=True)
def list_decisions(
    db: GivenDb,
    outcome: FromQuery[Literal["pending", "approved", "rejected", "all"]] = "all",
    after: After = "",
    limit: Limit = DEFAULT,
) -> Listing[DecisionView]:
    """Newest first."""
    query = sa.select(Decision)
    if outcome == "pending":
        query = query.where(Decision.approved_at.is_(None), Decision.rejected_at.is_(None))
    elif outcome == "approved":
        query = query.where(Decision.approved_at.is_not(None))
    elif outcome == "rejected":
        query = query.where(Decision.rejected_at.is_not(None))
    with db.read() as session:
        return by_id(session, DecisionView, query, Decision.id, after=after, limit=limit, newest_first=True)


ROUTES = [
    propose_severity,
    propose_cause,
    propose_retirement,
    propose_exclusion,
    approve,
    reject,
    list_decisions,
]
