"""Bindings and accepted plans: what a target is held to, and that nobody can loosen it after the fact."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from building import START, Machine, arrive, enrol, found_vendor, plan_of

from checks.errors import BadInput
from server import delivery
from server.db import Database
from server.errors import NotFound, Refused
from server.tables import Binding, Episode

TARGET = "plant-host"


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def on(number: float) -> dict[str, Any]:
    return {"by": "root", "now": day(number)}


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def plant(db: Database, machine: Machine) -> Database:
    """The vendor and one enrolled machine that nothing is bound to yet."""
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
    return db


def test_one_target_never_counts_for_two_projects_at_a_time(plant: Database) -> None:
    with plant.write() as session:
        other = delivery.add_project(session, "plant", "suite", "Other", **on(0)).id
        first = delivery.bind(session, TARGET, "linux-server", project_id="erp", **on(1))
        with pytest.raises(Refused, match="bound to project erp then"):
            delivery.bind(session, TARGET, "app-server", project_id=other, **on(2))
        with pytest.raises(Refused, match="already bound to linux-server"):
            delivery.bind(session, TARGET, "linux-server", **on(2))
        delivery.bind(session, TARGET, "app-server", project_id="erp", **on(2))
        delivery.bind(session, TARGET, "site-wide", **on(2))
        delivery.end_binding(session, first.id, valid_until=day(10), **on(3))
        # Past the first one's end, and before the app-server's, which goes on.
        with pytest.raises(Refused, match="bound to project erp then"):
            delivery.bind(session, TARGET, "linux-server", project_id=other, valid_from=day(10), **on(3))
        delivery.bind(session, TARGET, "linux-server", project_id="erp", valid_from=day(10), **on(3))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"profile_id": ""}, "names a profile"),
        ({"interval_s": 0}, "right is above 0"),
        ({"interval_s": 2**40}, "up to a year"),
        ({"valid_until": START}, "must be after valid_from"),
        ({"project_id": "none"}, "no project none"),
        ({"target_id": "none"}, "no target none"),
    ],
)
def test_a_binding_that_makes_no_sense_is_refused(plant: Database, more: dict[str, Any], said: str) -> None:
    asked = {"target_id": TARGET, "profile_id": "linux-server", **more, **on(1)}
    with plant.write() as session, pytest.raises(BadInput, match=said):
        delivery.bind(session, **asked)


def test_a_target_is_bound_to_projects_of_its_own_site_only(plant: Database) -> None:
    with plant.write() as session:
        site = delivery.add_site(session, "acme", "Elsewhere", **on(0)).id
        project = delivery.add_project(session, site, "suite", "Other", **on(0)).id
        with pytest.raises(Refused, match="stands at site plant"):
            delivery.bind(session, TARGET, "linux-server", project_id=project, **on(1))


def test_a_binding_ends_now_or_later_but_never_in_the_past(plant: Database) -> None:
    with plant.write() as session:
        row = delivery.bind(session, TARGET, "linux-server", **on(1))
        with pytest.raises(BadInput, match="now or later"):
            delivery.end_binding(session, row.id, valid_until=day(4), **on(5))
        assert delivery.end_binding(session, row.id, **on(5)).valid_until == day(5)
        with pytest.raises(Refused, match="already ends"):
            delivery.end_binding(session, row.id, **on(6))


def test_open_episodes_lapse_when_their_binding_ends(plant: Database, machine: Machine) -> None:
    with plant.write() as session:
        row = delivery.bind(session, TARGET, "linux-server", project_id="erp", **on(0))
        arrive(session, machine.run(day(1), {"disk": "fail"}), received_at=day(1))
        delivery.end_binding(session, row.id, **on(2))
    with plant.read() as session:
        episode = session.scalars(sa.select(Episode)).one()
        assert (episode.state, episode.lapsed_at) == ("lapsed", day(2))


def test_the_first_plan_is_accepted_with_the_binding_and_a_changed_one_waits(
    plant: Database, machine: Machine
) -> None:
    looser = plan_of({"disk": "P1", "port": "P3", "log": "P2"}, versions={"disk": 2})
    with plant.write() as session:
        binding = delivery.bind(session, TARGET, "linux-server", project_id="erp", **on(0)).id
        arrive(session, machine.run(day(1), {"disk": "pass"}), received_at=day(1))
        arrive(session, machine.run(day(2), {"port": "pass"}, plan=looser), received_at=day(2))
        found = delivery.proposals(session, binding, day(3))
    assert [(proposal.in_force, proposal.first_seen, proposal.accepted_at) for proposal in found] == [
        (True, None, day(1)),
        (False, day(2), None),
    ]
    change = found[1].difference
    assert [entry.item for entry in change.added] == ["log"]
    assert [entry.item for entry in change.removed] == ["clock"]
    assert [(was.item, was.severity, becomes.severity) for was, becomes in change.changed] == [
        ("disk", "P1", "P1"),
        ("port", "P0", "P3"),
    ]
    assert found[0].difference == delivery.bindings.Difference((), (), ())


def test_an_accepted_plan_counts_from_now_on_and_what_left_it_lapses(
    plant: Database, machine: Machine
) -> None:
    smaller = plan_of({"port": "P0"})
    with plant.write() as session:
        binding = delivery.bind(session, TARGET, "linux-server", project_id="erp", **on(0)).id
        arrive(session, machine.run(day(1), {"disk": "fail"}), received_at=day(1))
        arrive(session, machine.run(day(2), {"port": "pass"}, plan=smaller), received_at=day(2))
        first, proposed = delivery.proposals(session, binding, day(3))
        row = delivery.accept_plan(session, binding, proposed.digest, instead_of=first.digest, **on(3))
        assert row.valid_from == day(3)
    with plant.read() as session:
        episode = session.scalars(sa.select(Episode)).one()
        assert (episode.state, episode.lapsed_at) == ("lapsed", day(3))
        assert [proposal.in_force for proposal in delivery.proposals(session, binding, day(4))] == [
            True,
            False,
        ]


def test_who_accepts_a_plan_must_have_seen_the_one_in_force(plant: Database, machine: Machine) -> None:
    with plant.write() as session:
        binding = delivery.bind(session, TARGET, "linux-server", **on(0)).id
        arrive(session, machine.run(day(1), {"disk": "pass"}), received_at=day(1))
        for number, item in ((2, "port"), (3, "clock")):
            plan = plan_of({item: "P1"})
            arrive(session, machine.run(day(number), {item: "pass"}, plan=plan), received_at=day(number))
        first, third, second = (p.digest for p in delivery.proposals(session, binding, day(4)))
        with pytest.raises(Refused, match="already in force"):
            delivery.accept_plan(session, binding, first, instead_of=first, **on(4))
        delivery.accept_plan(session, binding, second, instead_of=first, **on(4))
        with pytest.raises(Refused, match="accepted meanwhile"):
            delivery.accept_plan(session, binding, third, instead_of=first, **on(5))
        with pytest.raises(Refused, match="already accepted from"):
            delivery.accept_plan(session, binding, third, instead_of=second, **on(4))


def test_only_a_plan_that_the_bindings_own_runs_reported_can_be_accepted(
    plant: Database, machine: Machine
) -> None:
    with plant.write() as session:
        binding = delivery.bind(session, TARGET, "linux-server", **on(0)).id
        other = delivery.bind(session, TARGET, "app-server", **on(0)).id
        arrive(session, machine.run(day(1), {"disk": "pass"}), received_at=day(1))
        digest = delivery.proposals(session, binding, day(2))[0].digest
        assert delivery.proposals(session, other, day(2)) == []
        for wrong in (digest, "f" * 64):
            with pytest.raises(NotFound, match="reported a plan"):
                delivery.accept_plan(session, other, wrong, **on(2))


def test_a_binding_that_ended_accepts_no_plan(plant: Database, machine: Machine) -> None:
    with plant.write() as session:
        binding = delivery.bind(session, TARGET, "linux-server", **on(0)).id
        arrive(session, machine.run(day(1), {"disk": "pass"}), received_at=day(1))
        digest = delivery.proposals(session, binding, day(2))[0].digest
        delivery.end_binding(session, binding, **on(2))
        with pytest.raises(Refused, match="not in force"):
            delivery.accept_plan(session, binding, digest, **on(3))
        assert session.get_one(Binding, binding).valid_until == day(2)
