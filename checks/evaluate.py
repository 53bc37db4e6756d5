"""Snapshot and plan in, results out: pure, in plan order, never an exception.

A check is judged only on what was read. What could not be read, what was redacted and a check that fails
itself all end as `error`, each with its cause; nothing is left out silently. Evaluation's clock is the
snapshot's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from checks.fact import Fact, Known, Reading, Redacted, Unavailable
from checks.facts.permitted import NOT_APPROVED
from checks.model import Result, ScopeItem, Status, Verdict
from checks.plan import Plan
from checks.recorded import Recorded
from checks.result import ResultMaker
from checks.snapshot import Readings, Snapshot
from checks.unit import Case, Unit, value_of
from checks.verdicts import error, msg, skip

EVERYTHING: Final = "*"
"""The object of a result about the enumeration itself."""

_WORST: Final = {
    status: rank
    for rank, status in enumerate(
        (Status.FAIL, Status.WARN, Status.ERROR, Status.MANUAL, Status.PASS, Status.SKIP)
    )
}


Basis = tuple[tuple[str, str], ...]
"""What a result was judged on: target and fact id of each reading."""


class Evaluation(msgspec.Struct, frozen=True):
    """The results of a run, and for every unit in scope whether its objects are all among them.

    `basis` says by key what each result was judged on.
    """

    results: tuple[Result, ...]
    scope: tuple[ScopeItem, ...]
    basis: dict[str, Basis] = {}


def next_facts(plan: Plan, target: str, values: Mapping[str, Reading]) -> list[Fact]:
    """The facts that the readings so far make necessary and that are not among them; empty when done."""
    wanted: dict[Fact, None] = {}
    for unit in plan.units_at(target):
        if unit.enumerator is None:
            continue
        cases = unit.cases(values)
        if isinstance(cases, tuple):
            facts = (fact for case in cases for fact in case.facts.values() if fact is not None)
            wanted |= dict.fromkeys(fact for fact in facts if fact.id() not in values)
    return list(wanted)


def evaluate(plan: Plan, snapshot: Snapshot, *, salt: str) -> Evaluation:
    """Judge every unit in scope.

    `salt` goes into the findings' keys: the site id, or the secret of a site that masks its names. Where a
    fact was redacted the result that was recorded under the same rule stands, marked ``recorded``.
    """
    readings = {each.target.name: each for each in snapshot.targets}
    recorded = Recorded(snapshot.recorded)
    results: list[Result] = []
    scope: list[ScopeItem] = []
    basis: dict[str, Basis] = {}
    for unit in plan.units:
        judged = _Judge(unit, readings, recorded, snapshot.captured_at, salt, basis)
        found, complete = judged.hold(plan.approval) if plan.holds(unit) else judged.judge()
        results += _without_doubles(found)
        scope.append(ScopeItem(unit.target, unit.item.id, complete))
    return Evaluation(tuple(results), tuple(scope), basis)


class _Judge:
    """The evaluation of one unit."""

    def __init__(
        self,
        unit: Unit,
        readings: Mapping[str, Readings],
        recorded: Recorded,
        now: datetime,
        salt: str,
        basis: dict[str, Basis],
    ) -> None:
        self.unit, self.readings, self.recorded, self.now = unit, readings, recorded, now
        self.basis = basis
        source = readings.get(unit.target)
        self.make = ResultMaker(unit, salt, source.target.vantage if source else "")

    def judge(self) -> tuple[list[Result], bool]:
        """The unit's results, and whether they name all its objects."""
        values = self._values(self.unit.sources[0])
        cases = self.unit.cases(values)
        if isinstance(cases, Redacted):
            return self._enumeration(self._as_recorded()), False
        if isinstance(cases, Unavailable):
            verdict = _unread("what there is to check could not be read: {reason}", cases)
            return self._enumeration([self._everything(verdict, 0.0)]), False
        if not cases:
            nothing = self._everything(skip("there is nothing to check", cause="none"), 0.0)
            return self._enumeration([nothing]), True
        results: list[Result] = []
        complete = True
        for case in cases:
            ids = dict.fromkeys([fact.id() for fact in case.facts.values() if fact is not None])
            found, all_named = self._case(case, self._duration(ids))
            self._note(found, tuple([(source, id) for source in self.unit.sources for id in ids]))
            results += found
            complete = complete and all_named
        return results, complete

    def hold(self, approval: str) -> tuple[list[Result], bool]:
        """The one result of a unit that nobody approved here: what was read for others is not looked at."""
        verdict = error(
            msg("not approved at this site, so not read: {approval}", approval=approval), cause=NOT_APPROVED
        )
        if self.unit.enumerator is not None or self.unit.check.enumerates:
            return [self._everything(verdict, 0.0)], False
        return [self.make.result(verdict, self.unit.item.arguments, 0.0, unnamed=self._unnamed)], True

    def _enumeration(self, results: list[Result]) -> list[Result]:
        """Results that rest on the enumeration alone."""
        if self.unit.enumerator is not None:
            self._note(results, ((self.unit.sources[0], self.unit.enumerator.id()),))
        return results

    def _note(self, results: Iterable[Result], read: Basis) -> None:
        for result in results:
            other = self.basis.setdefault(result.key, read)
            if other is not read:  # an object that two cases name
                self.basis[result.key] = tuple(dict.fromkeys(other + read))

    def _case(self, case: Case, duration: float) -> tuple[list[Result], bool]:
        check = self.unit.check
        given: dict[str, Any] = {}
        unread = False
        for name, fact in case.facts.items():
            value = None if fact is None else self._given(fact)
            if isinstance(value, Redacted):
                return self._redacted(case, duration), not check.enumerates
            if isinstance(value, Unavailable):
                if check.across is not None or name not in check.tolerant:
                    verdict = _unread("it could not be read: {reason}", value, fact)
                    return [self._one(case, verdict, duration)], not check.enumerates
                unread = True
            given[name] = value
        if check.wants_now:
            given["now"] = self.now
        verdicts = self._call(case, given)
        if isinstance(verdicts, Verdict):
            return [self._one(case, verdicts, duration)], not check.enumerates
        if not verdicts:
            return [self._everything(skip("there is nothing to check", cause="none"), duration)], not unread
        complete = not unread and not any(
            each.object == EVERYTHING and each.status is Status.ERROR for each in verdicts
        )
        return [self._one(case, each, duration) for each in verdicts], complete

    def _call(self, case: Case, given: Mapping[str, Any]) -> Verdict | list[Verdict]:
        """What the check's function says; its own failure is a verdict too, with what went wrong."""
        try:
            verdicts = self.unit.check.function(**case.arguments, **given)
        except Exception as problem:  # noqa: BLE001  # the border: one broken check must not cost the others
            return _defect(f"{type(problem).__name__}: {problem}", _place(problem))
        if isinstance(verdicts, Verdict) or (
            isinstance(verdicts, list) and all(isinstance(each, Verdict) for each in verdicts)
        ):
            return verdicts
        return _defect(f"returned {type(verdicts).__name__}, not a verdict", "")

    def _given(self, fact: Fact) -> Any:
        """What the function receives for a fact: its value, or across targets a mapping of them.

        `Unavailable` or `Redacted` itself; across targets the first only where no target has more to give
        and the function names no objects, which else would have no result.
        """
        if self.unit.check.across is None:
            reading = value_of(fact, self._values(self.unit.target))
            return reading.value if isinstance(reading, Known) else reading
        values: dict[str, Any] = {}
        for source in self.unit.sources:
            reading = value_of(fact, self._values(source))
            if isinstance(reading, Redacted):
                return reading
            values[source] = reading.value if isinstance(reading, Known) else reading
        named = self.unit.check.enumerates
        if values and not named and all(isinstance(value, Unavailable) for value in values.values()):
            return next(iter(values.values()))
        return values

    def _values(self, target: str) -> Mapping[str, Reading]:
        found = self.readings.get(target)
        return found.values if found is not None else {}

    def _duration(self, ids: Iterable[str]) -> float:
        """Milliseconds that reading these facts took, over all the unit's targets."""
        sources = (self.readings[name] for name in self.unit.sources if name in self.readings)
        return sum(source.duration_ms.get(id, 0.0) for source in sources for id in ids)

    def _one(self, case: Case, verdict: Verdict, duration: float) -> Result:
        return self.make.result(verdict, case.arguments, duration, unnamed=self._unnamed)

    def _everything(self, verdict: Verdict, duration: float) -> Result:
        return self.make.result(
            msgspec.structs.replace(verdict, object=EVERYTHING), self.unit.item.arguments, duration
        )

    @property
    def _unnamed(self) -> str:
        """The object of a result whose label is empty: all of them, where the function names objects."""
        return EVERYTHING if self.unit.check.enumerates else ""

    def _redacted(self, case: Case, duration: float) -> list[Result]:
        if self.unit.check.enumerates:
            return self._as_recorded()
        made = self._one(case, _HIDDEN, duration)
        return [self.recorded.same(made) or made]

    def _as_recorded(self) -> list[Result]:
        """All that was recorded of the unit, for where its objects themselves are redacted."""
        kept = self.recorded.all_of(self.unit.target, self.unit.item.id, self.unit.item.rule)
        return kept or [self._everything(_HIDDEN, 0.0)]


_HIDDEN: Final = error(
    "the reading was redacted, and no result was recorded under this rule", cause="redacted"
)


def _unread(template: str, reading: Unavailable, fact: Fact | None = None) -> Verdict:
    evidence = {} if fact is None else {"fact": fact.id()}
    return error(msg(template, reason=reading.reason), cause=reading.cause, evidence=evidence)


def _defect(problem: str, place: str) -> Verdict:
    return error(
        msg("the check itself is broken: {problem}", problem=problem[:300]),
        cause="defect",
        evidence={"problem": problem[:300], "place": place},
    )


def _place(problem: BaseException) -> str:
    """Where it went wrong, as ``module.function:line`` of the innermost frame."""
    trace = problem.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    frame = trace.tb_frame
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}:{trace.tb_lineno}"


def _without_doubles(results: Iterable[Result]) -> list[Result]:
    """One result per finding: of several about the same object the worst."""
    kept: dict[str, Result] = {}
    for result in results:
        other = kept.get(result.key)
        if other is None or _WORST[result.status] < _WORST[other.status]:
            kept[result.key] = result
    return list(kept.values())
