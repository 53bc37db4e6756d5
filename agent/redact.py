"""What must not leave a site, taken out of results, messages and readings before they leave memory.

Detectors look at free text only, never at numbers, ids, statuses or keys. They are the last net: a check
that could meet a secret compares it at read time and never has it in its reading. Evaluate first, redact
second. Three things follow each other: what looks like a secret or like a person (`agent.redaction`), the
site's own words and patterns, and names of machines where the site masks those.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from agent.redaction.cleaning import Texts
from agent.redaction.masks import Masks
from agent.redaction.siterules import SiteRules
from checks.evaluate import Evaluation
from checks.fact import FACTS, Known, Reading, Redacted, Unavailable
from checks.model import Message, PlanItem, Result, RunReport, Scalar, ScopeItem, Target
from checks.snapshot import Readings, Snapshot


class Redactor(Texts):
    """Takes out of runs what must not leave one site: `Texts` does so with each text in them.

    `chosen` is a target's name that may be seen, and `registered` are the ids of targets that the collector
    knows by a name that is masked now.
    """

    def __init__(
        self,
        secret: str | Callable[[], str],
        rules: SiteRules | None = None,
        masks: Masks | None = None,
        *,
        chosen: str = "",
        registered: dict[str, str] | None = None,
    ) -> None:
        super().__init__(secret, rules, masks)
        self._chosen, self._registered = chosen, registered or {}

    def target(self, name: str) -> str:
        """The name of a target as it may leave."""
        if self._masks is None or name == self._chosen:
            return name if self._rules is None or name == self._chosen else self._rules.sub(self.token, name)
        return self._masks.name(name)

    def operator(self, name: str) -> str:
        """Who ran it, as it may leave."""
        return self.text(name if self._masks is None else self._masks.person(name))

    def results(self, results: tuple[Result, ...]) -> tuple[Result, ...]:
        """The results as they may leave; keys, rules and statuses are as they were."""
        return tuple(self._result(result) for result in results)

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as it may leave: a reading that held what must not is `Redacted` as a whole."""
        if self._masks is not None:
            self._masks.know(_hosts_among(each.target.name for each in snapshot.targets) - {self._chosen})
        targets = tuple(self._readings(readings) for readings in snapshot.targets)
        recorded = self.results(snapshot.recorded)
        narrowing = msgspec.structs.replace(
            snapshot.narrowing, target=tuple(map(self.target, snapshot.narrowing.target))
        )
        return msgspec.structs.replace(snapshot, targets=targets, recorded=recorded, narrowing=narrowing)

    def evaluation(self, evaluation: Evaluation) -> Evaluation:
        """The evaluation as it may leave."""
        return Evaluation(
            results=self.results(evaluation.results),
            scope=self._scope(evaluation.scope),
            basis={
                key: tuple((self.target(target), self._named_fact(fact)) for target, fact in read)
                for key, read in evaluation.basis.items()
            },
        )

    def items(self, items: tuple[PlanItem, ...]) -> tuple[PlanItem, ...]:
        """The items of a plan as they may leave."""
        return tuple(_with_target(item, self.target(item.target)) for item in items)

    def report(self, report: RunReport) -> RunReport:
        """A run's report as it may leave. What was redacted stays as it is, and so does every key."""
        narrowing = report.narrowing
        return msgspec.structs.replace(
            report,
            plan=self.items(report.plan),
            scope=self._scope(report.scope),
            narrowing=msgspec.structs.replace(narrowing, target=tuple(map(self.target, narrowing.target))),
            operator=self.operator(report.operator)[:200],
            stage=self.text(report.stage)[:100],
            targets=tuple(self._target(target) for target in report.targets),
            results=self.results(report.results),
        )

    def _named_fact(self, fact: str) -> str:
        """A fact's id: a name, by which a snapshot is evaluated again, so no detector looks at it."""
        return self._by_site(fact)

    def _result(self, result: Result) -> Result:
        args, evidence = self._scalars(result.message.args), self._scalars(result.evidence)
        template, remedy = self.text(result.message.template)[:4000], self.text(result.remedy)[:4000]
        object, title = self.text(result.object)[:500], self.text(result.title)[:500]
        target = self.target(result.target)
        if (
            args is result.message.args
            and evidence is result.evidence
            and (template, remedy, object) == (result.message.template, result.remedy, result.object)
            and (title, target) == (result.title, result.target)
        ):
            return result
        return msgspec.structs.replace(
            result,
            target=target,
            title=title,
            message=Message(template, args),
            evidence=evidence,
            remedy=remedy,
            object=object,
        )

    def _scalars(self, values: dict[str, Scalar]) -> dict[str, Scalar]:
        clean = {
            name: self.named(name, value) if isinstance(value, str) else value
            for name, value in values.items()
        }
        return values if clean == values else clean

    def _scope(self, scope: tuple[ScopeItem, ...]) -> tuple[ScopeItem, ...]:
        return tuple(_with_target(item, self.target(item.target)) for item in scope)

    def _target(self, target: Target) -> Target:
        name, vantage = self.target(target.name), target.vantage
        if vantage not in ("", "local"):
            vantage = self.target(vantage)
        if (name, vantage) == (target.name, target.vantage):
            return target
        return Target(name, target.id or self._registered.get(target.name, ""), vantage)

    def _readings(self, readings: Readings) -> Readings:
        values, durations = {}, {}
        for fact, reading in readings.values.items():
            name = self._named_fact(fact)
            values[name] = self._reading(fact, reading)
            if fact in readings.duration_ms:
                durations[name] = readings.duration_ms[fact]
        lost = readings.lost and Unavailable(self.text(readings.lost.reason), readings.lost.cause)
        return msgspec.structs.replace(
            readings, target=self._target(readings.target), values=values, duration_ms=durations, lost=lost
        )

    def _reading(self, fact: str, reading: Reading) -> Reading:
        if isinstance(reading, Unavailable):
            return Unavailable(self.text(reading.reason), reading.cause)
        if not isinstance(reading, Known):
            return reading
        plain = msgspec.to_builtins(reading.value)
        found = self._first_change(_key_of(fact), plain)
        if not found:
            return reading
        secret = _REDACTED.search(found)
        return Redacted(secret[0] if secret else self._token_of(fact, reading.value))

    def _first_change(self, name: str, value: Any) -> str:
        """The first text inside plain JSON shapes that is not what it was; empty where there is none."""
        if isinstance(value, str):
            clean = self.named(name, value)
            return "" if clean == value else clean
        if isinstance(value, dict):
            parts: Any = value.items()
            if self._masks is not None and any(self.text(str(key)) != str(key) for key in value):
                return "key"
        elif isinstance(value, list | tuple):
            parts = ((name, part) for part in value)
        else:
            return ""
        return next((found for key, part in parts if (found := self._first_change(str(key), part))), "")

    def _token_of(self, fact: str, value: Any) -> str:
        """A token for a whole reading with masked names in it: another one where the reading has changed."""
        made = FACTS.get(fact.partition("(")[0])
        settled = value if made is None else made.settled(value)
        return f"[masked:{self.digest(msgspec.json.encode(settled, order='deterministic').decode())}]"


_REDACTED: Final = re.compile(r"\[redacted:[0-9a-f]{8}\]")
_TOKENS: Final = re.compile(r"(?:\[(?:redacted|masked):[0-9a-f]{8}\]\W*)+")

_KEY: Final = re.compile(r"[(\s]key=([^,)]*)")


def _with_target(item: Any, target: str) -> Any:
    return item if item.target == target else msgspec.structs.replace(item, target=target)


def _hosts_among(names: Iterable[str]) -> set[str]:
    return {name for name in names if not name.startswith("site/")}


def _key_of(fact: str) -> str:
    """The key that a fact reads, if it reads one: its value alone does not show that it is a secret."""
    found = _KEY.search(fact)
    return found[1] if found else ""
