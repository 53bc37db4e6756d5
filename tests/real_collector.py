"""The real collector on a store of a test's own: one customer with one site, and what arrived there."""

from __future__ import annotations

from pathlib import Path

from server_process import ServerProcess
from sqlalchemy import select

from server import delivery, store
from server.clock import utc_now
from server.db import Database, open_database
from server.tables import AuditEntry, Receipt


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
