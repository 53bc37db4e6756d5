"""The projects that figures are about: where they stand, how they went live, who was assigned when."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from server.kpi.unit import Exclusion
from server.sql import Sql
from server.tables.base import from_micros, to_micros


@dataclass(frozen=True, slots=True)
class Attempt:
    """One cutover attempt as it was known at the as-of date."""

    id: int
    started_at: datetime
    cutover_at: datetime | None
    outcome: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """An engineer holds a share of the project in [since, until)."""

    engineer: str
    share: float
    since: datetime
    until: datetime | None


@dataclass(slots=True)
class Project:
    """The delivery of one product at one site; `attempts` in the order in which they started."""

    id: str
    site: str
    customer: str
    product: str
    industry: str
    window_days: int
    attempts: list[Attempt] = field(default_factory=list)
    assignments: list[Held] = field(default_factory=list)

    def holders_at(self, moment: datetime) -> dict[str, float]:
        """Who was assigned at a moment, with what share of the project in all roles together."""
        shares: dict[str, float] = defaultdict(float)
        for held in self.assignments:
            if held.since <= moment and (held.until is None or moment < held.until):
                shares[held.engineer] += held.share
        return dict(sorted(shares.items()))

    @property
    def first_cutover(self) -> datetime | None:
        """The earliest moment at which production moved to the new system, whatever the attempt became."""
        return min((a.cutover_at for a in self.attempts if a.cutover_at is not None), default=None)


class Asked:
    """A query about all projects, or (with its place for the filter filled) about a single one."""

    def __init__(self, text: str) -> None:
        self._all = Sql(text.replace("{one}", "TRUE"))
        self._one = Sql(text.replace("{one}", "b.project_id = ?"))

    def rows(
        self, connection: Connection, project: str | None, before: tuple[Any, ...] = ()
    ) -> list[tuple[Any, ...]]:
        """All rows; the filter's parameter comes after those in `before`."""
        if project is None:
            return self._all.rows(connection, before)
        return self._one.rows(connection, (*before, project))


_PROJECTS = Sql(
    "SELECT p.id, p.site_id, s.customer_id, p.product_id, c.industry, p.window_days FROM project p"
    " JOIN site s ON s.id = p.site_id JOIN customer c ON c.id = s.customer_id"
)
_PROJECT = Sql(
    "SELECT p.id, p.site_id, s.customer_id, p.product_id, c.industry, p.window_days FROM project p"
    " JOIN site s ON s.id = p.site_id JOIN customer c ON c.id = s.customer_id WHERE p.id = ?"
)
_ATTEMPTS = Asked(
    "SELECT b.project_id, b.id, b.started_at, b.cutover_at, b.outcome, b.ended_at FROM go_live b"
    " WHERE b.started_at <= ? AND {one} ORDER BY b.started_at, b.id"
)
_ASSIGNMENTS = Asked(
    "SELECT b.project_id, b.engineer_id, b.share, b.valid_from, b.valid_until FROM assignment b"
    " WHERE {one} ORDER BY b.valid_from, b.engineer_id, b.role"
)


def load_projects(connection: Connection, as_of: datetime, project: str | None = None) -> list[Project]:
    """The projects that started an attempt by `as_of`, in the order of their ids.

    What happened to an attempt after `as_of` is left out.
    """
    rows = _PROJECTS.rows(connection) if project is None else _PROJECT.rows(connection, (project,))
    known = {row[0]: Project(*row) for row in rows}
    now = to_micros(as_of)
    for name, number, started, cutover, outcome, ended in _ATTEMPTS.rows(connection, project, (now,)):
        if ended is not None and ended > now:
            outcome, ended = "live" if cutover is not None else "running", None
        if cutover is not None and cutover > now:
            cutover, outcome = None, "running"
        known[str(name)].attempts.append(
            Attempt(number, from_micros(started), _moment(cutover), str(outcome), _moment(ended))
        )
    for name, engineer, share, since, until in _ASSIGNMENTS.rows(connection, project):
        known[str(name)].assignments.append(Held(str(engineer), share, from_micros(since), _moment(until)))
    return [p for _, p in sorted(known.items()) if p.attempts]


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


_EXCLUSIONS = Sql(
    "SELECT unit, reason, proposed_by, approved_by, approved_at FROM decision"
    " WHERE kind = 'exclusion' AND kpi = ? AND approved_by IS NOT NULL AND approved_at <= ?"
    " AND rejected_at IS NULL ORDER BY approved_at, id"
)


def load_exclusions(connection: Connection, kpi: str, as_of: datetime) -> dict[str, Exclusion]:
    """The approved exclusions of a key figure by unit id; the first approval stands."""
    found: dict[str, Exclusion] = {}
    for unit, reason, proposed_by, approved_by, at in _EXCLUSIONS.rows(connection, (kpi, to_micros(as_of))):
        found.setdefault(unit, Exclusion(reason, proposed_by, approved_by, from_micros(at)))
    return found
