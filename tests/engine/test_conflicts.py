"""Profiles that demand different values of one thing: what contradicts, who says so, and what settles it."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.contradiction import both_hold
from checks.errors import BadProfile
from checks.matchers import read_matcher
from checks.model import Target
from checks.plan import Plan, make_plan
from checks.profile import Item, load_for_site, load_profile
from checks.yamlfile import load_text, wrap


def write(folder: Path, name: str, *lines: str, head: str = "") -> None:
    text = f"profile: {name}\n{head}items:\n" + "".join(f"  - {{{line}}}\n" for line in lines)
    (folder / f"{name}.yaml").write_text(text if lines else text.replace("items:\n", ""), encoding="utf-8")


def kern(id: str, value: str, name: str = "vm.swappiness", more: str = "") -> str:
    return f"id: {id}, check: kern.param, with: {{name: {name}, value: {value}}}{more}"


def plan_of(folder: Path, name: str, roles: dict[str, list[str]] | None = None) -> Plan:
    profile = load_profile(str(folder / f"{name}.yaml"))
    targets = roles or {"here": []}
    return make_plan(profile, [Target(each) for each in targets], roles=targets)


def both(folder: Path, settle: str = "") -> Plan:
    head = "extends: [./a.yaml, ./b.yaml]\n" + (f"settle:\n  - {{{settle}}}\n" if settle else "")
    write(folder, "both", head=head)
    return plan_of(folder, "both")


def said(plan: Plan, folder: Path) -> list[str]:
    return [str(each).replace(f"{folder}/", "") for each in plan.conflicts]


def values(plan: Plan) -> dict[str, object]:
    return {f"{unit.target} {unit.item.id}": unit.item.parameters.get("value") for unit in plan.whole}


def test_two_values_of_one_thing_are_told_with_both_sources(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", "check: mem.used", kern("b.x", "2"))
    plan = both(tmp_path)
    assert said(plan, tmp_path) == [
        "kern.param vm.swappiness at here: 1 (a, a.yaml:3) against 2 (b, b.yaml:4)"
    ]
    assert values(plan)["here a.x"] == {"equals": 1}
    assert plan.conflicts[0].caveat


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        ("1", "2", False),
        ("1", '"1"', True),
        ("1", "true", True),
        ("1", "false", False),
        ("8 GiB", "8192 MiB", True),
        ("8 GiB", "{at_least: 4 GiB}", True),
        ("2 GiB", "{at_least: 4 GiB}", False),
        ("3", "{one_of: [3, 4]}", True),
        ("5", "{one_of: [3, 4]}", False),
        ("{one_of: [1, 2]}", "{one_of: [2, 3]}", True),
        ("{one_of: [1, 2]}", "{one_of: [3, 4]}", False),
        ("on", "{one_of: [on, local]}", True),
        ("never", "madvise", False),
        ("never", "{matches: '^(never|madvise)$'}", True),
        ("always", "{matches: '^(never|madvise)$'}", False),
        ("{at_least: 10}", "{at_least: 20}", True),
        ("{at_most: 10}", "{at_most: 20}", True),
        ("{at_least: 10}", "{at_most: 10}", True),
        ("{at_least: 11}", "{at_most: 10}", False),
        ("{at_least: 10, at_most: 20}", "{at_least: 15, at_most: 30}", True),
        ("{at_least: 10, at_most: 20}", "{at_least: 25, at_most: 30}", False),
        ("{at_least: 1 GiB}", "{at_most: 512 MiB}", False),
        ("{at_least: [250, 32000, 100, 128]}", "{at_most: [250, 64000, 100, 256]}", True),
        ("{at_least: [250, 32000, 100, 128]}", "{at_most: [250, 16000, 100, 256]}", False),
        ("{equals: [250, 32000, 100, 128]}", "250 32000 100 128", False),  # a list is no text
        ("{equals: [250, 32000, 100, 128]}", "{at_least: [200, 32000, 100, 128]}", True),
        ("{matches: a}", "{matches: b}", False),  # cannot be told, so it counts
        ("{matches: a, at_least: 1}", "{matches: a, at_least: 2}", True),
        ("{matches: a}", "{at_least: 2}", False),
        ("{above: 10}", "{at_most: 10}", False),
        ("{above: 10}", "{below: 11}", True),
        ("{at_least: 10}", "{below: 10}", False),
        ("{version: {at_least: '12'}}", "{version: {at_least: '13'}}", True),
        ("{version: {at_least: '1.10'}}", "{version: {below: '1.9'}}", False),
        ("{version: {at_least: '1.9'}}", "{version: {below: '1.10'}}", True),
        ("{version: '12.4'}", "{version: {at_least: '12'}}", True),
        ("{version: '11'}", "{version: {at_least: '12'}}", False),
        ("{version: {at_least: '1', scheme: dpkg}}", "{version: {at_least: '1', scheme: rpm}}", False),
        ("{contains: a}", "{contains: b}", True),
        ("{contains: a}", "ab", True),
        ("{contains: a}", "b", False),
        ("{not: 1}", "{not: 2}", True),
        ("{not: 1}", "1", False),
        ("{not: 1}", "2", True),
        ("{not: {matches: a}}", "{not: {matches: b}}", False),
        ("{any: [1, 2]}", "2", True),
        ("{any: [{at_most: 1}, {at_least: 5}]}", "{at_least: 3, at_most: 4}", False),
        ("{any: [{at_most: 1}, {at_least: 5}]}", "{at_least: 3, at_most: 7}", True),
        ("{all: [{at_least: 3}, {at_most: 4}]}", "{at_least: 5}", False),
        ("{length: {at_least: 3}}", "{length: {at_most: 2}}", False),
        ("{length: {at_least: 3}}", "{length: {at_most: 4}}", True),
    ],
)
def test_conditions_contradict_where_no_value_meets_both(one: str, other: str, fits: bool) -> None:
    made = [read_matcher(load_text(text, "x").plain()) for text in (one, other)]
    assert both_hold(made[0], made[1]) is fits
    assert both_hold(made[1], made[0]) is fits


def stat(id: str, more: str) -> str:
    return f"id: {id}, check: file.stat, with: {{path: /etc/x, {more}}}"


@pytest.mark.parametrize(
    ("one", "other", "fits"),
    [
        (stat("a", "mode: '0640'"), stat("b", "mode: '0600'"), False),
        (stat("a", "mode: '0640'"), stat("b", "mode_at_most: '0750'"), True),
        (stat("a", "mode: '0755'"), stat("b", "mode_at_most: '0750'"), False),
        (stat("a", "mode_at_most: '0755'"), stat("b", "mode_at_most: '0750'"), True),
        (stat("a", "owner: root"), stat("b", "owner: redis"), False),
        (stat("a", "owner: root"), stat("b", "group: redis"), True),
        (stat("a", "exists: false"), stat("b", "owner: root"), False),
        (stat("a", "optional: true"), stat("b", "optional: false"), True),
        (stat("a", "type: file"), stat("b", "type: directory"), False),
        (stat("a", "owner: root"), stat("b", "owner: redis").replace("/etc/x", "/etc/y"), True),
        (
            "id: a, check: proc.running, with: {name: x, min_count: 3}",
            "id: b, check: proc.running, with: {name: x, max_count: 2}",
            False,
        ),
        (
            "id: a, check: proc.running, with: {name: x, min_count: 3}",
            "id: b, check: proc.running, with: {name: x, min_count: 2, max_count: 4}",
            True,
        ),
        (
            "id: a, check: proc.running, with: {name: x, user: u}",
            "id: b, check: proc.running, with: {name: x, user: v}",
            False,
        ),
        (
            "id: a, check: lim.nofile, with: {process: x, soft: 1024}",
            "id: b, check: lim.nofile, with: {process: x, soft: 65536}",
            True,
        ),
        ("id: a, check: disk.free", "id: b, check: disk.free, with: {warn_below: 20 %}", True),
        (
            "id: a, check: file.content, with: {path: /x, pattern: a}",
            "id: b, check: file.content, with: {path: /x, pattern: b, present: false}",
            True,
        ),
        (
            "id: a, check: file.content, with: {path: /x, pattern: a}",
            "id: b, check: file.content, with: {path: /x, pattern: a, present: false}",
            False,
        ),
        (
            "id: a, check: cfg.value, with: {path: /x, key: k, value: 1}",
            "id: b, check: cfg.value, with: {path: /x, key: k, value: 2}",
            False,
        ),
        (
            "id: a, check: cfg.value, with: {path: /x, key: k, value: 1}",
            "id: b, check: cfg.value, with: {path: /x, key: k, value: 1, format: ini}",
            True,
        ),
        (
            "id: a, check: cfg.value, with: {path: /x, key: k, value: 1}",
            "id: b, check: cfg.value, with: {path: /x, key: k, present: false}",
            False,
        ),
        (
            "id: a, check: os.supported, with: {supported: [debian>=12]}",
            "id: b, check: os.supported, with: {supported: [rhel>=9]}",
            False,
        ),
        (
            "id: a, check: os.supported, with: {supported: [debian>=12, rhel>=9]}",
            "id: b, check: os.supported, with: {supported: [rhel>=9]}",
            True,
        ),
    ],
)
def test_items_contradict_by_what_their_parameters_mean(
    tmp_path: Path, one: str, other: str, fits: bool
) -> None:
    write(tmp_path, "a", one)
    write(tmp_path, "b", other)
    assert (both(tmp_path).conflicts == ()) is fits


def test_stages_and_roles_that_never_meet_are_no_conflict(tmp_path: Path) -> None:
    write(tmp_path, "p", kern("a", "1", more=", stage: deploy"), kern("b", "2", more=", stage: [go-live]"))
    assert plan_of(tmp_path, "p").conflicts == ()
    write(tmp_path, "p", kern("a", "1", more=", stage: deploy"), kern("b", "2"))
    assert len(plan_of(tmp_path, "p").conflicts) == 1
    write(tmp_path, "p", kern("a", "1", more=", on: web"), kern("b", "2", more=", on: db"))
    apart = plan_of(tmp_path, "p", {"one": ["web"], "two": ["db"]})
    assert apart.conflicts == ()
    together = plan_of(
        tmp_path, "p", {"one": ["web"], "two": ["db"], "three": ["web", "db"], "four": ["db", "web"]}
    )
    (conflict,) = together.conflicts
    assert conflict.targets == ("three", "four")


MAX = "thing: kern.param vm.swappiness, rule: max"
MIN = "thing: kern.param vm.swappiness, rule: min"


@pytest.mark.parametrize(
    ("one", "other", "rule", "kept"),
    [
        ("1", "2", MAX, {"equals": 2}),
        ("1", "2", MIN, {"equals": 1}),
        ("9", "10", MAX, {"equals": 10}),
        ("1 GiB", "512 MiB", MAX, {"equals": "1073741824 B"}),
        ("{at_least: 10}", "{at_least: 20}", MAX, {"at_least": 20}),
        ("{at_least: 10}", "{at_least: 20}", MIN, {"at_least": 10}),
        ("{at_most: 10}", "{at_most: 20}", MAX, {"at_most": 10}),
        ("{at_most: 10}", "{at_most: 20}", MIN, {"at_most": 20}),
        ("{below: 10}", "{below: 20}", MAX, {"below": 10}),
        (
            "{version: {at_least: '1.9'}}",
            "{version: {at_least: '1.10'}}",
            MAX,
            {"version": {"at_least": "1.10"}},
        ),
    ],
)
def test_max_and_min_keep_one_value_for_both(
    tmp_path: Path, one: str, other: str, rule: str, kept: dict[str, object]
) -> None:
    write(tmp_path, "a", kern("a.x", one))
    write(tmp_path, "b", kern("b.x", other))
    plan = both(tmp_path, rule)
    assert values(plan) == {"here a.x": kept, "here b.x": kept}
    (conflict,) = plan.conflicts
    assert (conflict.rule, conflict.caveat) == (rule[-3:], False)


@pytest.mark.parametrize(
    ("one", "other", "named"),
    [
        ("{at_least: 20}", "{at_most: 10}", "at least 20 and at most 10"),
        ("1", "{at_least: 10}", "1 and at least 10"),
        ("never", "always", "never"),
        ("{one_of: [1, 2]}", "{one_of: [3]}", "one of"),
        ("{at_least: 1, at_most: 2}", "5", "at least 1 and at most 2"),
        ("true", "5", "true"),
    ],
)
def test_max_is_refused_where_there_is_no_order(tmp_path: Path, one: str, other: str, named: str) -> None:
    write(tmp_path, "a", kern("a.x", one))
    write(tmp_path, "b", kern("b.x", other))
    with pytest.raises(BadProfile, match="max makes no sense for") as refused:
        both(tmp_path, MAX)
    assert named in str(refused.value)
    assert (refused.value.where, refused.value.line) == (f"{tmp_path}/both.yaml", 4)


def test_max_is_refused_where_several_parameters_differ(tmp_path: Path) -> None:
    write(tmp_path, "a", stat("a", "owner: root, type: file"))
    write(tmp_path, "b", stat("b", "owner: redis, type: directory"))
    with pytest.raises(BadProfile, match="max settles one value, and here differ type, owner"):
        both(tmp_path, "thing: file.stat /etc/x, rule: max")


@pytest.mark.parametrize(("prefer", "kept"), [("a", 1), ("b.x", 2)])
def test_override_keeps_the_demand_of_a_profile_or_an_item(tmp_path: Path, prefer: str, kept: int) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    rule = f"thing: kern.param vm.swappiness, rule: override, prefer: {prefer}, reason: measured"
    plan = both(tmp_path, rule)
    assert values(plan) == {"here a.x": {"equals": kept}, "here b.x": {"equals": kept}}
    (text,) = said(plan, tmp_path)
    assert text.endswith(f"; {kept} counts (override), because measured")


def test_accept_keeps_both_and_says_that_it_is_known(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    unsettled = both(tmp_path)
    plan = both(tmp_path, "thing: kern.param vm.swappiness, rule: accept, reason: until May")
    assert values(plan) == {"here a.x": {"equals": 1}, "here b.x": {"equals": 2}}
    (conflict,) = plan.conflicts
    assert str(conflict).endswith("; known to differ, because until May")
    assert conflict.caveat
    assert plan.digest == unsettled.digest  # nothing that is checked is another


def test_what_is_settled_enters_the_digest_by_the_parameters_alone(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    by_max = both(tmp_path, MAX).digest
    by_hand = both(tmp_path, "thing: kern.param vm.swappiness, rule: override, prefer: b, reason: so")
    assert by_max == by_hand.digest
    assert by_max != both(tmp_path).digest


def test_a_rule_counts_only_where_the_items_meet(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("a.x", "1", more=", on: web"))
    write(tmp_path, "b", kern("b.x", "2", more=", on: db"))
    head = "extends: [./a.yaml, ./b.yaml]\nsettle: [{thing: kern.param vm.swappiness, rule: max}]\n"
    write(tmp_path, "both", head=head)
    plan = plan_of(tmp_path, "both", {"one": ["web"], "two": ["db"], "three": ["web", "db"]})
    assert values(plan) == {
        "one a.x": {"equals": 1},
        "two b.x": {"equals": 2},
        "three a.x": {"equals": 2},
        "three b.x": {"equals": 2},
    }
    assert [each.targets for each in plan.conflicts] == [("three",)]


def test_of_three_all_get_the_settled_value(tmp_path: Path) -> None:
    head = "settle: [{thing: kern.param vm.swappiness, rule: max}]\n"
    write(
        tmp_path, "p", kern("a", "1"), kern("b", "3"), kern("c", "2"), kern("d", "9", "vm.other"), head=head
    )
    plan = plan_of(tmp_path, "p")
    assert list(values(plan).values()) == [{"equals": 3}] * 3 + [{"equals": 9}]
    (conflict,) = plan.conflicts
    assert [demand.item for demand in conflict.demands] == ["a", "b", "c"]


def test_two_bases_with_one_item_are_a_conflict_until_somebody_says_which(tmp_path: Path) -> None:
    write(tmp_path, "a", "check: disk.free, with: {warn_below: 20 %}")
    write(tmp_path, "b", "check: disk.free, with: {warn_below: 25 %}")
    plan = both(tmp_path)
    assert said(plan, tmp_path) == [
        "disk.free at here: warn_below 20 % (a, a.yaml:3) against warn_below 25 % (b, b.yaml:3)"
    ]
    head = "extends: [./a.yaml, ./b.yaml]\n"
    write(tmp_path, "said", "id: disk.free, with: {warn_below: 30 %}", head=head)
    assert plan_of(tmp_path, "said").conflicts == ()
    write(tmp_path, "vague", "id: disk.free, severity: P3", head=head)
    assert len(plan_of(tmp_path, "vague").conflicts) == 1
    write(tmp_path, "without", "check: mem.used", head=head + "remove: [disk.free]\n")
    assert plan_of(tmp_path, "without").conflicts == ()
    write(tmp_path, "above", head="extends: ./both.yaml\n")
    assert len(plan_of(tmp_path, "above").conflicts) == 1


def test_two_bases_with_one_item_are_settled_too(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("x", "1"))
    write(tmp_path, "b", kern("x", "2"))
    assert values(both(tmp_path)) == {"here x": {"equals": 2}}
    rule = "thing: kern.param vm.swappiness, rule: override, prefer: a, reason: so"
    plan = both(tmp_path, rule)
    assert values(plan) == {"here x": {"equals": 1}}
    assert not plan.conflicts[0].caveat


def test_two_bases_with_one_item_about_different_things_are_a_conflict_too(tmp_path: Path) -> None:
    for name, host in (("a", "db1"), ("b", "db2")):
        write(tmp_path, name, f"id: db, check: net.port_reach, with: {{host: {host}, port: 5432}}")
    plan = both(tmp_path)
    assert said(plan, tmp_path) == [
        "net.port_reach db2:5432 at here: host db1 (a, a.yaml:3) against host db2 (b, b.yaml:3)"
    ]
    plan = both(tmp_path, "thing: 'net.port_reach db2:5432', rule: override, prefer: a, reason: so")
    assert plan.whole[0].item.parameters["host"] == "db1"


def test_two_bases_that_inherit_the_same_item_are_none(tmp_path: Path) -> None:
    write(tmp_path, "root", "check: disk.free, with: {warn_below: 20 %}")
    write(tmp_path, "a", head="extends: ./root.yaml\n")
    write(tmp_path, "b", "check: mem.used", head="extends: ./root.yaml\n")
    assert both(tmp_path).conflicts == ()


def test_what_a_profile_changes_itself_is_none(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("x", "1"))
    write(tmp_path, "p", "id: x, with: {value: 2}", head="extends: ./a.yaml\n")
    assert plan_of(tmp_path, "p").conflicts == ()


def test_settlements_are_inherited_and_replaced(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    both(tmp_path, MAX)
    write(tmp_path, "above", head="extends: ./both.yaml\n")
    assert values(plan_of(tmp_path, "above"))["here a.x"] == {"equals": 2}
    write(tmp_path, "above", head=f"extends: ./both.yaml\nsettle: [{{{MIN}}}]\n")
    assert values(plan_of(tmp_path, "above"))["here b.x"] == {"equals": 1}


def test_the_variables_of_a_target_decide_there(tmp_path: Path) -> None:
    write(tmp_path, "p", kern("a", "1"), kern("b", '"${wanted}"'), head="variables: {wanted: 1}\n")
    loaded = load_for_site(str(tmp_path / "p.yaml"), site={}, targets={"one": {}, "two": {"wanted": wrap(2)}})
    plan = make_plan(loaded.profile, [Target("one"), Target("two")], variants=loaded.targets)
    (conflict,) = plan.conflicts
    assert conflict.targets == ("two",)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("rule: max", "names its thing"),
        ("thing: kern.param vm.swappiness", "names its rule"),
        ("thing: kern.param vm.swappiness, rule: maximum", "did you mean max?"),
        ("thing: kern.param vm.swappines, rule: max", "did you mean kern.param vm.swappiness?"),
        ("thing: kern.param vm.swappiness, rule: accept", "accept needs a reason"),
        ("thing: kern.param vm.swappiness, rule: override, prefer: a", "override needs a reason"),
        ("thing: kern.param vm.swappiness, rule: override, reason: x", "override needs `prefer`"),
        ("thing: kern.param vm.swappiness, rule: max, prefer: a", "`prefer` is for override, not for max"),
        (
            "thing: kern.param vm.swappiness, rule: override, prefer: aa, reason: x",
            "neither a profile nor an item here",
        ),
        ("thing: kern.param vm.swappiness, rule: max, why: x", "has no key 'why'"),
    ],
)
def test_a_wrong_settlement_is_refused_with_its_line(tmp_path: Path, entry: str, what: str) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    with pytest.raises(BadProfile) as refused:
        both(tmp_path, entry)
    assert what in str(refused.value)
    assert (refused.value.where, refused.value.line) == (f"{tmp_path}/both.yaml", 4)


def test_a_thing_is_settled_once(tmp_path: Path) -> None:
    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    with pytest.raises(BadProfile, match="is settled twice; the first is in line 4"):
        both(tmp_path, f"{MAX}}}\n  - {{{MIN}")


def test_conflicts_travel_to_plan_and_report_and_stop_nothing(tmp_path: Path) -> None:
    import json

    from machine import firstlight

    write(tmp_path, "a", kern("a.x", "1"))
    write(tmp_path, "b", kern("b.x", "2"))
    both(tmp_path)
    text = f"1 (a, {tmp_path}/a.yaml:3) against 2 (b, {tmp_path}/b.yaml:3)"
    planned = firstlight("plan", str(tmp_path / "both.yaml"), state=tmp_path / "state")
    (line,) = (each for each in planned.stdout.splitlines() if "CONFLICT" in each)
    assert line.startswith("CONFLICT: kern.param vm.swappiness at ")
    assert line.endswith(text)
    args = ("check", str(tmp_path / "both.yaml"), "--no-send", "--format")
    report = json.loads(firstlight(*args, "json", state=tmp_path / "state").stdout)
    assert [each.partition(": ")[2] for each in report["conflicts"]] == [text]
    assert len(report["results"]) == 2
    html = firstlight(*args, "html", state=tmp_path / "state").stdout
    assert "Demands that contradict each other: kern.param vm.swappiness" in html
    both(tmp_path, MAX)
    settled = firstlight("plan", str(tmp_path / "both.yaml"), state=tmp_path / "state").stdout
    assert "settled: kern.param vm.swappiness" in settled
    assert json.loads(firstlight(*args, "json", state=tmp_path / "state").stdout)["conflicts"] == []


def test_every_parameter_that_is_sorted_by_name_is_one_of_a_check() -> None:
    """A name that no check has any more would be sorted in vain; one of a check to come is none of them."""
    from checks import contradiction, registry

    have = {(id, name) for id in registry.ids() for name in registry.get(id).parameters}
    for qualified in contradiction.HOW | contradiction.SUBJECTS:
        check, _, name = qualified.rpartition(".")
        if check in registry.ids():
            assert (check, name) in have


def test_many_items_that_demand_the_same_cost_no_more_than_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten times as many items ten times as many are looked at, not a hundred times."""
    from checks import conflicts

    counted: list[int] = []
    seen = conflicts.demand_of

    def counting(item: Item) -> dict[str, object]:
        counted[-1] += 1
        return seen(item)

    monkeypatch.setattr(conflicts, "demand_of", counting)
    for number in (20, 200):
        counted.append(0)
        write(tmp_path, "p", *(kern(f"a{at}", "1") for at in range(number)), kern("b", "2"))
        (conflict,) = plan_of(tmp_path, "p").conflicts
        assert [demand.item for demand in conflict.demands] == ["a0", "b"]
    assert counted == [21, 201]


def test_stages_that_overlap_in_a_chain_are_told_pair_by_pair(tmp_path: Path) -> None:
    write(
        tmp_path,
        "p",
        kern("a", "1", more=", stage: deploy"),
        kern("b", "2", more=", stage: [deploy, periodic]"),
        kern("c", "3", more=", stage: periodic"),
    )
    told = [[demand.item for demand in each.demands] for each in plan_of(tmp_path, "p").conflicts]
    assert told == [["a", "b"], ["b", "c"]]
