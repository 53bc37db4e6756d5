"""What does not pass is left out: an item, one of its objects, or an item of a base with what needs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from recordings import NOW, Recording, discovered, recording

from agent.commands.discover import AREAS as NAMES
from agent.discover.areas.ports import _passing
from agent.discover.discovery import Place, discover
from agent.discover.draft import Base, Draft
from agent.discover.profile_text import profile_text
from agent.discover.seen import Choices
from agent.discover.survey import AREAS
from agent.discover.trial import without
from checks.errors import Unreachable
from checks.evaluate import evaluate
from checks.fact import Fact, Reading, Unavailable
from checks.model import Result, Status, Target
from checks.plan import make_plan
from checks.profile import load_profile
from checks.snapshot import Readings, Snapshot


def test_help_names_every_area() -> None:
    assert tuple(area.name for area in AREAS) == NAMES


def test_of_several_services_the_one_that_does_not_pass_is_left_out() -> None:
    values = recording("postgresql")
    table = "Units(names=('cron', 'getty@tty1', 'prometheus-postgres-exporter'))"
    values[table]["units"][1] |= {"active": "failed", "detail": "failed (failed)"}
    units = values[table]["units"]
    fewer = "Units(names=('cron', 'prometheus-postgres-exporter'))"
    values[fewer] = {"manager": "systemd", "units": [units[0], units[2]]}
    draft = discovered({"db1": values}, only=["services"]).draft
    (others,) = [placed.entry for placed in draft.items if placed.entry.id == "service.others"]
    assert others.parameters == {"names": ["cron", "prometheus-postgres-exporter"]}
    assert "left out, since it does not pass: service.others (svc.state, getty@tty1: fail: failed)" in [
        note.text for note in draft.notes
    ]


def test_no_more_than_the_areas_asked_for() -> None:
    draft = discovered({"db1": recording("postgresql")}, only=["packages"]).draft
    assert {placed.entry.check for placed in draft.items} == {"pkg.version"}
    assert draft.bases == ()


def test_all_packages_where_they_are_wanted() -> None:
    draft = discovered({"db1": recording("postgresql")}, only=["packages"], packages="all").draft
    assert [placed.entry.parameters["name"] for placed in draft.items] == [
        "bash",
        "openssh-server",
        "postgresql",
        "postgresql-15",
        "redis-server",
    ]


def test_of_several_versions_the_lowest_is_held() -> None:
    draft = discovered({"app1": recording("rhel")}, only=["packages"], packages="all").draft
    held = {placed.entry.parameters["name"]: placed.entry.parameters["at_least"] for placed in draft.items}
    assert held["kernel"] == "5.14.0-570.el9"


def test_items_of_a_base_that_do_not_pass_are_removed_and_what_needs_them_stays(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text(
        'profile: base\nversion: "1"\ntitle: B\nitems:\n'
        "  - {id: there, check: file.stat, with: {path: /nowhere}}\n"
        "  - {id: other, check: file.stat, needs: there, with: {path: /etc/passwd}}\n"
    )
    draft = Draft("it", ("here",), (Base(str(base), "it runs"),))
    found = _judged(draft, tmp_path, {"FileStat(path=/nowhere)": {"exists": False}} | PASSWD)
    assert [(each.id, each.why) for each in found.removed] == [("there", "fail: absent")]
    assert found.unneeded == ("other",)
    assert "  - there    # fail: absent\n" in profile_text(found)
    assert "  - {id: other, needs: []}\n" in profile_text(found)
    assert _judged(found, tmp_path, PASSWD) == found


PASSWD = {
    "FileStat(path=/etc/passwd)": {
        "exists": True,
        "type": "file",
        "owner": "root",
        "group": "root",
        "mode": "0644",
    }
}


def _judged(draft: Draft, folder: Path, values: Mapping[str, Any]) -> Draft:
    path = folder / "draft.yaml"
    path.write_text(profile_text(draft))
    plan = make_plan(load_profile(str(path)), [Target("here")])
    read = Recording(values).read(plan.facts("here"))
    readings = Readings(Target("here"), {fact.id(): reading for fact, reading in read.items()}, NOW)
    results = evaluate(plan, Snapshot(NOW, (readings,)), salt="").results
    bad: list[Result] = [each for each in results if each.status is not Status.PASS]
    return without(draft, plan, bad)


class Lost:
    """A machine that cannot be had."""

    @property
    def lost(self) -> Unavailable:
        return Unavailable("web1: no route to host", "no-route")

    def read(self, facts: Any) -> dict[Fact, Reading]:
        return dict.fromkeys(facts, self.lost)

    def abort(self) -> None: ...


def test_where_nothing_can_be_read_nothing_is_written() -> None:
    def never(path: Path) -> Any:
        raise AssertionError(path)

    with pytest.raises(Unreachable, match="nothing could be read: web1: no route to host"):
        discover("it", [Place(Target("web1"), Lost())], AREAS, Choices(), never, lambda: NOW)


def test_a_secret_is_in_no_comment() -> None:
    values = recording("postgresql")
    values["PackageList()"] = {"unavailable": "asked https://repo:hunter2@repo.example/ and was refused"}
    text = profile_text(discovered({"db1": values}, only=["packages", "files"]).draft)
    assert "asked https://repo:***@repo.example/ and was refused" in text
    assert "hunter2" not in text


def test_each_round_asks_only_for_what_is_new() -> None:
    machine = Recording(recording("postgresql"))
    from agent.discover.looking import look

    look(machine, AREAS)
    asked = [fact for round in machine.rounds for fact in round]
    assert len(asked) == len(set(asked))
    assert len(machine.rounds) <= 5


def test_a_product_is_told_by_its_service_where_its_process_has_another_name() -> None:
    values = recording("postgresql")
    values["Programs()"]["programs"] = [{"name": "sap", "users": ["root"]}]
    values["ServiceList()"] = {"manager": "systemd", "names": ["SAPHDB_00"]}
    notes = [note.text for note in discovered({"db1": values}, only=["products", "files"]).draft.notes]
    assert notes == ["SAP HANA runs here; there is no role profile for it"]
    # A script of /etc/init.d says only that it is meant to run.
    values["ServiceList()"]["manager"] = "sysv"
    assert discovered({"db1": values}, only=["products", "files"]).draft.notes == ()


def test_ports_that_pass_are_one_line_for_each_program() -> None:
    assert _passing("java", [40001]).startswith("40001 (java) lies among")
    many = _passing("java", list(range(40000, 40020)))
    assert many.startswith("20 ports of java (40000, 40001,") and "40007, …) lie among" in many
    assert _passing("", [40001, 40002]).startswith("2 ports (40001, 40002) lie among")
