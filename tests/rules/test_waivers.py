"""Waivers at the agent: a failure stays a failure, and sets no exit code while it is borne."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from machine import firstlight
from rules_world import Machine, acme, waiver

from agent.rules.waivers import waived
from agent.spool import Spool
from checks.model import Message, Result, Severity, Status, decode_report

FAILING = (
    "- {id: bad, check: file.stat, with: {path: /etc/passwd, type: directory}}\n"
    "- {id: worse, check: file.stat, with: {path: /etc/shadow, type: directory}}\n"
)
NOW = datetime.now(UTC)


def check(machine: Machine, *args: str) -> Any:
    return firstlight("check", "acme", *args, state=machine.state.root)


def test_a_waived_failure_is_reported_raw_and_sets_no_exit_code(machine: Machine) -> None:
    machine.published(acme(FAILING), waivers=[waiver("bad"), waiver("worse", object="/etc/shadow")])
    done = check(machine, "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    until = (NOW + timedelta(days=30)).strftime("%Y-%m-%d")
    told = {each["item"]: (each["status"], each["waived"]) for each in report["results"]}
    borne = f"waived until {until} by Ann Li: ticket 17"
    assert told == {"bad": ("fail", borne), "worse": ("fail", borne)}
    assert report["summary"]["text"] == "2 checks fail, the worst P2 · 2 of these waived."
    (entry,) = Spool(machine.state.spool).pending()
    sent = decode_report(Spool(machine.state.spool).read(entry).body)
    assert [result.status for result in sent.results] == [Status.FAIL, Status.FAIL]


def test_the_table_and_the_page_say_until_when_and_by_whom(machine: Machine, tmp_path: Path) -> None:
    machine.published(acme(FAILING), waivers=[waiver("bad")])
    done = check(machine, "--no-send", "-o", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()
    assert page.count("by Ann Li: ticket 17") == 1
    table = check(machine, "--no-send").stdout
    assert table.count("by Ann Li: ticket 17") == 1
    assert done.returncode == 1, "worse is not waived"


def test_for_a_monitoring_system_it_is_no_alarm(machine: Machine) -> None:
    machine.published(acme(FAILING), waivers=[waiver("bad"), waiver("worse")])
    assert check(machine, "--no-send", "--format", "nagios").returncode == 0


def result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "key": "a" * 32, "target": "app-01", "item": "bad", "check": "file.stat", "check_version": 1,
        "object": "/data", "status": Status.FAIL, "severity": Severity.P1, "cause": "", "rule": "b" * 32,
        "title": "", "message": Message(""), "evidence": {}, "remedy": "", "owner": "vendor",
        "duration_ms": 1.0,
    }  # fmt: skip
    return Result(**values | changes)


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"target": "app-01"}, True),
        ({"object": "/data"}, True),
        ({"target": "app-02"}, False),
        ({"object": "/"}, False),
        ({"object": "/data/"}, False),
        ({"expires": NOW - timedelta(seconds=1)}, False),
    ],
)
def test_it_holds_for_what_it_names_until_it_ends(
    machine: Machine, changes: dict[str, Any], holds: bool
) -> None:
    machine.published(acme(FAILING), waivers=[waiver("bad", **changes)])
    assert bool(waived(machine.state, "plant-a", [result()], NOW)) is holds


def test_it_holds_at_its_own_site_and_for_failures_only(machine: Machine) -> None:
    machine.published(acme(FAILING), waivers=[waiver("bad")])
    assert waived(machine.state, "plant-b", [result()], NOW) == {}
    assert waived(machine.state, "", [result()], NOW) == {}
    others = [result(status=each) for each in Status if each not in (Status.FAIL, Status.WARN)]
    assert waived(machine.state, "plant-a", [*others, result(item="other")], NOW) == {}


def test_of_several_the_longest_is_told_and_unused_ones_are_no_error(machine: Machine) -> None:
    late = NOW + timedelta(days=300)
    machine.published(acme(FAILING), waivers=[waiver("bad"), waiver("bad", expires=late), waiver("none")])
    (told,) = waived(machine.state, "plant-a", [result()], NOW).values()
    assert told == f"waived until {late:%Y-%m-%d} by Ann Li: ticket 17"
