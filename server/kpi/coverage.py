"""How much of a window was observed: the measure that tells "nothing happened" from "nobody looked".

A moment is covered when the newest decisive observation (pass, warn, fail) of *every* item asked for is at
most twice the binding's expected interval old. Errors and skips observe nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from checks.model import DECISIVE
from server.kpi.intervals import Span, Spans, clip, length, merge, reach, subtract
from server.kpi.observations import Log, Obligation, Observations, Place

ENOUGH = 0.9
"""A success needs at least this much of its window covered."""

ABSENT = frozenset({"skip", "gone"})
SEEN = frozenset(status.value for status in DECISIVE)


class _Stretch(NamedTuple):
    """A finding had one status from `at` until `until`; `low` to `high` are the runs that said so.

    `born` marks the first stretch of an object that was not there before.
    """

    status: str
    at: int
    until: int | None
    born: bool
    low: int
    high: int


_Line = tuple[frozenset[int], tuple[_Stretch, ...]]
"""A finding's whole life: the scopes that speak for it and its stretches. Most findings share theirs."""


@dataclass(slots=True)
class Coverage:
    """Measures windows on a set of observations; what the findings of a target share is worked out once."""

    observations: Observations
    _places: dict[tuple[str, frozenset[int]], list[Place]] = field(default_factory=dict)

    def share(self, project: str, window: Span, wanted: Callable[[Obligation], bool]) -> float:
        """The covered share of a window, from 0 to 1.

        `wanted` chooses among the items that the project's targets were held to. An item that only ever
        skipped inside the window does not apply; a moment at which nothing applied is not covered.
        """
        size = window[1] - window[0]
        if size <= 0:
            return 0.0
        held: list[Span] = []
        dark: list[Span] = []
        answers: dict[tuple[str, frozenset[_Line], int], Spans | None] = {}
        for obligation in filter(wanted, self.observations.obligations.get(project, ())):
            active = clip(((obligation.start, obligation.end),), window)
            lines = self._lines(obligation.target, obligation.item)
            question = (obligation.target, lines, obligation.tolerance)
            if question not in answers:
                answers[question] = self._observed(*question, window)
            observed = answers[question]
            if observed is not None:
                held += active
                dark += subtract(active, observed)
        return length(subtract(merge(held), merge(dark))) / size

    def runs(self, project: str, window: Span) -> tuple[str, ...]:
        """The first and the last run inside a window at each of the project's targets, oldest first."""
        ends: set[Place] = set()
        for target in {o.target for o in self.observations.obligations.get(project, ())}:
            runs = self._log(target).runs
            low, high = bisect_left(runs, (window[0],)), bisect_left(runs, (window[1] + 1,))
            ends |= {runs[index][:2] for index in (low, high - 1) if low < high}
        return tuple(run for _, run in sorted(ends))

    def _log(self, target: str) -> Log:
        return self.observations.logs.get(target) or Log()

    def _lines(self, target: str, item: str) -> frozenset[_Line]:
        log = self._log(target)
        return frozenset(
            self._line(target, item, log.keys[finding], changes)
            for finding, changes in log.findings.get(item, {}).items()
        )

    def _line(self, target: str, item: str, key: str, changes: list[tuple[int, str, str]]) -> _Line:
        scopes = self.observations.scopes
        speakers = frozenset(n for n in self._log(target).scopes if scopes[n].speaks_for(item, key))
        places = self._spoken(target, speakers)
        cuts = [*(bisect_left(places, (at, run)) for at, run, _ in changes), len(places)]
        stretches: list[_Stretch] = []
        before = "gone"
        for index, (at, _, status) in enumerate(changes):
            until = changes[index + 1][0] if index + 1 < len(changes) else None
            born = before in ABSENT and status not in ABSENT
            stretches.append(_Stretch(status, at, until, born, cuts[index], cuts[index + 1]))
            before = status
        return speakers, tuple(stretches)

    def _spoken(self, target: str, speakers: frozenset[int]) -> list[Place]:
        if (target, speakers) not in self._places:
            runs = self._log(target).runs
            self._places[target, speakers] = [(at, run) for at, run, scope in runs if scope in speakers]
        return self._places[target, speakers]

    def _observed(self, target: str, lines: frozenset[_Line], tolerance: int, window: Span) -> Spans | None:
        """When an item was observed at a target; None where it only ever skipped inside the window.

        It is where at least one of its objects is, and no object that is there has gone unobserved for
        longer than the tolerance; one that has just appeared has as long.
        """
        cover: list[Span] = []
        unseen: list[Span] = []
        skipped = applies = False
        for speakers, stretches in lines:
            places = self._spoken(target, speakers)
            own: list[Span] = []
            present: list[Span] = []
            excused: list[Span] = []
            for stretch in stretches:
                moments = [at for at, _ in places[stretch.low : stretch.high]]
                if stretch.status not in ABSENT:
                    present.append((stretch.at, window[1] if stretch.until is None else stretch.until))
                if stretch.born:
                    excused.append((stretch.at, stretch.at + tolerance))
                if stretch.status in SEEN:
                    own += reach(moments, tolerance)
                if _any_inside(moments, window):
                    skipped |= stretch.status == "skip"
                    applies |= stretch.status not in ABSENT
            seen = merge(own)
            cover += seen
            unseen += subtract(subtract(merge(present), seen), merge(excused))
        if skipped and not applies:
            return None
        return clip(subtract(merge(cover), merge(unseen)), window)


def _any_inside(moments: list[int], window: Span) -> bool:
    index = bisect_left(moments, window[0])
    return index < len(moments) and moments[index] <= window[1]
