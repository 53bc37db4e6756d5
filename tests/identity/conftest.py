"""A state folder of the test's own, and the real collector on each database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import Served

from agent.enrolment import enrol
from agent.paths import State

sys.path.append(str(Path(__file__).parents[1] / "ship"))  # for `ship_sample` and `ship_collector`


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("FIRSTLIGHT_TOKEN", raising=False)
    return State(tmp_path / "state")


@pytest.fixture
def real(request: pytest.FixtureRequest) -> Iterator[Served]:
    """The real collector over HTTP, with the site plant-a; on SQLite unless a test names both."""
    named = getattr(request, "param", "sqlite")
    fixture = "sqlite_path" if named == "sqlite" else "postgres_url"
    collector = Served(str(request.getfixturevalue(fixture)))
    yield collector
    collector.close()


@pytest.fixture
def machine(state: State, real: Served) -> State:
    """The state of a machine that is enrolled with the real collector as web-1."""
    enrol(state, real.url, real.token(), target="web-1")
    return state
