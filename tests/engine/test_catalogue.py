"""The pages in docs/checks are what the checks themselves say."""

from __future__ import annotations

from pathlib import Path

from checks import catalogue, registry

PAGES = Path(__file__).parents[2] / "docs" / "checks"


def test_the_pages_in_the_repository_are_those_the_checks_give() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    assert kept == catalogue.pages(), "stale: run `python -m checks.catalogue docs/checks`"


def test_every_check_has_a_page_that_the_index_names() -> None:
    made = catalogue.pages()
    for id in registry.ids():
        assert f"({id}.md)" in made[catalogue.INDEX]
        assert made[f"{id}.md"].startswith(f"# {id}\n")


def test_writing_removes_the_page_of_a_check_that_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "gone.check.md").write_text("# gone.check")
    catalogue.write(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*catalogue.pages()}
