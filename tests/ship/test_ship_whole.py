"""The real program from enrolment to the collector, on this machine's real readings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kill_storm import ROOT
from ship_collector import Scripted, TinyCollector

from agent import retry
from agent.paths import State
from agent.spool import Spool
from checks.ids import finding_key
from checks.model import Trigger

CANARY = "c4n4ry-5e21"

PROFILE = """
profile: canary
version: "1"
title: A secret that must not travel
items:
  - id: app.url
    check: file.content
    with: {path: "PATH", pattern: "^url"}
"""


def firstlight(*words: str, input: str = "") -> subprocess.CompletedProcess[str]:
    program = "from agent.cli import main; main()"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        input=input,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_a_real_run_of_this_machine_arrives(state: State, collector: TinyCollector):
    enrolled = firstlight(
        "enrol", collector.url, "--token", "-", "--target", "web-1", input=collector.token()
    )
    assert enrolled.returncode == 0, enrolled.stderr
    checked = firstlight("check", "linux-server", "--site", "plant-b", "--fail-on", "never")
    assert checked.returncode in (0, 3), checked.stderr
    (report,) = collector.reports.values()
    assert (report.site, report.profile.id, report.trigger) == ("plant-b", "linux-server", Trigger.MANUAL)
    assert [(target.name, target.id) for target in report.targets] == [("web-1", "t-web-1")]
    assert len(report.results) >= 10
    assert {item.item for item in report.scope} <= {item.item for item in report.plan}
    for result in report.results:
        assert result.key == finding_key("plant-b", "web-1", result.item, result.object)
    assert Spool(state.spool).pending() == []
    assert f"{collector.url}/runs/{report.run}" in checked.stdout + checked.stderr


def test_a_refused_run_ends_with_4_and_one_that_waits_with_0(machine: State, collector: TinyCollector):
    words = ["check", "linux-server", "--only", "mem.used", "--fail-on", "never"]
    collector.script.append(Scripted(0))
    away = firstlight(*words)
    assert (away.returncode, "spooled" in away.stdout + away.stderr) == (0, True), away.stderr
    soon = firstlight(*words)
    assert (soon.returncode, soon.stderr.count("\n")) == (0, 1), soon.stderr
    assert "spooled; the next run or firstlight send delivers it: next attempt 20" in soon.stderr
    assert "after 1 failure: " in soon.stderr
    retry.forget(machine)
    collector.agents.clear()
    refused = firstlight(*words)
    assert (refused.returncode, "enrol again" in refused.stdout + refused.stderr) == (4, True), refused.stderr


def test_a_secret_that_a_check_met_is_in_no_spool_file_and_no_upload(
    machine: State, collector: TinyCollector, tmp_path: Path
):
    config, profile = tmp_path / "app.ini", tmp_path / "canary.yaml"
    config.write_text(f"url = postgres://app:{CANARY}@db.example/app\n")
    profile.write_text(PROFILE.replace("PATH", str(config)))
    collector.script.append(Scripted(500))
    for _ in range(2):
        done = firstlight(
            "check", str(profile), "--fail-on", "never", "--save", str(tmp_path / "snapshot.json")
        )
        assert CANARY not in done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        retry.forget(machine)
    assert len(collector.reports) == 2
    for report in collector.reports.values():
        assert CANARY not in repr(report)
        (result,) = report.results
        assert (result.item, result.evidence["line"]) == ("app.url", 1), "the check did meet the secret"
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != config:
            assert CANARY.encode() not in path.read_bytes(), path
