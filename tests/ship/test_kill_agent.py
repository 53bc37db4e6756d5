"""Fifty agents die by `kill -9` between spool and acknowledgement; every run arrives, and arrives once."""

from __future__ import annotations

import random

import pytest
from kill_storm import assert_all_arrived_once, deliver_the_rest, storm
from ship_collector import Scripted, TinyCollector

from agent.paths import State

KILLS = 50
SEED = 20260302


@pytest.fixture
def moody(collector: TinyCollector) -> TinyCollector:
    """A collector that fails before storing, and after storing, one time in seven each."""
    chance = random.Random(SEED)
    moods = [Scripted(500), Scripted(0), Scripted(500, stores=True), Scripted(0, stores=True)]
    collector.misbehave = lambda: chance.choice(moods) if chance.random() < 2 / 7 else None
    return collector


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_every_run_that_was_spooled_arrives_exactly_once(machine: State, moody: TinyCollector):
    promised = storm(machine, kills=KILLS, seed=SEED)
    moody.misbehave = lambda: None
    deliver_the_rest(machine)
    assert len(promised) >= KILLS
    assert_all_arrived_once(machine, moody, promised)
    assert len(moody.order) == len(set(moody.order)) == len(moody.arrived())
