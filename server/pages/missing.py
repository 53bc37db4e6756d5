"""Which machines of a site miss runs that they made, as the site's page says it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server import gaps
from server.tables import AgentRow, TargetRow

MOST_GAPS = 10
MOST_MACHINES = 20


@dataclass(frozen=True)
class MissingLine:
    """One machine's holes: the first of them in words, and how many runs are missing in all."""

    agent: str
    target: str
    runs: int
    gaps: tuple[str, ...]
    more: bool


def missing_lines(session: Session, site_id: str) -> tuple[list[MissingLine], int]:
    """The machines of a site that miss runs, by name, and how many more there may be."""
    missing, more = gaps.missing_at(session, site_id, MOST_MACHINES)
    if not missing:
        return [], more
    named = sa.select(AgentRow.id, TargetRow.name).outerjoin(TargetRow, TargetRow.id == AgentRow.target_id)
    names = {id: name or id for id, name in session.execute(named.where(AgentRow.site_id == site_id))}
    lines = [
        MissingLine(
            agent,
            names.get(agent, agent),
            found.runs,
            tuple(str(gap) for gap in found.gaps[:MOST_GAPS]),
            found.more or len(found.gaps) > MOST_GAPS,
        )
        for agent, found in missing.items()
    ]
    return sorted(lines, key=lambda line: (line.target, line.agent)), more
