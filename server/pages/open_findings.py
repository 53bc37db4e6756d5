"""Which findings are not settled, with the severity that people agreed on: asked in two queries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server.tables import Decision, Episode, Finding, Site, TargetRow


@dataclass(frozen=True)
class Unsettled:
    """An open or lapsed episode and the finding it is of.

    `message` and `remedy` are what the newest stored run said, empty until `documents.with_words` adds them.
    """

    episode_id: int
    finding_id: int
    key: str
    site_id: str
    site_name: str
    target_id: str
    target: str
    project_id: str | None
    item: str
    object: str
    title: str
    owner: str
    status: str
    severity: str
    state: str
    opened_at: datetime
    lapsed_at: datetime | None
    recurred: bool
    message: str = ""
    remedy: str = ""


def unsettled(session: Session, states: Iterable[str], *, site_id: str | None = None) -> list[Unsettled]:
    """Episodes in one of `states`, in the order of what to do first: the worst, then the oldest.

    A lapsed one that two people retired is settled.
    """
    columns = (
        Episode.id,
        Episode.finding_id,
        Finding.key,
        Episode.site_id,
        Site.name,
        Finding.target_id,
        TargetRow.name,
        Episode.project_id,
        Episode.item,
        Finding.object,
        Finding.title,
        Finding.owner,
        Finding.status,
        Episode.severity,
        Episode.state,
        Episode.opened_at,
        Episode.lapsed_at,
        Episode.recurred,
    )
    query = (
        sa.select(*columns)
        .select_from(Episode)
        .join(Site, Site.id == Episode.site_id)
        .join(Finding, Finding.id == Episode.finding_id)
        .join(TargetRow, TargetRow.id == Finding.target_id)
        .where(Episode.state.in_(list(states)), ~_retired())
    )
    # Sites are always named, so that the index over (site, state) serves the question for all of them too.
    sites = [site_id] if site_id is not None else sa.select(Site.id)
    query = query.where(Episode.site_id.in_(sites))
    rows: Sequence[Any] = session.execute(query).all()
    found = [Unsettled(*row) for row in rows]
    changed = _agreed(session, site_id)
    if changed:
        found = [
            replace(one, severity=changed[one.episode_id]) if one.episode_id in changed else one
            for one in found
        ]
    return sorted(found, key=lambda one: (one.severity, one.opened_at, one.episode_id))


def _retired() -> sa.ColumnElement[bool]:
    """Whether an approved retirement was decided since the episode lapsed."""
    return sa.exists().where(
        Decision.kind == "retirement",
        Decision.finding_id == Episode.finding_id,
        Decision.approved_at.is_not(None),
        Decision.at >= Episode.lapsed_at,
    )


def _agreed(session: Session, site_id: str | None) -> dict[int, str]:
    """The severity of unsettled episodes that two people changed; the latest approval stands."""
    query = (
        sa.select(Episode.id, Decision.new_value)
        .join(Decision, Decision.finding_id == Episode.finding_id)
        .where(
            Decision.kind == "severity",
            Decision.approved_at.is_not(None),
            Decision.at >= Episode.opened_at,
            Episode.state.in_(["open", "lapsed"]),
        )
        .order_by(Decision.approved_at, Decision.id)
    )
    if site_id is not None:
        query = query.where(Episode.site_id == site_id)
    return dict(session.execute(query).all())
