"""Which profile a target is held to, and which of the plans that were reported a person has accepted.

A plan counts from the moment it is accepted, by the server's clock and never for the past: a threshold
cannot be loosened after the fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server import audit
from server.delivery.names import existing, expected_interval
from server.delivery.refold import refold_targets
from server.errors import NotFound, Refused
from server.plans import Entry, decode
from server.tables import AcceptedPlan, Binding, Micros, Plan, Project, ReportedPlan, TargetRow


@dataclass(frozen=True)
class Difference:
    """What accepting a plan would change: items that come, items that go, and (was, would be) pairs."""

    added: tuple[Entry, ...]
    removed: tuple[Entry, ...]
    changed: tuple[tuple[Entry, Entry], ...]


@dataclass(frozen=True)
class Proposal:
    """A plan that a binding could hold its target to: one that runs reported, or that it had before.

    `first_run` and `first_seen` say which run first came with it while another was in force (or none);
    `accepted_at` when it was last accepted under this binding.
    """

    digest: str
    in_force: bool
    first_run: str | None
    first_seen: datetime | None
    accepted_at: datetime | None
    difference: Difference


def bind(
    session: Session,
    target_id: str,
    profile_id: str,
    *,
    by: str,
    now: datetime,
    project_id: str | None = None,
    interval_s: int = 86_400,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    accepts_first: bool = True,
) -> Binding:
    """Hold a target to a profile, expected every `interval_s` seconds, for a project or for the site alone.

    With `accepts_first` the first plan reported under it is accepted with it. Raises `Refused` where
    another binding at the same time is to another project, or is of the same profile.
    """
    target = existing(session, TargetRow, target_id, lock=True)
    if not profile_id or len(profile_id) > 200:
        raise BadInput("a binding names a profile, such as linux-server")
    expected_interval(interval_s)
    if project_id is not None:
        project = existing(session, Project, project_id)
        if project.site_id != target.site_id:
            raise Refused(
                f"target {target_id} stands at site {target.site_id}, project {project_id} at"
                f" {project.site_id}"
            )
    start = valid_from or now
    if valid_until is not None and valid_until <= start:
        raise BadInput("valid_until must be after valid_from")
    for other in session.scalars(sa.select(Binding).where(Binding.target_id == target_id)):
        if not _meets(other, start, valid_until):
            continue
        if other.profile_id == profile_id:
            raise Refused(f"target {target_id} is already bound to {profile_id} then (binding {other.id})")
        if other.project_id and project_id and other.project_id != project_id:
            raise Refused(
                f"target {target_id} is bound to project {other.project_id} then (binding {other.id});"
                " one target cannot count for two projects at a time"
            )
    row = Binding(
        target_id=target_id,
        profile_id=profile_id,
        project_id=project_id,
        interval_s=interval_s,
        valid_from=start,
        valid_until=valid_until,
        accepts_first=accepts_first,
    )
    session.add(row)
    session.flush()
    backdated = " (back-dated)" if start < now else ""
    detail = (
        f"binding {row.id}: {profile_id} every {interval_s} s for {project_id or 'the site'}"
        f" from {start.isoformat()}{backdated}"
    )
    audit.record(session, now, by, "bind", f"target:{target_id}", detail)
    return row


def end_binding(
    session: Session, binding_id: int, *, by: str, now: datetime, valid_until: datetime | None = None
) -> Binding:
    """End a binding now or later; its open episodes lapse then.

    Never for the past: what was held to the profile then has counted.
    """
    row = existing(session, Binding, binding_id)
    until = valid_until or now
    if until < now:
        raise BadInput("a binding ends now or later; what counted under it in the past stays")
    if until <= row.valid_from:
        raise BadInput(f"binding {binding_id} begins at {row.valid_from.isoformat()}, after that end")
    ended = session.execute(
        sa.update(Binding)
        .where(Binding.id == binding_id, sa.or_(Binding.valid_until.is_(None), Binding.valid_until > until))
        .values(valid_until=until)
        .returning(Binding.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    session.refresh(row)
    if ended is None:
        raise Refused(f"binding {binding_id} already ends at {row.valid_until}")
    detail = f"binding {row.id} of {row.profile_id} until {until.isoformat()}"
    audit.record(session, now, by, "end-binding", f"target:{row.target_id}", detail)
    refold_targets(session, [row.target_id])
    return row


def plan_in_force(session: Session, binding_id: int, at: datetime) -> Plan | None:
    """The plan that the binding holds its target to at a moment."""
    newest = (
        sa.select(Plan)
        .join(AcceptedPlan, AcceptedPlan.plan_id == Plan.id)
        .where(AcceptedPlan.binding_id == binding_id, AcceptedPlan.valid_from <= at)
        .order_by(AcceptedPlan.valid_from.desc(), AcceptedPlan.id.desc())
        .limit(1)
    )
    return session.scalar(newest)


def proposals(session: Session, binding_id: int, now: datetime) -> list[Proposal]:
    """The plan in force first, then every other one, newest first, each with what it would change."""
    binding = existing(session, Binding, binding_id)
    current = plan_in_force(session, binding_id, now)
    accepted = (
        sa.select(AcceptedPlan.plan_id, sa.func.max(AcceptedPlan.valid_from).label("at"))
        .where(AcceptedPlan.binding_id == binding_id)
        .group_by(AcceptedPlan.plan_id)
        .subquery()
    )
    of_binding = (
        sa.select(Plan, ReportedPlan, sa.type_coerce(accepted.c.at, Micros()))
        .outerjoin(ReportedPlan, _reported_for(binding))
        .outerjoin(accepted, accepted.c.plan_id == Plan.id)
        .where(sa.or_(ReportedPlan.id.is_not(None), accepted.c.at.is_not(None)))
    )
    found = [
        Proposal(
            digest=plan.digest,
            in_force=current is not None and current.id == plan.id,
            first_run=report.first_run if report is not None else None,
            first_seen=report.first_at if report is not None else None,
            accepted_at=accepted_at,
            difference=difference(current, plan),
        )
        for plan, report, accepted_at in session.execute(of_binding)
    ]
    return sorted(found, key=lambda p: (p.in_force, p.first_seen or p.accepted_at or now), reverse=True)


def _reported_for(binding: Binding) -> sa.ColumnElement[bool]:
    return sa.and_(
        ReportedPlan.plan_id == Plan.id,
        ReportedPlan.target_id == binding.target_id,
        ReportedPlan.profile_id == binding.profile_id,
    )


def difference(accepted: Plan | None, proposed: Plan) -> Difference:
    """What would change if `proposed` replaced `accepted`."""
    old = decode(accepted.entries) if accepted is not None else {}
    new = decode(proposed.entries)
    return Difference(
        added=tuple(new[item] for item in sorted(new.keys() - old.keys())),
        removed=tuple(old[item] for item in sorted(old.keys() - new.keys())),
        changed=tuple(
            (old[item], new[item]) for item in sorted(old.keys() & new.keys()) if old[item] != new[item]
        ),
    )


def accept_plan(
    session: Session, binding_id: int, digest: str, *, by: str, now: datetime, instead_of: str | None = None
) -> AcceptedPlan:
    """Hold the binding's target to a plan that its runs reported, from `now` on.

    `instead_of` is the digest of the plan the person saw in force ("" for none): raises `Refused` if
    another was accepted meanwhile. Episodes of items that are no longer in the plan lapse.
    """
    binding = existing(session, Binding, binding_id, lock=True)
    if binding.valid_from > now or (binding.valid_until is not None and binding.valid_until <= now):
        raise Refused(f"binding {binding_id} is not in force")
    current = plan_in_force(session, binding_id, now)
    seen = current.digest if current is not None else ""
    if instead_of is not None and instead_of != seen:
        raise Refused(f"another plan of binding {binding_id} was accepted meanwhile; look at it first")
    if digest == seen:
        raise Refused(f"this plan of binding {binding_id} is already in force")
    known = sa.or_(
        sa.exists().where(_reported_for(binding)),
        sa.exists().where(AcceptedPlan.plan_id == Plan.id, AcceptedPlan.binding_id == binding_id),
    )
    plan = session.scalar(sa.select(Plan).where(Plan.digest == digest, known))
    if plan is None:
        raise NotFound(f"no run under binding {binding_id} reported a plan {digest}")
    newest = sa.select(sa.func.max(AcceptedPlan.valid_from)).where(AcceptedPlan.binding_id == binding_id)
    last = session.scalar(newest)
    if last is not None and last >= now:
        raise Refused(f"a plan of binding {binding_id} is already accepted from {last.isoformat()} on")
    row = AcceptedPlan(
        binding_id=binding_id, plan_id=plan.id, valid_from=now, accepted_by=by, accepted_at=now
    )
    session.add(row)
    session.flush()
    change = difference(current, plan)
    detail = (
        f"plan {digest[:12]} for binding {binding_id}: {len(change.added)} added,"
        f" {len(change.removed)} removed, {len(change.changed)} changed"
    )
    audit.record(session, now, by, "accept-plan", f"target:{binding.target_id}", detail)
    refold_targets(session, [binding.target_id])
    return row


def _meets(other: Binding, start: datetime, until: datetime | None) -> bool:
    return (until is None or other.valid_from < until) and (
        other.valid_until is None or start < other.valid_until
    )
