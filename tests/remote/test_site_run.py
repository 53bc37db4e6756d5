"""`firstlight check -s` as a whole: what it leaves behind, and that a saved run says the same anywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ssh_site import Answer, SiteFolder, visits
from sshd import Sshd

PROFILE = """\
profile: erp
version: "1"
title: An ERP
variables: {data: /}
items:
  - {id: passwd, check: file.stat, with: {path: /etc/passwd}}
  - {id: room, check: disk.free, on: db, with: {mount: "${data}"}}
  - {id: there, check: file.stat, on: app, with: {path: /srv/not-there}}
"""

SITE = """\
db1: {address: 127.0.0.1, roles: [db], tags: [far]}
app1: {address: 127.0.0.1, roles: [app], tags: [far]}
gone: {address: 127.0.0.1, port: 1, roles: [db]}
laptop: {local: true}
"""


@pytest.fixture
def erp(visit: SiteFolder, ssh_server: Sshd) -> SiteFolder:
    visit.write("visit.yaml", PROFILE)
    visit.write_config(ssh_server)
    visit.write_site(SITE)
    return visit


def results(answer: Answer) -> list[dict[str, Any]]:
    found = answer.report["results"]
    assert isinstance(found, list)
    return found


def test_the_report_names_every_target_with_its_results(erp: SiteFolder) -> None:
    answer = erp.check()
    assert answer.code == 1
    assert [each["name"] for each in answer.report["targets"]] == ["db1", "app1", "gone", "laptop"]
    assert answer.results("db1") == {"passwd": ("pass", ""), "room": ("pass", "")}
    assert answer.results("app1") == {"passwd": ("pass", ""), "there": ("fail", "absent")}
    assert answer.results("gone") == {"passwd": ("error", "refused"), "room": ("error", "refused")}
    assert answer.results("laptop") == {"passwd": ("pass", "")}
    assert answer.report["site"] == "plant"


def test_nothing_is_left_in_the_state_of_a_run_that_is_not_sent(erp: SiteFolder) -> None:
    erp.check()
    assert not erp.state.exists() or not list(erp.state.rglob("*"))


def test_nothing_is_written_on_a_target(
    erp: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = {path.name for path in ssh_server.folder.iterdir()}
    erp.check_here(monkeypatch, "--target", "db1")
    assert {path.name for path in ssh_server.folder.iterdir()} == home


@pytest.mark.parametrize("options", [(), ("--target", "@far"), ("--only", "passwd"), ("--stage", "go-live")])
def test_a_saved_run_of_a_site_says_the_same_anywhere(
    erp: SiteFolder, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = erp.check_here(monkeypatch, "--save", "site.snapshot", *options)
    with_site = erp.check_here(monkeypatch, "--from", "site.snapshot", *options)
    assert (with_site.code, results(with_site)) == (first.code, results(first))
    words = ["check", "./visit.yaml", "--from", "site.snapshot", "--no-send", "--format", "json"]
    if "@far" not in options:
        alone = erp.run_here(monkeypatch, *words, *options)
        assert (alone.code, results(alone)) == (first.code, results(first))
        assert alone.report["site"] == "plant"
        assert alone.report["trigger"] == "snapshot"


def test_a_saved_run_needs_no_way_to_the_site(erp: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = erp.check_here(monkeypatch, "--save", "site.snapshot")
    erp.write("config", "Host *\n Port 1\n ProxyCommand nc\n")
    again = erp.check_here(monkeypatch, "--from", "site.snapshot")
    assert results(again) == results(first)
    assert {each["target"]: each["lost"] is not None for each in snapshot_targets(erp)} == {
        "db1": False, "app1": False, "gone": True, "laptop": False,
    }  # fmt: skip


def snapshot_targets(erp: SiteFolder) -> list[dict[str, Any]]:
    kept = json.loads((erp.folder / "site.snapshot").read_text())
    return [{"target": each["target"]["name"], "lost": each.get("lost")} for each in kept["targets"]]


def test_what_a_variable_of_the_site_said_is_known_with_the_site_file_only(
    erp: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot has readings and roles; values for the profile's variables stand in the site file."""
    erp.write_site(SITE.replace("tags: [far]}", "tags: [far], variables: {data: /tmp}}", 1))
    first = erp.check_here(monkeypatch, "--save", "site.snapshot")
    again = erp.check_here(monkeypatch, "--from", "site.snapshot")
    assert results(again) == results(first)
    words = ["check", "./visit.yaml", "--from", "site.snapshot", "--no-send", "--format", "json"]
    alone = erp.run_here(monkeypatch, *words)
    differing = [each for each in results(alone) if each not in results(first)]
    assert [(each["target"], each["item"], each["status"]) for each in differing] == [
        ("db1", "room", "error")
    ]


def test_another_site_than_that_of_the_file_is_refused(
    erp: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = erp.check_here(monkeypatch, "--site", "other")
    assert (answer.code, "--site other: the site file is that of plant" in answer.err) == (2, True)
    assert erp.check_here(monkeypatch, "--site", "plant", "--target", "laptop").code == 0


@pytest.mark.parametrize("limit", ["0", "201", "-1", "many"])
def test_a_limit_that_is_none_is_refused(
    erp: SiteFolder, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = erp.check_here(monkeypatch, "--limit", limit)
    assert (answer.code, "--limit" in answer.err) == (2, True)


def test_a_narrowed_run_connects_to_nobody_else(
    erp: SiteFolder, ssh_server: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = visits(ssh_server)
    assert erp.check_here(monkeypatch, "--target", "laptop").code == 0
    assert visits(ssh_server) == before
    assert erp.check_here(monkeypatch, "--target", "db1").code == 0
    assert visits(ssh_server) == before + 1


def test_a_laptop_that_is_enrolled_nowhere_can_check_a_site(
    erp: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = erp.run_here(monkeypatch, "check", *erp.usual(), "--target", "laptop")
    assert answer.code == 0
    assert "not sent: this machine is not enrolled" in answer.err


def test_a_plan_is_shown_even_where_it_cannot_be_kept(
    erp: SiteFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp.state.mkdir()
    (erp.state / "plans").write_text("a file in the place of the folder")
    answer = erp.run_here(monkeypatch, "plan", *erp.usual())
    assert (answer.code, answer.err) == (0, "")
