"""A run of a published profile counts by itself, if its plan is what the published text gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from building import START, Machine, arrive, enrol, found_vendor
from rules_world import HARMLESS, acme
from sqlalchemy.orm import Session

from checks.model import OVERRIDDEN, PlanItem, ProfileRef, Result, Severity, Target
from checks.plan import make_plan
from checks.published import read_published
from server.db import Database
from server.publishing.audience import Audience
from server.publishing.events import publish_profile, withdraw
from server.tables import AcceptedPlan, Binding, Episode, Receipt, Site, TargetRow

DAY = timedelta(days=1)
HOSTS = "- {id: hosts, check: file.stat, with: {path: /etc/hosts}}\n"
WEB = "- {id: web, on: web, check: file.stat, with: {path: /etc/group}}\n"
FIRST, SECOND = acme(HARMLESS + HOSTS), acme(HARMLESS + "- {check: disk.free}\n", "2")


@dataclass
class World:
    """A machine bound to the profile acme, whose runs say what they were made with."""

    session: Session
    machine: Machine = field(default_factory=Machine)

    def publish(self, text: str, at: datetime, audience: Audience | None = None) -> int:
        made = publish_profile(self.session, text, audience or Audience("plant"), by="root", now=at)
        return made.id

    def bind(self, at: datetime) -> None:
        target = self.session.scalars(sa.select(TargetRow)).one()
        self.session.add(Binding(target_id=target.id, profile_id="acme", interval_s=86_400, valid_from=at))
        self.session.flush()

    def plan(self, text: str, *more: str, roles: tuple[str, ...] = ()) -> tuple[PlanItem, ...]:
        """What the agent reports of a text, worked out as an agent does."""
        texts = {each.split()[1]: each for each in (text, *more)}
        read = read_published("acme", texts)
        return make_plan(read, [Target("host")], roles={"host": roles}).items()

    def run(
        self, at: datetime, plan: tuple[PlanItem, ...], status: str = "fail", version: str = "1", **more: Any
    ) -> str:
        """A run in which every item has that status arrives; the flags of its receipt."""
        results = [self._result(item, status) for item in plan]
        profile = ProfileRef("acme", version)
        sealed = self.machine.run(at, results, plan=plan, profile=profile, **more)
        assert arrive(self.session, sealed).status == 201
        self.session.expire_all()
        receipt = self.session.get(Receipt, sealed.seal.run)
        assert receipt is not None
        return receipt.flags

    def _result(self, item: PlanItem, status: str) -> Result:
        made = self.machine.result(item.item, status, severity=item.severity.value)
        return msgspec.structs.replace(made, check=item.check, rule=item.rule)

    @property
    def accepted(self) -> list[tuple[str, datetime]]:
        rows = self.session.scalars(sa.select(AcceptedPlan).order_by(AcceptedPlan.valid_from))
        return [(row.accepted_by, row.valid_from) for row in rows]

    def episodes(self) -> dict[str, str]:
        return {row.item: row.state for row in self.session.scalars(sa.select(Episode))}


@pytest.fixture
def world(db: Database) -> Iterator[World]:
    with db.write() as session:
        found_vendor(session)
        world = World(session)
        enrol(session, world.machine)
        world.bind(START)
        yield world


def test_the_plan_of_a_published_profile_is_accepted_by_itself(world: World) -> None:
    world.publish(FIRST, START + DAY)
    plan = world.plan(FIRST)
    assert world.run(START + 2 * DAY, plan) == ""
    assert world.accepted == [("published by root", START + 2 * DAY)]
    assert world.episodes() == {"passwd": "open", "hosts": "open"}
    assert world.run(START + 3 * DAY, plan, "pass") == ""
    assert len(world.accepted) == 1
    assert world.episodes() == {"passwd": "closed", "hosts": "closed"}


def test_the_next_version_too_and_what_it_has_no_more_lapses(world: World) -> None:
    world.publish(FIRST, START + DAY)
    world.run(START + 2 * DAY, world.plan(FIRST))
    world.publish(SECOND, START + 3 * DAY)
    assert world.run(START + 4 * DAY, world.plan(FIRST)) == "", "a site that keeps to the one before counts"
    assert world.run(START + 5 * DAY, world.plan(SECOND), version="2") == ""
    assert [by for by, _ in world.accepted] == ["published by root"] * 2
    assert world.episodes() == {"passwd": "open", "hosts": "lapsed", "disk.free": "open"}


def test_a_run_that_only_claims_the_version_does_not_count(world: World) -> None:
    world.publish(FIRST, START + DAY)
    plan = world.plan(FIRST)
    looser = tuple(msgspec.structs.replace(item, severity=Severity.P3) for item in plan)
    other_rule = (msgspec.structs.replace(plan[0], rule="0" * 32), *plan[1:])
    opens = (msgspec.structs.replace(plan[0], opens_on="warn"), *plan[1:])
    more = (*plan, msgspec.structs.replace(plan[0], item="more"))
    for day, claimed in enumerate((looser, other_rule, opens, plan[:1], more), start=2):
        assert world.run(START + day * DAY, claimed) == "adhoc"
    assert world.run(START + 9 * DAY, plan, version="2") == "adhoc"
    assert world.run(START + 10 * DAY, plan, version="1" + OVERRIDDEN) == "adhoc"
    assert (world.accepted, world.episodes()) == ([], {})


def test_only_what_was_published_for_that_site_by_then_and_not_withdrawn(world: World) -> None:
    world.session.add(Site(id="mill", customer_id="acme", name="Mill"))
    world.session.flush()
    plan = world.plan(FIRST)
    world.publish(FIRST, START + DAY, Audience("mill"))
    assert world.run(START + 2 * DAY, plan) == "adhoc"
    id = world.publish(FIRST, START + 5 * DAY)
    assert world.run(START + 4 * DAY, plan) == "adhoc", "before it was published"
    withdraw(world.session, id, by="root", now=START + 6 * DAY)
    assert world.run(START + 7 * DAY, plan) == "adhoc", "after it was withdrawn"
    assert world.run(START + 5.5 * DAY, plan) == "", "a late run from between"
    assert world.accepted == [("published by root", START + 5.5 * DAY)]


def test_without_a_binding_nothing_is_accepted(world: World) -> None:
    world.publish(FIRST, START + DAY)
    world.session.execute(sa.update(Binding).values(valid_until=START + 2 * DAY))
    assert world.run(START + 3 * DAY, world.plan(FIRST)) == "adhoc"
    assert world.accepted == []


def test_what_a_base_becomes_is_part_of_it(world: World) -> None:
    text, base = acme(HARMLESS, extends="base"), acme(HOSTS, id="base")
    newer = acme(HOSTS.replace("hosts", "group"), "2", id="base")
    world.publish(base, START + DAY, Audience())
    world.publish(text, START + DAY)
    assert world.run(START + 2 * DAY, world.plan(text, base)) == ""
    assert world.run(START + 3 * DAY, world.plan(text, newer)) == "part-adhoc"
    world.publish(newer, START + 4 * DAY, Audience())
    assert world.run(START + 5 * DAY, world.plan(text, newer)) == ""
    assert world.run(START + 6 * DAY, world.plan(text, base)) == "", "it has not fetched the newer one yet"
    assert len(world.accepted) == 3


def test_roles_are_known_by_having_all_their_items(world: World) -> None:
    text = acme(HARMLESS + WEB + WEB.replace("id: web", "id: web2") + HOSTS.replace("{id", "{on: db, id"))
    world.publish(text, START + DAY)
    for day, roles in enumerate(((), ("web",), ("db",), ("web", "db")), start=2):
        assert world.run(START + day * DAY, world.plan(text, roles=roles)) == ""
    half = tuple(item for item in world.plan(text, roles=("web",)) if item.item != "web2")
    before = world.accepted
    world.run(START + 9 * DAY, half)
    assert world.accepted == before, "an item was left out, so it is not what was published"
