"""What targets are held to and whether they report in time; the plans that wait for a person's word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from server.tables import AcceptedPlan, Binding, Plan, Receipt, ReportedPlan, Site, TargetRow, TargetRun

GRACE = 0.25
"""A binding is overdue once its interval and this part of it have passed: timers wait and machines reboot."""


@dataclass(frozen=True)
class Bound:
    """A binding in force. `last_at` is its newest run that counted; `proposed_run` first reported a plan
    that nobody has accepted, and the newest run still does not count in full.
    """

    id: int
    target_id: str
    target: str
    site_id: str
    site_name: str
    profile: str
    project_id: str | None
    interval_s: int
    valid_from: datetime
    last_at: datetime | None
    last_run: str | None
    accepted_digest: str | None
    accepted_from: datetime | None
    accepted_by: str | None
    proposed_run: str | None
    proposed_at: datetime | None
    overdue_from: datetime
    overdue: bool


def bound_targets(session: Session, now: datetime, *, site_id: str | None = None) -> list[Bound]:
    """The bindings in force, by site and target."""
    in_force = (
        sa.select(AcceptedPlan.id)
        .where(AcceptedPlan.binding_id == Binding.id, AcceptedPlan.valid_from <= now)
        .order_by(AcceptedPlan.valid_from.desc(), AcceptedPlan.id.desc())
        .limit(1)
        .correlate(Binding)
        .scalar_subquery()
    )
    # Walks the target's runs from the newest (the primary key): the first of the profile is the answer.
    newest = (
        sa.select(TargetRun.run_id)
        .join(Receipt, Receipt.id == TargetRun.run_id)
        .where(TargetRun.target_id == Binding.target_id, Receipt.profile_id == Binding.profile_id)
        .order_by(TargetRun.effective_at.desc(), TargetRun.run_id.desc())
        .limit(1)
        .correlate(Binding)
        .scalar_subquery()
    )
    run = aliased(Receipt)
    query = (
        sa.select(
            Binding.id,
            Binding.target_id,
            TargetRow.name.label("target"),
            Site.id.label("site_id"),
            Site.name.label("site_name"),
            Binding.profile_id,
            Binding.project_id,
            Binding.interval_s,
            Binding.valid_from,
            run.effective_at,
            run.id.label("run_id"),
            Plan.digest,
            AcceptedPlan.valid_from.label("accepted_from"),
            AcceptedPlan.accepted_by,
        )
        .join(TargetRow, TargetRow.id == Binding.target_id)
        .join(Site, Site.id == TargetRow.site_id)
        .outerjoin(AcceptedPlan, AcceptedPlan.id == in_force)
        .outerjoin(Plan, Plan.id == AcceptedPlan.plan_id)
        .outerjoin(run, run.id == newest)
        .where(Binding.valid_from <= now, sa.or_(Binding.valid_until.is_(None), Binding.valid_until > now))
        .order_by(Site.name, TargetRow.name, Binding.profile_id)
    )
    if site_id is not None:
        query = query.where(Site.id == site_id)
    waiting = _waiting_plans(session, site_id)
    found = []
    for row in session.execute(query):
        interval = timedelta(seconds=row.interval_s)
        overdue_from = (row.effective_at or row.valid_from) + interval * (1 + GRACE)
        proposed_run, proposed_at = waiting.get(row.id, (None, None))
        found.append(
            Bound(
                id=row.id,
                target_id=row.target_id,
                target=row.target,
                site_id=row.site_id,
                site_name=row.site_name,
                profile=row.profile_id,
                project_id=row.project_id,
                interval_s=row.interval_s,
                valid_from=row.valid_from,
                last_at=row.effective_at,
                last_run=row.run_id,
                accepted_digest=row.digest,
                accepted_from=row.accepted_from,
                accepted_by=row.accepted_by,
                proposed_run=proposed_run,
                proposed_at=proposed_at,
                overdue_from=overdue_from,
                overdue=overdue_from < now,
            )
        )
    return found


def _waiting_plans(session: Session, site_id: str | None) -> dict[int, tuple[str, datetime]]:
    """By binding, the newest reported plan that it never accepted and the run that first came with it.

    Only where the site's newest run of the profile was not counted in full: a plan that was tried once and
    left again is no proposal.
    """
    newest_flags = (
        sa.select(Receipt.flags)
        .where(Receipt.site_id == TargetRow.site_id, Receipt.profile_id == Binding.profile_id)
        .order_by(Receipt.effective_at.desc(), Receipt.id.desc())
        .limit(1)
        .correlate(TargetRow, Binding)
        .scalar_subquery()
    )
    accepted = (
        sa.select(AcceptedPlan.id)
        .where(AcceptedPlan.binding_id == Binding.id, AcceptedPlan.plan_id == ReportedPlan.plan_id)
        .exists()
    )
    query = (
        sa.select(Binding.id, ReportedPlan.first_run, ReportedPlan.first_at)
        .join(TargetRow, TargetRow.id == Binding.target_id)
        .join(
            ReportedPlan,
            sa.and_(
                ReportedPlan.target_id == Binding.target_id, ReportedPlan.profile_id == Binding.profile_id
            ),
        )
        .where(~accepted, newest_flags.contains("adhoc"))
        .order_by(ReportedPlan.first_at, ReportedPlan.id)
    )
    if site_id is not None:
        query = query.where(TargetRow.site_id == site_id)
    return {binding: (run, at) for binding, run, at in session.execute(query)}
