"""The Markdown report, rendered by a real Markdown parser."""

from __future__ import annotations

from hostile_run import hostile
from markdown_it import MarkdownIt
from sample_run import result, view
from test_run_renderers import Tags

from checks.model import Status, Target
from reports.run import markdown
from reports.run.view import RunView


def page(shown: RunView) -> str:
    return MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown.render(shown))


def test_it_begins_with_the_verdict() -> None:
    assert markdown.render(view()).startswith("# 2 checks fail, the worst P0 · 1 warning")


def test_what_to_do_is_a_table_most_urgent_first() -> None:
    lines = [line for line in markdown.render(view()).splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in lines] == [
        "| status",
        "| **FAIL**",
        "| **FAIL**",
        "| WARN",
        "| ERROR",
        "| MANUAL",
    ]
    assert lines[1] == (
        "| **FAIL** | P0 | db.port | db.internal:5432 | db.internal:5432 refused the connection | dba |"
    )


def test_a_remedy_keeps_its_commands() -> None:
    assert "with `systemctl edit nginx` and restart it." in markdown.render(view())
    assert "<code>systemctl edit nginx</code>" in page(view())


def test_what_could_not_be_told_gets_no_remedy_for_a_failure() -> None:
    assert "Run as a user" not in markdown.render(view())


def test_the_same_finding_at_many_targets_is_told_once() -> None:
    names = ("db1", "db2", "db3")
    found = [result("a.b", Status.FAIL, target=name, remedy="Do it.") for name in names]
    text = markdown.render(view(*found, targets=tuple(Target(name) for name in names)))
    assert text.count("| **FAIL** |") == 1
    assert text.count("Do it.") == 1
    assert "db1, db2, db3" in text


def test_caveats_and_counts_are_there() -> None:
    text = markdown.render(view(partial=True, unplaced=("db.x (db)",)))
    assert "> This run was interrupted" in text
    assert "> Not checked" in text
    assert "fail 2 · warn 1 · error 1 · manual 1 · skip 1 · pass 3" in text


def test_the_link_to_the_run_is_a_link() -> None:
    assert "<https://collector.example/runs/019ab0>" in markdown.render(view())


def test_nothing_of_a_run_is_markup() -> None:
    tags = Tags(page(hostile()))
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert names <= {
        "h1", "h2", "p", "strong", "blockquote", "table", "thead", "tbody", "tr", "th", "td", "ul", "li",
        "br", "code",
    }  # fmt: skip
    rows = [line for line in markdown.render(hostile()).splitlines() if line.startswith("| ")]
    assert page(hostile()).count("<tr>") == len(rows)
    text = markdown.render(hostile())
    for bad in ("\x1b", "\u202e", "\ufffe", "://", "www.", "javascript:alert(1)"):
        assert bad not in text
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 4


def test_a_flood_is_cut_with_its_number() -> None:
    found = [result(f"i{number:03}", Status.FAIL, remedy="Do it.") for number in range(130)]
    text = markdown.render(view(*found))
    assert text.count("| **FAIL** |") == text.count("Do it.") == 100
    assert "and 30 more, less urgent" in text
    assert "i099" in text
    assert "i100" not in text


def test_an_empty_run_says_so() -> None:
    assert markdown.render(view(results=())).startswith("# Nothing was checked.\n")
