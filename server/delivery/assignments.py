"""Who holds which role in a project, with what share and since when; and at which run it was handed over.

An edit for the past is allowed and audited: attribution is a function of effective times, so it is worked
out again in the same transaction.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server import audit
from server.delivery.names import existing
from server.delivery.refold import refold_project
from server.errors import NotFound, Refused
from server.tables import Assignment, Engineer, Handover, Project, Receipt

# Thirds entered as 0.3333 or as 1/3 are meant to add up.
TOLERANCE = 1e-9


def assign(
    session: Session,
    project_id: str,
    engineer_id: str,
    role: str,
    *,
    by: str,
    now: datetime,
    share: float = 1.0,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> Assignment:
    """An engineer holds a role in [valid_from, valid_until), by default from now on.

    Raises `Refused` where the project's shares would exceed 1 at any moment, or where the engineer already
    holds this role then.
    """
    existing(session, Project, project_id, lock=True)
    existing(session, Engineer, engineer_id)
    _role(role)
    if not 0 < share <= 1:
        raise BadInput(f"share is {share:g}; right is above 0 and at most 1")
    start = valid_from or now
    if valid_until is not None and valid_until <= start:
        raise BadInput("valid_until must be after valid_from")
    others = list(session.scalars(sa.select(Assignment).where(Assignment.project_id == project_id)))
    row = Assignment(
        project_id=project_id,
        engineer_id=engineer_id,
        role=role,
        share=share,
        valid_from=start,
        valid_until=valid_until,
    )
    for other in others:
        if (other.engineer_id, other.role) == (engineer_id, role) and _overlap(other, row):
            raise Refused(
                f"{engineer_id} already is {role} of {project_id} since {other.valid_from:%Y-%m-%d};"
                f" end assignment {other.id} first"
            )
    moment, total = fullest_moment([*others, row])
    if total > 1 + TOLERANCE:
        raise Refused(
            f"the shares of {project_id} would add up to {total:.4g} on {moment:%Y-%m-%d %H:%M} UTC;"
            " at most 1 is possible"
        )
    session.add(row)
    session.flush()
    backdated = " (back-dated)" if start < now else ""
    detail = f"{engineer_id} as {role}, share {share:g}, from {start.isoformat()}{backdated}"
    audit.record(session, now, by, "assign", f"project:{project_id}", detail)
    refold_project(session, project_id)
    return row


def end_assignment(
    session: Session, assignment_id: int, valid_until: datetime, *, by: str, now: datetime
) -> Assignment:
    """End an assignment; raises `Refused` where it already ended, whoever asked first."""
    row = existing(session, Assignment, assignment_id)
    if valid_until <= row.valid_from:
        raise BadInput(f"an assignment from {row.valid_from.isoformat()} cannot end before it began")
    ended = session.execute(
        sa.update(Assignment)
        .where(
            Assignment.id == assignment_id,
            # Shortening never lifts a moment's sum of shares; stretching could.
            sa.or_(Assignment.valid_until.is_(None), Assignment.valid_until > valid_until),
        )
        .values(valid_until=valid_until)
        .returning(Assignment.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    session.refresh(row)
    if ended is None:
        raise Refused(f"assignment {assignment_id} already ended at {row.valid_until}")
    detail = f"assignment {row.id} of {row.engineer_id} until {valid_until.isoformat()}"
    audit.record(session, now, by, "end-assignment", f"project:{row.project_id}", detail)
    refold_project(session, row.project_id)
    return row


def record_handover(
    session: Session,
    project_id: str,
    role: str,
    to_engineer_id: str,
    run_id: str,
    *,
    by: str,
    now: datetime,
    from_engineer_id: str | None = None,
) -> Handover:
    """The run at which an engineer took a role over: what fails there stays with the predecessor.

    Raises `Refused` where the run is of another site or not folded, or where the engineer never holds the
    role.
    """
    project = existing(session, Project, project_id, lock=True)
    existing(session, Engineer, to_engineer_id)
    _role(role)
    if from_engineer_id is not None:
        existing(session, Engineer, from_engineer_id)
        if from_engineer_id == to_engineer_id:
            raise BadInput("a handover needs two engineers: from_engineer and to_engineer are the same")
    run = session.get(Receipt, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    if run.site_id != project.site_id:
        raise Refused(f"run {run_id} is of site {run.site_id}, the project's site is {project.site_id}")
    if run.held:
        raise Refused(f"run {run_id} is held ({run.held}) and cannot be a baseline")
    holds = sa.select(Assignment.id).where(
        Assignment.project_id == project_id, Assignment.engineer_id == to_engineer_id, Assignment.role == role
    )
    if session.scalar(holds.limit(1)) is None:
        raise Refused(f"{to_engineer_id} was never assigned as {role} of {project_id}; assign first")
    known = sa.select(Handover.id).where(
        Handover.project_id == project_id,
        Handover.role == role,
        Handover.to_engineer_id == to_engineer_id,
        Handover.at == run.effective_at,
    )
    if session.scalar(known) is not None:
        raise Refused(f"this handover of {role} to {to_engineer_id} at run {run_id} is already recorded")
    row = Handover(
        project_id=project_id,
        role=role,
        from_engineer_id=from_engineer_id,
        to_engineer_id=to_engineer_id,
        run_id=run_id,
        at=run.effective_at,
    )
    session.add(row)
    session.flush()
    detail = f"{role} from {from_engineer_id or 'nobody'} to {to_engineer_id} at run {run_id}"
    audit.record(session, now, by, "handover", f"project:{project_id}", detail)
    refold_project(session, project_id)
    return row


def fullest_moment(rows: list[Assignment]) -> tuple[datetime, float]:
    """The moment at which the shares add up highest, and to what."""
    # The sum only ever rises where an assignment begins.
    moments = sorted({row.valid_from for row in rows})
    sums = [(sum(row.share for row in rows if _covers(row, moment)), moment) for moment in moments]
    total, moment = max(sums, key=lambda pair: pair[0])
    return moment, total


def _covers(row: Assignment, moment: datetime) -> bool:
    return row.valid_from <= moment and (row.valid_until is None or moment < row.valid_until)


def _overlap(a: Assignment, b: Assignment) -> bool:
    return _covers(a, b.valid_from) or _covers(b, a.valid_from)


def _role(role: str) -> None:
    if not role.strip() or len(role) > 100:
        raise BadInput("a role is a word of 1 to 100 characters, such as lead or dba")
