"""`firstlight check` on an enrolled machine: the run is stored first, whatever the collector does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from machine import firstlight

from agent.identity import Identity, fingerprint, new_key, save_identity
from agent.paths import State
from agent.spool import Spool
from checks.model import RunReport, Status, decode_report

SECRET = "Zx9-hunter2"


@pytest.fixture
def state(tmp_path: Path) -> State:
    """An enrolled agent whose collector cannot be reached: nothing listens on port 1."""
    at = State(tmp_path / "state")
    at.prepare()
    key_file, _ = new_key(at)
    save_identity(
        at,
        Identity(
            "agent-1",
            "install-1",
            ("site-1", "site-2"),
            "app-01",
            "http://127.0.0.1:1",
            "e",
            fingerprint("install-1"),
            key_file,
        ),
    )
    return at


@pytest.fixture
def profile(tmp_path: Path) -> str:
    path = tmp_path / "here.yaml"
    path.write_text(
        "profile: here\nversion: 1\ntitle: Here\nitems:\n"
        "  - {id: it, check: file.stat, with: {path: /etc/passwd}}\n"
        f"  - {{id: text, check: file.content, with: {{path: {tmp_path}/app.conf, pattern: 'url.*'}}}}\n"
    )
    (tmp_path / "app.conf").write_text(f"url = amqp://app:{SECRET}@mq\n")
    return str(path)


def spooled(state: State) -> list[RunReport]:
    spool = Spool(state.spool)
    return [decode_report(spool.read(entry).body) for entry in spool.pending()]


def test_an_unreachable_collector_is_one_line_that_says_spooled(state: State, profile: str) -> None:
    done = firstlight("check", profile, "--format", "json", state=state.root)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "spooled" in done.stderr
    report = json.loads(done.stdout)
    assert report["delivery"]["outcome"] == "spooled"
    assert (report["site"], report["targets"][0]["name"]) == ("site-1", "app-01")


def test_the_stored_run_is_the_reported_one(state: State, profile: str) -> None:
    report = json.loads(
        firstlight("check", profile, "--format", "json", "--operator", "li.wei", state=state.root).stdout
    )
    (run,) = spooled(state)
    assert run.operator == "li.wei"
    assert run.plan_digest == report["plan_digest"]
    assert {result.key for result in run.results} == {each["key"] for each in report["results"]}
    assert all(result.status is Status.PASS for result in run.results)


def test_no_secret_is_stored_for_sending(state: State, profile: str) -> None:
    firstlight("check", profile, state=state.root)
    assert len(spooled(state)) == 1
    assert not [
        path for path in state.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


def test_a_run_kept_to_oneself_is_not_stored(state: State, profile: str) -> None:
    done = firstlight("check", profile, "--no-send", state=state.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert spooled(state) == []


def test_the_site_is_chosen_among_those_allowed(state: State, profile: str) -> None:
    firstlight("check", profile, "--site", "site-2", state=state.root)
    assert [run.site for run in spooled(state)] == ["site-2"]
    refused = firstlight("check", profile, "--site", "elsewhere", state=state.root)
    assert refused.returncode == 2
    assert "site-1, site-2" in refused.stderr


def test_an_evaluated_snapshot_says_that_it_is_one(state: State, profile: str, tmp_path: Path) -> None:
    saved = str(tmp_path / "saved")
    first = firstlight("check", profile, "--no-send", "--format", "json", "--save", saved, state=state.root)
    firstlight("check", profile, "--from", saved, state=state.root)
    (run,) = spooled(state)
    assert run.trigger == "snapshot"
    assert {result.key for result in run.results} == {
        each["key"] for each in json.loads(first.stdout)["results"]
    }


def test_the_keys_of_a_snapshot_are_those_of_its_site_also_where_nobody_is_enrolled(
    state: State, profile: str, tmp_path: Path
) -> None:
    saved = str(tmp_path / "saved")
    form = ("--no-send", "--format", "json")
    first = json.loads(firstlight("check", profile, *form, "--save", saved, state=state.root).stdout)
    again = json.loads(firstlight("check", profile, *form, "--from", saved, state=tmp_path / "none").stdout)
    assert again["results"] == first["results"]
    assert again["site"] == "site-1"
