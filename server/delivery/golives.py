"""Cutover attempts of a project. The first *started* attempt is its first cutover, whatever became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from checks.errors import BadInput
from server import audit
from server.delivery.names import existing
from server.errors import Refused
from server.tables import GoLive, Project

ENDS = {"live": "running", "aborted": "running", "rolled-back": "running or live"}
"""How an attempt may end, and what it must be before."""


def record_go_live(
    session: Session, project_id: str, *, by: str, now: datetime, started_at: datetime | None = None
) -> GoLive:
    """An attempt has begun; raises `Refused` while another attempt of the project is running."""
    project = existing(session, Project, project_id, lock=True)
    started = _happened(started_at or now, now, "started_at")
    if started < project.started_at:
        raise BadInput(f"started_at is before the project began ({project.started_at.isoformat()})")
    attempts = list(session.scalars(sa.select(GoLive).where(GoLive.project_id == project_id)))
    for attempt in attempts:
        if attempt.outcome == "running":
            raise Refused(f"go-live {attempt.id} of {project_id} is still running; end it first")
    row = GoLive(project_id=project_id, started_at=started, cutover_at=None, outcome="running", ended_at=None)
    session.add(row)
    session.flush()
    detail = f"go-live {row.id} started {started.isoformat()}"
    audit.record(session, now, by, "start-go-live", f"project:{project_id}", detail)
    return row


def record_cutover(
    session: Session, go_live_id: int, *, by: str, now: datetime, cutover_at: datetime | None = None
) -> GoLive:
    """Production moved to the new system; raises `Refused` unless the attempt is running without one."""
    row = existing(session, GoLive, go_live_id)
    at = _happened(cutover_at or now, now, "cutover_at")
    if at < row.started_at:
        raise BadInput(f"cutover_at is before the attempt started ({row.started_at.isoformat()})")
    _change(
        session,
        row,
        sa.and_(GoLive.outcome == "running", GoLive.cutover_at.is_(None)),
        {"cutover_at": at},
        "has no cutover to record",
    )
    detail = f"go-live {row.id} cut over {at.isoformat()}"
    audit.record(session, now, by, "cutover", f"project:{row.project_id}", detail)
    return row


def end_go_live(
    session: Session,
    go_live_id: int,
    outcome: str,
    *,
    by: str,
    now: datetime,
    ended_at: datetime | None = None,
) -> GoLive:
    """An attempt became ``live``, was ``aborted`` before its cutover, or ``rolled-back`` after it.

    A go-live that is live can still be rolled back. Raises `Refused` where its state does not allow it.
    """
    if outcome not in ENDS:
        raise BadInput(f"outcome is {outcome!r}; right is one of {', '.join(ENDS)}")
    row = existing(session, GoLive, go_live_id)
    at = _happened(ended_at or now, now, "ended_at")
    if at < (row.cutover_at or row.started_at):
        raise BadInput("ended_at is before the attempt's cutover or start")
    if outcome == "aborted" and row.cutover_at is not None:
        raise Refused(f"go-live {row.id} has cut over: what ends it then is rolled-back")
    if outcome != "aborted" and row.cutover_at is None:
        raise Refused(f"go-live {row.id} has not cut over: record the cutover first, or end it as aborted")
    before = GoLive.outcome.in_(("running", "live") if outcome == "rolled-back" else ("running",))
    cutover = GoLive.cutover_at.is_(None) if outcome == "aborted" else GoLive.cutover_at.is_not(None)
    _change(
        session,
        row,
        sa.and_(before, cutover),
        {"outcome": outcome, "ended_at": at},
        f"cannot become {outcome}; it must be {ENDS[outcome]}",
    )
    detail = f"go-live {row.id} {outcome} {at.isoformat()}"
    audit.record(session, now, by, "end-go-live", f"project:{row.project_id}", detail)
    return row


def _change(
    session: Session, row: GoLive, seen: sa.ColumnElement[bool], values: dict[str, Any], refusal: str
) -> None:
    changed = session.execute(
        sa.update(GoLive)
        .where(GoLive.id == row.id, seen)
        .values(**values)
        .returning(GoLive.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    session.refresh(row)
    if changed is None:
        raise Refused(f"go-live {row.id} is {row.outcome} and {refusal}")


def _happened(moment: datetime, now: datetime, what: str) -> datetime:
    if moment > now:
        raise BadInput(f"{what} is {moment.isoformat()}, which has not come yet")
    return moment
