"""The three reports of a run: for the console, as one HTML file, as JSON."""

from __future__ import annotations

import io
import json as stdlib_json
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import msgspec
import pytest
from rich.console import Console
from sample_run import result, results, view

from checks.model import Message, Severity, Status, Target
from reports.run import html, json, terminal
from reports.run.view import RunView

NASTY = "<script>alert(1)</script> & [bold]x[/bold] \x1b[2J \u202egnp.exe"


def console_text(shown: RunView, width: int, **options: bool) -> str:
    out = io.StringIO()
    terminal.render(
        shown, Console(file=out, width=width, no_color=True), everything=options.get("everything", False)
    )
    return out.getvalue()


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br", "img", "hr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


# --- the console


@pytest.mark.parametrize("width", [40, 60, 91, 92, 120, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(len, console_text(view(), width).splitlines())) <= width


@pytest.mark.parametrize("width", [40, 120])
def test_every_item_to_do_is_named_with_its_remedy_and_owner(width: int) -> None:
    text = re.sub(r"\s+", " ", console_text(view(), width))
    for found in results():
        assert (found.item in text) == (found.status not in (Status.PASS, Status.SKIP))
    assert "systemctl edit nginx" in text
    assert "dba" in text


def test_what_could_not_be_told_gets_no_remedy_for_a_failure() -> None:
    unknown = view(result("a", Status.ERROR, message="denied", remedy="Extend the volume."))
    assert "Extend" not in console_text(unknown, 120)
    assert "Extend" not in html.render(unknown)


def test_what_to_do_first_stands_first() -> None:
    text = console_text(view(), 120)
    assert (
        text.index("db.port")
        < text.index("disk.free")
        < text.index("lim.nofile")
        < text.index("app.log-level")
    )


def test_passes_are_counted_and_listed_only_on_request() -> None:
    assert "3 passed" in console_text(view(), 120)
    assert "mem.used" not in console_text(view(), 120)
    assert "mem.used" in console_text(view(), 120, everything=True)


@pytest.mark.parametrize("width", [60, 120])
def test_a_message_cannot_drive_the_terminal_nor_the_markup(width: int) -> None:
    text = console_text(view(result("a", Status.FAIL, object=NASTY, message=NASTY, remedy=NASTY)), width)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]x[/bold]" in text


def test_a_pipe_gets_no_trailing_blanks() -> None:
    assert not [line for line in console_text(view(), 120).splitlines() if line != line.rstrip()]


def test_targets_are_named_where_there_are_several() -> None:
    found = [result("a", Status.FAIL, target=name) for name in ("db-01", "db-02")]
    assert "db-02" in console_text(view(*found, targets=(Target("db-01"), Target("db-02"))), 120)


def test_colour_appears_only_where_the_terminal_has_it() -> None:
    out = io.StringIO()
    terminal.render(
        view(), Console(file=out, width=100, force_terminal=True, color_system="standard", no_color=False)
    )
    assert "\x1b[1;31m" in out.getvalue()
    assert "\x1b" not in console_text(view(), 100)


# --- what changed since acceptance

ACCEPTED = "accepted 2026-11-02 by Ann, Bo"


def changed_view(**said: str) -> RunView:
    """A run of every kind of result with these sentences, by item with ``_`` for a dot."""
    changes = {each.key: said[name] for each in results() if (name := each.item.replace(".", "_")) in said}
    assert len(changes) == len(said)
    return view(changes=changes, baseline=ACCEPTED)


@pytest.mark.parametrize("width", [40, 120])
def test_what_changed_stands_beside_its_result(width: int) -> None:
    text = console_text(changed_view(disk_free="passed at acceptance"), width)
    assert f"Baseline: {ACCEPTED}" in re.sub(r"\s+", " ", text)
    lines = [line.strip() for line in text.splitlines()]
    at = next(index for index, line in enumerate(lines) if "± passed at acceptance" in line)
    assert "/var/lib/postgresql" in " ".join(lines[at - 2 : at + 1])
    assert text.count("±") == 1


@pytest.mark.parametrize("width", [40, 60, 91, 92, 120])
def test_a_pass_that_changed_is_listed_although_it_asks_for_nothing(width: int) -> None:
    long = f"name: {'x' * 60} → {'y' * 60} since acceptance ({ACCEPTED})"
    shown = changed_view(mem_used=long, time_sync="passed at acceptance")
    text = console_text(shown, width)
    section = text[text.index("Changed since acceptance") :]
    assert "mem.used" in section
    assert "time.sync" in section
    assert "os.supported" not in section
    assert max(map(len, text.splitlines())) <= width
    every = console_text(shown, width, everything=True)
    assert "Changed since acceptance" not in every
    assert every.count("±") == 2


def test_the_section_is_not_there_where_nothing_changed_quietly() -> None:
    assert "Changed since acceptance" not in console_text(changed_view(db_port="new since acceptance"), 120)
    assert "Changed since acceptance" not in html.render(changed_view(db_port="new since acceptance"))
    for text in (console_text(view(), 120), html.render(view())):
        assert "±" not in text
        assert "aseline:" not in text


def test_a_flood_of_changes_is_cut_with_its_number() -> None:
    many = tuple(result(f"item{number:03}", Status.PASS) for number in range(50))
    shown = view(*many, changes={each.key: "new since acceptance" for each in many}, baseline=ACCEPTED)
    text = console_text(shown, 120)
    assert text.count("±") == terminal.CHANGED_SHOWN
    assert "and 30 more (--all lists them)" in text


