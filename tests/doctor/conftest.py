"""A state folder of the test's own, a collector, and a machine that is enrolled with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "ship"))  # for `ship_sample` and `ship_collector`

from ship_collector import TinyCollector

from agent.enrolment import enrol
from agent.paths import State


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("FIRSTLIGHT_TOKEN", raising=False)
    return State(tmp_path / "state")


@pytest.fixture
def collector() -> Iterator[TinyCollector]:
    tiny = TinyCollector()
    yield tiny
    tiny.stop()


@pytest.fixture
def machine(state: State, collector: TinyCollector) -> State:
    """The state of a machine that is enrolled for plant-a and plant-b as web-1."""
    enrol(state, collector.url, collector.token(), target="web-1")
    return state
