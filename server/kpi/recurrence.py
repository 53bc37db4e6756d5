"""Recurrence: of the kinds of problem that a project had after its cutover, how many came back?

A family is an item at a project's site, whatever the object. A spell is a stretch in which any of its
episodes is open; only 24 hours after everything was verified closed is the next opening another spell.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor

from msgspec.structs import replace
from sqlalchemy.orm import Session

from server.kpi.coverage import ENOUGH, Coverage
from server.kpi.episodes import Seen, load_episodes
from server.kpi.observations import load_observations
from server.kpi.projects import Project, load_exclusions, load_projects
from server.kpi.unit import Evidence, Maturity, Unit
from server.tables.base import to_micros

ID = "recurrence"
WINDOW = timedelta(days=90)
CLEAN = timedelta(hours=24)
"""Two spells are separate when at least this much verified clean time lies between them."""


@dataclass(slots=True)
class Spell:
    """A stretch of one or more episodes; `end` is None while one of them was never verified closed."""

    start: datetime
    end: datetime | None
    episodes: list[Seen]


def units(session: Session, as_of: datetime, project: str | None = None) -> list[Unit]:
    """One unit per family with a spell in its window; its id is ``project/item``."""
    connection = session.connection()
    families: dict[str, dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for seen in load_episodes(connection, as_of, project):
        families[seen.project][seen.item].append(seen)
    items = {item for mine in families.values() for item in mine}
    coverage = Coverage(load_observations(connection, as_of, project, lambda o: o.item in items, WINDOW))
    exclusions = load_exclusions(connection, ID, as_of)
    found = [
        unit_of(p, item, episodes, p.first_cutover, coverage, as_of)
        for p in load_projects(connection, as_of, project)
        if p.first_cutover is not None
        for item, episodes in sorted(families[p.id].items())
    ]
    return [replace(unit, exclusion=exclusions.get(unit.id)) for unit in found if unit is not None]


def spells_of(episodes: list[Seen]) -> list[Spell]:
    """The spells of a family, oldest first; `episodes` come by their opening.

    An episode that lapsed or is still open ends nothing: whatever follows belongs to its spell.
    """
    spells: list[Spell] = []
    for episode in episodes:
        last = spells[-1] if spells else None
        if last is None or (last.end is not None and episode.opened_at - last.end >= CLEAN):
            spells.append(Spell(episode.opened_at, episode.closed_at, [episode]))
            continue
        last.episodes.append(episode)
        if last.end is not None:
            last.end = None if episode.closed_at is None else max(last.end, episode.closed_at)
    return spells


def unit_of(
    project: Project,
    item: str,
    episodes: list[Seen],
    cutover: datetime,
    coverage: Coverage,
    as_of: datetime,
) -> Unit | None:
    """The family's unit at `as_of`, None where it had no spell at or within 90 days of the cutover."""
    ends = cutover + WINDOW
    spells = [
        spell
        for spell in spells_of([e for e in episodes if not e.left_out])
        if spell.start < ends and (spell.start >= cutover or spell.end is None or spell.end > cutover)
    ]
    if not spells:
        return None
    left_out = sum(e.left_out and cutover <= e.opened_at < ends for e in episodes)
    first = spells[0]
    covered = coverage.share(
        project.id, (to_micros(cutover), to_micros(min(ends, as_of))), lambda o: o.item == item
    )
    came_back = len(spells) > 1
    outcome: int | None = 1 if came_back else None
    maturity = Maturity.PENDING
    if as_of >= ends:
        maturity, outcome = Maturity.MATURE, int(came_back)
        if not came_back and covered < ENOUGH:
            maturity, outcome = Maturity.UNVERIFIABLE, None
    never_closed = first.end is None
    shown = [e for spell in spells for e in spell.episodes]
    return Unit(
        kpi=ID,
        id=f"{project.id}/{item}",
        site=project.site,
        customer=project.customer,
        project=project.id,
        product=project.product,
        industry=project.industry,
        shares=dict(first.episodes[0].shares) if first.end is None else project.holders_at(first.end),
        outcome=outcome,
        reason=_reason(maturity, spells, covered),
        matures_at=ends,
        maturity=maturity,
        coverage=covered,
        evidence=Evidence(
            episodes=tuple(e.id for e in shown),
            runs=tuple(dict.fromkeys(run for e in shown for run in e.runs)),
        ),
        note="never closed" if never_closed else "",
        left_out=left_out,
    )


def _reason(maturity: Maturity, spells: list[Spell], covered: float) -> str:
    if len(spells) > 1:
        return f"came back on {spells[1].start:%Y-%m-%d}"
    if maturity is Maturity.PENDING:
        return "too early to say"
    if maturity is Maturity.UNVERIFIABLE:
        return f"only {floor(100 * covered)} % of the window was observed"
    return "never verified closed" if spells[0].end is None else "closed and did not come back"
