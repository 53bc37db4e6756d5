"""Random small histories: what is agreed beside the runs, the runs, and orders in which they may arrive.

One generator serves Hypothesis, which shrinks what fails, and a seeded random number generator, which makes
bigger histories. Times fall on the borders that the semantics name (24 h, 90 days, the moment of a plan).
"""

from __future__ import annotations

import random
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from choices import Choices, Drawn, Rolled, numbers
from history_words import (
    AcceptedPlan,
    Assignment,
    Binding,
    Handover,
    ItemReport,
    Line,
    Run,
    Seen,
    Target,
    World,
)
from hypothesis import strategies as st
from reference import plan_in_force

from checks.ids import rule_digest

START = datetime(2023, 3, 1, 8, tzinfo=UTC)
TICK = timedelta(microseconds=1)
STEPS = (
    timedelta(hours=3),
    timedelta(0),
    TICK,
    timedelta(minutes=7),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=24) + TICK,
    timedelta(days=10),
    timedelta(days=45),
    timedelta(days=90),
    timedelta(days=90) + TICK,
    timedelta(days=100),
)
PACES = (STEPS, (*STEPS[4:7], timedelta(minutes=7)), STEPS[7:])
"""How runs follow each other: anyhow, around a day apart, or months apart."""
PROJECTS = {"north": ("alpha", "beta"), "south": ("gamma",)}
TOPOLOGIES = (
    (Target("north", "db1"),),
    (Target("north", "db1"), Target("north", "db2")),
    (Target("north", "db1"), Target("south", "db1")),
)
ENGINEERS = ("ada", "bob", "cyd")
ITEMS = ("disk.free", "cfg.value", "net.port_reach")
OBJECTS = ("/data", "/var")
OWNERS = {"disk.free": "customer-it", "cfg.value": "vendor", "net.port_reach": "network"}
OPENS_ON = {1: "fail", 2: "fail", 3: "warn"}
"""What each version of an item opens on: it is part of the rule, so a rule never means two things."""
SEVERITIES = ("P2", "P2", "P1", "P3", "P0")
SEEN = (
    *(Seen(status, severity) for severity in SEVERITIES for status in ("pass", "fail")),
    *(Seen(status, severity) for severity in ("P3", "P0") for status in ("warn", "error", "skip")),
    *(Seen(status) for status in ("pass", "fail", "pass", "fail", "warn", "warn", "manual", "skip")),
    Seen("fail", "P1", "full"),
    Seen("error", "P2", "timeout"),
)
"""What may be said of an object, the simplest first, passes and fails more often than the rest."""
TEAMS = (
    ((Fraction(1), "lead"),),
    ((Fraction(7, 10), "lead"), (Fraction(3, 10), "dba")),
    ((Fraction(1, 10), "lead"), (Fraction(2, 10), "dba"), (Fraction(7, 10), "network")),
    ((Fraction(1, 2), "lead"),),
    ((Fraction(1, 4), "lead"), (Fraction(1, 2), "dba")),
    (),
)


@dataclass(frozen=True)
class GoLive:
    project: str
    started_at: datetime
    cutover_at: datetime | None
    outcome: str
    ended_at: datetime | None


@dataclass(frozen=True)
class History:
    """Everything that is to be known; `runs` stand in the order in which their agents made them."""

    targets: tuple[Target, ...]
    world: World
    go_lives: tuple[GoLive, ...]
    runs: tuple[Run, ...]

    def known_by(self, arrived: Container[str]) -> History:
        """The history when only these runs have arrived, and the handovers at them were recorded."""
        handovers = tuple(each for each in self.world.handovers if each.run in arrived)
        runs = tuple(run for run in self.runs if run.id in arrived)
        return replace(self, world=replace(self.world, handovers=handovers), runs=runs)

    def __repr__(self) -> str:
        parts = [*self.world.bindings, *self.world.assignments, *self.world.handovers, *self.runs]
        return "History:\n  " + "\n  ".join(map(repr, parts))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """2 to 12 runs of up to 3 items with 2 objects, on one or two targets."""
    choose = Drawn(draw)
    return make_history(choose, runs=choose.number(2, 12), items=choose.number(1, 3))


@st.composite
def orders(draw: st.DrawFn, count: int) -> list[int]:
    """An order in which `count` runs arrive, some of them more than once."""
    order = draw(st.permutations(range(count)))
    again = draw(st.lists(st.tuples(numbers(0, count - 1), numbers(0, count)), max_size=4))
    for run, place in again:
        order.insert(place, run)
    return order


