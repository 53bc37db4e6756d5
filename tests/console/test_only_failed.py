"""check --only-failed: what was not known to be well last time; and what an acceptance adds to a report."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from machine import firstlight

PROFILE = """
profile: shop
version: "1"
title: Shop
items:
  - {{id: here, check: file.stat, with: {{path: {folder}/here}}}}
  - {{id: gone, check: file.stat, severity: P1, with: {{path: {folder}/gone}}}}
  - {{id: late, check: file.stat, needs: gone, with: {{path: {folder}/late}}}}
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "here").write_text("x")
    (folder / "here").chmod(0o640)
    (tmp_path / "shop.yaml").write_text(PROFILE.format(folder=folder))
    return folder


def check(shop: Path, state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return firstlight("check", str(shop.parent / "shop.yaml"), "--format", "json", *options, state=state)


def items(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {each["item"]: each["status"] for each in report(done)["results"]}


def report(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_only_what_failed_is_checked_again_until_nothing_does(shop: Path, state: Path) -> None:
    assert items(check(shop, state)) == {"here": "pass", "gone": "fail", "late": "fail"}
    (shop / "late").write_text("")
    again = check(shop, state, "--only-failed")
    assert items(again) == {"gone": "fail", "late": "pass"}
    assert report(again)["narrowing"]["only"] == ["gone", "late"]
    (shop / "gone").write_text("")
    assert items(check(shop, state, "--only-failed")) == {"gone": "pass"}
    nothing = check(shop, state, "--only-failed")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "nothing failed" in nothing.stderr


def test_a_plan_keeps_its_digest_whatever_part_of_it_is_repeated(shop: Path, state: Path) -> None:
    whole, part = check(shop, state), check(shop, state, "--only-failed")
    assert report(whole)["plan_digest"] == report(part)["plan_digest"]


def test_without_an_earlier_run_it_says_so(shop: Path, state: Path) -> None:
    kept = check(shop, state, "--no-send")
    assert kept.returncode == 1
    refused = check(shop, state, "--only-failed")
    assert refused.returncode == 2
    assert "no earlier run of profile shop is known here" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_another_profile_has_a_memory_of_its_own(shop: Path, state: Path) -> None:
    check(shop, state)
    other = firstlight("check", "linux-server", "--only-failed", state=state)
    assert other.returncode == 2
    assert "no earlier run of profile linux-server" in other.stderr


def test_what_one_failure_explains_stands_under_it_and_lends_it_its_severity(shop: Path, state: Path) -> None:
    done = check(shop, state, "--fail-on", "P1")
    assert done.returncode == 1
    (root,) = report(done)["roots"]
    assert (root["item"], root["severity"], root["results"]) == ("gone", "P1", 1)
    table = firstlight("check", str(shop.parent / "shop.yaml"), "--no-send", state=state)
    assert "1 result stands under this: late" in table.stdout
    assert table.stdout.count("it does not exist") == 1


def test_after_an_acceptance_a_run_says_what_changed_since(shop: Path, state: Path) -> None:
    (shop / "gone").write_text("")
    (shop / "late").write_text("")
    assert check(shop, state).returncode == 0
    accepted = firstlight("baseline", "accept", "--by", "Ann", "--by", "Bo", state=state)
    assert accepted.returncode == 0, accepted.stderr
    assert "accepted" in report(check(shop, state))["baseline"]
    (shop / "here").chmod(0o600)
    changed = {
        each["item"]: each["changed_since_acceptance"] for each in report(check(shop, state))["results"]
    }
    assert "mode: 0640 → 0600" in changed["here"]
    assert changed["gone"] == changed["late"] == ""
    table = firstlight("check", str(shop.parent / "shop.yaml"), state=state)
    assert "Changed since acceptance" in table.stdout
    assert "Ann, Bo" in table.stdout


def test_a_snapshot_cannot_be_held_to_an_approved_plan(shop: Path, state: Path, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.json")
    check(shop, state, "--save", kept)
    refused = check(shop, state, "--from", kept, "--approved", "0" * 64)
    assert refused.returncode == 2
    assert "--from reads nothing" in refused.stderr


def test_a_state_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("")
    refused = firstlight("check", "linux-server", state=file)
    assert refused.returncode == 2
    assert "FIRSTLIGHT_STATE" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
