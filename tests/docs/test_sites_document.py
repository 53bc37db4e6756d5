"""docs/sites.md: its site file loads and means what the page says, and its table names every key."""

from __future__ import annotations

from pathlib import Path

from document_reader import blocks, read, table

from agent.targets.route import Router
from agent.targets.sitefile import _ROUTE_KEYS, _TARGET_KEYS, Site, load_site

SITES = read("sites.md")


def site(folder: Path) -> Site:
    (block,) = [block for block in blocks(SITES) if block.language == "yaml"]
    file = folder / "site.yaml"
    file.write_text(block.text, encoding="utf-8")
    return load_site(file)


def test_the_site_file_on_the_page_loads(tmp_path: Path) -> None:
    found = site(tmp_path)
    assert (found.id, found.profile) == ("plant-a", str(tmp_path / "erp.yaml"))
    assert set(found.targets) == {"bastion", "app1", "db1", "laptop"}
    assert found.targets["laptop"].here
    assert found.targets["db1"].password == "env:DB1_PASSWORD"


def test_its_routes_are_what_the_page_says(tmp_path: Path) -> None:
    found = site(tmp_path)
    config = tmp_path / "config"
    config.write_text("")
    router = Router(found.targets, config)
    words = {name: str(router.route(target)) for name, target in found.targets.items() if not target.here}
    assert words == {
        "bastion": "ssh deploy@bastion.plant-a.example:22",
        "app1": "ssh deploy@10.0.0.4:22 via deploy@bastion.plant-a.example:22, with sudo",
        "db1": "ssh deploy@10.0.0.5:2222 via deploy@bastion.plant-a.example:22, with sudo",
    }


def test_the_table_names_every_key_of_a_target() -> None:
    cells = [row["key of a target"] for row in table(SITES, "key of a target")]
    named = {word.strip("` ") for cell in cells for word in cell.split(",")}
    assert named == set(_TARGET_KEYS)
    assert set(_ROUTE_KEYS) < named