def big_history(seed: int, *, runs: int = 60) -> History:
    """A longer history of all items, the same for the same seed."""
    return make_history(Rolled(random.Random(seed)), runs=runs, items=len(ITEMS))


def shuffled(seed: int, count: int, *, again: int = 10) -> list[int]:
    """An order for `count` runs with some repeated, the same for the same seed."""
    dice = random.Random(seed)
    order = [*range(count), *(dice.randrange(count) for _ in range(again))]
    dice.shuffle(order)
    return order


def rule(item: str, version: int) -> str:
    """The name of an item's rule as an agent would make it."""
    return rule_digest(item, item, version, {}, OPENS_ON[version])


# --- making one ------------------------------------------------------------------------------------------


def make_history(choose: Choices, *, runs: int, items: int) -> History:
    targets = choose.one_of(TOPOLOGIES)
    names = ITEMS[:items]
    calm = choose.chance(50)
    pace = choose.one_of(PACES)
    moments = [START]
    for _ in range(runs - 1):
        moments.append(moments[-1] + choose.one_of(pace))
    agreed = _calm_bindings if calm else _bindings
    bindings = [b for target in targets for b in agreed(choose, target, names, moments)]
    projects = sorted({binding.project for binding in bindings if binding.project is not None})
    assignments = tuple(a for project in projects for a in _assignments(choose, project, moments, calm))
    told = tuple(
        _run(choose, number, at, targets, bindings, names) for number, at in enumerate(moments, start=1)
    )
    return History(
        targets,
        World(tuple(bindings), assignments, _handovers(choose, assignments, told)),
        tuple(_go_live(choose, project, moments) for project in projects if choose.chance(60)),
        told,
    )


def _moment(choose: Choices, moments: Sequence[datetime]) -> datetime:
    """A moment that matters: at a run, just before or after it, or between runs."""
    shift = choose.one_of((timedelta(0), TICK, -TICK, timedelta(hours=1), -timedelta(hours=1)))
    return choose.one_of(moments) + shift


def _bindings(
    choose: Choices, target: Target, names: Sequence[str], moments: Sequence[datetime]
) -> list[Binding]:
    """One profile for ever, in two stretches with an end or a new project between, or two profiles."""
    projects = (*PROJECTS[target.site], None)
    project = projects[0] if choose.chance(75) else choose.one_of(projects)
    begin = _moment(choose, moments) if choose.chance(15) else START - timedelta(days=1)
    shape = choose.one_of(("one", "one", "ends", "follows", "beside"))
    if shape == "one":
        return [_binding(choose, target, "base", project, begin, None, names, moments)]
    if shape == "beside":
        first = _binding(choose, target, "base", project, begin, None, names, moments)
        since, until = _moment(choose, moments), None
        if choose.chance(40):
            until = _moment(choose, moments)
            since, until = min(since, until), max(since, until) + TICK
        return [first, _binding(choose, target, "extra", project, since, until, names, moments)]
    end = max(_moment(choose, moments), begin + TICK)
    found = [_binding(choose, target, "base", project, begin, end, names, moments)]
    if shape == "follows":
        since = end if choose.chance(60) else max(end, _moment(choose, moments))
        then = choose.one_of(projects)
        found.append(_binding(choose, target, "base", then, since, None, names, moments))
    return found


