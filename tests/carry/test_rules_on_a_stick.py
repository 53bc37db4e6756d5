"""What the collector publishes travels with the receipts, and so does a new key of its own."""

from __future__ import annotations

import pytest
from carry_world import NOW, World

from agent.carry.receipts import settle
from agent.rules.held import in_force
from agent.rules.intake import take
from checks.errors import BadInput
from server.publishing.audience import Audience
from server.publishing.events import publish_profile
from server.publishing.signing import rotate_signing_key

PROFILE = """
profile: acme-erp
version: "{version}"
title: The ERP
items:
  - id: mem
    check: mem.used
"""


def publish(world: World, version: str) -> None:
    with world.db.write() as session:
        publish_profile(session, PROFILE.format(version=version), Audience(site="plant"), by="root", now=NOW)


def carry(world: World) -> bytes:
    """One run out, and the receipts for it."""
    world.runs(1)
    return world.take(world.export()).receipts


def held(world: World) -> list[str]:
    rules = in_force(world.state)
    return [f"{profile.id} {profile.version}" for profile in rules.profiles] if rules else []


def test_without_anything_published_no_rules_come_along(world: World) -> None:
    assert settle(world.state, carry(world)).rules == b""


def test_published_profiles_come_back_with_the_receipts(each_world: World) -> None:
    world = each_world
    publish(world, "1")
    settled = settle(world.state, carry(world))
    assert settled.receipts.rules_version > 0
    assert take(world.state, settled.rules).version == settled.receipts.rules_version
    assert held(world) == ["acme-erp 1"]
    assert take(world.state, settled.rules).before == settled.receipts.rules_version


def test_a_machine_that_is_never_in_the_network_follows_a_new_key_of_the_collector(world: World) -> None:
    publish(world, "1")
    pinned = world.identity.sign_key
    take(world.state, settle(world.state, carry(world)).rules)
    with world.db.write() as session:
        rotate_signing_key(session, by="root", now=NOW)
    # A stick that is lost on its way back changes nothing.
    world.take(world.export("lost.export", everything=True))
    take(world.state, settle(world.state, carry(world)).rules)
    assert world.identity.sign_key != pinned
    publish(world, "2")
    settled = settle(world.state, carry(world))
    assert settled.count("sent") == 1
    take(world.state, settled.rules)
    assert held(world) == ["acme-erp 2"]


def test_another_agents_receipts_bring_no_rules_either(world: World) -> None:
    publish(world, "1")
    receipts = carry(world)
    assert receipts_in_file(receipts)
    world.enrol()
    with pytest.raises(BadInput, match="receipts for agent"):
        settle(world.state, receipts)
    assert held(world) == []


def receipts_in_file(data: bytes) -> bytes:
    import msgspec

    from checks.carried import Receipts

    return msgspec.json.decode(data.partition(b"\n")[2], type=Receipts).rules
