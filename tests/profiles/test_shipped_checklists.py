"""Every shipped profile: it loads, is planned for a site with all its roles, and makes sense as a whole."""

from __future__ import annotations

import re
from itertools import combinations, permutations
from pathlib import Path

import pytest
from shipped import ALONE, INDUSTRIES, ROLES, extending

from agent.planning import Wanted, plan_for
from checks.model import Severity, Target
from checks.plan import STAGES, Plan, make_plan
from checks.profile import Item, load_profile
from checks.profile_source import BUILT_IN_FOLDER, load_source, profile_names

CHECKLISTS = ("delivery", *INDUSTRIES)
SHIPPED = (
    "linux-server", "app-server", "app-server-jvm", "db-postgresql", "db-mysql", "cache-redis",
    "queue-rabbitmq", "web-nginx", "odoo", "erpnext", "delivery", "manufacturing", "trade", "finance",
    "healthcare",
)  # fmt: skip
ALL = profile_names()


def items_of(name: str) -> dict[str, Item]:
    return {item.id: item for item in load_profile(name).items}


def roles_of(name: str) -> list[str]:
    return sorted({role for item in load_profile(name).items for role in item.roles})


def asked(name: str) -> list[Item]:
    return [item for item in load_profile(name).items if item.check == "manual.item"]


def on_one_host(path: str) -> Plan:
    """The plan where one target has every role that the profile knows."""
    profile = load_profile(path)
    roles = sorted({role for item in profile.items for role in item.roles})
    return make_plan(profile, [Target("host")], roles={"host": roles})


def test_what_is_promised_is_shipped() -> None:
    assert {*SHIPPED} <= {*ALL}


@pytest.mark.parametrize("name", ALL)
def test_a_site_with_its_roles_leaves_nothing_of_a_profile_unchecked(name: str, tmp_path: Path) -> None:
    """The site file is read as a run reads it, and plans each item somewhere."""
    roles = roles_of(name)
    targets = "\n".join(f"  {role}: {{address: {role}.example, roles: [{role}]}}" for role in roles)
    site = tmp_path / "site.yaml"
    site.write_text(
        f"site: plant\nprofile: {name}\ntargets:\n  here: {{local: true}}\n{targets}\n", encoding="utf-8"
    )
    empty = tmp_path / "ssh_config"
    empty.touch()
    plan = plan_for(Wanted(site_file=site, ssh_config=empty), None, None).plan
    assert plan.profile.id == name
    assert plan.unplaced == ()
    assert {unit.item.id for unit in plan.whole} == {*items_of(name)}
    assert plan.conflicts == ()


@pytest.mark.parametrize("name", ALL)
def test_a_profile_contradicts_itself_nowhere_even_on_one_host(name: str) -> None:
    assert [str(each) for each in on_one_host(name).conflicts if each.caveat] == []


@pytest.mark.parametrize(("one", "other"), [*permutations(ALONE, 2)])
def test_two_roles_on_one_host_leave_no_conflict_unsettled(one: str, other: str, tmp_path: Path) -> None:
    plan = on_one_host(extending(tmp_path, one, other))
    assert [str(each) for each in plan.conflicts if each.caveat] == []


def test_a_cache_beside_a_database_keeps_what_it_cannot_do_without(tmp_path: Path) -> None:
    plan = on_one_host(extending(tmp_path, "db-postgresql", "cache-redis"))
    (settled,) = plan.conflicts
    assert (settled.thing, settled.rule, settled.kept) == (
        "kern.param vm.overcommit_memory", "override", "1",
    )  # fmt: skip
    wanted = {unit.item.id: unit.item.parameters for unit in plan.whole}
    assert wanted["pg.overcommit"]["value"] == wanted["redis.overcommit"]["value"] == {"equals": 1}
    # No conflict, because `never` is one of what the database takes.
    assert wanted["redis.thp"]["enabled"] == {"equals": "never"}
    assert wanted["pg.thp"]["enabled"] == {"one_of": ["madvise", "never"]}


