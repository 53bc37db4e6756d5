"""One discovery: look at every machine, draft a profile of what was found, and try it on what was read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.discover.draft import Draft, make_draft
from agent.discover.looking import ROUNDS, look
from agent.discover.seen import Area, Choices, Finding, Seen
from agent.discover.side_by_side import side_by_side
from agent.discover.trial import tried
from agent.redact import Redactor
from checks.errors import Unreachable
from checks.evaluate import evaluate, next_facts
from checks.fact import Fact, Known, Reading, Unavailable
from checks.model import Result, Target
from checks.snapshot import Readings, Snapshot

if TYPE_CHECKING:
    from agent.discover.looking import Machine
    from checks.plan import Plan

HOSTS_AT_ONCE: Final = 16
NOTHING: Final[Mapping[str, Any]] = {}


class Place(msgspec.Struct, frozen=True):
    """A machine to look at, as the target that runs will know it as, and its roles."""

    target: Target
    machine: Machine
    roles: tuple[str, ...] = ()


class Discovered(msgspec.Struct, frozen=True):
    """The draft that passes; what did not, redacted; and the targets that could not be had, and why."""

    draft: Draft
    left_out: tuple[Result, ...] = ()
    lost: dict[str, Unavailable] = {}


class _Looked(msgspec.Struct):
    """A machine, and what was read of it so far."""

    place: Place
    readings: dict[Fact, Reading]

    @property
    def name(self) -> str:
        return self.place.target.name


def discover(
    id: str,
    places: Sequence[Place],
    areas: Collection[Area],
    choices: Choices,
    plan_of: Callable[[Path], Plan],
    clock: Callable[[], datetime],
    *,
    given: Mapping[str, Any] = NOTHING,
    limit: int = HOSTS_AT_ONCE,
) -> Discovered:
    """What these machines are, as a profile with this id; `plan_of` makes the plan of a profile's file.

    `given` are variables that the site file sets, and that a profile for it therefore has to know. Raises
    `Unreachable` where nothing could be read at any of them, or nothing was found.
    """
    try:
        return _discovered(id, places, areas, choices, plan_of, clock, given, limit)
    except BaseException:
        for place in places:
            place.machine.abort()
        raise


def _discovered(
    id: str,
    places: Sequence[Place],
    areas: Collection[Area],
    choices: Choices,
    plan_of: Callable[[Path], Plan],
    clock: Callable[[], datetime],
    given: Mapping[str, Any],
    limit: int,
) -> Discovered:
    looked = side_by_side(lambda place: _Looked(place, look(place.machine, areas)), places, limit)
    lost = {each.name: why for each in looked if (why := each.place.machine.lost) is not None}
    kept = [each for each in looked if each.name not in lost]
    _refuse_nothing(kept, lost)
    draft = make_draft(
        id,
        {each.name: _findings(each.readings, areas, choices) for each in kept},
        {each.name: each.place.roles for each in kept},
    )
    draft = msgspec.structs.replace(draft, variables={**draft.variables, **given})
    _refuse_empty(draft)

    def judge(path: Path) -> tuple[Plan, Sequence[Result]]:
        plan = plan_of(path)
        side_by_side(lambda each: _read_plan(each, plan), kept, limit)
        now = clock()
        results = evaluate(plan, Snapshot(now, tuple(_saved(each, now) for each in kept)), salt="").results
        # Of a target that was not seen nothing is known, nor of what all targets have in common.
        known = {each.name for each in kept}
        return plan, [result for result in results if result.target in known or not lost]

    done = tried(draft, judge)
    return Discovered(done.draft, Redactor("").results(done.lost), lost)


def _findings(readings: Mapping[Fact, Reading], areas: Iterable[Area], choices: Choices) -> list[Finding]:
    seen = Seen(readings)
    return [finding for area in areas for finding in area.findings(seen, choices)]


def _read_plan(looked: _Looked, plan: Plan) -> None:
    """Read what the plan needs and was not read already."""
    values = {fact.id(): reading for fact, reading in looked.readings.items()}
    wanted: list[Fact] = plan.facts(looked.name)
    for _ in range(ROUNDS):
        missing = [fact for fact in wanted if fact.id() not in values]
        if not missing:
            return
        read = looked.place.machine.read(missing)
        looked.readings |= read
        values |= {fact.id(): reading for fact, reading in read.items()}
        wanted = next_facts(plan, looked.name, values)


def _saved(looked: _Looked, now: datetime) -> Readings:
    values = {fact.id(): reading for fact, reading in looked.readings.items()}
    return Readings(looked.place.target, values, now, roles=looked.place.roles)


def _refuse_nothing(kept: Sequence[_Looked], lost: Mapping[str, Unavailable]) -> None:
    if any(isinstance(reading, Known) for each in kept for reading in each.readings.values()):
        return
    reasons = [each.reason for each in lost.values()] or [
        reading.reason
        for each in kept
        for reading in each.readings.values()
        if isinstance(reading, Unavailable)
    ]
    raise Unreachable(f"nothing could be read: {'; '.join(dict.fromkeys(reasons))}"[:1000], "failed")


def _refuse_empty(draft: Draft) -> None:
    """A profile without items is none."""
    if not draft.items and not draft.bases:
        notes = "; ".join(note.text for note in draft.notes)
        raise Unreachable(
            f"nothing was found that a profile could hold: {notes or 'no notes'}"[:1000], "none"
        )
