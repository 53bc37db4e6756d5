"""A history told in days as a YAML file tells it, played through the same door as every real run."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import yaml
from building import START, Machine, accept_plan, arrive, assign, bind, enrol, found_vendor, plan_of
from sqlalchemy import select
from sqlalchemy.orm import Session

from server.tables import Decision, Episode, Finding, GoLive, Project

CASES = Path(__file__).parent


class Runs(msgspec.Struct, forbid_unknown_fields=True):
    """The machine reports every `every` days from `first` to `last`, except inside `dark` [from, to).

    Without `last` it is four days past the as-of date.
    """

    first: float = 0
    last: float | None = None
    every: float = 2
    dark: list[tuple[float, float]] = []
    at: list[float] = []
    target: str = "host"


class Said(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """What the runs in [from, to) say of one object; whatever is not told passes. ``gone`` says nothing."""

    item: str
    status: str
    from_: float
    to: float = 1e9
    object: str = ""
    target: str = "host"


class Held(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    engineer: str
    share: float = 1.0
    role: str = "lead"
    from_: float = 0
    until: float | None = None


class Attempt(msgspec.Struct, forbid_unknown_fields=True):
    started: float
    cutover: float | None = None
    outcome: str = "live"
    ended: float | None = None


class Decided(msgspec.Struct, forbid_unknown_fields=True):
    """A proposal of one person; another's approval on the day `approved`, or a rejection, or neither."""

    kind: str
    to: str
    item: str = ""
    at: float = 0
    approved: float | None = None
    rejected: float | None = None


class Rule(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """From a day on the item stands under another rule, and the plan with it is accepted."""

    item: str
    from_: float
    version: int = 2


class History(msgspec.Struct, forbid_unknown_fields=True):
    expect: dict[str, Any]
    as_of: float
    kpi: str = "first-go-live"
    window_days: int = 30
    attempts: tuple[Attempt, ...] = (Attempt(started=10, cutover=10, ended=10),)
    assignments: tuple[Held, ...] = (Held(engineer="ann"),)
    items: dict[str, str] = msgspec.field(default_factory=lambda: {"disk": "P1", "clock": "P2"})
    objects: dict[str, list[str]] = {}
    owners: dict[str, str] = {}
    runs: tuple[Runs, ...] = (Runs(),)
    said: list[Said] = []
    decisions: list[Decided] = []
    rules: list[Rule] = []


def histories(file: str) -> dict[str, History]:
    """The histories of a data file by what each shows."""
    return msgspec.convert(yaml.safe_load((CASES / file).read_text()), dict[str, History])


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def play(session: Session, history: History) -> None:
    """Found the vendor, run the runs, record what people did."""
    found_vendor(session)
    project = session.get_one(Project, "erp")
    project.window_days = history.window_days
    for held in history.assignments:
        until = None if held.until is None else day(held.until)
        assign(session, held.engineer, held.share, role=held.role, since=day(held.from_), until=until)
    for attempt in history.attempts:
        session.add(
            GoLive(
                project_id="erp",
                started_at=day(attempt.started),
                cutover_at=None if attempt.cutover is None else day(attempt.cutover),
                outcome=attempt.outcome,
                ended_at=None if attempt.ended is None else day(attempt.ended),
            )
        )
        session.flush()
    machines = {
        runs.target: Machine(agent=f"agent-{runs.target}", target=runs.target) for runs in history.runs
    }
    for target, machine in machines.items():
        enrol(session, machine)
        binding = bind(session, machine, plan_of(history.items, target=target))
        for rule in history.rules:
            changed = plan_of(history.items, versions={rule.item: rule.version}, target=target)
            accept_plan(session, binding, changed, day(rule.from_))
    for runs in history.runs:
        for moment in _moments(runs, history.as_of + 4 if runs.last is None else runs.last):
            _run(session, history, machines[runs.target], moment)
    for decided in history.decisions:
        session.add(_decision(session, history, decided))
    session.flush()


def _moments(runs: Runs, last: float) -> list[float]:
    count = int((last - runs.first) / runs.every) + 1
    moments = [runs.first + index * runs.every for index in range(count)] + runs.at
    return sorted({m for m in moments if not any(a <= m < b for a, b in runs.dark)})


def _run(session: Session, history: History, machine: Machine, moment: float) -> None:
    versions = {rule.item: rule.version for rule in history.rules if moment >= rule.from_}
    results = []
    for item, severity in history.items.items():
        for label in history.objects.get(item, [""]):
            status = next((s.status for s in history.said if _tells(s, machine, item, label, moment)), "pass")
            if status == "gone":
                continue
            results.append(
                machine.result(
                    item,
                    status,
                    object=label,
                    severity=severity,
                    version=versions.get(item, 1),
                    owner=history.owners.get(item, "vendor"),
                )
            )
    plan = plan_of(history.items, versions=versions, target=machine.target)
    answer = arrive(session, machine.run(day(moment), results, plan=plan))
    assert answer.status == 201, answer.problem


def _tells(said: Said, machine: Machine, item: str, label: str, moment: float) -> bool:
    same = (said.item, said.object, said.target) == (item, label, machine.target)
    return same and said.from_ <= moment < said.to


def _decision(session: Session, history: History, decided: Decided) -> Decision:
    row = Decision(
        kind=decided.kind,
        old_value="",
        new_value=decided.to,
        reason=decided.to if decided.kind == "exclusion" else "both looked at it",
        proposed_by="carl",
        proposed_at=day(decided.at),
        approved_by=None if decided.approved is None else "dora",
        approved_at=None if decided.approved is None else day(decided.approved),
        rejected_at=None if decided.rejected is None else day(decided.rejected),
    )
    if decided.kind == "exclusion":
        row.kpi, row.unit = history.kpi, decided.item or "erp"
    else:
        row.finding_id = session.scalars(select(Finding.id).where(Finding.item == decided.item)).one()
        row.at = day(decided.at)
    return row


def opened_days(session: Session, episodes: tuple[int, ...]) -> list[float]:
    """The days on which these episodes opened."""
    rows = session.scalars(select(Episode).where(Episode.id.in_(episodes)))
    return sorted((row.opened_at - START) / timedelta(days=1) for row in rows)
