"""docs/goss.md: its file runs, what it says is told is told, its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from document_reader import blocks, read, table

from checks import registry
from checks.goss.conditions import _MATCHERS
from checks.goss.resources import MAPPERS
from checks.goss.suite import Suite, load_suite, written
from checks.profile import load_profile

PAGE = read("goss.md")


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks(PAGE) if block.file == "goss.yaml"]
    # The page names the file in a line of its own, which the file itself does not have.
    Path("goss.yaml").write_text(block.text.partition("\n")[2])
    return load_suite(Path("goss.yaml"), (), "{user: root}")


def test_the_file_of_the_page_is_read_and_told_as_the_page_says(suite: Suite) -> None:
    (text,) = [block.text for block in blocks(PAGE) if block.language == "text"]
    told = [*suite.unmapped, f"{len(suite.unmapped)} of {len(suite.pieces)} cannot be checked here: error"]
    assert told == text.splitlines()
    assert "goss.file.etc-passwd.mode" in {each.id for each in suite.pieces}


def test_what_convert_writes_of_it_is_a_profile(suite: Suite, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(written(suite))
    assert len(load_profile(str(tmp_path / "mine.yaml")).items) == len(suite.pieces)


def test_the_table_names_every_resource_with_its_checks() -> None:
    rows = table(PAGE, "resource", "attributes")
    assert {row["resource"].strip("`") for row in rows} == {*MAPPERS}
    for row in rows:
        for id in re.findall(r"\[([a-z]+\.[a-z_]+)\]", row["checks"]):
            assert registry.get(id).id == id


def test_the_page_names_every_matcher() -> None:
    named = {*re.findall(r"`([a-z-]+)`", PAGE)}
    assert {*_MATCHERS} - named == {"equal-ignoring-order"}