def test_an_industry_settles_it_where_the_two_meet_and_leaves_other_databases_alone() -> None:
    roles = {"both": ["db-postgresql", "cache-redis"], "db": ["db-postgresql"]}
    plan = make_plan(load_profile("trade"), [Target(name) for name in roles], roles=roles)
    assert [(each.thing, each.targets) for each in plan.conflicts] == [
        ("kern.param vm.overcommit_memory", ("both",))
    ]
    wanted = {
        unit.target: unit.item.parameters["value"] for unit in plan.whole if unit.item.id == "pg.overcommit"
    }
    assert wanted == {"both": {"equals": 1}, "db": {"one_of": [0, 2]}}


@pytest.mark.parametrize("name", CHECKLISTS)
def test_a_target_has_what_its_role_demands_and_every_target_what_all_have(name: str) -> None:
    roles = {"db1": ["db-mysql"], "office": ["delivery"]}
    plan = make_plan(load_profile(name), [Target(name) for name in roles], roles=roles)
    at = {target: {unit.item.id for unit in plan.whole if unit.target == target} for target in roles}
    common = {*items_of("linux-server")}
    assert common <= at["db1"] & at["office"]
    assert {*items_of("db-mysql")} <= at["db1"]
    extra = {"sec.ssh", "sec.accounts"} & {*items_of(name)}
    assert at["office"] == common | extra | {item.id for item in asked(name)}


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_stage_asks_people_and_looks_at_machines(name: str) -> None:
    for stage in STAGES:
        of_stage = [item for item in load_profile(name).items if stage in item.stages]
        assert [item.id for item in of_stage if item.check == "manual.item"]
        assert [item.id for item in of_stage if item.check != "manual.item"]


@pytest.mark.parametrize("name", ALL)
def test_no_item_is_for_a_stage_that_nobody_knows(name: str) -> None:
    assert {stage for item in load_profile(name).items for stage in item.stages} <= {*STAGES}


@pytest.mark.parametrize("name", CHECKLISTS)
def test_what_people_are_asked_can_be_answered(name: str) -> None:
    items = asked(name)
    assert 12 <= len(items) <= 25
    for item in items:
        ask, how = item.arguments["ask"], item.arguments["how"]
        assert item.roles == ("delivery",)
        assert item.stages
        # A sentence that is true or not, no question and no heading; and a way to find out.
        assert re.fullmatch(r"[A-Z][^?:;]{30,160}[^.?!]", ask), ask
        assert len(how) >= 30, item.id
        assert not any(word in ask.split() for word in ("should", "must", "ensure", "appropriate"))
    sentences = [item.arguments["ask"] for item in items]
    assert len({*sentences}) == len(sentences)


@pytest.mark.parametrize("name", CHECKLISTS)
def test_severities_make_sense(name: str) -> None:
    """P0 wakes somebody: it is for what stops the business or cannot be undone, and is always few."""
    items = load_profile(name).items
    stops = [item for item in items if item.severity is Severity.P0]
    assert len(stops) <= len(items) / 3
    for item in asked(name):
        if item.severity is Severity.P0:
            assert item.arguments["evidence"] == "required", item.id
            assert "go-live" in item.stages, item.id
        if item.severity in (Severity.P2, Severity.P3) and name == "finance":
            assert item.arguments["evidence"] != "required", item.id
    # Without these nothing works, whatever the industry.
    held = {item.id: item.severity for item in items}
    assert all(
        held[id] is Severity.P0 for id in ("pg.connect", "my.connect", "web.answers", "cutover.planned")
    )


@pytest.mark.parametrize("name", [*ALONE, *CHECKLISTS])
def test_kernel_settings_are_advice_and_reachability_is_not(name: str) -> None:
    for item in load_profile(name).items:
        if item.check == "kern.param" and item.id != "redis.overcommit":
            assert item.severity in (Severity.P2, Severity.P3), item.id
        if item.check in ("db.connect", "http.ok", "net.port_reach"):
            assert item.severity in (Severity.P0, Severity.P1) or item.id in MINOR, item.id


