"""The short form of `bench/chaos.py`: everything that can go wrong goes wrong, and nothing is lost by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos_world import Size, World

SHORT = Size(runs=200, agent_kills=20, server_kills=4, agents=3)


@pytest.fixture
def world(tmp_path: Path, sqlite_path: Path) -> Iterator[World]:
    world = World(tmp_path, sqlite_path, SHORT)
    yield world
    world.close()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_whatever_dies_nothing_is_lost_doubled_or_corrupted(world: World):
    world.rage()
    chaos, verdict = world.chaos, world.account()
    assert chaos.trouble == []
    assert verdict.sound, verdict
    assert chaos.agent_kills >= SHORT.agent_kills
    assert chaos.server_kills == SHORT.server_kills
    assert verdict.told_as_dropped > 0, "the machine with little room gave some up"
    assert verdict.arrived >= SHORT.runs / 2
    assert len(chaos.relay) > 8, chaos.relay
