"""`extends` with roles and stages: which items get them, what two bases share, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks.errors import BadProfile
from checks.extending import KEYS
from checks.model import Target
from checks.plan import Plan, make_plan
from checks.profile import Item, load_profile

BASE = """
  - {id: everywhere, check: mem.used}
  - {id: own-role, check: mem.used, on: app}
  - {id: own-stage, check: mem.used, stage: deploy}
  - {id: own-both, check: mem.used, on: [app, web], stage: [deploy, periodic]}
"""


def write(folder: Path, name: str, extends: str = "", items: str = "", more: str = "") -> Path:
    text = f"profile: {name}\n" + (f"extends: {extends}\n" if extends else "") + more
    path = folder / f"{name}.yaml"
    path.write_text(text + (f"items:\n{items}" if items else ""), encoding="utf-8")
    return path


def items_of(path: Path) -> dict[str, Item]:
    return {item.id: item for item in load_profile(str(path)).items}


def placed(path: Path) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """The roles and the stages of each item."""
    return {id: (item.roles, item.stages) for id, item in items_of(path).items()}


def plan_of(path: Path, **roles: list[str]) -> Plan:
    return make_plan(load_profile(str(path)), [Target(name) for name in roles], roles=roles)


def test_what_has_no_role_or_stage_of_its_own_gets_those_of_the_entry(tmp_path: Path) -> None:
    write(tmp_path, "base", items=BASE)
    entry = "[{profile: ./base.yaml, on: [db, cache], stage: periodic}]"
    assert placed(write(tmp_path, "p", entry)) == {
        "everywhere": (("db", "cache"), ("periodic",)),
        "own-role": (("app",), ("periodic",)),
        "own-stage": (("db", "cache"), ("deploy",)),
        "own-both": (("app", "web"), ("deploy", "periodic")),
    }


def test_a_plain_name_changes_nothing_and_one_entry_needs_no_list(tmp_path: Path) -> None:
    write(tmp_path, "base", items=BASE)
    as_it_is = placed(tmp_path / "base.yaml")
    assert placed(write(tmp_path, "p", "./base.yaml")) == as_it_is
    assert placed(write(tmp_path, "p", "[{profile: ./base.yaml}]")) == as_it_is
    assert placed(write(tmp_path, "p", "{profile: ./base.yaml, on: db}"))["everywhere"] == (("db",), ())


def test_what_two_roles_build_on_is_for_both_of_them(tmp_path: Path) -> None:
    write(tmp_path, "base", items="  - {id: shared, check: mem.used}\n")
    write(tmp_path, "one", "[./base.yaml]", "  - {id: one.x, check: mem.used}\n")
    write(tmp_path, "two", "[./base.yaml]", "  - {id: two.x, check: mem.used}\n")
    entries = "[{profile: ./one.yaml, on: one}, {profile: ./two.yaml, on: [two, one], stage: deploy}]"
    path = write(tmp_path, "p", entries)
    assert placed(path) == {
        "shared": (("one", "two"), ()),
        "one.x": (("one",), ()),
        "two.x": (("two", "one"), ("deploy",)),
    }
    units = [(unit.target, unit.item.id) for unit in plan_of(path, a=["one"], b=["two"], c=["other"]).whole]
    assert sorted(units) == [
        ("a", "one.x"), ("a", "shared"), ("a", "two.x"), ("b", "shared"), ("b", "two.x"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "order",
    ["[./base.yaml, {profile: ./one.yaml, on: one}]", "[{profile: ./one.yaml, on: one}, ./base.yaml]"],
)
def test_an_item_for_all_targets_stays_one_for_all(tmp_path: Path, order: str) -> None:
    write(tmp_path, "base", items="  - {id: shared, check: mem.used}\n")
    write(tmp_path, "one", "[./base.yaml]", "  - {id: one.x, check: mem.used}\n")
    assert placed(write(tmp_path, "p", order))["shared"] == ((), ())


def test_without_an_entry_that_says_so_the_later_base_still_wins(tmp_path: Path) -> None:
    write(tmp_path, "one", items="  - {id: x, check: mem.used, on: one}\n")
    write(tmp_path, "two", items="  - {id: x, check: mem.used, on: two}\n")
    assert placed(write(tmp_path, "p", "[./one.yaml, ./two.yaml]"))["x"] == (("two",), ())


def test_the_profile_itself_has_the_last_word(tmp_path: Path) -> None:
    write(tmp_path, "base", items=BASE)
    changed = "  - {id: everywhere, on: web, severity: P0}\n"
    path = write(tmp_path, "p", "[{profile: ./base.yaml, on: db, stage: deploy}]", changed)
    assert placed(path)["everywhere"] == (("web",), ("deploy",))
    again = write(tmp_path, "q", "[./p.yaml, {profile: ./base.yaml, on: cache}]")
    # What p said of stages was an entry's word, so those of both bases count; its role was its own.
    assert placed(again)["everywhere"] == (("web", "cache"), ())


def test_what_an_inner_profile_placed_is_not_placed_again(tmp_path: Path) -> None:
    write(tmp_path, "base", items="  - {id: x, check: mem.used}\n")
    write(tmp_path, "inner", "[{profile: ./base.yaml, on: db}]", "  - {id: y, check: mem.used}\n")
    assert placed(write(tmp_path, "p", "[{profile: ./inner.yaml, on: site}]")) == {
        "x": (("db",), ()),
        "y": (("site",), ()),
    }


def test_an_item_keeps_the_profile_and_the_line_that_wrote_it(tmp_path: Path) -> None:
    write(tmp_path, "base", items=BASE)
    item = items_of(write(tmp_path, "p", "[{profile: ./base.yaml, on: db}]"))["everywhere"]
    assert (item.profile, Path(item.where).name, item.line) == ("base", "base.yaml", 4)


def test_where_roles_want_one_item_otherwise_that_is_told_where_they_meet_and_nowhere_else(
    tmp_path: Path,
) -> None:
    for name, bound in (("one", 1), ("two", 2)):
        item = f"  - {{id: x, check: kern.param, with: {{name: vm.swappiness, value: {bound}}}}}\n"
        write(tmp_path, name, items=item)
    entries = "[{profile: ./one.yaml, on: one}, {profile: ./two.yaml, on: two}]"
    path = write(tmp_path, "p", entries)
    told = [(each.thing, each.targets) for each in plan_of(path, a=["one"], b=["two"]).conflicts]
    assert told == [("kern.param vm.swappiness", ("a",))]  # b has the later one's demand, as it wants
    settle = (
        "settle:\n  - {thing: kern.param vm.swappiness, rule: override, prefer: one, reason: it is right}\n"
    )
    plan = plan_of(write(tmp_path, "p", entries, more=settle), a=["one"], b=["two"])
    assert {unit.target: unit.item.parameters["value"] for unit in plan.whole} == {
        "a": {"equals": 1},
        "b": {"equals": 2},
    }


def test_a_settlement_of_a_base_that_is_for_a_role_still_settles(tmp_path: Path) -> None:
    def kern(id: str, value: int) -> str:
        return f"  - {{id: {id}, check: kern.param, with: {{name: vm.swappiness, value: {value}}}}}\n"

    settle = "settle:\n  - {thing: kern.param vm.swappiness, rule: override, prefer: one, reason: it must}\n"
    write(tmp_path, "one", items=kern("one.x", 1), more=settle)
    write(tmp_path, "two", items=kern("two.x", 2))
    path = write(tmp_path, "p", "[{profile: ./one.yaml, on: one}, {profile: ./two.yaml, on: two}]")
    plan = plan_of(path, a=["one", "two"], b=["two"])
    assert {(unit.target, unit.item.id): unit.item.parameters["value"]["equals"] for unit in plan.whole} == {
        ("a", "one.x"): 1,
        ("a", "two.x"): 1,
        ("b", "two.x"): 2,
    }
    assert [(each.rule, each.targets, each.caveat) for each in plan.conflicts] == [
        ("override", ("a",), False)
    ]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{on: db}", "p.yaml:2: an entry of extends names its profile: {profile: linux-server, on: web}"),
        (
            "{profile: ./base.yaml, onn: db}",
            "p.yaml:2: an entry of extends has no key 'onn'; did you mean on?",
        ),
        ("{profile: [a, b]}", "p.yaml:2: expected the name or the path of a profile"),
        ("{profile: ./base.yaml, on: {a: b}}", "p.yaml:2: expected a word or a list of words"),
        ("{profile: ./base.yaml, on: two words}", "p.yaml:2: 'two words' is no name"),
        ("{profile: ./base.yaml, stage: [5]}", "p.yaml:2: expected a word or a list of words"),
        ("{profile: ./bse.yaml, on: db}", "p.yaml:2: extends './bse.yaml', but there is no file"),
        (
            "{profile: linux-sever, on: db}",
            "p.yaml:2: extends 'linux-sever', unknown; did you mean linux-server?",
        ),
        ("{profile: ./p.yaml, on: db}", "p.yaml:2: extends './p.yaml', which leads back to this file"),
        ("[[./base.yaml]]", "p.yaml:2: expected the name or the path of a profile"),
        ("5", "p.yaml:2: expected the name or the path of a profile"),
    ],
)
def test_a_mistake_in_an_entry_is_told_with_file_and_line(tmp_path: Path, entry: str, said: str) -> None:
    write(tmp_path, "base", items=BASE)
    with pytest.raises(BadProfile) as refused:
        load_profile(str(write(tmp_path, "p", entry)))
    assert str(refused.value).replace(f"{tmp_path}/", "").startswith(said)


def test_the_page_on_profiles_names_every_key_of_an_entry() -> None:
    page = (Path(__file__).parents[2] / "docs/profiles.md").read_text(encoding="utf-8")
    section = page.partition("\n## Extending\n")[2].partition("\n## ")[0]
    assert all(f"`{key}`" in section for key in KEYS)
