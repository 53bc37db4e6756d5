"""An enrolled machine for every test of what it does with published rules."""

from __future__ import annotations

from pathlib import Path

import pytest
from rules_world import Machine, enrolled_machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return enrolled_machine(tmp_path, monkeypatch)
