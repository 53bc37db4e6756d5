"""Checks across targets: one result for a role or a site, at a pseudo-target."""

from __future__ import annotations

from pathlib import Path

from engine_samples import judge, only, plan_of

from checks.fact import Redacted, Unavailable

ROLES = {"app1": ["app"], "app2": ["app", "db"], "db1": ["db"]}
THREE = tuple(ROLES)
VERSION = "SampleText(name=version)"


def test_a_check_across_a_role_is_judged_once_for_each_role(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.role_agrees}\n", THREE, roles=ROLES)
    evaluation = judge(plan, app1={VERSION: "1"}, app2={VERSION: "1"}, db1={VERSION: "2"})
    said = {each.target: (each.status, each.object) for each in evaluation.results}
    assert said == {"site/app": ("pass", "version"), "site/db": ("fail", "version")}
    assert [item.target for item in plan.items()] == ["site/app", "site/db"]
    assert [item.target for item in evaluation.scope] == ["site/app", "site/db"]


def test_it_may_be_meant_for_one_role_only(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.role_agrees, on: db}\n", THREE, roles=ROLES)
    assert [(unit.target, unit.sources) for unit in plan.units] == [("site/db", ("app2", "db1"))]
    assert plan.facts("app1") == []
    assert [fact.id() for fact in plan.facts("db1")] == [VERSION]


def test_a_check_across_the_site_takes_every_target(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.site_agrees}\n", THREE, roles=ROLES)
    result = only(judge(plan, app1={VERSION: "1"}, app2={VERSION: "1"}, db1={VERSION: "2"}))
    assert (result.target, result.status, result.cause) == ("site/*", "fail", "differs")


def test_one_target_that_cannot_be_read_is_a_value_among_the_others(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.site_agrees}\n", ["one", "two"])
    result = only(judge(plan, one={VERSION: "1"}, two={VERSION: Unavailable("down", "timeout")}))
    assert (result.status, result.cause) == ("error", "partly")
    assert only(judge(plan, one={VERSION: "1"})).cause == "partly"


def test_where_no_target_can_be_read_the_function_is_not_asked(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.site_agrees}\n", ["one", "two"])
    down = Unavailable("down", "timeout")
    assert only(judge(plan, one={VERSION: down}, two={VERSION: down})).cause == "timeout"


def test_a_redacted_reading_of_one_target_leaves_the_question_open(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "  - {id: a, check: sample.site_agrees}\n", ["one", "two"])
    assert only(judge(plan, one={VERSION: "1"}, two={VERSION: Redacted("t")})).cause == "redacted"
