"""Key figures: the figure and what it means, by engineer, its units, and one unit down to the signed runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import sqlalchemy as sa
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Template
from sqlalchemy.orm import Session

from server.api.given import GivenClock, GivenDb, GivenUser
from server.kpi import figures
from server.kpi.unit import UNATTRIBUTED, Unit
from server.pages.figure_views import shown
from server.pages.frame import frame, look, page
from server.pages.run_lines import runs_named
from server.tables import Customer, Decision, Engineer, Episode, Finding, GoLive, Project, Site

UNITS_A_PAGE = 80
MOST_EVIDENCE = 60
KINDS = ("yes", "no", "pending", "unverifiable", "excluded")


@dataclass(frozen=True)
class UnitNames:
    """The names behind the ids of units."""

    sites: dict[str, str]
    customers: dict[str, str]
    projects: dict[str, str]
    engineers: dict[str, str]


@dataclass(frozen=True)
class EvidenceEpisode:
    id: int
    finding_id: int
    title: str
    object: str
    severity: str
    state: str
    opened_at: datetime
    opened_run: str
    closed_at: datetime | None
    closed_run: str | None


def kind_of(unit: Unit) -> str:
    """Which of the figure's counts a unit stands in."""
    if unit.exclusion is not None:
        return "excluded"
    if unit.maturity.value != "mature":
        return unit.maturity.value
    return "yes" if unit.outcome else "no"


def names_of(session: Session, units: Sequence[Unit]) -> UnitNames:
    """The names of everything that these units mention, in one query a table."""

    def names(table: type[Site] | type[Customer] | type[Project], ids: set[str]) -> dict[str, str]:
        rows = session.execute(sa.select(table.id, table.name).where(table.id.in_(ids)))
        return dict(rows.all())

    engineers = session.execute(sa.select(Engineer.id, Engineer.name))
    return UnitNames(
        sites=names(Site, {unit.site for unit in units}),
        customers=names(Customer, {unit.customer for unit in units}),
        projects=names(Project, {unit.project for unit in units}),
        engineers=dict(engineers.all()) | {UNATTRIBUTED: UNATTRIBUTED},
    )


def evidence_episodes(session: Session, ids: Sequence[int]) -> list[EvidenceEpisode]:
    """The episodes that decided a unit, oldest first."""
    e = Episode
    query = (
        sa.select(
            e.id,
            e.finding_id,
            Finding.title,
            Finding.object,
            e.severity,
            e.state,
            e.opened_at,
            e.opened_run,
            e.closed_at,
            e.closed_run,
        )
        .join(Finding, Finding.id == e.finding_id)
        .where(e.id.in_(ids))
        .order_by(e.opened_at, e.id)
    )
    rows: Sequence[Any] = session.execute(query).all()
    return [EvidenceEpisode(*row) for row in rows]


@get("/kpi", sync_to_thread=True)
def list_kpis(db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        every = [shown(figure) for figure in figures.headlines(session, as_of=now)]
        return page("kpis.html", frame(session, user, now, "kpi"), figures=every)


@get("/kpi/{kpi:str}", sync_to_thread=True)
def show_kpi(
    kpi: FromPath[str],
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    engineer: FromQuery[str] = "",
    show: FromQuery[str] = "",
    number: Annotated[int, QueryParameter(name="page", ge=1, le=100_000)] = 1,
) -> Template:
    now = clock()
    with look(db) as session:
        figure = figures.figure(session, kpi, as_of=now, engineer=engineer or None)
        chosen = [unit for unit in figure.units if show in ("", kind_of(unit))]
        start = (number - 1) * UNITS_A_PAGE
        part = chosen[start : start + UNITS_A_PAGE]
        base = {"engineer": engineer} if engineer else {}
        return page(
            "kpi.html",
            frame(session, user, now, "kpi"),
            view=shown(figure),
            people=[shown(row) for row in figures.by_engineer(session, kpi, as_of=now)],
            units=part,
            total=len(chosen),
            more=len(chosen) > start + UNITS_A_PAGE,
            number=number,
            names=names_of(session, part),
            kind_of=kind_of,
            show=show,
            kinds={kind: sum(kind_of(unit) == kind for unit in figure.units) for kind in KINDS},
            engineer=engineer,
            link=lambda **changes: f"/kpi/{kpi}?{urlencode(base | changes)}#units",
        )


@get("/kpi/{kpi:str}/units/{unit:path}", sync_to_thread=True)
def show_unit(
    kpi: FromPath[str], unit: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock
) -> Template:
    now = clock()
    with look(db) as session:
        found = figures.unit(session, kpi, unit.lstrip("/"), as_of=now)
        definition = next(each for each in figures.list_kpis() if each.id == kpi)
        cited = found.evidence
        decided = sa.select(Decision).where(Decision.kpi == kpi, Decision.unit == found.id)
        attempts = sa.select(GoLive).where(GoLive.id.in_(cited.go_lives)).order_by(GoLive.started_at)
        return page(
            "unit.html",
            frame(session, user, now, "kpi"),
            kpi=definition,
            unit=found,
            kind=kind_of(found),
            names=names_of(session, [found]),
            go_lives=list(session.scalars(attempts)),
            episodes=evidence_episodes(session, cited.episodes[:MOST_EVIDENCE]),
            runs=runs_named(session, cited.runs[:MOST_EVIDENCE]),
            cited=cited,
            decisions=list(session.scalars(decided.order_by(Decision.id.desc()).limit(50))),
        )
