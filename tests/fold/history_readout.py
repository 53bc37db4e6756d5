"""What the store made of a history, read back in the words of the reference fold and without its ids."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from history_words import Change, Episode, Finding, Past, Target
from sqlalchemy.orm import Session

from server import tables
from server.kpi.registry import find, list_kpis


class Stored(NamedTuple):
    """What the store holds, without the ids that it gave."""

    pasts: dict[Finding, Past]
    share_reasons: dict[tuple[Finding, str, str], str]
    present: dict[Finding, tuple[Any, ...]]
    runs: list[tuple[Any, ...]]
    states: list[tuple[Any, ...]]
    kpi_units: list[Any]


def stored(session: Session, now: datetime) -> Stored:
    """Everything that runs amount to, in a form that two stores can be compared by."""
    named = _findings(session)
    episodes, reasons, places = _episodes(session, named)
    changes = _changes(session, named)
    return Stored(
        {finding: Past(tuple(changes[finding]), tuple(episodes[finding])) for finding in named.values()},
        reasons,
        {named[row.id]: _present(row) for row in session.scalars(sa.select(tables.Finding))},
        _runs(session),
        _states(session),
        kpi_units(session, now, places),
    )


def _findings(session: Session) -> dict[int, Finding]:
    rows = session.execute(
        sa.select(tables.Finding, tables.TargetRow).join(
            tables.TargetRow, tables.TargetRow.id == tables.Finding.target_id
        )
    )
    return {row.id: Finding(Target(at.site_id, at.name), row.item, row.object) for row, at in rows}


def _present(row: tables.Finding) -> tuple[Any, ...]:
    return (row.since, row.status, row.severity, row.cause, row.rule, row.title, row.owner, row.check_id)


def _changes(session: Session, named: dict[int, Finding]) -> dict[Finding, list[Change]]:
    found: dict[Finding, list[Change]] = {finding: [] for finding in named.values()}
    table = tables.Transition
    for row in session.scalars(sa.select(table).order_by(table.effective_at, table.run_id)):
        change = Change(row.effective_at, row.run_id, row.status, row.severity, row.cause, row.rule)
        found[named[row.finding_id]].append(change)
    return found


Places = dict[int, tuple[Finding, datetime, str]]
"""Which episode an id means: the finding, and the moment and run that opened it."""


def _episodes(
    session: Session, named: dict[int, Finding]
) -> tuple[dict[Finding, list[Episode]], dict[tuple[Finding, str, str], str], Places]:
    shares: dict[int, dict[str, float]] = {}
    why: dict[tuple[int, str], str] = {}
    for share in session.scalars(sa.select(tables.EpisodeShare).order_by(tables.EpisodeShare.engineer_id)):
        shares.setdefault(share.episode_id, {})[share.engineer_id] = round(share.share, 9)
        why[share.episode_id, share.engineer_id] = share.reason
    found: dict[Finding, list[Episode]] = {finding: [] for finding in named.values()}
    reasons: dict[tuple[Finding, str, str], str] = {}
    places: Places = {}
    table = tables.Episode
    for row in session.scalars(sa.select(table)):
        finding = named[row.finding_id]
        assert (row.site_id, row.item) == (finding.target.site, finding.item)
        places[row.id] = (finding, row.opened_at, row.opened_run)
        for engineer in shares.get(row.id, {}):
            reasons[finding, row.opened_run, engineer] = why[row.id, engineer]
        found[finding].append(_episode(row, shares.get(row.id, {})))
    for told in found.values():
        told.sort(key=lambda episode: (episode.opened_at, episode.opened_run))
    return found, reasons, places


def _episode(row: tables.Episode, shares: dict[str, float]) -> Episode:
    return Episode(
        row.opened_at,
        row.opened_run,
        row.state,
        row.lapsed_at,
        row.closed_at,
        row.closed_run,
        row.close_kind,
        row.rule_changed,
        row.severity,
        row.recurred,
        row.project_id,
        row.reason,
        shares,
    )


def _runs(session: Session) -> list[tuple[Any, ...]]:
    """The runs that count at each target, with what they spoke for."""
    run, scope = tables.TargetRun, tables.Scope
    rows = session.execute(
        sa.select(run.target_id, run.effective_at, run.run_id, scope.digest)
        .join(scope, scope.id == run.scope_id)
        .order_by(run.target_id, run.effective_at, run.run_id)
    )
    return [tuple(row) for row in rows]


def _states(session: Session) -> list[tuple[Any, ...]]:
    state, scope = tables.TargetState, tables.Scope
    rows = session.execute(
        sa.select(state.target_id, state.effective_at, state.run_id, state.vector, scope.digest)
        .join(scope, scope.id == state.scope_id)
        .order_by(state.target_id)
    )
    return [tuple(row) for row in rows]


def kpi_units(session: Session, now: datetime, places: Places) -> list[Any]:
    """The units of every key figure, with episodes named by what they are instead of by id."""
    units: list[Any] = []
    for kpi in list_kpis():
        _, units_of = find(kpi.id)
        for unit in units_of(session, now):
            shape = msgspec.structs.asdict(unit)
            evidence = msgspec.structs.asdict(unit.evidence)
            evidence["episodes"] = sorted(places[episode] for episode in unit.evidence.episodes)
            units.append((kpi.id, shape | {"evidence": evidence}))
    return sorted(units, key=lambda pair: (pair[0], pair[1]["id"]))


def episode_ids(session: Session) -> set[int]:
    return set(session.scalars(sa.select(tables.Episode.id)))


def aliases(session: Session) -> dict[int, int]:
    rows = session.execute(sa.select(tables.EpisodeAlias.id, tables.EpisodeAlias.episode_id))
    return {row.id: row.episode_id for row in rows}