def test_the_page_shows_every_change_and_names_the_baseline() -> None:
    page = html.render(changed_view(disk_free="passed at acceptance", mem_used="total: 8 GiB → 16 GiB"))
    assert f"Baseline: {ACCEPTED}" in page
    assert page.count("± passed at acceptance") == 1
    assert page.count("± total: 8 GiB → 16 GiB") == 2  # beside the others that passed, and on its own
    assert page.index("Changed since acceptance") < page.index("Nothing to do")
    assert Tags(page).open == []
    assert page.startswith("<!doctype html>")


def test_what_changed_is_escaped_and_cannot_drive_the_terminal() -> None:
    shown = msgspec.structs.replace(
        changed_view(disk_free=f"value: {NASTY}", mem_used=f"value: {NASTY}"), baseline=NASTY
    )
    page, text = html.render(shown), console_text(shown, 120)
    assert "<script" not in page
    for rendered in (page, text):
        assert "\x1b" not in rendered
        assert "\u202e" not in rendered
    assert "[bold]x[/bold]" in text


def test_other_programs_get_the_sentence_with_each_result() -> None:
    report = stdlib_json.loads(json.render(changed_view(disk_free="passed at acceptance")))
    assert report["baseline"] == ACCEPTED
    said = {each["item"]: each["changed_since_acceptance"] for each in report["results"]}
    assert said.pop("disk.free") == "passed at acceptance"
    assert set(said.values()) == {""}


# --- HTML


def test_the_page_is_one_file_without_script_or_request() -> None:
    tags = Tags(html.render(view()))
    assert tags.open == []
    names = {tag for tag, _ in tags.found}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    loading = [(tag, a) for tag, a in tags.found if {"src", "srcset", "background", "style"} & set(a)]
    assert loading == []
    assert not [a for _, a in tags.found if any(name.startswith("on") for name in a)]
    assert "url(" not in html.render(view())
    assert "@import" not in html.render(view())


def test_a_policy_in_the_page_refuses_what_the_page_does_not_need() -> None:
    policy = [a["content"] for _, a in Tags(html.render(view())).found if a.get("http-equiv")]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_whatever_a_run_holds_is_escaped() -> None:
    nasty = result(
        NASTY, Status.FAIL, object=NASTY, message=NASTY, remedy=f"`{NASTY}`", owner=NASTY, title=NASTY,
        cause=NASTY, evidence={NASTY: NASTY}, target=NASTY,
    )  # fmt: skip
    quiet = result("b", Status.PASS, object=NASTY, message=NASTY)
    page = html.render(view(nasty, quiet, site=NASTY, title=NASTY, operator=NASTY, targets=(Target(NASTY),)))
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert Tags(page).open == []


def test_a_link_that_is_no_web_address_is_not_made() -> None:
    from reports.run.view import Delivery

    page = html.render(view(delivery=Delivery("sent", "sent", "javascript:alert(1)")))
    assert "javascript:" not in page
    links = [a["href"] for tag, a in Tags(html.render(view())).found if tag == "a"]
    assert [urlsplit(link).scheme for link in links if link] == ["https"]


def test_the_page_says_where_when_and_by_which_rules() -> None:
    page = html.render(view())
    for part in (
        "Acme Stuttgart",
        "erp-app-01",
        "app-server 3",
        "2026-11-23 12:00 UTC",
        "5f" * 32,
        "0.1.0",
        "li.wei",
    ):
        assert part in page


def test_passes_are_folded() -> None:
    page = html.render(view())
    assert page.index("<details>") < page.index("Debian 12 is supported")
    assert "open" not in next(a for tag, a in Tags(page).found if tag == "details")


def test_commands_in_a_remedy_are_set_as_code() -> None:
    assert "<code>systemctl edit nginx</code>" in html.render(view())
    assert html.prose("a ` b") == "a ` b"


def test_evidence_is_shown_for_people() -> None:
    assert html.shown(None) == "–"
    assert html.shown(False) == "no"
    assert html.shown(3.14159) == "3.142"
    assert html.shown(161061273600) == "161\u202f061\u202f273\u202f600"


def test_an_empty_run_has_a_page_too() -> None:
    assert "Nothing was checked" in html.render(view(results=()))


# --- JSON


def test_the_json_report_keeps_its_shape() -> None:
    report = stdlib_json.loads(json.render(view()))
    assert (report["format"], report["version"]) == ("firstlight-run-report", 1)
    assert report["summary"]["worst"] == "P0"
    assert report["summary"]["counts"] == {
        "fail": 2,
        "warn": 1,
        "error": 1,
        "manual": 1,
        "skip": 1,
        "pass": 3,
    }
    assert report["profile"] == {"id": "app-server", "version": "3"}
    assert [each["item"] for each in report["results"]][:2] == ["db.port", "disk.free"]


def test_a_message_is_there_as_a_sentence_and_as_its_parts() -> None:
    message = Message("{free} % free", {"free": 3.25})
    report = stdlib_json.loads(json.render(view(result("a", Status.FAIL, Severity.P1, message=message))))
    found = report["results"][0]
    assert (found["message"], found["template"], found["args"]) == (
        "3.25 % free",
        "{free} % free",
        {"free": 3.25},
    )


def test_the_documentation_names_every_field_of_the_json_report() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "report-json.md").read_text()
    for struct in (json.JsonReport, json.JsonResult, json.Summary):
        for name in struct.__struct_fields__:
            assert f"`{name}`" in page, name
