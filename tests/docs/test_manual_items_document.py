"""docs/manual-items.md: its profile loads, and its table is what the check says."""

from __future__ import annotations

from pathlib import Path

from document_reader import blocks, read, table

from checks.profile import load_profile

PAGE = read("manual-items.md")


def test_the_profile_of_the_page_loads(tmp_path: Path) -> None:
    (block,) = [block for block in blocks(PAGE) if block.language == "yaml"]
    (tmp_path / block.file).write_text(block.text)
    (item,) = load_profile(str(tmp_path / block.file)).items
    assert item.check == "manual.item" and item.arguments["valid"] == 90 * 86400


def test_the_table_names_every_answer() -> None:
    rows = table(PAGE, "an answer", "the result")
    assert [row["an answer"] for row in rows[:3]] == ["yes", "no", "n/a"]
