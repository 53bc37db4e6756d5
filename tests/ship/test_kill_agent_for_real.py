"""The same storm of kills against the real collector, and what became of the runs there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_storm import assert_all_arrived_once, deliver_the_rest, storm
from server_process import ServerProcess
from sqlalchemy import func, select

from agent.enrolment import enrol
from agent.paths import State
from server import delivery, store
from server.clock import utc_now
from server.db import Database, open_database
from server.tables import AuditEntry, Document, Receipt

KILLS = 50
SEED = 7


class RealCollector:
    """`firstlight server run` on a store of the test's own, in the shape of `CollectorUnderTest`."""

    def __init__(self, path: Path, log: Path) -> None:
        self.db: Database = open_database(str(path))
        with self.db.write() as session:
            now = utc_now()
            store.found_store(session, now)
            delivery.add_customer(session, "Acme", by="test", now=now, id="acme")
            delivery.add_site(session, "acme", "Plant A", by="test", now=now, id="plant-a")
        self.process = ServerProcess(path, log)
        self.url = self.process.url
        self.process.start()

    def stop(self) -> None:
        self.process.stop()
        self.db.close()

    def token(self) -> str:
        with self.db.write() as session:
            return delivery.issue_enrolment_token(session, "plant-a", by="test", now=utc_now())

    def arrived(self) -> dict[str, str]:
        with self.db.read() as session:
            return {row.id: row.hash for row in session.execute(select(Receipt.id, Receipt.hash))}

    def conflicts(self) -> list[str]:
        with self.db.read() as session:
            return list(session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "conflict")))


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
