"""Who is charged for an episode: a pure function of effective times, assignments and handover baselines.

A holder of a role is charged only if the finding was last seen passing, under the same rule, at or after
the holder's baseline. What failed at the baseline stays with the predecessor; what was never seen before
is nobody's; what is missing to 1 is visibly unattributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from server.fold import Shape
from server.sql import Sql


@dataclass(frozen=True, slots=True)
class Holder:
    """An assignment: the engineer holds the role with that share in [since, until)."""

    engineer: str
    role: str
    share: float
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Baseline:
    """A handover of a role, at the effective time of the run that both stand for."""

    role: str
    predecessor: str | None
    successor: str
    at: int


@dataclass(frozen=True, slots=True)
class Team:
    """Everything about a project that attribution asks for."""

    holders: Sequence[Holder] = ()
    baselines: Sequence[Baseline] = ()


@dataclass(slots=True)
class Charge:
    """Shares by engineer with the reason for each, and why the rest is unattributed (sorted, with commas)."""

    shares: dict[str, tuple[float, str]] = field(default_factory=dict)
    reason: str = ""


NO_TEAM = Team()
_FULL = 1 - 1e-9


def baseline_of(team: Team, holder: Holder, opened_at: int) -> Baseline | None:
    """The handover to this holder that an episode opened then is judged by.

    It is the latest at or before the opening, else the earliest after it.
    """
    own = [b for b in team.baselines if b.role == holder.role and b.successor == holder.engineer]
    before = [b for b in own if b.at <= opened_at]
    return max(before, key=lambda b: b.at, default=None) or min(own, key=lambda b: b.at, default=None)


def attribute(shape: Shape, team: Team, prior_seen_at: int) -> Charge:
    """The charge of one episode.

    `prior_seen_at` is when the newest decisive observation before the opening was made (ignored without
    one). Reasons for what is unattributed: ``site`` (outside every project), ``no-holder``, ``first-seen``,
    ``warned-before``, ``rule-changed``, ``not-seen-since-handover``, ``before-baseline``.
    """
    if shape.project is None:
        return Charge(reason="site")
    charge = Charge()
    unattributed: set[str] = set()
    held = 0.0
    for holder in team.holders:
        if not (holder.since <= shape.opened_at and (holder.until is None or shape.opened_at < holder.until)):
            continue
        held += holder.share
        engineer, why = _charged(shape, holder, baseline_of(team, holder, shape.opened_at), prior_seen_at)
        if engineer is None:
            unattributed.add(why)
        else:
            share, reason = charge.shares.get(engineer, (0.0, why))
            charge.shares[engineer] = (share + holder.share, min(reason, why))
    if held < _FULL:
        unattributed.add("no-holder")
    charge.reason = ",".join(sorted(unattributed))
    return charge


def _charged(
    shape: Shape, holder: Holder, baseline: Baseline | None, prior_seen_at: int
) -> tuple[str | None, str]:
    if baseline is not None and shape.opened_at <= baseline.at:
        if shape.closed_at is not None and shape.closed_at <= baseline.at:
            return None, "before-baseline"
        if baseline.predecessor is None:
            return None, "first-seen"
        return baseline.predecessor, "predecessor"
    if shape.prior is None:
        return None, "first-seen"
    if shape.prior.entry.status != "pass":
        return None, "warned-before"
    if shape.prior.entry.rule != shape.rule:
        return None, "rule-changed"
    if prior_seen_at < (baseline.at if baseline is not None else holder.since):
        return None, "not-seen-since-handover"
    return holder.engineer, "holder"


_HOLDERS = Sql(
    "SELECT engineer_id, role, share, valid_from, valid_until FROM assignment WHERE project_id = ?"
    " ORDER BY valid_from, id"
)
_BASELINES = Sql("SELECT role, from_engineer_id, to_engineer_id, at FROM handover WHERE project_id = ?")


def team_of(connection: Connection, project: str | None) -> Team:
    """The assignments and handovers of a project."""
    if project is None:
        return NO_TEAM
    return Team(
        [Holder(*row) for row in _HOLDERS.rows(connection, (project,))],
        [Baseline(*row) for row in _BASELINES.rows(connection, (project,))],
    )
