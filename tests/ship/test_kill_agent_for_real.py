"""The same storm of kills against the real collector, and what became of the runs there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_storm import assert_all_arrived_once, deliver_the_rest, storm
from real_collector import RealCollector
from sqlalchemy import func, select

from agent.enrolment import enrol
from agent.paths import State
from server.tables import Document, Receipt

KILLS = 50
SEED = 7


@pytest.fixture
def real(sqlite_path: Path, tmp_path: Path) -> Iterator[RealCollector]:
    collector = RealCollector(sqlite_path, tmp_path / "collector.log")
    yield collector
    collector.stop()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_run_that_was_spooled_is_stored_exactly_once(state: State, real: RealCollector) -> None:
    enrol(state, real.url, real.token(), target="web-1")
    promised = storm(state, kills=KILLS, seed=SEED)
    deliver_the_rest(state)
    assert len(promised) >= KILLS
    assert_all_arrived_once(state, real, promised)
    with real.db.read() as session:
        receipts = session.execute(select(Receipt.sequence, Receipt.held)).all()
        assert session.scalar(select(func.count()).select_from(Document)) == len(receipts)
    assert len({row.sequence for row in receipts}) == len(receipts)
    assert {row.held for row in receipts} == {""}
