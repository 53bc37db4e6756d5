"""Small histories on the borders of the semantics: the store agrees with the reference fold on each."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from agreement import agree, assert_agrees, deliver, store_in_memory
from histories import OPENS_ON, START, TICK, History, rule
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

DB = Target("north", "db1")
DAY = timedelta(days=1)
Said = str | None
"""A status of /data; "" = the item is in scope without the object, None = the item is out of scope."""


def day(number: float) -> datetime:
    return START + number * DAY


def accepted(number: float, version: int | None = 1, severity: str = "P3") -> AcceptedPlan:
    """A plan from that day on; version None = without the item."""
    lines = {}
    if version is not None:
        lines["disk.free"] = Line(rule("disk.free", version), OPENS_ON[version], severity)
    return AcceptedPlan(day(number), lines)


def run(
    at: float | datetime,
    said: Said,
    *,
    version: int = 1,
    severity: str = "P3",
    complete: bool = True,
    tie: int = 0,
) -> Run:
    moment = at if isinstance(at, datetime) else day(at)
    reports = {}
    if said is not None:
        objects = {"/data": Seen(said, severity)} if said else {}
        reports["disk.free"] = ItemReport(rule("disk.free", version), objects, complete)
    # Ids sort by time, and by `tie` at one instant.
    stamp = f"{(moment - START) // TICK:015x}"
    run_id = f"{stamp[:8]}-{stamp[8:12]}-7{stamp[12:]}-8000-{tie:012x}"
    return Run(run_id, moment, "north", "base", {DB: reports})


def history(
    plans: list[AcceptedPlan],
    runs: list[Run],
    *,
    until: float | None = None,
    handovers: tuple[Handover, ...] = (),
) -> History:
    end = None if until is None else day(until)
    binding = Binding(DB, "base", "alpha", day(0), end, tuple(plans))
    team = (
        Assignment("alpha", "ada", "lead", Fraction(1, 10), day(0)),
        Assignment("alpha", "ada", "dba", Fraction(2, 10), day(0)),
        Assignment("alpha", "bob", "network", Fraction(7, 10), day(0)),
    )
    return History((DB,), World((binding,), team, handovers), (), tuple(runs))


def taken_over(at: Run) -> tuple[Handover, ...]:
    return (Handover("alpha", "lead", "cyd", "ada", at.id, at.at),)


ALWAYS = [accepted(0)]
AWAY_AND_BACK = [accepted(0), accepted(2, None), accepted(3)]
OPENED, CLOSED = run(1, "fail"), run(2, "pass")

BORDERS = {
    "an item that comes back failing as before is open again": history(
        AWAY_AND_BACK, [run(1, "fail"), run(4, "fail")]
    ),
    "an item that left twice lapsed at the second time if it failed in between": history(
        [*AWAY_AND_BACK, accepted(5, None)], [run(1, "fail"), run(4, "fail")]
    ),
    "an item that came back and could not be read is still lapsed": history(
        AWAY_AND_BACK, [run(1, "fail"), run(4, "error")]
    ),
    "an item that came back warning is still lapsed": history(
        AWAY_AND_BACK, [run(1, "fail"), run(4, "warn")]
    ),
    "an item that came back out of scope is still lapsed": history(
        AWAY_AND_BACK, [run(1, "fail"), run(4, None), run(5, "", complete=False)]
    ),
    "an item that passed before it left and came back passing never opened": history(
        AWAY_AND_BACK, [run(1, "pass"), run(4, "pass")]
    ),
    "a pass after the return closes": history(AWAY_AND_BACK, [run(1, "fail"), run(4, "pass")]),
    "a run at the very moment of the return counts": history(AWAY_AND_BACK, [run(1, "fail"), run(3, "fail")]),
    "a run at the very moment of leaving does not": history(AWAY_AND_BACK, [run(1, "fail"), run(2, "pass")]),
    "a plan accepted after the binding ended moves nothing": history(
        [accepted(0), accepted(5, 2)], [run(1, "fail")], until=3
    ),
    "a failing object that went and came back failing is open again": history(
        ALWAYS, [run(1, "fail"), run(2, ""), run(3, "fail")]
    ),
    "one instant may open, close and open again": history(
        ALWAYS, [run(1, "fail"), run(1, "pass", tie=1), run(1, "fail", tie=2)]
    ),
    "one instant may close and open again": history(
        ALWAYS, [run(1, "fail"), run(2, "pass"), run(2, "fail", tie=1), run(3, "pass")]
    ),
    "24 hours after the opening still counts for severity": history(
        ALWAYS, [run(1, "fail"), run(2, "fail", severity="P0")]
    ),
    "a moment later does not": history(ALWAYS, [run(1, "fail"), run(day(2) + TICK, "fail", severity="P0")]),
    "a warning while lapsed says nothing of severity or rule": history(
        [accepted(0), accepted(1.5, 2)],
        [
            run(1, "fail"),
            run(1.2, "skip"),
            run(1.6, "warn", version=2, severity="P0"),
            run(3, "pass", version=2),
        ],
    ),
    "90 days after the close is recurred": history(ALWAYS, [run(1, "fail"), run(2, "pass"), run(92, "fail")]),
    "a moment later is not": history(ALWAYS, [run(1, "fail"), run(2, "pass"), run(day(92) + TICK, "fail")]),
    "a warning opens under a version that says so and counts for its severity": history(
        [accepted(0, 3, "P1")], [run(1, "pass", version=3), run(2, "warn", version=3)]
    ),
    "what opens at the baseline is the predecessor's": history(
        ALWAYS, [run(0, "pass"), OPENED], handovers=taken_over(OPENED)
    ),
    "what closes at the baseline is nobody's": history(
        ALWAYS, [run(0, "pass"), OPENED, CLOSED], handovers=taken_over(CLOSED)
    ),
    "what passes at the baseline and fails later is the holder's": history(
        ALWAYS, [run(0, "pass"), OPENED, CLOSED, run(3, "fail")], handovers=taken_over(CLOSED)
    ),
}


@pytest.mark.parametrize("case", BORDERS.values(), ids=BORDERS.keys())
def test_on_a_border_the_store_agrees_with_the_reference(case: History, empty: sqlite3.Connection) -> None:
    with store_in_memory(empty) as db:
        agree(db, case)
        forwards = deliver(db, case, range(len(case.runs)))
    assert_agrees(forwards, case)
    with store_in_memory(empty) as db:
        agree(db, case)
        assert deliver(db, case, range(len(case.runs) - 1, -1, -1)) == forwards
