"""docs/industries.md: what people are asked is what the profiles ask; the examples are planned and load."""

from __future__ import annotations

from pathlib import Path

import pytest
from document_reader import blocks, read, table

from agent.planning import Wanted, plan_for
from checks.model import Severity
from checks.plan import STAGES
from checks.profile import Item, load_profile

PAGE = read("industries.md")
NAMES = ("delivery", "manufacturing", "trade", "finance", "healthcare")


def test_every_question_stands_in_the_table_with_its_severity_and_no_other() -> None:
    general = {item.id for item in load_profile("delivery").items}
    rows = {
        (row["profile"].strip("`"), row["stage"]): row["questions"].split(", ")
        for row in table(PAGE, "profile", "stage", "questions")
    }
    expected: dict[tuple[str, str], list[str]] = {}
    for name in NAMES:
        for stage in STAGES:
            for item in load_profile(name).items:
                asked = item.check == "manual.item" and stage in item.stages
                if asked and (name == "delivery" or item.id not in general):
                    expected.setdefault((name, stage), []).append(shown(item))
    assert rows == expected


def shown(item: Item) -> str:
    star = "*" if item.arguments["evidence"] == "required" else ""
    return f"`{item.id}` {item.severity}{star}"


def test_every_role_of_the_profiles_is_named() -> None:
    roles = {role for name in NAMES for item in load_profile(name).items for role in item.roles}
    assert all(f"`{role}`" in PAGE for role in roles)


def test_the_site_of_the_page_is_planned_as_it_says(tmp_path: Path) -> None:
    (site,) = (block for block in blocks(PAGE) if block.file == "plant.yaml")
    (tmp_path / "plant.yaml").write_text(site.text, encoding="utf-8")
    (tmp_path / "ssh_config").touch()
    wanted = Wanted(site_file=tmp_path / "plant.yaml", ssh_config=tmp_path / "ssh_config")
    plan = plan_for(wanted, None, None).plan
    at = {target: {unit.item.id for unit in plan.whole if unit.target == target} for target in plan.roles}
    assert {*at} == {"office", "app1", "db1"}
    assert "cutover.planned" in at["office"]
    assert not any("cutover.planned" in at[name] for name in ("app1", "db1"))
    assert {"jvm.answers", "web.answers"} <= at["app1"]
    assert {"pg.connect", "redis.health"} <= at["db1"]
    (settled,) = plan.conflicts
    assert (settled.thing, settled.targets, settled.caveat) == (
        "kern.param vm.overcommit_memory", ("db1",), False,
    )  # fmt: skip
    web = {unit.item.id: unit.item for unit in plan.whole if unit.target == "app1"}["web.name"]
    assert web.parameters["name"] == "erp.plant-a.example"


def test_the_profile_of_ones_own_loads(tmp_path: Path) -> None:
    (own,) = (block for block in blocks(PAGE) if block.file == "our-mes.yaml")
    (tmp_path / own.file).write_text(own.text, encoding="utf-8")
    items = {item.id: item for item in load_profile(str(tmp_path / own.file)).items}
    assert items["plc.latency"].severity is Severity.P0
    assert items["mes.recipes"].arguments["evidence"] == "required"
    assert items["jvm.options"].arguments["program"] == "mes.jar"
    assert "scales.connected" not in items


MORE = {
    "manufacturing": {
        "disk.free": "P0", "rmq.health": "P0", "svc.failed": "P1", "mem.oom": "P1", "time.zone": "P1",
    },
    "trade": {
        "disk.free": "P0", "rmq.health": "P0", "pg.connections": "P0", "my.connections": "P0",
        "web.certificate-expiry": "P0",
    },
    "finance": {
        "audit.complete": "P1", "pg.backup": "P0", "my.backup": "P0", "odoo.backup": "P0", "erp.backup": "P0",
        "time.offset": "P1", "web.plain-redirects": "P1", "sec.ssh": "P1", "sec.accounts": "P1",
    },
    "healthcare": {
        "audit.complete": "P1", "pg.backup": "P0", "my.backup": "P0", "disk.free": "P0", "rmq.health": "P0",
        "web.certificate-expiry": "P0",
    },
}  # fmt: skip
"""What the page says in words of severities."""


@pytest.mark.parametrize("name", MORE)
def test_what_an_industry_takes_more_seriously_is_so(name: str) -> None:
    held = {item.id: str(item.severity) for item in load_profile(name).items}
    assert MORE[name] == {id: held[id] for id in MORE[name]}
