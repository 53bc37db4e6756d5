"""A site that masks its names: no host name leaves the machine, and everything here works as before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from machine import firstlight
from ship_collector import TinyCollector

from agent.identity import host_name, load_identity, load_salts
from agent.paths import State
from agent.redaction.masks import TOKEN, load_masks
from agent.spool import Spool
from checks.ids import finding_key

MASKED = '[redact]\nmask = ["ip", "host", "user"]\n'

PROFILE = """
profile: masked
version: "1"
title: What names machines
items:
  - {id: name, check: net.hostname, with: {name: other-name}}
  - {id: peer, check: net.port_reach, with: {host: 127.0.0.9, port: 9}}
  - {id: remote, check: net.port_reach, with: {host: SHORT, port: 9}}
  - {id: known, check: file.content, with: {path: HOSTS, pattern: 'db7', value: '^no$'}}
  - {id: memory, check: mem.used}
"""


@pytest.fixture
def profile(tmp_path: Path) -> str:
    (tmp_path / "hosts").write_text("10.99.1.7 db7.secret.acme.local db7\n")
    path = tmp_path / "masked.yaml"
    path.write_text(PROFILE.replace("SHORT", "qz7host").replace("HOSTS", str(tmp_path / "hosts")))
    return str(path)


@pytest.fixture
def masked(state: State, collector: TinyCollector) -> State:
    """Masking was configured before the machine was enrolled."""
    state.config.write_text(MASKED)
    done = firstlight("enrol", collector.url, "--token", "-", state=state.root, input=collector.token())
    assert done.returncode == 0, done.stderr
    return state


def check(state: State, *words: str, **more: Any) -> str:
    done = firstlight("check", *words, "--fail-on", "never", "--all", state=state.root, **more)
    assert done.returncode in (0, 3), done.stderr
    return done.stdout + done.stderr


def names() -> list[str]:
    own = host_name()
    return [own] if len(own) > 4 else [f'"{own}"', f" {own} "]


def bodies(state: State) -> list[dict[str, Any]]:
    spool = Spool(state.spool)
    return [json.loads(spool.read(entry).body) for entry in spool.kept() + spool.pending()]


def test_a_masked_machine_is_enrolled_under_a_token_that_its_agents_share(
    masked: State, collector: TinyCollector, tmp_path: Path
) -> None:
    (asked,) = collector.enrolments
    assert TOKEN.fullmatch(asked.target)
    assert load_masks(masked)[asked.target] == host_name()
    shared = tmp_path / "salt"
    assert firstlight("identity", "export", str(shared), state=masked.root).returncode == 0
    assert len(load_salts(masked)["plant-a"]) == 64
    second = State(tmp_path / "second")
    second.root.mkdir(mode=0o700)
    second.config.write_text(MASKED)
    assert firstlight("identity", "import", str(shared), state=second.root).returncode == 0
    firstlight("enrol", collector.url, "--token", "-", state=second.root, input=collector.token())
    assert collector.enrolments[1].target == asked.target


def test_no_name_of_a_machine_is_in_anything_that_leaves(
    masked: State, collector: TinyCollector, profile: str, tmp_path: Path
) -> None:
    reports = [
        tmp_path / f"report{suffix}"
        for suffix in (".html", ".json", ".xml", ".sarif", ".md", ".csv", ".prom")
    ]
    for report in reports:
        check(
            masked, profile, "-o", str(report), "--save", str(tmp_path / "s.json"), "--operator", "ann.secret"
        )
    out = "\n".join(json.dumps(body) for body in bodies(masked))
    out += "".join(str(request) for request in collector.requests) + str(collector.enrolments)
    out += "".join(report.read_text() for report in reports) + (tmp_path / "s.json").read_text()
    for name in (*names(), "10.99.1.7", "secret.acme.local", "qz7host", "ann.secret"):
        at = out.find(name)
        assert at < 0, out[max(0, at - 300) : at + 100]
    assert "127.0.0.9" in out


def test_a_report_is_put_back_at_the_site(masked: State, profile: str) -> None:
    shown = check(masked, profile, "--format", "json", "--no-send")
    assert "qz7host" not in shown
    back = firstlight("unmask", "-", state=masked.root, input=shown)
    assert "qz7host:9" in back.stdout
    assert f'"{host_name()}"' in back.stdout


def test_keys_are_made_of_the_real_names_with_a_secret_and_stay_when_rules_change(
    masked: State, profile: str
) -> None:
    check(masked, profile)
    (before,) = bodies(masked)
    identity = load_identity(masked)
    assert identity is not None
    salt = load_salts(masked)["plant-a"]
    keys = {each["item"]: each["key"] for each in before["results"]}
    assert keys["remote"] == finding_key(salt, identity.target, "remote", "qz7host:9")
    assert keys["memory"] != finding_key("plant-a", identity.target, "memory", "")
    masked.config.write_text('[redact]\nmask = ["ip"]\nwords = ["qz7host"]\n')
    check(masked, profile)
    assert {each["item"]: each["key"] for each in bodies(masked)[1]["results"]} == keys


def test_masking_that_begins_later_keeps_the_registered_target(
    state: State, collector: TinyCollector, profile: str
) -> None:
    token = collector.token()
    firstlight("enrol", collector.url, "--token", "-", state=state.root, input=token)
    check(state, profile)
    state.config.write_text(MASKED)
    check(state, profile)
    before, after = bodies(state)
    assert before["targets"][0]["name"] == host_name()
    assert TOKEN.fullmatch(after["targets"][0]["name"])
    assert after["targets"][0]["id"] == f"t-{host_name()}"[:64]
    assert {each["target"] for each in after["plan"] + after["scope"] + after["results"]} == {
        after["targets"][0]["name"]
    }


def test_a_name_that_was_chosen_for_the_collector_stays(state: State, collector: TinyCollector) -> None:
    state.config.write_text(MASKED)
    words = ("enrol", collector.url, "--token", "-", "--target", "press-3")
    firstlight(*words, state=state.root, input=collector.token())
    check(state, "linux-server", "--only", "mem.used")
    assert bodies(state)[0]["targets"][0]["name"] == "press-3"


def test_saved_readings_give_the_same_results_and_keys_here_and_the_recorded_ones_elsewhere(
    masked: State, profile: str, tmp_path: Path
) -> None:
    snapshot = tmp_path / "s.json"
    ran = json.loads(
        firstlight(
            "check", profile, "--format", "json", "--no-send", "--save", str(snapshot), state=masked.root
        ).stdout
    )
    words = ("check", profile, "--from", str(snapshot), "--no-send", "--fail-on", "never", "--format", "json")
    here = json.loads(firstlight(*words, state=masked.root).stdout)
    there = json.loads(firstlight(*words, state=tmp_path / "vendor").stdout)
    for again in (here, there):
        for one, other in zip(results(ran), results(again), strict=True):
            assert {**one, "evidence": {}} == {**other, "evidence": {}}
    assert results(here)[0]["evidence"].get("recorded") is True


def results(report: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = ("target", "item", "object", "status", "cause", "key", "evidence")
    found = [{name: each.get(name) for name in wanted} for each in report["results"]]
    return sorted(found, key=lambda each: str(each["item"]))


def test_what_this_machine_remembers_is_found_again_under_the_masks(masked: State, profile: str) -> None:
    check(masked, profile)
    again = check(masked, profile, "--only-failed", "--no-send")
    assert "memory" not in again
    assert "remote" in again
    diff = firstlight("diff", "last", "last", state=masked.root)
    assert diff.returncode in (0, 1), diff.stderr
    assert not any(name in diff.stdout for name in names())


def test_targets_of_a_site_file_are_masked(masked: State, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "site: plant-a\nprofile: linux-server\ntargets:\n  qdb-east: {local: true}\n"
    )
    shown = check(masked, "-s", str(tmp_path / "site.yaml"), "--target", "qdb-east", "--stage", "")
    out = shown + json.dumps(bodies(masked))
    assert "qdb-east" not in out
    assert "qdb-east" in load_masks(masked).values()


def test_a_secret_that_cannot_be_kept_is_told(masked: State, profile: str) -> None:
    masked.salts.unlink(missing_ok=True)
    masked.salts.mkdir()
    done = firstlight("check", profile, "--no-send", state=masked.root)
    assert done.returncode in (2, 3)
    assert len(done.stderr.strip().splitlines()) == 1
    assert "salts.json" in done.stderr
