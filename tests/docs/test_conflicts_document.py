"""docs/profiles.md on conflicts: the examples give what the page says, and every rule is named."""

from __future__ import annotations

from pathlib import Path

from document_reader import blocks, read, table

from checks.model import Target
from checks.plan import Plan, make_plan
from checks.profile import load_profile
from checks.settlement import REASONED, RULES

PAGE = read("profiles.md")
BLOCKS = [block for block in blocks(PAGE) if block.under == "Conflicts"]


def plan_of(folder: Path, name: str) -> Plan:
    for block in BLOCKS:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    together = "profile: together\nextends: [./shop-cache.yaml, ./shop-database.yaml]\n"
    (folder / "together.yaml").write_text(together, encoding="utf-8")
    return make_plan(load_profile(str(folder / name)), [Target("web1")])


def test_the_conflict_is_told_as_the_page_says(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "together.yaml")
    told = [f"CONFLICT: {each}".replace(f"{tmp_path}/", "") for each in plan.conflicts]
    (said,) = (block.text.strip() for block in BLOCKS if block.language == "text")
    assert said in told
    assert len(told) == 3


def test_what_the_page_settles_is_settled(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "shop-one-machine.yaml")
    assert {unit.item.id: unit.item.parameters["value"] for unit in plan.whole} == {
        "cache.overcommit": {"equals": 1},
        "database.overcommit": {"equals": 1},
        "cache.backlog": {"equals": 4096},
        "database.backlog": {"equals": 4096},
        "cache.swappiness": {"at_most": 1},
        "database.swappiness": {"at_least": 10},
    }
    assert [each.rule for each in plan.conflicts if each.caveat] == ["accept"]


def test_every_rule_is_named_with_its_need_of_a_reason() -> None:
    rows = {row["rule"]: row["needs a reason"] for row in table(PAGE, "rule", "what counts")}
    assert rows == {rule: "yes" if rule in REASONED else "no" for rule in RULES}
