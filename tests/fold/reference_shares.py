"""Who is charged for an episode, asked anew for each from everything that is agreed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from history_words import Assignment, Entry, Episode, Handover, World


def charge(world: World, episode: Episode, rule: str, prior: Entry | None) -> Episode:
    """The episode with the shares of whoever held a role when it opened.

    `rule` is the opening result's, `prior` the newest decisive entry before it.
    """
    if episode.project is None:
        return replace(episode, reason="site", shares={})
    shares: dict[str, Fraction] = {}
    reasons: dict[str, set[str]] = {}
    unattributed: set[str] = set()
    rest = Fraction(1)
    for assignment in world.assignments:
        if assignment.project != episode.project or not _holds_role(assignment, episode.opened_at):
            continue
        rest -= assignment.share
        engineer, reason = _charged(world, assignment, episode, rule, prior)
        if engineer is None:
            unattributed.add(reason)
        else:
            shares[engineer] = shares.get(engineer, Fraction(0)) + assignment.share
            reasons.setdefault(engineer, set()).add(reason)
    if rest > 0:
        unattributed.add("no-holder")
    return replace(
        episode,
        reason=",".join(sorted(unattributed)),
        shares={engineer: float(share) for engineer, share in sorted(shares.items())},
        share_reasons={engineer: frozenset(why) for engineer, why in reasons.items()},
    )


def _holds_role(assignment: Assignment, at: datetime) -> bool:
    begun = assignment.valid_from <= at
    return begun and (assignment.valid_until is None or at < assignment.valid_until)


def baseline(world: World, assignment: Assignment, at: datetime) -> Handover | None:
    """The handover that counts for an assignment at a moment: the latest by then, else the next one."""
    mine = [
        handover
        for handover in world.handovers
        if (handover.project, handover.role, handover.engineer)
        == (assignment.project, assignment.role, assignment.engineer)
    ]
    by_then = [handover for handover in mine if handover.at <= at]
    if by_then:
        return max(by_then, key=lambda handover: handover.at)
    return min(mine, key=lambda handover: handover.at, default=None)


def _charged(
    world: World, assignment: Assignment, episode: Episode, rule: str, prior: Entry | None
) -> tuple[str | None, str]:
    """Who bears an assignment's share and why; nobody means it is unattributed for that reason."""
    handover = baseline(world, assignment, episode.opened_at)
    since = handover.at if handover is not None else assignment.valid_from
    if handover is not None and episode.opened_at <= handover.at:
        if episode.closed_at is not None and episode.closed_at <= handover.at:
            return None, "before-baseline"
        if handover.predecessor is None:
            return None, "first-seen"
        return handover.predecessor, "predecessor"
    if prior is None:
        return None, "first-seen"
    if prior.status != "pass":
        return None, "warned-before"
    if prior.rule != rule:
        return None, "rule-changed"
    if prior.run.at < since:
        return None, "not-seen-since-handover"
    return assignment.engineer, "holder"
