"""Root causes in reports: shown once, with the worst severity beneath them, and the rest counted."""

from __future__ import annotations

import io
import json as plain_json

import msgspec
from rich.console import Console
from sample_run import result, view

from checks.causes import Root
from checks.model import Severity, Status
from reports.run import html, json, terminal
from reports.run.view import RunView, to_do, verdict

CAUSE = result(
    "db.port", Status.FAIL, Severity.P2, "db:5432", "the connection was refused", remedy="start it"
)
UNDER = tuple(result(f"app.{name}", Status.FAIL, Severity.P0, message="it fails") for name in ("web", "api"))
UNREAD = tuple(result(f"os.{name}", Status.ERROR, message="it could not be read") for name in ("a", "b", "c"))
FINE = result("mem.used", Status.PASS, message="41 % used")


def folded() -> RunView:
    by_item = Root(
        CAUSE.target, CAUSE.item, CAUSE.key, "refused", "refused", Severity.P0, tuple(r.key for r in UNDER)
    )
    lost = Root(
        "db2", "", "", "10.0.0.9:22: No route to host", "no-route", Severity.P1, tuple(r.key for r in UNREAD)
    )
    return msgspec.structs.replace(view(), results=(CAUSE, *UNDER, *UNREAD, FINE), roots=(lost, by_item))


def printed(shown: RunView, *, everything: bool = False) -> str:
    text = io.StringIO()
    terminal.render(shown, Console(file=text, width=110, no_color=True), everything=everything)
    return text.getvalue()


def test_a_cause_stands_alone_with_the_worst_severity_beneath_it() -> None:
    found = [(each.item, each.severity) for each in to_do(folded())]
    assert found == [("db.port", "P0"), ("target", "P1")]


def test_the_sentence_counts_causes_and_what_stands_under_them() -> None:
    said = verdict(folded())
    assert said == "1 target could not be read · 1 check fails (P0) · 5 more stand under these."


def test_the_terminal_names_what_stands_under_a_cause_and_lists_it_with_all() -> None:
    text = printed(folded())
    assert "2 results stand under this: app.web, app.api" in text
    assert "db2 could not be read: 10.0.0.9:22: No route to host" in text
    assert "3 results stand under this: os.a, os.b, os.c" in text
    assert "it fails" not in text
    assert printed(folded(), everything=True).count("it fails") == 2


def test_the_page_shows_causes_and_not_what_they_explain() -> None:
    page = html.render(folded())
    assert "2 results stand under this: app.web, app.api" in page
    assert "No route to host" in page
    assert "it fails" not in page


def test_the_json_says_of_each_result_what_explains_it() -> None:
    report = plain_json.loads(json.render(folded()))
    under = {each["item"]: each["under"] for each in report["results"]}
    assert under["app.web"] == under["app.api"] == CAUSE.key
    assert under["os.a"] == "target:db2"
    assert under["db.port"] == under["mem.used"] == ""
    assert [(root["target"], root["item"], root["results"]) for root in report["roots"]] == [
        ("db2", "", 3),
        (CAUSE.target, "db.port", 2),
    ]


def test_without_causes_everything_is_as_it_was() -> None:
    assert "stand" not in printed(view())
    assert plain_json.loads(json.render(view()))["roots"] == []