MINOR = ("pg.version", "my.version", "erp.socketio", "web.plain-redirects", "web.version-hidden")
"""What is looked at over a connection and stops nobody."""


@pytest.mark.parametrize("name", INDUSTRIES)
def test_an_industry_changes_severities_of_what_it_takes_over(name: str) -> None:
    before, after = items_of("delivery"), items_of(name)
    assert {*before} < {*after}
    worse = [id for id, item in before.items() if after[id].severity < item.severity]
    milder = [id for id, item in before.items() if after[id].severity > item.severity]
    assert len(worse) >= 5
    assert milder == []


def test_finance_holds_to_what_a_supervisor_asks_for() -> None:
    items = items_of("finance")
    for id in ("audit.complete", "access.reviewed", "duties.segregated", "four-eyes.tried", "retention.set"):
        assert items[id].severity is Severity.P1
    for id in ("access.reviewed", "duties.segregated", "restore.drilled", "regulator.window"):
        assert items[id].arguments["evidence"] == "required"
    assert items["time.offset"].arguments["fail_above"] == 0.05
    assert (
        items["time.cluster_skew"].arguments["fail_above"]
        < items_of("delivery")["time.cluster_skew"].arguments["fail_above"]
    )
    for id in ("pg.connect", "my.connect", "odoo.database", "erp.database"):
        assert items[id].arguments["encrypted"] is True
        assert items[id].arguments["tls"] == "require"


def test_healthcare_has_a_way_without_the_system_and_never_mixes_patients() -> None:
    items = items_of("healthcare")
    for id in ("downtime.drilled", "patients.merged", "medicines.checked"):
        assert (items[id].severity, items[id].arguments["evidence"]) == (Severity.P0, "required")
    assert items["audit.complete"].severity is Severity.P1


@pytest.mark.parametrize("name", ["finance", "healthcare"])
def test_the_audit_trail_is_asked_from_one_target_alone(name: str) -> None:
    assert items_of(name)["audit.complete"].roles == ("audit",)


@pytest.mark.parametrize("name", ALONE)
def test_a_role_changes_nothing_of_what_every_server_is_held_to(name: str) -> None:
    """So roles can share a host, and an industry can place them in any order."""
    own, common = items_of(name), items_of("linux-server")
    assert {*common} <= {*own}
    assert all((own[id].rule, own[id].severity) == (item.rule, item.severity) for id, item in common.items())


@pytest.mark.parametrize(("one", "other"), [*combinations(ROLES, 2)])
def test_variables_and_items_of_two_roles_do_not_meet(one: str, other: str) -> None:
    first, second = load_source(one), load_source(other)
    assert not {*first.variables} & {*second.variables}
    assert {*first.items} & {*second.items} == {*load_source("linux-server").items}


@pytest.mark.parametrize("name", [*ROLES, *CHECKLISTS])
def test_every_variable_is_used_and_secrets_are_only_named(name: str) -> None:
    source = load_source(name)
    text = "".join(str(node.plain()) for item in source.items.values() for node in item.parameters.values())
    for variable, node in source.variables.items():
        assert "${%s}" % variable in text, variable  # noqa: UP031  # braces in braces are unreadable
        if variable.endswith("_password"):
            assert re.fullmatch(r"(env:FIRSTLIGHT_[A-Z_]+)?", str(node.raw)), variable


@pytest.mark.parametrize("name", ROLES)
def test_a_bound_has_its_source_beside_it(name: str) -> None:
    """Every item with a bound of its own stands under a comment, or takes it from a variable that has one."""
    text = (BUILT_IN_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    bounded = re.compile(r"\b(value|soft|hard|enabled|max_per_hour|fail_above|fail_below): *['{\[0-9a-z]")
    groups = re.split(r"\n(?= *#|\n)", text.partition("\nitems:\n")[2])
    for group in groups:
        if bounded.search(group):
            assert "#" in group, group
