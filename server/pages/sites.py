"""All sites, and one site: what to do there first, what it is held to, who delivers to it, its last runs."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from litestar import get
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy.orm import Session

from server.api.given import GivenClock, GivenDb, GivenUser
from server.delivery.names import existing
from server.pages.documents import with_words
from server.pages.due import bound_targets
from server.pages.frame import frame, look, page
from server.pages.missing import missing_lines
from server.pages.open_findings import unsettled
from server.pages.run_lines import newest_runs
from server.pages.site_lines import SEVERITIES, site_lines, state_of
from server.tables import (
    Assignment,
    Customer,
    Engineer,
    Finding,
    GoLive,
    Product,
    Project,
    Site,
    TargetRow,
    TargetState,
)

MOST_FINDINGS = 60
MOST_TARGETS = 60
LAST_RUNS = 15


@dataclass(frozen=True)
class TargetLine:
    """A target and its findings by status, as the newest counted runs left them."""

    id: str
    name: str
    last_at: datetime | None
    last_run: str | None
    counts: dict[str, int]


@dataclass(frozen=True)
class Holder:
    engineer_id: str
    name: str
    role: str
    share: float


@dataclass(frozen=True)
class ProjectLine:
    """A project, who holds it now, what of it nobody holds, and its cutover attempts."""

    id: str
    name: str
    product: str
    window_days: int
    holders: tuple[Holder, ...]
    unassigned: float
    go_lives: tuple[GoLive, ...]


def targets_of(session: Session, site_id: str) -> list[TargetLine]:
    """The targets of a site with what counts there now."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    by_status = (
        sa.select(Finding.target_id, Finding.status, sa.func.count())
        .where(Finding.site_id == site_id)
        .group_by(Finding.target_id, Finding.status)
    )
    for target, status, number in session.execute(by_status):
        counts[target][status] = number
    query = (
        sa.select(TargetRow.id, TargetRow.name, TargetState.effective_at, TargetState.run_id)
        .outerjoin(TargetState, TargetState.target_id == TargetRow.id)
        .where(TargetRow.site_id == site_id)
        .order_by(TargetRow.name)
        .limit(MOST_TARGETS)
    )
    return [TargetLine(*row, counts=counts[row.id]) for row in session.execute(query)]


def projects_of(session: Session, site_id: str, now: datetime) -> list[ProjectLine]:
    """The projects of a site, who holds them at `now`, and how they went live."""
    holders: dict[str, list[Holder]] = defaultdict(list)
    held = (
        sa.select(
            Assignment.project_id, Assignment.engineer_id, Engineer.name, Assignment.role, Assignment.share
        )
        .join(Engineer, Engineer.id == Assignment.engineer_id)
        .join(Project, Project.id == Assignment.project_id)
        .where(
            Project.site_id == site_id,
            Assignment.valid_from <= now,
            sa.or_(Assignment.valid_until.is_(None), Assignment.valid_until > now),
        )
        .order_by(Assignment.share.desc(), Engineer.name)
    )
    for project, id, name, role, share in session.execute(held):
        holders[project].append(Holder(id, name, role, share))
    attempts: dict[str, list[GoLive]] = defaultdict(list)
    tried = sa.select(GoLive).join(Project, Project.id == GoLive.project_id)
    for attempt in session.scalars(tried.where(Project.site_id == site_id).order_by(GoLive.started_at)):
        attempts[attempt.project_id].append(attempt)
    query = (
        sa.select(Project.id, Project.name, Product.name, Project.window_days)
        .join(Product, Product.id == Project.product_id)
        .where(Project.site_id == site_id)
        .order_by(Project.started_at, Project.id)
    )
    return [
        ProjectLine(
            id=id,
            name=name,
            product=product,
            window_days=window,
            holders=tuple(holders[id]),
            unassigned=max(0.0, round(1 - sum(holder.share for holder in holders[id]), 9)),
            go_lives=tuple(attempts[id]),
        )
        for id, name, product, window in session.execute(query)
    ]


@get("/sites", sync_to_thread=True)
def list_sites(db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        lines = site_lines(session, unsettled(session, ["open"]), bound_targets(session, now))
        return page(
            "sites.html", frame(session, user, now, "sites"), sites=lines, severities=SEVERITIES, most=300
        )


@get("/sites/{id:str}", sync_to_thread=True)
def show_site(id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        site = existing(session, Site, id)
        customer = existing(session, Customer, site.customer_id)
        everything = unsettled(session, ["open", "lapsed"], site_id=id)
        opened = [finding for finding in everything if finding.state == "open"]
        lapsed = [finding for finding in everything if finding.state == "lapsed"]
        bound = bound_targets(session, now, site_id=id)
        runs = newest_runs(session, limit=LAST_RUNS, site_id=id)
        counts = Counter(finding.severity for finding in opened)
        return page(
            "site.html",
            frame(session, user, now, "sites"),
            site=site,
            customer=customer,
            state=state_of(counts, sum(b.overdue for b in bound), reported=bool(runs)),
            counts=counts,
            opened=with_words(session, opened[:MOST_FINDINGS]),
            total_open=len(opened),
            lapsed=lapsed[:MOST_FINDINGS],
            total_lapsed=len(lapsed),
            bound=bound,
            targets=targets_of(session, id),
            projects=projects_of(session, id, now),
            runs=runs,
            missing=missing_lines(session, id),
        )
