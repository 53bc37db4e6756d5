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


_LINES = (
    sa.select(
        Receipt.id,
        Receipt.site_id,
        Site.name,
        Receipt.agent_id,
        sa.func.coalesce(TargetRow.name, AgentRow.target_id),
        Receipt.profile_id,
        Receipt.stage,
        Receipt.effective_at,
        Receipt.held,
        Receipt.flags,
        Receipt.passed,
        Receipt.warned,
        Receipt.failed,
        Receipt.errors,
        Receipt.skipped,
        Receipt.manual,
    )
    .join(Site, Site.id == Receipt.site_id)
    .join(AgentRow, AgentRow.id == Receipt.agent_id)
    .outerjoin(TargetRow, TargetRow.id == AgentRow.target_id)
)


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
    query = _LINES.order_by(r.effective_at.desc(), r.id.desc()).limit(limit)
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


def runs_named(session: Session, ids: Sequence[str]) -> list[RunLine]:
    """The runs with these ids, in the order of their effective times."""
    query = _LINES.where(Receipt.id.in_(ids)).order_by(Receipt.effective_at, Receipt.id)
    rows: Sequence[Any] = session.execute(query).all()
    return [RunLine(*row) for row in rows]
