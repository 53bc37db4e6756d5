"""Small histories, computed by hand: events in, units and figures out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from building import accept_plan, plan_of
from kpi_history import History, day, histories, opened_days, play
from sqlalchemy import select

from server.db import Database
from server.kpi.figures import by_engineer, figure, unit
from server.kpi.unit import Exclusion
from server.tables import Binding

CASES = histories("first_go_live.yaml") | histories("recurrence.yaml")


@pytest.mark.parametrize("case", CASES)
def test_history(sqlite_db: Database, case: str) -> None:
    check(sqlite_db, CASES[case])


@pytest.mark.parametrize(
    "case",
    [
        "one object that cannot be read leaves the item unobserved",
        "two people exclude it for a typed reason",
        "who held it when the first spell was verified closed answers for it",
        "no recurrence in a dark window is unverifiable",
    ],
)
def test_both_databases_say_the_same(db: Database, case: str) -> None:
    check(db, CASES[case])


def test_a_target_held_to_two_profiles_is_seen_once_and_owes_both(sqlite_db: Database) -> None:
    history = CASES["a dark third makes a success unverifiable"]
    with sqlite_db.write() as session:
        play(session, history)
        first = session.scalars(select(Binding)).one()
        values = {"target_id": first.target_id, "project_id": "erp", "valid_from": first.valid_from}
        second = Binding(profile_id="other", interval_s=5 * 86_400, **values)
        session.add(second)
        session.flush()
        accept_plan(session, second.id, plan_of(history.items), first.valid_from)
    # The same items every five days would be covered; daily they are not, and both are owed.
    compare(sqlite_db, history)


def check(db: Database, history: History) -> None:
    with db.write() as session:
        play(session, history)
    compare(db, history)


def compare(db: Database, history: History) -> None:
    expect = dict(history.expect)
    with db.read() as session:
        found = figure(session, history.kpi, as_of=day(history.as_of))
        units = expect.pop("units", None)
        if "unit" in expect:
            units = [expect.pop("unit")]
        assert [shown(one, wanted) for one, wanted in zip(found.units, units, strict=True)] == units
        if "opened" in expect:
            assert opened_days(session, found.units[0].evidence.episodes) == pytest.approx(
                expect.pop("opened")
            )
        if "figure" in expect:
            wanted = expect.pop("figure")
            assert shown(found, wanted) == wanted
        for name, wanted in expect.pop("by_engineer", {}).items():
            rows = {row.engineer: row for row in by_engineer(session, history.kpi, as_of=day(history.as_of))}
            assert shown(rows[name], wanted) == wanted
        for one in found.units:
            # What a page links to is the same unit, asked for alone.
            assert unit(session, history.kpi, one.id, as_of=day(history.as_of)) == one
    assert not expect, "the history expects something this test does not look at"


def shown(found: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """The fields that a history names, as a data file writes them."""
    return {name: plain(getattr(found, name)) for name in wanted}


def plain(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Exclusion):
        return value.reason
    return msgspec.to_builtins(value)
