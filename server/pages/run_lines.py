"""Runs as lists show them, newest first by effective time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server.tables import AgentRow, Receipt, Site, TargetRow


@dataclass(frozen=True)
class RunLine:
    """A run; `machine` is the target that its agent was enrolled as."""

    id: str
    site_id: str
    site_name: str
    agent_id: str
    machine: str
    profile_id: str
    stage: str
    effective_at: datetime
    held: str
    flags: str
    passed: int
    warned: int
    failed: int
    errors: int
    skipped: int
    manual: int


def newest_runs(
    session: Session,
    *,
    limit: int,
    site_id: str = "",
    agent_id: str = "",
    held: bool = False,
    before: tuple[datetime, str] | None = None,
) -> list[RunLine]:
    """The newest runs (of a site, of an agent, or those held), after the place `before` in that order."""
    r = Receipt
    query = (
        sa.select(
            r.id,
            r.site_id,
            Site.name,
            r.agent_id,
            sa.func.coalesce(TargetRow.name, AgentRow.target_id),
            r.profile_id,
            r.stage,
            r.effective_at,
            r.held,
            r.flags,
            r.passed,
            r.warned,
            r.failed,
            r.errors,
            r.skipped,
            r.manual,
        )
        .join(Site, Site.id == r.site_id)
        .join(AgentRow, AgentRow.id == r.agent_id)
        .outerjoin(TargetRow, TargetRow.id == AgentRow.target_id)
        .order_by(r.effective_at.desc(), r.id.desc())
        .limit(limit)
    )
    if site_id:
        query = query.where(r.site_id == site_id)
    if agent_id:
        query = query.where(r.agent_id == agent_id)
    if held:
        query = query.where(r.held != "")
    if before is not None:
        at, id = before
        query = query.where(sa.or_(r.effective_at < at, sa.and_(r.effective_at == at, r.id < id)))
    rows: Sequence[Any] = session.execute(query).all()
    return [RunLine(*row) for row in rows]
