"""docs/semantics.md is what the fold and attribution do: its tables are played against the code."""

from __future__ import annotations

import re

import pytest
from document_reader import read, section, table, tables

from checks.ids import finding_key
from server import api
from server.attribution import Holder, Team, attribute
from server.decisions import BASE_CAUSE
from server.fold import DAY, Change, Entry, Shape, Term, derive
from server.pages.words import CHARGED, FLAGS, HELD, UNATTRIBUTED
from server.tables import Store

SEMANTICS = read("semantics.md")
EPISODES = section(SEMANTICS, "Episodes")
DROPPED = 100 * DAY


def term(opens_on: str = "fail", end: int | None = None, rule: str = "a") -> Term:
    return Term(0, end, rule, opens_on, "P1", "erp", 86_400)


def change(day: int, status: str, rule: str = "a") -> Change:
    return Change(day * DAY, f"run-{day}", Entry(status, "P1", "", rule))


BEFORE = {
    "no episode": [change(1, "pass")],
    "open episode": [change(1, "pass"), change(2, "fail")],
    "lapsed episode": [change(1, "pass"), change(2, "fail"), change(3, "skip")],
}
THEN = {
    "nothing": ["none"],
    "opens one": ["open"],
    "stays open": ["open"],
    "open again": ["open"],
    "closed": ["closed"],
    "lapsed": ["lapsed"],
    "stays lapsed": ["lapsed"],
}


@pytest.mark.parametrize("row", table(EPISODES, "result", "no episode"), ids=lambda row: row["result"])
@pytest.mark.parametrize("before", BEFORE)
def test_each_result_does_what_the_table_says(row: dict[str, str], before: str) -> None:
    result = row["result"]
    changes, terms = list(BEFORE[before]), [term("warn" if "opens on `warn`" in result else "fail")]
    if result.startswith("item left"):
        terms = [term(end=4 * DAY)]
    else:
        status = "gone" if result == "object gone" else re.findall(r"[a-z]+", result)[0]
        changes.append(change(4, status))
    shapes = derive(changes, terms)
    assert ([shape.state for shape in shapes] or ["none"]) == THEN[row[before]]


def test_every_status_has_its_row() -> None:
    said = " ".join(row["result"] for row in table(EPISODES, "result", "no episode"))
    for status in ("pass", "warn", "fail", "error", "skip", "manual", "gone"):
        assert status in said


EXAMPLES = [rows for rows in tables(EPISODES) if list(rows[0]) == ["day", "result", "rule", "then"]]


@pytest.mark.parametrize("rows", EXAMPLES, ids=["back again", "gone", "rule changed"])
def test_each_example_of_an_episode_is_what_the_fold_makes_of_it(rows: list[dict[str, str]]) -> None:
    terms = [term(rule=rule) for rule in "abc"]
    changes: list[Change] = []
    for row in rows:
        changes.append(change(int(row["day"]), row["result"], row["rule"]))
        shapes = derive(changes, terms)
        assert (words(shapes) if shapes else "none") == row["then"], f"on day {row['day']}"


def words(shapes: list[Shape]) -> str:
    last = shapes[-1]
    said = [f"{len(shapes)} {last.state}"]
    if last.state == "closed":
        said.append(last.close_kind)
    else:
        said += ["recurred"] if last.recurred else []
        said += ["rule changed"] if last.rule_changed else []
    return ", ".join(said)


def test_the_late_pass_of_the_example_makes_two_episodes_of_one() -> None:
    known = [change(0, "pass"), change(2, "fail")]
    assert len(derive(known, [term()])) == 1
    later = [*known, change(4, "pass"), change(6, "fail")]
    assert [(s.opened_at // DAY, s.closed_at and s.closed_at // DAY) for s in derive(later, [term()])] == [
        (2, 4),
        (6, None),
    ]


def test_the_key_of_the_example_is_right() -> None:
    (row,) = table(section(SEMANTICS, "The finding"), "salt", "target")
    assert row["key"] == finding_key(row["salt"], row["target"], row["item"], row["object"])


WHO = section(SEMANTICS, "Who is charged")


def test_every_reason_is_explained_and_no_other() -> None:
    explained = [row["reason"] for row in table(WHO, "reason", "in plain words")]
    # Rulings about shares come later; nothing gives that reason yet.
    assert sorted(explained) == sorted({*UNATTRIBUTED, *CHARGED} - {"ruling"})
    asked = {
        row["reason"] for row in table(WHO, "question about the holder of a role when the episode opened")
    }
    assert asked == set(explained) - {"no-holder"}


@pytest.mark.parametrize(
    "row", table(WHO, "last seen before"), ids=lambda row: f"{row['last seen before']}: {row['reason']}"
)
def test_each_example_of_a_charge_is_what_attribution_says(row: dict[str, str]) -> None:
    opened = int(row["opened on day"])
    seen = re.fullmatch(r"(\w+) on day (\d+)", row["last seen before"])
    changes = [change(int(seen[2]), seen[1])] if seen else []
    (shape,) = derive([*changes, change(opened, "fail")], [term()])
    team = Team([Holder("ann", "lead", 1.0, 10 * DAY, None)])
    charge = attribute(shape, team, changes[0].at if changes else 0)
    if row["charged"] == "nobody":
        assert (charge.shares, charge.reason) == ({}, row["reason"])
    else:
        assert charge.shares == {row["charged"]: (1.0, row["reason"])}


def test_the_causes_are_those_of_the_code() -> None:
    rows = table(WHO, "owner of the check", "cause it starts with")
    said = {owner: row["cause it starts with"] for row in rows for owner in _codes(row["owner of the check"])}
    assert said.pop("any other") == "unknown"
    assert said == BASE_CAUSE


def test_every_hold_and_mark_is_explained() -> None:
    held = section(SEMANTICS, "Held runs")
    assert {row["held as"] for row in table(held, "held as", "when")} == set(HELD)
    assert {row["mark"] for row in table(held, "mark", "means")} == set(FLAGS)


def test_the_column_that_a_restore_changes_exists() -> None:
    assert "epoch" in Store.__table__.columns


def _codes(cell: str) -> list[str]:
    return [part.strip().strip("`") for part in cell.split(",")]


def test_every_request_that_is_named_exists() -> None:
    served = {
        (method, api.PREFIX + re.sub(r"{(\w+):\w+}", r"{\1}", path))
        for area in api.AREAS
        for handler in area.ROUTES
        for path in handler.paths
        for method in handler.http_methods
    }
    rows = table(section(SEMANTICS, "Over the API"), "deed", "request")
    named = [tuple(code.split()) for row in rows for code in _codes(row["request"])]
    assert len(named) > len(rows)
    assert set(named) <= served
