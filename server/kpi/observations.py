"""What was observed where: the stored runs, plans and change-points that coverage is measured on.

A handful of queries fetches them for all projects at once, or for a single one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection

from server.kpi.projects import Asked
from server.plans import decode
from server.scopes import Scope
from server.sql import CHUNK, select_in
from server.tables.base import to_micros

SECOND = 1_000_000
SLACK = 2
"""An observation older than this many expected intervals says nothing about the present any more."""

MICROSECOND = timedelta(microseconds=1)

Place = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Obligation:
    """In [start, end) a target is held to an item, and an observation of it stands for `tolerance` µs."""

    target: str
    item: str
    severity: str
    start: int
    end: int
    tolerance: int


@dataclass(slots=True)
class Log:
    """One target's folded runs in fold order, each finding's change-points by item, its key, all scopes."""

    runs: list[tuple[int, str, int]] = field(default_factory=list)
    findings: dict[str, dict[int, list[tuple[int, str, str]]]] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)
    scopes: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Observations:
    """Everything that coverage asks for; moments are microseconds since the epoch."""

    obligations: Mapping[str, list[Obligation]]
    logs: Mapping[str, Log]
    scopes: Mapping[int, Scope]


_TERMS = Asked(
    "SELECT b.project_id, b.target_id, b.id, b.interval_s, b.valid_from, b.valid_until, a.valid_from,"
    " a.plan_id FROM binding b JOIN accepted_plan a ON a.binding_id = b.id"
    " WHERE b.project_id IS NOT NULL AND b.valid_from <= ? AND a.valid_from <= ? AND {one}"
    " ORDER BY b.project_id, b.target_id, b.id, a.valid_from, a.id"
)
_PLANS = Asked(
    "SELECT DISTINCT p.id, p.entries FROM plan p JOIN accepted_plan a ON a.plan_id = p.id"
    " JOIN binding b ON b.id = a.binding_id WHERE b.project_id IS NOT NULL AND {one}"
)
# From one tolerance before the project's first attempt to the end of the window after its last: nothing
# outside can be asked about. What an object was before the first of these runs stands in older changes.
_RUNS = Asked(
    "SELECT r.target_id, r.effective_at, r.run_id, r.scope_id FROM binding b JOIN"
    " (SELECT project_id, MIN(started_at) AS low, MAX(COALESCE(cutover_at, started_at)) AS high FROM go_live"
    " WHERE started_at <= ? GROUP BY project_id) g ON g.project_id = b.project_id"
    " JOIN target_run r ON r.target_id = b.target_id"
    " AND r.effective_at >= g.low - ? * CAST(b.interval_s AS BIGINT) AND r.effective_at <= g.high + ?"
    " WHERE r.effective_at <= ? AND {one} ORDER BY r.target_id, r.effective_at, r.run_id"
)
_CHANGES = (
    "SELECT f.target_id, f.item, f.id, f.key, t.effective_at, t.run_id, t.status FROM binding b JOIN"
    " (SELECT project_id, MAX(COALESCE(cutover_at, started_at)) AS high FROM go_live"
    " WHERE started_at <= ? GROUP BY project_id) g ON g.project_id = b.project_id"
    " JOIN finding f ON f.target_id = b.target_id AND f.item IN ({items})"
    " JOIN transition t ON t.finding_id = f.id AND t.effective_at <= g.high + ?"
    " WHERE t.effective_at <= ? AND {one} ORDER BY f.id, t.effective_at, t.run_id"
)
_SCOPES = "SELECT id, items FROM scope WHERE id IN ({})"


def load_observations(
    connection: Connection,
    as_of: datetime,
    project: str | None,
    wanted: Callable[[Obligation], bool],
    window: timedelta,
) -> Observations:
    """What was observed at the targets bound to projects that started an attempt, up to `as_of`.

    Only obligations that are `wanted` are kept. Nothing later than `window` after a project's last cutover
    is loaded.
    """
    now, reach = to_micros(as_of), window // MICROSECOND
    obligations = _obligations(connection, now, project, wanted)
    items = sorted({obligation.item for mine in obligations.values() for obligation in mine})
    logs: dict[str, Log] = defaultdict(Log)
    for target, at, run, scope in _RUNS.rows(connection, project, (now, SLACK * SECOND, reach, now)):
        log = logs[target]
        # A second binding of the target says everything twice, side by side.
        if not log.runs or log.runs[-1][1] != run:
            log.runs.append((at, run, scope))
            log.scopes.add(scope)
    for start in range(0, len(items), CHUNK):
        part = tuple(items[start : start + CHUNK])
        changes = Asked(_CHANGES.replace("{items}", ", ".join("?" * len(part))))
        for target, item, finding, key, at, run, status in changes.rows(
            connection, project, (now, *part, reach, now)
        ):
            log = logs[target]
            log.keys[finding] = key
            told = log.findings.setdefault(item, {}).setdefault(finding, [])
            if not told or told[-1][1] != run:
                told.append((at, run, status))
    numbers = sorted(set().union(*(log.scopes for log in logs.values())))
    scopes = {
        number: msgspec.json.decode(bytes(document), type=Scope)
        for number, document in select_in(connection, _SCOPES, numbers)
    }
    return Observations(obligations, logs, scopes)


def _obligations(
    connection: Connection, now: int, project: str | None, wanted: Callable[[Obligation], bool]
) -> dict[str, list[Obligation]]:
    plans = {number: decode(bytes(document)) for number, document in _PLANS.rows(connection, project)}
    rows = _TERMS.rows(connection, project, (now, now))
    found: dict[str, list[Obligation]] = defaultdict(list)
    for index, (owner, target, binding, interval, bound, until, accepted, plan) in enumerate(rows):
        start = max(bound, accepted)
        end = now if until is None else min(now, until)
        if index + 1 < len(rows) and rows[index + 1][2] == binding:
            # The next plan accepted under the same binding replaces this one.
            end = min(end, max(bound, rows[index + 1][6]))
        if end <= start:
            continue
        tolerance = SLACK * SECOND * interval
        entries = plans[plan].values()
        held = (Obligation(target, e.item, e.severity, start, end, tolerance) for e in entries)
        found[owner] += filter(wanted, held)
    return found
