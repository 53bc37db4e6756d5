"""The fold: what a finding's transitions and the terms it was held to amount to in episodes.

Pure functions of effective times; they know no database and no clock. Times are microseconds since the
epoch. Which results become transitions is `server.history`'s business, who is charged
`server.attribution`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

HOUR = 3_600_000_000
DAY = 24 * HOUR
SEVERITY_WINDOW = DAY
"""The worst severity within this time after the opening is the episode's."""
RECURRED_WITHIN = 90 * DAY
"""An episode that opens this soon after the finding's last close is labelled recurred."""


class Entry(NamedTuple):
    """What a target's state vector holds for one finding; measured values are not in it.

    `severity` is the worse of what the run reported and what the accepted plan says.
    """

    status: str
    severity: str
    cause: str
    rule: str


GONE = Entry("gone", "", "", "")
"""A run spoke for the whole item and this object was not there any more."""


class Change(NamedTuple):
    """A transition: from the run at (`at`, `run`) on, the finding's entry is this one."""

    at: int
    run: str
    entry: Entry

    @property
    def place(self) -> tuple[int, str]:
        return self.at, self.run


@dataclass(frozen=True, slots=True)
class Term:
    """A stretch of time [start, end) in which an accepted plan held a target to an item."""

    start: int
    end: int | None
    rule: str
    opens_on: str
    severity: str
    project: str | None
    interval: int

    def covers(self, at: int) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(slots=True)
class Shape:
    """An episode as the fold sees it, without an id.

    `prior` is the newest decisive change before the opening, `prior_until` the place of the change that
    ended it: the last run before that place which spoke for the finding is its newest observation.
    """

    opened_at: int
    opened_run: str
    rule: str
    severity: str
    project: str | None
    prior: Change | None
    prior_until: tuple[int, str]
    rule_changed: bool
    recurred: bool
    state: str = "open"
    lapsed_at: int | None = None
    closed_at: int | None = None
    closed_run: str | None = None
    close_kind: str = ""
    kept_by_rule: str = field(default="", repr=False)

    @property
    def ends(self) -> int | None:
        """The last moment the episode covers, None while it is not closed."""
        return self.closed_at


def worse(one: str, other: str) -> str:
    """The worse of two severities; P0 is the worst. The empty string is no severity."""
    return min(one or "P9", other or "P9")


def drops(terms: Iterable[Term]) -> list[int]:
    """The moments at which no accepted plan holds the item any longer (until one does again)."""
    moments: list[int] = []
    reach: int | None = -1
    for term in sorted(terms, key=lambda t: t.start):
        if reach is None:
            break
        if reach != -1 and term.start > reach:
            moments.append(reach)
        reach = None if term.end is None else max(reach, term.end)
    if reach is not None and reach != -1:
        moments.append(reach)
    return moments


def term_of(terms: Iterable[Term], at: int, rule: str) -> Term | None:
    """The term under which a result with this rule counted at that moment, the earliest one first."""
    fitting = [term for term in terms if term.rule == rule and term.covers(at)]
    return min(fitting, key=lambda t: (t.start, t.project or ""), default=None)


def derive(changes: Sequence[Change], terms: Sequence[Term]) -> list[Shape]:
    """The episodes of one finding, oldest first.

    `changes` are its transitions in fold order, `terms` those of its item at its target. A fail (or a warn
    where the item opens on warn) opens; pass closes; skip, gone and the item's leaving every accepted plan
    let an open episode lapse; error and manual do nothing. The next opening result continues a lapsed
    episode and the next pass closes it.
    """
    episodes: list[Shape] = []
    current: Shape | None = None
    prior: Change | None = None
    prior_until = (0, "")
    passed_under = ""
    closed_last: int | None = None

    moments = sorted(
        [*((c.at, c.run, c) for c in changes), *((at, "", None) for at in drops(terms))], key=_place
    )
    for at, run, change in moments:
        if prior is not None and prior_until == prior.place and change is not None:
            prior_until = (at, run)
        status = change.entry.status if change is not None else "gone"
        if status in ("skip", "gone"):
            if current is not None and current.state == "open":
                current.state, current.lapsed_at = "lapsed", at
        elif change is None:
            continue
        elif status in ("fail", "warn"):
            entry = change.entry
            term = term_of(terms, at, entry.rule)
            opens = status == "fail" or (term is not None and term.opens_on == "warn")
            if current is None and opens:
                current = Shape(
                    opened_at=at,
                    opened_run=run,
                    rule=entry.rule,
                    severity=entry.severity,
                    project=term.project if term is not None else None,
                    prior=prior,
                    prior_until=prior_until,
                    rule_changed=passed_under not in ("", entry.rule),
                    recurred=closed_last is not None and at - closed_last <= RECURRED_WITHIN,
                )
                episodes.append(current)
            elif current is not None and opens:
                current.state, current.lapsed_at = "open", None
            if current is not None and current.state == "open":
                current.kept_by_rule = entry.rule
                if at <= current.opened_at + SEVERITY_WINDOW:
                    current.severity = worse(current.severity, entry.severity)
            prior, prior_until = change, change.place
        elif status == "pass":
            if current is not None:
                current.state, current.lapsed_at = "closed", None
                current.closed_at, current.closed_run = at, run
                same = change.entry.rule == current.kept_by_rule
                current.close_kind = "verified" if same else "rule-changed"
                closed_last, current = at, None
            passed_under = change.entry.rule
            prior, prior_until = change, change.place
    return episodes


def _place(moment: tuple[int, str, Change | None]) -> tuple[int, str]:
    return moment[0], moment[1]
