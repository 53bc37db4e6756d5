"""A machine and a collector that never meet."""

from __future__ import annotations

from pathlib import Path

import building
import pytest
from carry_world import World

from agent.paths import State
from server.db import Database


def _world(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    state = State(tmp_path / "state")
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(state.root))
    state.prepare()
    folder = tmp_path / "stick"
    folder.mkdir()
    with db.write() as session:
        building.found_vendor(session)
    world = World(db, state, folder)
    world.enrol()
    return world


@pytest.fixture
def world(sqlite_db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return _world(sqlite_db, tmp_path, monkeypatch)


@pytest.fixture
def each_world(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same on SQLite and on PostgreSQL."""
    return _world(db, tmp_path, monkeypatch)