def _calm_bindings(
    choose: Choices, target: Target, names: Sequence[str], moments: Sequence[datetime]
) -> list[Binding]:
    """One profile with all items for ever, but one item may be dropped for a while, now and then."""
    since = START - timedelta(days=1)
    whole = {name: Line(rule(name, 1), severity="P3") for name in names}
    plans = {since: AcceptedPlan(since, whole)}
    kept = {name: line for name, line in whole.items() if name != names[0]}
    for _ in range(choose.one_of((0, 1, len(moments) // 4))):
        dropped = _moment(choose, moments)
        back = dropped + choose.one_of(STEPS)
        plans |= {dropped: AcceptedPlan(dropped, kept), back: AcceptedPlan(back, whole)}
    ordered = tuple(plans[at] for at in sorted(plans))
    return [Binding(target, "base", PROJECTS[target.site][0], since, None, ordered)]


def _binding(
    choose: Choices,
    target: Target,
    profile: str,
    project: str | None,
    begin: datetime,
    end: datetime | None,
    names: Sequence[str],
    moments: Sequence[datetime],
) -> Binding:
    """A binding whose plan changes up to three times, perhaps after its end or before its beginning."""
    accepted = {begin if choose.chance(90) else _moment(choose, moments)}
    accepted |= {_moment(choose, moments) for _ in range(choose.number(0, 3))}
    plans = tuple(AcceptedPlan(at, _lines(choose, names)) for at in sorted(accepted))
    return Binding(target, profile, project, begin, end, plans)


def _lines(choose: Choices, names: Sequence[str]) -> Mapping[str, Line]:
    lines = {}
    for name in names:
        if not choose.chance(20):
            version = choose.one_of((1, 1, 2, 3))
            lines[name] = Line(rule(name, version), OPENS_ON[version], choose.one_of(SEVERITIES))
    return lines


def _assignments(choose: Choices, project: str, moments: Sequence[datetime], calm: bool) -> list[Assignment]:
    """A team whose shares never exceed 1; each role may pass to another engineer, at once or later."""
    found = []
    for share, role in choose.one_of(TEAMS):
        engineer = choose.one_of(ENGINEERS)
        if calm:
            found.append(Assignment(project, engineer, role, share, START - timedelta(days=1)))
            continue
        begin = _moment(choose, moments) if choose.chance(30) else START - timedelta(days=1)
        if choose.chance(60):
            found.append(Assignment(project, engineer, role, share, begin))
            continue
        end = max(_moment(choose, moments), begin + TICK)
        found.append(Assignment(project, engineer, role, share, begin, end))
        if choose.chance(70):
            since = end if choose.chance(70) else max(end, _moment(choose, moments))
            found.append(Assignment(project, choose.one_of(ENGINEERS), role, share, since))
    return found


def _handovers(
    choose: Choices, assignments: Sequence[Assignment], runs: Sequence[Run]
) -> tuple[Handover, ...]:
    found: dict[tuple[object, ...], Handover] = {}
    for assignment in assignments:
        here = [run for run in runs if assignment.project in PROJECTS[run.site]]
        for _ in range(choose.one_of((0, 0, 0, 1, 2)) if here else 0):
            run = choose.one_of(here)
            others = [None, *(name for name in ENGINEERS if name != assignment.engineer)]
            handover = Handover(
                assignment.project,
                assignment.role,
                choose.one_of(others),
                assignment.engineer,
                run.id,
                run.at,
            )
            found.setdefault((handover.project, handover.role, handover.engineer, handover.at), handover)
    return tuple(found.values())


def _go_live(choose: Choices, project: str, moments: Sequence[datetime]) -> GoLive:
    began = _moment(choose, moments)
    outcome = choose.one_of(("live", "running", "rolled-back", "aborted"))
    cutover = began + timedelta(hours=2) if outcome in ("live", "rolled-back") else None
    return GoLive(
        project, began, cutover, outcome, None if outcome == "running" else began + timedelta(hours=5)
    )


def _run(
    choose: Choices,
    number: int,
    at: datetime,
    targets: Sequence[Target],
    bindings: Sequence[Binding],
    names: Sequence[str],
) -> Run:
    """A run of one site; of several targets there it speaks for some, of the items for some."""
    first = choose.one_of(targets)
    here = [target for target in targets if target.site == first.site]
    chosen = here if choose.chance(60) else [first]
    profiles = sorted({binding.profile for binding in bindings if binding.target == first})
    profile = choose.one_of(profiles)
    partial = choose.chance(30)
    reports = {}
    for target in chosen:
        held_to: Mapping[str, Line] = {}
        for binding in bindings:
            if binding.target == target and binding.profile == profile:
                held_to = {**held_to, **plan_in_force(binding, at)}
        reports[target] = {
            name: _report(choose, name, held_to.get(name))
            for name in names
            if not (partial and choose.chance(50))
        }
    # The tail decides between runs of one instant, and not always in the order they were made.
    tail = f"{choose.number(0, 7)}{number:011x}"
    stamp = int(at.timestamp() * 1000)
    run_id = f"{stamp >> 16:08x}-{stamp & 0xFFFF:04x}-7000-8000-{tail}"
    return Run(run_id, at, first.site, profile, reports, from_snapshot=choose.chance(4))


def _report(choose: Choices, name: str, line: Line | None) -> ItemReport:
    """Mostly under the rule that is accepted, sometimes under another version's."""
    accepted = line is not None and not choose.chance(12)
    used = line.rule if line is not None and accepted else rule(name, choose.one_of((1, 2, 3)))
    objects = {}
    for object in OBJECTS:
        if not choose.chance(25):
            objects[object] = choose.one_of(SEEN)
    return ItemReport(used, objects, complete=not choose.chance(30))
