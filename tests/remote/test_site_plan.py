"""The plan of a site: what goes where by roles, tags and variables, how it is reached, what names it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ssh_site import SiteFolder

from agent.planning import Planned, Wanted, plan_for
from checks.errors import BadInput
from checks.plan import Plan

PROFILE = """\
profile: erp
version: "1"
title: An ERP
variables: {data: /srv, port: 5432}
items:
  - {id: everywhere, check: file.stat, with: {path: /etc/passwd}}
  - {id: room, check: disk.free, on: db, with: {mount: "${data}"}}
  - {id: mounts, check: disk.free, on: db}
  - {id: reach, check: net.port_reach, on: [app, web], with: {host: db1, port: "${port}"}}
"""

SITE = """\
site: plant
profile: ./erp.yaml
targets:
  db1: {address: 10.0.0.5, user: deploy, roles: [db], tags: [linux, primary]}
  db2: {address: 10.0.0.6, user: deploy, roles: db, tags: linux, variables: {data: /mnt}}
  app1: {address: 10.0.0.4, user: deploy, roles: [app, web], tags: [front], via: db1}
  laptop: {local: true, tags: [front]}
"""


@pytest.fixture
def erp(visit: SiteFolder) -> SiteFolder:
    visit.write("erp.yaml", PROFILE)
    visit.write("site.yaml", SITE)
    return visit


def planned(place: SiteFolder, **wanted: Any) -> Planned:
    asked = Wanted(site_file=place.folder / "site.yaml", ssh_config=place.folder / "config", **wanted)
    return plan_for(asked, None, None)


def units(plan: Plan) -> list[str]:
    return [f"{unit.target} {unit.item.id}" for unit in plan.units]


# --- what goes where


def test_roles_place_items(erp: SiteFolder) -> None:
    assert units(planned(erp).plan) == [
        "db1 everywhere", "db2 everywhere", "app1 everywhere", "laptop everywhere", "db1 room", "db2 room",
        "db1 mounts", "db2 mounts", "app1 reach",
    ]  # fmt: skip


def test_an_item_whose_role_nobody_has_is_told(erp: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    erp.write("site.yaml", SITE.replace("roles: [app, web], ", ""))
    assert planned(erp).plan.unplaced == ("reach (app, web)",)
    said = erp.run_here(monkeypatch, "plan", *erp.usual()).out
    assert "not checked, for no target here has the role: reach (app, web)\n" in said


def test_a_variable_of_a_target_changes_its_rules_and_no_others(erp: SiteFolder) -> None:
    with_own = {f"{item.target} {item.item}": item.rule for item in planned(erp).plan.items()}
    assert with_own["db1 room"] != with_own["db2 room"]
    erp.write("site.yaml", SITE.replace(", variables: {data: /mnt}", ""))
    without = {f"{item.target} {item.item}": item.rule for item in planned(erp).plan.items()}
    assert {name for name in without if without[name] != with_own[name]} == {"db2 room"}
    assert without["db1 room"] == without["db2 room"]


def test_variables_of_the_site_go_before_the_profiles_and_after_a_targets(erp: SiteFolder) -> None:
    erp.write("site.yaml", SITE.replace("targets:", "variables: {data: /site, port: 5433}\ntargets:"))
    reads = {line.target: line.reads for line in planned(erp).plan.lines() if line.item in ("room", "reach")}
    assert "statvfs /site" in " ".join(reads["db1"])
    assert "statvfs /mnt" in " ".join(reads["db2"])
    assert reads["app1"] == ("connect to db1:5433/tcp",)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("{data: /mnt}", "{daat: /mnt}", "yaml:5: profile erp has no variable 'daat'; did you mean data?"),
        ("targets:", "variables: {prot: 1}\ntargets:", "yaml:3: profile erp has no variable 'prot'; did you"),
        ("./erp.yaml", "./absent.yaml", "absent.yaml: cannot be read: No such file or directory"),
        ("./erp.yaml", "linux-sever", "no profile 'linux-sever'; did you mean linux-server?"),
    ],
)
def test_what_does_not_fit_the_profile_is_named(erp: SiteFolder, was: str, now: str, said: str) -> None:
    erp.write("site.yaml", SITE.replace(was, now))
    with pytest.raises(BadInput) as problem:
        planned(erp)
    assert said in str(problem.value)


# --- --target


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["db2"], ("db2",)),
        (["db2", "db1", "db2"], ("db2", "db1")),
        (["@primary"], ("db1",)),
        (["@linux"], ("db1", "db2")),
        (["@front", "db1", "@linux"], ("app1", "laptop", "db1", "db2")),
    ],
)
def test_a_target_is_named_itself_or_by_a_tag(
    erp: SiteFolder, asked: list[str], names: tuple[str, ...]
) -> None:
    """What travels are names, so that nobody needs the site file to know what was left out."""
    plan = planned(erp, target=tuple(asked)).plan
    assert plan.narrowing.target == names
    assert {unit.target for unit in plan.units} == set(names)
    assert plan.digest == planned(erp).plan.digest


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("app2", "--target app2: no such target; did you mean app1?"),
        ("@primery", "--target @primery: no target has this tag; did you mean @primary?"),
        ("@", "--target @: no target has this tag; it is one of @front, @linux, @primary"),
        ("", "--target : no such target"),
    ],
)
def test_a_target_that_is_none_is_named_with_the_nearest(
    erp: SiteFolder, asked: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = erp.run_here(monkeypatch, "plan", *erp.usual(), "--target", asked)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


def test_a_target_that_the_profile_has_nothing_for_is_told(erp: SiteFolder) -> None:
    erp.write("erp.yaml", PROFILE.replace("id: everywhere,", "id: everywhere, on: db,"))
    with pytest.raises(BadInput, match="--target laptop: profile erp has nothing for it; it has no role"):
        planned(erp, target=("laptop",))
    with pytest.raises(BadInput, match="--target app1: profile erp has nothing") as problem:
        erp.write("site.yaml", SITE.replace("roles: [app, web]", "roles: [other]"))
        planned(erp, target=("app1",))
    assert "it has the roles other" in str(problem.value)
    with pytest.raises(BadInput, match="has nothing for the targets with this tag"):
        planned(erp, target=("@front",))
    assert planned(erp, target=("@linux",)).plan.narrowing.target == ("db1", "db2")


def test_tags_and_an_ssh_config_need_a_site_file(erp: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, said in (
        (("--target", "@linux"), "--target @linux: tags stand in a site file (-s), and there is none here"),
        (("-F", "config"), "-F says how targets are reached, and without a site file (-s) there are none"),
    ):
        answer = erp.run_here(monkeypatch, "check", "--no-send", *words)
        assert (answer.code, said in answer.err) == (2, True), answer.err


# --- what is shown


def test_the_plan_shows_routes_reads_and_the_digest(erp: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    said = erp.run_here(monkeypatch, "plan", *erp.usual()).out
    assert "db1  (ssh deploy@10.0.0.5:22)\n" in said
    assert "app1  (ssh deploy@10.0.0.4:22 via deploy@10.0.0.5:22)\n" in said
    assert "laptop  (this machine)\n" in said
    assert "all that is touched at app1\n\n  connect to db1:5432/tcp\n  stat /etc/passwd\n" in said
    assert "  statvfs <each mount>\n" in said
    assert said.splitlines()[-1] == f"profile erp 1 (ad hoc), plan {planned(erp).plan.digest}"


def test_the_plan_for_programs_says_the_same(erp: SiteFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    page = json.loads(erp.run_here(monkeypatch, "plan", *erp.usual(), "--format", "json").out)
    plan = planned(erp).plan
    assert page["plan_digest"] == plan.digest
    assert page["routes"] == plan.routes
    assert page["reads"]["app1"] == ["connect to db1:5432/tcp", "stat /etc/passwd"]
    assert [each["name"] for each in page["targets"]] == ["db1", "db2", "app1", "laptop"]


def test_a_plan_reads_and_connects_to_nothing(erp: SiteFolder, tmp_path: Path) -> None:
    erp.write("site.yaml", SITE.replace("10.0.0.5", "nowhere.invalid"))
    before = {path for path in erp.folder.rglob("*") if erp.state not in path.parents}
    assert erp.run("plan", *erp.usual()).code == 0
    assert {path for path in erp.folder.rglob("*") if erp.state not in path.parents} - {erp.state} == before


# --- the digest


CHANGES = {
    "the address": ("10.0.0.5", "10.0.0.7"),
    "the user": ("user: deploy, roles: [db]", "user: other, roles: [db]"),
    "the port": ("user: deploy, roles: [db]", "user: deploy, port: 2222, roles: [db]"),
    "the jump host": ("via: db1", "via: db2"),
    "no jump host": (", via: db1", ""),
    "sudo": ("user: deploy, roles: [db]", "user: deploy, sudo: true, roles: [db]"),
    "a role": ("roles: [app, web]", "roles: [app, db]"),
    "a target's variable": ("{data: /mnt}", "{data: /srv2}"),
    "a target's name": ("  db2:", "  db3:"),
    "one target less": ("  laptop: {local: true, tags: [front]}\n", ""),
}

NO_CHANGES = {
    "tags": ("tags: [linux, primary]", "tags: [any, thing]"),
    "comments": ("targets:\n", "# about nothing\ntargets:  # at all\n"),
    "the order of keys": ("address: 10.0.0.5, user: deploy", "user: deploy, address: 10.0.0.5"),
    "the order of a target's variables": ("variables: {data: /mnt}", "variables: {port: 5432, data: /mnt}"),
    "what is the default anyway": ("deploy, roles: [db]", "deploy, port: 22, sudo: false, roles: [db]"),
    "how the login is made": ("user: deploy, roles: [db]", "user: deploy, password: env:PW, roles: [db]"),
    "a role that no item asks for": ("roles: [app, web]", "roles: [app, web, other]"),
    "the site's name": ("site: plant", "site: other"),
}  # fmt: skip

IN_THE_PROFILE = {
    "a parameter": ("path: /etc/passwd", "path: /etc/group"),
    "a default that a variable sets": ("port: 5432}", "port: 5433}"),
    "a severity": ("check: disk.free, on: db}", "check: disk.free, on: db, severity: P3}"),
    "a stage": ("check: disk.free, on: db}", "check: disk.free, on: db, stage: go-live}"),
    "what opens a finding": ("check: disk.free, on: db}", "check: disk.free, on: db, opens_on: warn}"),
    "one item less": ("  - {id: mounts, check: disk.free, on: db}\n", ""),
    "the version": ('version: "1"', 'version: "2"'),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_digest_changes_with(erp: SiteFolder, name: str) -> None:
    before = planned(erp).plan.digest
    erp.write("site.yaml", changed(SITE, *CHANGES[name]))
    assert planned(erp).plan.digest != before


@pytest.mark.parametrize("name", NO_CHANGES)
def test_the_digest_stays_with_other(erp: SiteFolder, name: str) -> None:
    before = planned(erp).plan.digest
    erp.write("site.yaml", changed(SITE, *NO_CHANGES[name]))
    assert planned(erp).plan.digest == before


@pytest.mark.parametrize("name", IN_THE_PROFILE)
def test_the_digest_changes_in_the_profile_with(erp: SiteFolder, name: str) -> None:
    before = planned(erp).plan.digest
    erp.write("erp.yaml", changed(PROFILE, *IN_THE_PROFILE[name]))
    assert planned(erp).plan.digest != before


def changed(text: str, was: str, now: str) -> str:
    assert was in text
    return text.replace(was, now)


def test_the_digest_changes_with_what_ssh_config_makes_of_a_target(erp: SiteFolder) -> None:
    digests = {planned(erp).plan.digest}
    for text in (
        "Host 10.0.0.5\n HostName db.example\n",
        "Port 77\n",
        "ProxyJump b\n",
        "Host 10.0.0.6\n ProxyJump c\n",
    ):
        erp.write("config", text.replace("ProxyJump b", "Host * !b !10.0.0.5\n ProxyJump b"))
        digests.add(planned(erp).plan.digest)
    assert len(digests) == 5


def test_the_digest_does_not_care_who_stands_first(erp: SiteFolder) -> None:
    lines = SITE.splitlines()
    before = planned(erp).plan.digest
    erp.write("site.yaml", "\n".join([*lines[:3], *reversed(lines[3:])]) + "\n")
    assert planned(erp).plan.digest == before


def test_nor_who_stands_first_in_a_check_across_targets(erp: SiteFolder) -> None:
    erp.write("erp.yaml", PROFILE + "  - {id: zone, check: time.zone}\n")
    lines = SITE.splitlines()
    before = planned(erp).plan.digest
    erp.write("site.yaml", "\n".join([*lines[:3], *reversed(lines[3:])]) + "\n")
    assert planned(erp).plan.digest == before
