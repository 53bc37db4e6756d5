"""A state folder of the test's own, and a machine's schedules in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.paths import State


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """An agent's state that is there, and private."""
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("FIRSTLIGHT_TOKEN", raising=False)
    made = State(tmp_path / "state")
    made.prepare()
    return made
