"""What authors of checks test with: cases as data (readings in, results out), and the contract of a check.

A file of cases is YAML, a mapping of sentences::

    a full disk fails:
      with: {mount: /data}
      readings: {"DiskUsage(mount=/data)": {total: 100, free: 3}}
      expect: [{object: /data, status: fail, cause: low}]

A case may also say that its parameters are refused, and what of the sentence about it::

    a date that is none is refused:
      with: {ends: soon}
      refused: "ends: 'soon' is no date"

A reading is a value, ``{unavailable: why, cause: timeout}`` or ``{redacted: token}``. A case of a check
across targets has `targets`, a mapping of names to readings. `now` is an ISO time, by default 2026-01-01.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from checks.errors import BadInput, BadProfile
from checks.evaluate import evaluate, next_facts
from checks.fact import FACTS, Fact, Known, Reading, Redacted, Unavailable
from checks.model import Result, Status, Target
from checks.nearest import did_you_mean
from checks.placeholders import PLACEHOLDER, names_in
from checks.plan import Plan, make_plan
from checks.profile import Profile, read_item
from checks.profile_source import ItemSource
from checks.registry import Check, Conditional
from checks.snapshot import Readings, Snapshot
from checks.unit import ITEM
from checks.yamlfile import Node, load_file, wrap

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_KEYS: Final = ("with", "readings", "targets", "expect", "refused", "now")
_EXPECTED: Final = ("object", "target", "status", "cause", "severity", "message", "evidence")


class CaseFailed(AssertionError):
    """A check did not say what its case expects; the text says where, and both.

    `place` is ``file:line``, `problems` are the differences and what the check said, a sentence each.
    """

    def __init__(self, case: Case, problems: Sequence[str]) -> None:
        self.place, self.problems = f"{case.node.where}:{case.node.line}", tuple(problems)
        super().__init__(f"{self.place}: {case.name}: " + "; ".join(problems))


class Case(msgspec.Struct, frozen=True):
    """A sentence about a check: parameters and readings in, results expected."""

    name: str
    parameters: dict[str, Node]
    readings: dict[str, dict[str, Node]]
    expect: tuple[Node, ...]
    now: datetime
    node: Node
    refused: Node | None = None

    def __str__(self) -> str:
        return self.name


def load_cases(path: Path) -> list[Case]:
    """The cases in a file; raises `BadProfile` with file and line."""
    return cases_in(load_file(path), "the file")


def cases_in(node: Node, what: str = "`cases`") -> list[Case]:
    """The cases at a place of a file; raises `BadProfile`."""
    return [_case(name, part) for name, part in _mapping(node, what).items()]


def run_case(check: Check, case: Case) -> tuple[Result, ...]:
    """The results of a case, held against what it expects.

    Raises `CaseFailed` where they differ, `BadProfile` where the case itself is wrong: a parameter the
    check does not have, a reading it does not need, a reading that is missing or of another form.
    """
    if case.refused is not None:
        return _refused(check, case, case.refused)
    plan = _plan(check, case)
    results = _evaluate(plan, _read(plan, case), case.now)
    problems = _differences(case, results)
    if problems:
        said = "; ".join(
            f"{each.status} at {each.object!r} ({each.cause}): {each.message}" for each in results
        )
        problems.append(f"it said {said or 'nothing'}")
        raise CaseFailed(case, problems)
    return results


def _refused(check: Check, case: Case, words: Node) -> tuple[Result, ...]:
    """No results: the profile is refused with these words."""
    try:
        plan = _plan(check, case)
        for target in case.readings:
            plan.facts(target)
    except BadInput as problem:
        if str(words.value) in str(problem):
            return ()
        raise CaseFailed(case, [f"refused {words.value!r} was expected, not {str(problem)!r}"]) from None
    raise CaseFailed(case, ["its parameters were expected to be refused, and are not"])


def contract(check: Check, cases: Iterable[Case]) -> list[str]:
    """What a check lacks, as sentences; empty when it keeps the contract.

    Its documentation is whole, its declaration fits together, its cases hold a pass, a failure and an
    error, and with its readings taken away none of its passing cases says anything but `error`.
    """
    problems = [f"its documentation lacks {part}" for part in ("title", "doc", "remedy", "source")]
    problems = [each for each in problems if not getattr(check, each.rpartition(" ")[2])]
    problems += _declaration(check)
    if problems:
        return problems
    cases = list(cases)
    seen: set[Status] = set()
    for case in cases:
        results = run_case(check, case)
        seen |= {result.status for result in results}
        if {result.status for result in results} == {Status.PASS}:
            problems += _without_readings(check, case)
    wanted = {"pass": {Status.PASS}, "fail or warn": {Status.FAIL, Status.WARN}, "error": {Status.ERROR}}
    return problems + [
        f"it has no case that ends in {name}" for name, any_of in wanted.items() if not seen & any_of
    ]


def _declaration(check: Check) -> list[str]:
    """What does not fit together in how the check is declared."""
    problems = []
    try:
        parameters = check.parameters
    except (TypeError, NameError) as problem:
        return [f"its parameters cannot be read: {problem}"]
    if check.about not in parameters and check.about not in _SYSTEM_WIDE and not check.object:
        problems.append(f"it is about {check.about!r}, which is no parameter; name one, or give an object")
    if (missing := {*PLACEHOLDER.findall(check.object)} - {*parameters}) != set():
        problems.append(f"its object names {_names(missing)}, which are no parameters")
    declared = {
        name: fact.fact if isinstance(fact, Conditional) else fact for name, fact in check.facts.items()
    }
    if check.each is not None:
        declared["each"] = check.each[1]
        if type(check.each[1]).value_type not in (list[str], tuple[str, ...]):
            problems.append(f"its enumeration {check.each[1].id()} does not give a list of text")
    for name, fact in declared.items():
        if FACTS.get(type(fact).__name__) is not type(fact):
            problems.append(f"the fact {name} ({type(fact).__name__}) lacks the decorator @fact")
        if (missing := names_in(fact) - {*parameters, ITEM}) != set():
            problems.append(f"the fact {name} names {_names(missing)}, which are no parameters")
    return problems


_SYSTEM_WIDE: Final = ("system", "site")
"""What a check may be about that no parameter names: a target has it once."""


def _without_readings(check: Check, case: Case) -> list[str]:
    """Whether a passing case turns to `error` once each of its readings is gone."""
    plan = _plan(check, case)
    gone = Unavailable("taken away", "failed")
    readings = {target: dict.fromkeys(values, gone) for target, values in _read(plan, case).items()}
    said = {result.status for result in _evaluate(plan, readings, case.now)}
    return (
        []
        if said == {Status.ERROR}
        else [f"{case.name!r} without its readings says {_names(said)}, not error"]
    )


def _case(name: str, node: Node) -> Case:
    parts = _mapping(node, "a case", _KEYS)
    if "refused" not in parts and ("expect" not in parts or not isinstance(parts["expect"].value, list)):
        raise node.wrong("a case has `expect`, a list of results")
    if {"refused", "expect"} <= {*parts}:
        raise parts["refused"].wrong("parameters that are refused give no results to expect")
    targets = parts.get("targets")
    given = {"local": parts.get("readings", wrap({}))} if targets is None else _mapping(targets, "`targets`")
    return Case(
        name,
        _mapping(parts["with"], "`with`") if "with" in parts else {},
        {target: _mapping(readings, "readings") for target, readings in given.items()},
        tuple(parts["expect"].value) if "expect" in parts else (),
        _moment(parts["now"]) if "now" in parts else NOW,
        node,
        parts.get("refused"),
    )


def _moment(node: Node) -> datetime:
    try:
        moment = datetime.fromisoformat(node.raw or "")
    except ValueError:
        raise node.wrong("`now` is a moment such as 2026-05-01T00:00:00+00:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _plan(check: Check, case: Case) -> Plan:
    name = wrap(check.id, case.node.where)
    source = ItemSource(check.id, name, case.node, named=True, parameters=case.parameters)
    profile = Profile("cases", "1", "", (read_item(source, {}),), adhoc=True)
    targets = [Target(target) for target in case.readings]
    return make_plan(profile, targets, roles=dict.fromkeys(case.readings, ("role",)))


def _read(plan: Plan, case: Case) -> dict[str, dict[str, Reading]]:
    """The case's readings as the plan asks for them, round by round."""
    read: dict[str, dict[str, Reading]] = {}
    for target, given in case.readings.items():
        values: dict[str, Reading] = {}
        wanted = plan.facts(target)
        while wanted:
            for fact in wanted:
                node = given.get(fact.id())
                if node is None:
                    raise case.node.wrong(f"{case.name}: gives no reading for {fact.id()}")
                values[fact.id()] = _reading(fact, node)
            wanted = next_facts(plan, target, values)
        for id, node in given.items():
            if id not in values:
                raise node.wrong(f"{case.name}: {id} is not needed{did_you_mean(id, values)}")
        read[target] = values
    return read


