"""First-go-live success: did the first cutover of a project hold, as far as the implementation goes?"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from math import floor

from msgspec.structs import replace
from sqlalchemy.orm import Session

from server.kpi.coverage import ENOUGH, Coverage
from server.kpi.episodes import Seen, load_episodes
from server.kpi.observations import Obligation, load_observations
from server.kpi.projects import Attempt, Project, load_exclusions, load_projects
from server.kpi.unit import Evidence, Maturity, Unit
from server.tables.base import to_micros

ID = "first-go-live"
GRAVE = frozenset({"P0", "P1"})
BLAMED = frozenset({"implementation", "unknown"})
"""Causes that fail a go-live; a cause still unknown at maturity counts as the implementation's."""


def units(session: Session, as_of: datetime, project: str | None = None) -> list[Unit]:
    """One unit per project whose first attempt started by `as_of`; its id is the project's."""
    connection = session.connection()
    projects = load_projects(connection, as_of, project)
    episodes: dict[str, list[Seen]] = defaultdict(list)
    for seen in load_episodes(connection, as_of, project):
        episodes[seen.project].append(seen)
    longest = timedelta(days=max((p.window_days for p in projects), default=0))
    coverage = Coverage(load_observations(connection, as_of, project, _own, longest))
    exclusions = load_exclusions(connection, ID, as_of)
    found = [unit_of(p, episodes[p.id], coverage, as_of) for p in projects]
    return [replace(unit, exclusion=exclusions.get(unit.id)) for unit in found]


def unit_of(project: Project, episodes: list[Seen], coverage: Coverage, as_of: datetime) -> Unit:
    """How the project's first attempt went, as far as it can be told at `as_of`.

    A failure that was seen stands even where the window was dark; a success needs coverage.
    """
    first, *later = project.attempts
    begun = first.cutover_at or first.started_at
    ends = begun + timedelta(days=project.window_days)
    until = min(ends, as_of)
    grave = [e for e in episodes if e.severity in GRAVE and _open_within(e, begun, ends)]
    left_out = [e for e in grave if e.left_out]
    blamed = [e for e in grave if not e.left_out and e.cause in BLAMED]
    went_wrong = _attempt_failed(first, later, ends)
    unknown_only = not any(e.cause == "implementation" for e in blamed)
    watched = first.cutover_at is not None
    window = (to_micros(begun), to_micros(until))
    covered = coverage.share(project.id, window, _own) if watched else 0.0

    outcome: int | None = None
    maturity = Maturity.PENDING
    if as_of >= ends and (watched or went_wrong):
        failed = bool(went_wrong or blamed)
        outcome = 0 if failed else 1
        maturity = Maturity.MATURE
        if not failed and covered < ENOUGH:
            outcome, maturity = None, Maturity.UNVERIFIABLE
    elif went_wrong or (blamed and not unknown_only):
        outcome = 0
    return Unit(
        kpi=ID,
        id=project.id,
        site=project.site,
        customer=project.customer,
        project=project.id,
        product=project.product,
        industry=project.industry,
        shares=project.holders_at(begun),
        outcome=outcome,
        reason=_reason(maturity, outcome, went_wrong, blamed, covered, watched),
        matures_at=ends if watched or went_wrong else None,
        maturity=maturity,
        coverage=covered,
        evidence=Evidence(
            go_lives=tuple(attempt.id for attempt in project.attempts),
            episodes=tuple(e.id for e in blamed),
            runs=tuple(run for e in blamed for run in e.runs) or coverage.runs(project.id, window),
        ),
        note=_note(grave, left_out),
        left_out=len(left_out),
    )


def _own(obligation: Obligation) -> bool:
    return obligation.severity in GRAVE


def _open_within(episode: Seen, begun: datetime, ends: datetime) -> bool:
    """Open at any moment of the window; a lapsed one was never seen closed and counts as open."""
    return episode.opened_at <= ends and (episode.closed_at is None or episode.closed_at > begun)


def _attempt_failed(first: Attempt, later: list[Attempt], ends: datetime) -> str:
    if first.outcome == "aborted":
        return "aborted"
    if first.outcome == "rolled-back" and first.ended_at is not None and first.ended_at <= ends:
        return f"rolled back on {first.ended_at:%Y-%m-%d}"
    if first.cutover_at is None:
        return "never cut over before a second attempt" if later else ""
    for attempt in later:
        if attempt.cutover_at is not None and attempt.cutover_at <= ends:
            return f"second cutover on {attempt.cutover_at:%Y-%m-%d}"
    return ""


def _reason(
    maturity: Maturity,
    outcome: int | None,
    went_wrong: str,
    blamed: list[Seen],
    covered: float,
    watched: bool,
) -> str:
    if went_wrong:
        return went_wrong
    if blamed and outcome == 0:
        return "; ".join(dict.fromkeys(f"{e.severity} episode of {e.item} was open" for e in blamed))
    if maturity is Maturity.MATURE:
        return "no failure in a window that was observed"
    if maturity is Maturity.UNVERIFIABLE:
        return f"only {floor(100 * covered)} % of the window was observed"
    if not watched:
        return "started, not cut over yet"
    return "an episode's cause is still unknown" if blamed else "too early to say"


def _note(grave: list[Seen], left_out: list[Seen]) -> str:
    notes = []
    if spared := [e for e in grave if not e.left_out and e.cause not in BLAMED]:
        notes.append(f"{len(spared)} P0/P1 not caused by the implementation")
    if left_out:
        notes.append(f"{len(left_out)} left out: the rule changed")
    return "; ".join(notes)
