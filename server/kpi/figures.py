"""Figures from units: the rate with its interval, what is pending, unverifiable or excluded, and for whom."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from server.errors import NotFound
from server.kpi.registry import Kpi, find, list_kpis
from server.kpi.stats import GREYED, TOO_FEW, UNVERIFIABLE_LIMIT, bounds, effective_size, wilson
from server.kpi.unit import UNATTRIBUTED, Maturity, Unit
from server.tables import Engineer

__all__ = ["Figure", "by_engineer", "figure", "figure_of", "headlines", "list_kpis", "unit"]


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A key figure as of a moment, for the team or (by share) for one engineer.

    `k` of `n` mature units had the outcome; both are sums of shares for an engineer, whose `n_eff` is what
    they are worth in whole units. `rate`, `interval` (95 %) and `bounds` are None below five units:
    `too_few`. Under twenty the figure is `greyed`. `bounds` is the rate if none, and if all, of the
    unverifiable units had the outcome; over a fifth of those, or too few units, there is no rank and
    `unranked` says why. Excluded units count nowhere else.
    """

    kpi: Kpi
    as_of: datetime
    engineer: str | None
    name: str
    k: float
    n: float
    n_eff: float
    rate: float | None
    interval: tuple[float, float] | None
    bounds: tuple[float, float] | None
    too_few: bool
    greyed: bool
    pending: int
    next_known_at: datetime | None
    unverifiable: int
    unverifiable_share: float
    excluded: int
    left_out: int
    unranked: str
    units: tuple[Unit, ...] = ()


def figure(
    session: Session,
    kpi: str,
    *,
    as_of: datetime,
    engineer: str | None = None,
    industry: str | None = None,
    customer: str | None = None,
    product: str | None = None,
    site: str | None = None,
    project: str | None = None,
) -> Figure:
    """One figure with its units; each filter that is given narrows them.

    `engineer` may be ``unattributed``. Raises `NotFound` for an unknown key figure or engineer.
    """
    definition, yields = find(kpi)
    name = ""
    if engineer is not None:
        name = _names(session).get(engineer, "")
        if engineer == UNATTRIBUTED:
            name = UNATTRIBUTED
        elif not name:
            raise NotFound(f"there is no engineer {engineer!r}")
    wanted = {"industry": industry, "customer": customer, "product": product, "site": site}
    chosen = [
        unit
        for unit in yields(session, as_of, project)
        if all(value is None or getattr(unit, field) == value for field, value in wanted.items())
    ]
    return figure_of(definition, chosen, as_of=as_of, engineer=engineer, name=name)


def by_engineer(session: Session, kpi: str, *, as_of: datetime) -> list[Figure]:
    """A row for every engineer by name, those without a unit included, and ``unattributed`` last."""
    definition, yields = find(kpi)
    every = yields(session, as_of)
    people = sorted(_names(session).items(), key=lambda person: (person[1], person[0]))
    return [
        figure_of(definition, every, as_of=as_of, engineer=engineer, name=name, with_units=False)
        for engineer, name in [*people, (UNATTRIBUTED, UNATTRIBUTED)]
    ]


def headlines(session: Session, *, as_of: datetime) -> list[Figure]:
    """Every key figure for the whole team."""
    return [figure(session, kpi.id, as_of=as_of) for kpi in list_kpis()]


def unit(session: Session, kpi: str, unit_id: str, *, as_of: datetime) -> Unit:
    """One unit by its id; raises `NotFound` where the figure has no such unit."""
    _, yields = find(kpi)
    project = unit_id.partition("/")[0]
    for found in yields(session, as_of, project):
        if found.id == unit_id:
            return found
    raise NotFound(f"{kpi} has no unit {unit_id!r} as of {as_of:%Y-%m-%d}")


def figure_of(
    kpi: Kpi,
    units: Iterable[Unit],
    *,
    as_of: datetime,
    engineer: str | None = None,
    name: str = "",
    with_units: bool = True,
) -> Figure:
    """The figure of these units; an engineer's weighs each by the share, the team's counts it whole."""
    own = [(unit, weight) for unit in units if (weight := unit.weight(engineer)) > 0]
    counted = [(unit, weight) for unit, weight in own if unit.exclusion is None]
    mature = [(u, w) for u, w in counted if u.maturity is Maturity.MATURE]
    pending = [u for u, _ in counted if u.maturity is Maturity.PENDING]
    dark = [w for u, w in counted if u.maturity is Maturity.UNVERIFIABLE]
    k = sum(w * (u.outcome or 0) for u, w in mature)
    n = sum(w for _, w in mature)
    n_eff = effective_size(w for _, w in mature)
    missing = sum(dark)
    dark_share = missing / (n + missing) if dark else 0.0
    too_few = n_eff < TOO_FEW
    return Figure(
        kpi=kpi,
        as_of=as_of,
        engineer=engineer,
        name=name,
        k=k,
        n=n,
        n_eff=n_eff,
        rate=None if too_few else k / n,
        interval=None if too_few else wilson(k / n, n_eff),
        bounds=None if too_few else bounds(k, n, missing),
        too_few=too_few,
        greyed=n_eff < GREYED,
        pending=len(pending),
        next_known_at=min((u.matures_at for u in pending if u.matures_at is not None), default=None),
        unverifiable=len(dark),
        unverifiable_share=dark_share,
        excluded=len(own) - len(counted),
        left_out=sum(u.left_out for u, _ in own),
        unranked=_unranked(engineer, n_eff, dark_share),
        units=tuple(u for u, _ in own) if with_units else (),
    )


def _unranked(engineer: str | None, n_eff: float, dark_share: float) -> str:
    if engineer is None or engineer == UNATTRIBUTED:
        return "not a person"
    if n_eff < TOO_FEW:
        return f"fewer than {TOO_FEW} units"
    if dark_share > UNVERIFIABLE_LIMIT:
        return f"more than {UNVERIFIABLE_LIMIT:.0%} unverifiable"
    return ""


def _names(session: Session) -> dict[str, str]:
    return {row.id: row.name for row in session.execute(select(Engineer.id, Engineer.name))}
