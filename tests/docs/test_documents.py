"""All documents: links lead somewhere, commands exist, words are explained."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from document_reader import DOCS, ROOT, anchors, code, documents, links, read, tables

from agent.console import tree
from checks.model import Severity, Status
from checks.plan import STAGES
from server.kpi.registry import list_kpis

PAGES = documents()
OWN = [DOCS / f"{name}.md" for name in ("semantics", "wire", "kpis", "profiles", "glossary")]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for link in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        place, _, anchor = link.partition("#")
        to = (page.parent / place).resolve() if place else page
        assert to.exists(), f"{named(page)} links to {link}, which is not there"
        assert to.is_relative_to(ROOT), f"{named(page)} links to {link}, outside of the repository"
        if anchor:
            assert anchor in anchors(to.read_text(encoding="utf-8")), f"{named(page)} links to {link}"


def commands(text: str) -> list[list[str]]:
    """The command lines in a document that call firstlight, as words after its name."""
    found = []
    for line in code(text):
        for part in re.split(r"\s(?:\|\||\||&&|;)\s", line.strip().removeprefix("$ ")):
            part = re.sub(r"^(?:sudo |[A-Z_]+=\S* )*", "", part.strip())
            part = re.sub(r"\s+#.*$", "", part).removesuffix(" …")
            part = re.sub(r"\s2?>.*$", "", part)
            if re.match(r"(?:\S*/)?firstlight ", part):
                found.append(shlex.split(part)[1:])
    return found


def wrong(words: list[str]) -> str:
    """What of a command line does not exist; empty where everything does. Nothing is run."""
    command: click.Command = tree
    context = click.Context(tree, info_name="firstlight")
    words = list(words)
    arguments = 0
    while words:
        word = words.pop(0).strip("[]")
        if word.startswith("-") and word != "-":
            name, equals, _ = word.partition("=")
            option = next((o for o in command.get_params(context) if name in o.opts), None)
            if option is None:
                return f"{context.command_path} has no option {name}"
            if not equals and isinstance(option, click.Option) and not option.is_flag and not option.count:
                if not words:
                    return f"{context.command_path} {name} wants a value"
                words.pop(0)
        elif isinstance(command, click.Group):
            if word == "COMMAND":  # said of all of them
                return ""
            for name in word.split("|"):  # said of several
                found = command.get_command(context, name)
                if found is None:
                    return f"{context.command_path} has no command {name}"
            assert found is not None
            command, context = found, click.Context(found, info_name=word, parent=context)
        else:
            arguments += 1
    taken = [each for each in command.params if isinstance(each, click.Argument)]
    if arguments > len(taken):
        return f"{context.command_path} takes no more than {len(taken)} arguments"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_line_names_commands_and_options_that_exist(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        assert not wrong(words), f"{named(page)}: firstlight {' '.join(words)}: {wrong(words)}"


@pytest.mark.parametrize(
    "line",
    [
        "firstlight chek",
        "firstlight check --ofline",
        "firstlight server runn",
        "firstlight check --format",
        "firstlight checks show a b",
        "firstlight checks list|shwo",
    ],
)
def test_a_command_line_that_is_wrong_would_be_found(line: str) -> None:
    (words,) = commands(f"```console\n$ sudo FIRSTLIGHT_STATE=/x {line}  # why\n```\n")
    assert wrong(words)


def test_a_link_that_leads_nowhere_would_be_found() -> None:
    assert links("see [there](none.md#x), not `[this](code.md)`") == ["none.md#x"]
    assert anchors("# A page's `name`\n## B\n## B\n") == {"a-pages-name", "b", "b-1"}


WORDS = {
    word.strip() for rows in tables(read("glossary.md")) for row in rows for word in row["word"].split(",")
}


def test_no_word_is_explained_twice() -> None:
    every = [word for rows in tables(read("glossary.md")) for row in rows for word in row["word"].split(",")]
    assert len(every) == len(WORDS)


def test_the_glossary_names_every_status_severity_stage_and_figure() -> None:
    text = read("glossary.md")
    for word in (*Status, *Severity, *STAGES):
        assert f"`{word}`" in text
    for kpi in list_kpis():
        assert kpi.title.lower() in WORDS
        assert kpi.title_zh in text


@pytest.mark.parametrize("page", OWN, ids=named)
def test_lines_are_short_enough_to_read_unless_a_table_or_a_message_needs_them_long(page: Path) -> None:
    for line in page.read_text(encoding="utf-8").splitlines():
        assert len(line) <= 110 or line.startswith("|") or ".yaml:" in line, line
