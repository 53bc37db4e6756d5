"""Which results of a run count at which target: those whose rule belongs to the accepted plan in force."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from checks.model import OVERRIDDEN, Result, RunReport, Trigger
from server import plans
from server.fold import Entry, worse
from server.plans import SPELT
from server.scopes import Scope
from server.sql import Sql
from server.transitions import Observed


@dataclass(frozen=True, slots=True)
class Counted:
    """The part of a run that enters one target's history. `replanned`: with it another plan came in force."""

    target: str
    accepted: int
    scope: Scope
    entries: dict[str, Observed]
    replanned: bool = False


_REPORTED = Sql(
    "INSERT INTO reported_plan (target_id, profile_id, plan_id, first_run, first_at) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (target_id, profile_id, plan_id) DO NOTHING"
)


def count(
    connection: Connection, report: RunReport, targets: dict[str, str], at: int, *, bind_under: str | None
) -> list[Counted]:
    """What of a run counts, per target that has anything that does; `targets` maps names to ids.

    `bind_under` is the enrolment token whose first plan this is: it is accepted with a binding.
    A plan that is not the accepted one is noted, so that a person can look at it.
    """
    if report.trigger is Trigger.SNAPSHOT:
        return []
    results: dict[str, list[Result]] = defaultdict(list)
    for result in report.results:
        results[result.target].append(result)
    counted = []
    for name, target in sorted(targets.items(), key=lambda pair: pair[1]):
        entries = plans.entries_of(report.plan, name)
        document = plans.encode(entries)
        if bind_under is not None:
            _bind(connection, bind_under, target, report.profile.id, document, at)
        in_force = plans.in_force(connection, target, report.profile.id, at)
        if in_force is None and not report.profile.version.endswith(OVERRIDDEN):
            in_force = _accept_first(connection, target, report.profile.id, document, at)
        central = None
        if in_force is None or in_force.digest != plans.digest(document):
            central = _accept_published(connection, target, report, document, entries, at)
        if central is not None:
            in_force = central
        if in_force is not None and in_force.digest == plans.digest(document):
            eligible = plans.decode(document)
        else:
            plan = plans.intern(connection, document)
            _REPORTED(connection, (target, report.profile.id, plan, report.run, at))
            if in_force is None:
                continue
            own = {entry.item: entry.rule for entry in entries}
            accepted = plans.load(connection, in_force.plan)
            eligible = {item: entry for item, entry in accepted.items() if own.get(item) == entry.rule}
        seen = _observed(results[name], eligible)
        complete = frozenset(
            s.item for s in report.scope if s.target == name and s.complete and s.item in eligible
        )
        keys = frozenset(key for key, observed in seen.items() if observed.item not in complete)
        if complete or keys:
            counted.append(
                Counted(target, in_force.accepted, Scope(complete, keys), seen, central is not None)
            )
    return counted


def _observed(results: Iterable[Result], eligible: dict[str, plans.Entry]) -> dict[str, Observed]:
    seen = {}
    for result in results:
        accepted = eligible.get(result.item)
        if accepted is None or accepted.rule != result.rule:
            continue
        severity = worse(SPELT[result.severity], accepted.severity)
        seen[result.key] = Observed(
            Entry(SPELT[result.status], severity, result.cause, result.rule),
            result.item,
            result.check,
            result.object,
            result.title,
            result.owner,
        )
    return seen


_TOKEN = Sql(
    "SELECT project_id, interval_s, profile_id, created_at FROM enrolment_token"
    " WHERE token_hash = ? AND bound_at IS NULL"
)
_BIND = Sql(
    "INSERT INTO binding (target_id, profile_id, project_id, interval_s, valid_from, accepts_first)"
    " VALUES (?, ?, ?, ?, ?, ?) RETURNING id"
)
_ACCEPT = Sql(
    "INSERT INTO accepted_plan (binding_id, plan_id, valid_from, accepted_by, accepted_at)"
    " VALUES (?, ?, ?, ?, ?)"
)
_BOUND = Sql(
    "SELECT id FROM binding WHERE target_id = ? AND (valid_until IS NULL OR valid_until > ?) LIMIT 1"
)
_EMPTY_HANDED = Sql(
    "SELECT id FROM binding b WHERE target_id = ? AND profile_id = ? AND accepts_first AND valid_from <= ?"
    " AND (valid_until IS NULL OR valid_until > ?)"
    " AND NOT EXISTS (SELECT 1 FROM accepted_plan a WHERE a.binding_id = b.id)"
    " ORDER BY valid_from LIMIT 1"
)


def may_bind(connection: Connection, token: str | None, report: RunReport) -> str | None:
    """The token under which this run's plan is accepted, if it is the first that may be."""
    if token is None or report.trigger is Trigger.SNAPSHOT or report.profile.version.endswith(OVERRIDDEN):
        return None
    row = _TOKEN.row(connection, (token,))
    if row is None or row[2] not in ("", report.profile.id):
        return None
    return token


def _bind(connection: Connection, token: str, target: str, profile: str, document: bytes, at: int) -> None:
    """Bind a target as its enrolment token says, and accept the plan it came with."""
    row = _TOKEN.row(connection, (token,))
    if row is None or _BOUND(connection, (target, at)).first() is not None:
        return
    project, interval, _, created_at = row
    start = min(created_at, at)
    binding = _BIND(connection, (target, profile, project, interval, start, False)).scalar_one()
    plan = plans.intern(connection, document)
    _ACCEPT(connection, (binding, plan, start, "enrolment token", at))


_BINDING = Sql(
    "SELECT id FROM binding WHERE target_id = ? AND profile_id = ? AND valid_from <= ?"
    " AND (valid_until IS NULL OR valid_until > ?) ORDER BY valid_from LIMIT 1"
)
_ACCEPT_ONCE = Sql(
    "INSERT INTO accepted_plan (binding_id, plan_id, valid_from, accepted_by, accepted_at)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (binding_id, valid_from) DO NOTHING"
)


def _accept_published(
    connection: Connection,
    target: str,
    report: RunReport,
    document: bytes,
    entries: list[plans.Entry],
    at: int,
) -> plans.InForce | None:
    """Accept a plan under its binding where a profile that was published for the site gives it."""
    binding = _BINDING(connection, (target, report.profile.id, at, at)).scalar()
    if binding is None or not entries:
        return None
    from server.publishing.central import published_by

    profile = report.profile
    by = published_by(connection, report.site, profile.id, profile.version, entries, at)
    if by is None:
        return None
    plan = plans.intern(connection, document)
    _REPORTED(connection, (target, profile.id, plan, report.run, at))
    _ACCEPT_ONCE(connection, (binding, plan, at, f"published by {by}", at))
    accepted = plans.in_force(connection, target, profile.id, at)
    return accepted if accepted is not None and accepted.plan == plan else None


def _accept_first(
    connection: Connection, target: str, profile: str, document: bytes, at: int
) -> plans.InForce | None:
    """Accept the first plan under a binding that was made to take whatever comes first."""
    binding = _EMPTY_HANDED(connection, (target, profile, at, at)).scalar()
    if binding is None:
        return None
    _ACCEPT(connection, (binding, plans.intern(connection, document), at, "first plan under the binding", at))
    return plans.in_force(connection, target, profile, at)