def _reading(fact: Fact, node: Node) -> Reading:
    value = node.plain()
    if isinstance(value, dict) and "unavailable" in value:
        return Unavailable(str(value["unavailable"]), str(value.get("cause", "failed")))
    if isinstance(value, dict) and "redacted" in value:
        return Redacted(str(value["redacted"]))
    try:
        return Known(msgspec.convert(value, type(fact).value_type or Any))
    except msgspec.ValidationError as problem:
        raise node.wrong(f"{fact.id()}: {problem}") from None


def _evaluate(plan: Plan, readings: Mapping[str, Mapping[str, Reading]], now: datetime) -> tuple[Result, ...]:
    targets = tuple(Readings(Target(name), dict(values), now) for name, values in readings.items())
    return evaluate(plan, Snapshot(now, targets), salt="cases").results


def _differences(case: Case, results: Sequence[Result]) -> list[str]:
    if len(results) != len(case.expect):
        return [f"expected {len(case.expect)} results, not {len(results)}"]
    problems = []
    for node, result in zip(case.expect, results, strict=True):
        for name, wanted in _mapping(node, "an expected result", _EXPECTED).items():
            actual: Any = getattr(result, name)
            if name == "message":
                fits = str(wanted.value) in str(actual)
            elif name == "evidence":
                pairs = _mapping(wanted, "expected evidence").items()
                fits = all(actual.get(key) == value.plain() for key, value in pairs)
            else:
                fits = str(actual) == wanted.raw
            if not fits:
                problems.append(f"{name} {wanted.plain()!r} was expected, not {str(actual)!r}")
    return problems


def _mapping(node: Node, what: str, known: Sequence[str] | None = None) -> dict[str, Node]:
    if not isinstance(node.value, dict):
        raise BadProfile(node.where, node.line, f"{what} has to be a mapping")
    for key, part in node.value.items():
        if known is not None and key not in known:
            raise part.wrong(f"{what} has no key {key!r}{did_you_mean(key, known)}")
    return node.value


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(str(name) for name in names)) or "nothing"
