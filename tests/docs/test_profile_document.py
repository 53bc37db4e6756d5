"""docs/profiles.md: every profile in it loads, every message is given, every table is true."""

from __future__ import annotations

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from document_reader import Block, blocks, read, section, table, tables

from checks import profile_source, registry
from checks.errors import BadProfile
from checks.facts.formats import FORMATS, format_of
from checks.matchers import NAMES, read_matcher
from checks.plan import STAGES
from checks.profile import load_profile
from checks.registry import Check
from checks.testing import contract, load_cases, run_case
from checks.units import read_percent, read_size, read_span
from checks.versions import SCHEMES
from checks.yamlfile import load_text

PROFILES = read("profiles.md")
BLOCKS = blocks(PROFILES)
FILES = [block for block in BLOCKS if block.language == "yaml" and block.under != "Writing a check"]
RIGHT = [block for block in FILES if block.under != "Mistakes"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All files of the page, side by side."""
    for block in FILES:
        assert block.file, f"an example under {block.under!r} has no name"
        (tmp_path / block.file).write_text(block.text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("block", RIGHT, ids=lambda block: block.file)
def test_every_profile_loads(folder: Path, block: Block) -> None:
    assert load_profile(str(folder / block.file)).items


MISTAKES = [
    (wrong, right)
    for wrong, right in pairwise(BLOCKS)
    if wrong.under == right.under == "Mistakes" and right.language == "text"
]


@pytest.mark.parametrize(("block", "said"), MISTAKES, ids=lambda block: block.file)
def test_every_mistake_is_told_as_the_page_says(folder: Path, block: Block, said: Block) -> None:
    with pytest.raises(BadProfile) as refused:
        load_profile(str(folder / block.file))
    assert str(refused.value).replace(f"{folder}/", "") == said.text.strip()


def test_every_wrong_profile_has_its_message() -> None:
    assert len(MISTAKES) == len(FILES) - len(RIGHT) > 0


def test_what_is_extended_is_changed_as_the_page_says(folder: Path) -> None:
    items = {item.id: item for item in load_profile(str(folder / "shop-standby.yaml")).items}
    assert "shop.running" not in items
    assert items["disk.free"].severity == "P2"
    database = items["shop.database"]
    assert (database.severity, database.parameters["port"]) == ("P0", 5432)
    assert database.parameters["host"] == "db2.example.com"


def test_a_removed_id_is_free_for_another_check(folder: Path) -> None:
    text = (
        "profile: x\nextends: ./shop.yaml\nremove: [shop.pool]\nitems: [{id: shop.pool, check: mem.used}]\n"
    )
    (folder / "other.yaml").write_text(text, encoding="utf-8")
    items = {item.id: item.check for item in load_profile(str(folder / "other.yaml")).items}
    assert items["shop.pool"] == "mem.used"


def test_a_variable_keeps_its_type_as_the_page_says(folder: Path) -> None:
    items = {item.id: item for item in load_profile(str(folder / "shop-variables.yaml")).items}
    assert items["shop.database"].parameters["port"] == 5432
    assert items["shop.pool"].parameters["value"] == {"at_least": 10, "at_most": 200}
    assert items["shop.address"].parameters["pattern"] == "jdbc:postgresql://db1.example.com:5432/"


@pytest.mark.parametrize(
    ("first", "known"),
    [("profile", profile_source._PROFILE_KEYS), ("check", profile_source._ITEM_KEYS)],
)
def test_every_key_is_explained_and_no_other(first: str, known: tuple[str, ...]) -> None:
    (rows,) = (rows for rows in tables(section(PROFILES, "The keys")) if rows[0]["key"] == first)
    assert {row["key"] for row in rows} == set(known)


READERS = {"size": read_size, "percentage": read_percent, "duration": read_span}


@pytest.mark.parametrize("row", table(PROFILES, "type", "written", "is"), ids=lambda row: row["written"])
def test_every_unit_means_what_the_page_says(row: dict[str, str]) -> None:
    assert READERS[row["type"]](row["written"]) == float(row["is"])


CONDITIONS = table(PROFILES, "condition", "a value that holds")


def shown_value(text: str) -> Any:
    """A value as the page shows it: text, or a list in brackets."""
    return load_text(text, "the page").plain() if text.startswith("[") else text


@pytest.mark.parametrize("row", CONDITIONS, ids=lambda row: row["condition"])
def test_every_condition_holds_for_what_the_page_says(row: dict[str, str]) -> None:
    matcher = read_matcher(load_text(row["condition"], "the page").plain())
    assert matcher.holds(shown_value(row["a value that holds"]))
    assert not matcher.holds(shown_value(row["one that does not"]))


def test_every_condition_and_every_stage_is_named() -> None:
    shown = " ".join(row["condition"] for row in CONDITIONS)
    assert all(name in shown for name in NAMES)
    assert all(f"`{stage}`" in PROFILES for stage in STAGES)


FORMATS_SHOWN = table(PROFILES, "format", "told from", "a key")


@pytest.mark.parametrize("row", FORMATS_SHOWN, ids=lambda row: row["format"])
def test_every_format_is_told_from_the_names_that_the_page_shows(row: dict[str, str]) -> None:
    shown = [name.strip("` ") for name in row["told from"].split(",") if "/" in name]
    assert {format_of(name) for name in shown} == {row["format"]}


def test_every_format_is_shown() -> None:
    assert {row["format"] for row in FORMATS_SHOWN} == {*FORMATS}
    assert all(f"`{scheme}`" in PROFILES for scheme in SCHEMES)


def test_the_overrides_of_the_page_are_taken() -> None:
    for block in BLOCKS:
        for line in block.text.splitlines() if block.language == "console" else ():
            words = shlex.split(line)
            for option, value in pairwise(words):
                if option == "--set":
                    named = words[words.index("check") + 1]
                    assert load_profile(named, overrides=[value]).adhoc


def test_the_check_of_the_page_keeps_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_known", dict(registry.known()))
    code, cases = (block for block in BLOCKS if block.file in ("shop.py", "shop.workers.yaml"))
    scope: dict[str, object] = {"__name__": "shop"}
    exec(compile(code.text, code.file, "exec"), scope)
    written = scope["enough_workers"]
    assert isinstance(written, Check)
    file = tmp_path / cases.file
    file.write_text(cases.text, encoding="utf-8")
    for case in load_cases(file):
        run_case(written, case)
    assert contract(written, load_cases(file)) == []
