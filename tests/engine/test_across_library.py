"""The built-in checks across targets in a whole plan: who takes part, what is asked, which finding it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_samples import NOW, judge, only, plan_of, snapshot_of

from agent.redact import Redactor
from checks.across import compare, not_known
from checks.causes import roots_of
from checks.evaluate import evaluate
from checks.fact import Known, Redacted, Unavailable
from checks.facts.asks import CompareClocks, Connect, HashFile, ReadFile
from checks.facts.config import Setting
from checks.facts.content import ConfigState
from checks.facts.digest import Digest, FileDigest
from checks.facts.network import Connection
from checks.facts.reach import Reach, Reachability
from checks.facts.skew import ClockOffset, Offset
from checks.facts.zone import TimeZone, Zone
from checks.model import Status, Target
from checks.registry import check, when
from checks.snapshot import Readings, Snapshot

ROLES = {"app1": ["app"], "app2": ["app"], "db1": ["db"]}
THREE = tuple(ROLES)
DOWN = Unavailable("db1:22 did not answer within 10 s", "timeout")

MATRIX = "  - {id: flows, check: net.matrix, on: app, with: {to: ['db1:5432', 'db1:22']}}\n"
ROW = Reachability(("db1:5432", "db1:22"), 5.0)
OPEN = Reach({"db1:5432": Connection("connected", 0.5), "db1:22": Connection("connected", 0.5)})


# ---- what both sides of an agreement are


def test_equal_values_are_one_group_and_the_largest_stands_first() -> None:
    members = compare({"a": 1, "b": DOWN, "c": 2, "d": 2})
    assert members.groups == (("c", "d"), ("a",))
    assert (members.values, members.unread) == ({"a": 1, "c": 2, "d": 2}, {"b": DOWN})
    assert not members.agree
    assert members.told() == "2 on c, d; 1 on a"
    assert members.evidence() == {"a": "1", "c": "2", "d": "2", "b": "not known: timeout"}


def test_what_is_equal_the_check_says() -> None:
    assert compare({"a": "X", "b": "x"}, str.lower).agree
    assert compare({"a": DOWN, "b": DOWN}).agree


def test_what_is_not_known_is_told_once_for_each_reason() -> None:
    other = Unavailable("it is down", "refused")
    verdict = not_known(compare({"a": DOWN, "b": 1, "c": DOWN, "d": other}))
    assert (verdict.status, verdict.cause) == (Status.ERROR, "failed")
    assert "3 of 4 targets could not be compared: a, c: db1:22 did" in str(verdict.message)
    assert str(verdict.message).endswith("; d: it is down")
    assert not_known(compare({"a": DOWN, "b": 1, "c": DOWN})).cause == "timeout"


# ---- a fact that depends on a parameter, across targets


def test_across_targets_a_fact_may_depend_on_a_parameter(tmp_path: Path) -> None:
    whole = plan_of(tmp_path, "  - {id: a, check: cfg.consistent, with: {path: /a.yaml}}\n", THREE)
    assert whole.facts("app1") == whole.facts("db1") == [FileDigest("/a.yaml")]
    assert whole.asks("app1") == (HashFile("/a.yaml"),)
    key = plan_of(tmp_path, "  - {id: a, check: cfg.consistent, with: {path: /a.yaml, key: b}}\n", THREE)
    assert key.facts("app1") == [ConfigState("/a.yaml", "auto", "b")]
    assert key.asks("app1") == (ReadFile("/a.yaml"),)


def test_a_fact_that_depends_on_a_parameter_the_function_lacks_is_refused() -> None:
    declare = check(
        "sample.lost",
        severity="P1",  # type: ignore[arg-type]  # refused before it is looked at
        about="site",
        owner="vendor",
        across="site",
        zones=when("key", TimeZone()),
    )
    with pytest.raises(ValueError, match="unknown parameter"):
        declare(lambda zones: [])


# ---- who takes part


@pytest.mark.parametrize(
    "item",
    [
        "{check: time.cluster_skew, on: app}",
        "{check: time.zone, on: app}",
        "{id: a, check: cfg.consistent, on: app, with: {path: /a}}",
        "{id: a, check: net.matrix, on: app, with: {to: ['db1:1']}}",
    ],
)
def test_a_role_narrows_who_takes_part_and_the_result_stands_at_the_site(tmp_path: Path, item: str) -> None:
    plan = plan_of(tmp_path, f"  - {item}\n", THREE, roles=ROLES)
    assert [(unit.target, unit.sources) for unit in plan.units] == [("site/*", ("app1", "app2"))]
    assert plan.asks("db1") == ()


def test_a_plan_says_what_each_of_them_touches(tmp_path: Path) -> None:
    items = "  - check: time.cluster_skew\n  - check: time.zone\n" + MATRIX
    plan = plan_of(tmp_path, items, THREE, roles=ROLES)
    assert [str(line) for line in plan.lines()] == [
        "site/*  P1  time.cluster_skew: compare the clock with the agent's (date)",
        "site/*  P2  time.zone: read /etc/localtime and /etc/timezone",
        "site/*  P1  flows (net.matrix): connect to db1:5432, db1:22 (TCP)",
    ]
    assert {Connect("db1", 5432, 5.0), Connect("db1", 22, 5.0), CompareClocks()} <= {*plan.asks("app1")}
    assert plan.permits("app1", ROW) and not plan.permits("db1", ROW)


# ---- what of one target is hidden or lost


def test_a_hidden_reading_leaves_the_question_open(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: cfg.consistent, with: {path: /a, key: b}}\n", ["one", "two"])
    id = ConfigState("/a", "auto", "b").id()
    result = only(judge(plan, one={id: Setting(True, 1)}, two={id: Redacted("t")}))
    assert (result.status, result.cause) == ("error", "redacted")


def test_digests_clocks_and_zones_are_no_secrets() -> None:
    readings: dict[str, object] = {
        FileDigest("/etc/secret.conf").id(): Digest(True, "2c26b46b68ffc68ff99b453c1d304134" * 2),
        ClockOffset().id(): Offset(0.5, 0.1),
        TimeZone().id(): Zone("CET-1CEST,M3.5.0,M10.5.0/3", "Europe/Berlin"),
        ROW.id(): OPEN,
    }
    snapshot = snapshot_of(one=readings)
    assert Redactor("site").snapshot(snapshot) == snapshot


def test_a_pair_is_the_same_finding_whatever_became_of_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MATRIX, THREE, roles=ROLES)
    id = ROW.id()
    good = judge(plan, app1={id: OPEN}, app2={id: OPEN}, db1={})
    one_lost = judge(plan, app1={id: OPEN}, app2={id: DOWN}, db1={})
    all_lost = judge(plan, app1={id: DOWN}, app2={id: DOWN}, db1={})
    assert [result.object for result in good.results] == [
        "app1 → db1:5432",
        "app1 → db1:22",
        "app2 → db1:5432",
        "app2 → db1:22",
    ]
    keys = [result.key for result in good.results]
    assert [result.key for result in one_lost.results] == [result.key for result in all_lost.results] == keys
    assert [result.status for result in one_lost.results] == ["pass", "pass", "error", "error"]
    assert {result.status for result in all_lost.results} == {"error"}
    assert all(each.scope[0].complete for each in (good, one_lost, all_lost))


def test_where_the_readings_are_gone_no_pair_is_taken_for_gone(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, MATRIX, THREE, roles=ROLES)
    evaluation = judge(plan, app1={ROW.id(): OPEN}, app2={ROW.id(): Redacted("t")}, db1={})
    assert [(each.object, each.cause) for each in evaluation.results] == [("*", "redacted")]
    assert not evaluation.scope[0].complete


def test_a_lost_target_is_the_root_of_what_cannot_be_compared_without_it(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - check: time.zone\n", THREE)
    id = TimeZone().id()
    targets = tuple(
        Readings(Target(name), {id: DOWN if name == "db1" else Known(Zone("UTC0"))}, NOW, {}, (), lost)
        for name, lost in (("app1", None), ("app2", None), ("db1", DOWN))
    )
    snapshot = Snapshot(NOW, targets)
    evaluation = evaluate(plan, snapshot, salt="site")
    assert only(evaluation).cause == "timeout"
    assert [(root.target, root.under) for root in roots_of(plan, snapshot, evaluation)] == [
        ("db1", (only(evaluation).key,))
    ]
