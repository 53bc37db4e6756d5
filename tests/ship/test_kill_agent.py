"""Fifty agents die by `kill -9` between spool and acknowledgement; every run arrives, and arrives once."""

from __future__ import annotations

import random

import pytest
from kill_storm import deliver_the_rest, storm
from ship_collector import Scripted, TinyCollector

from agent.paths import State
from agent.spool import Spool

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
    arrived, spool = moody.arrived(), Spool(machine.spool)
    assert len(promised) >= KILLS
    assert {run: arrived.get(run) for run in promised} == promised
    assert moody.conflicts() == []
    assert spool.pending() == []
    assert spool.quarantined() == []
    assert {entry.run for entry in spool.kept()} == set(arrived)
    numbers = sorted(moody.order)
    assert len(numbers) == len(set(numbers)) == len(arrived)
