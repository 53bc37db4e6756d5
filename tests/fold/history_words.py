"""What a history is made of, and what it amounts to: plain values that the reference fold takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

# --- what a history is made of ---------------------------------------------------------------------------


class Target(NamedTuple):
    site: str
    name: str


class Finding(NamedTuple):
    target: Target
    item: str
    object: str


@dataclass(frozen=True)
class Seen:
    """What a run reported of one object."""

    status: str
    severity: str = "P2"
    cause: str = ""


@dataclass(frozen=True)
class ItemReport:
    """An item that a run set out to evaluate: the rule it used, what it saw, and whether that is all."""

    rule: str
    objects: Mapping[str, Seen]
    complete: bool = True


@dataclass(frozen=True)
class Run:
    """A run with all it said; an item that is missing from `reports` was out of scope at that target.

    `from_snapshot` marks an evaluation of saved readings, which never counts.
    """

    id: str
    at: datetime
    site: str
    profile: str
    reports: Mapping[Target, Mapping[str, ItemReport]]
    from_snapshot: bool = False


@dataclass(frozen=True)
class Line:
    """One item of an accepted plan."""

    rule: str
    opens_on: str = "fail"
    severity: str = "P2"


@dataclass(frozen=True)
class AcceptedPlan:
    valid_from: datetime
    lines: Mapping[str, Line]


@dataclass(frozen=True)
class Binding:
    """A target held to a profile for a project (none: for the site); its plans follow each other."""

    target: Target
    profile: str
    project: str | None
    valid_from: datetime
    valid_until: datetime | None
    plans: tuple[AcceptedPlan, ...]


@dataclass(frozen=True)
class Assignment:
    project: str
    engineer: str
    role: str
    share: Fraction
    valid_from: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True)
class Handover:
    """The baseline at which `engineer` took a role over; `at` is the time of `run`."""

    project: str
    role: str
    predecessor: str | None
    engineer: str
    run: str
    at: datetime


@dataclass(frozen=True)
class World:
    """Everything that is agreed beside the runs."""

    bindings: tuple[Binding, ...]
    assignments: tuple[Assignment, ...] = ()
    handovers: tuple[Handover, ...] = ()


# --- what it amounts to ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A moment at which a finding's entry became another; `gone` has no severity, cause or rule."""

    at: datetime
    run: str
    status: str
    severity: str
    cause: str
    rule: str


@dataclass(frozen=True)
class Episode:
    """One stretch from opened to closed, with who is charged for it.

    `share_reasons` is not compared by ``==``: an engineer charged for two roles has one share, but may have
    two reasons.
    """

    opened_at: datetime
    opened_run: str
    state: str
    lapsed_at: datetime | None
    closed_at: datetime | None
    closed_run: str | None
    close_kind: str
    rule_changed: bool
    severity: str
    recurred: bool
    project: str | None
    reason: str
    shares: Mapping[str, float]
    share_reasons: Mapping[str, frozenset[str]] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Past:
    """All there is to say about one finding."""

    changes: tuple[Change, ...]
    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class Entry:
    """What one run says of one finding, together with the accepted line under which it counts.

    `severity` is the worse of what was reported and what was accepted; P0 is worse than P1.
    """

    run: Run
    status: str
    severity: str
    cause: str
    rule: str
    line: Line
