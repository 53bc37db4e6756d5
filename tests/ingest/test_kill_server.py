"""The collector killed again and again while runs come in: what it acknowledged is there, once, and whole."""

from __future__ import annotations

import gzip
import http.client
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from building import START, Machine, arrive, bind, enrol, found_vendor
from server_process import ServerProcess
from sqlalchemy import select

from checks import envelope
from server.db import Database, open_database
from server.tables import Document, Episode, Receipt, TargetRun, Transition

KILLS = 20
CLIENTS = 3
RUNS_EACH = 60


def deliver(port: int, sealed: envelope.Envelope) -> int:
    """One attempt; 0 where nothing came back."""
    headers = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        envelope.HEADER_AGENT: sealed.seal.agent,
        envelope.HEADER_RUN: sealed.seal.run,
        envelope.HEADER_SIGNATURE: sealed.seal.signature,
        envelope.HEADER_SENT_AT: datetime.now(UTC).isoformat(),
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", "/api/v1/runs", gzip.compress(sealed.body), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Sender(threading.Thread):
    """Sends one machine's runs in order, each until it is acknowledged."""

    def __init__(
        self, collector: ServerProcess, runs: list[envelope.Envelope], over: threading.Event
    ) -> None:
        super().__init__(daemon=True)
        self.collector, self.runs, self.over = collector, runs, over
        self.statuses: list[int] = []

    def run(self) -> None:
        for sealed in self.runs:
            while (status := deliver(self.collector.port, sealed)) not in (200, 201):
                self.statuses.append(status)
                if self.over.is_set():
                    return
                time.sleep(0.02)
            self.statuses.append(status)
            time.sleep(0.05)


def prepare(store: Path) -> list[list[envelope.Envelope]]:
    """Machines of one site and what each will report: findings that open and close all the time."""
    db = open_database(str(store))
    machines = [Machine(agent=f"agent-{i}", target=f"host-{i}") for i in range(CLIENTS)]
    chance = random.Random(20)
    with db.write() as session:
        found_vendor(session)
        for machine in machines:
            enrol(session, machine)
            bind(session, machine)
    db.close()
    return [
        [
            machine.run(START + timedelta(hours=hour), {"disk": status, "port": "pass"})
            for hour in range(RUNS_EACH)
            for status in [chance.choice(["pass", "fail", "warn"])]
        ]
        for machine in machines
    ]


def history(db: Database) -> dict[str, list[tuple[object, ...]]]:
    """What the runs amounted to, without the ids that the order of arrival decides."""
    with db.read() as session:
        return {
            "receipts": sorted(session.execute(select(Receipt.id, Receipt.hash)).all()),
            "documents": sorted(session.execute(select(Document.run_id)).all()),
            "folded": sorted(session.execute(select(TargetRun.target_id, TargetRun.run_id)).all()),
            "transitions": sorted(session.execute(select(Transition.run_id, Transition.status)).all()),
            "episodes": sorted(
                session.execute(select(Episode.opened_run, Episode.state, Episode.closed_run)).all(), key=str
            ),
        }


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_twenty_kills_during_ingest_lose_nothing_and_double_nothing(
    sqlite_template: Path, tmp_path: Path
) -> None:
    store, calm = tmp_path / "store.db", tmp_path / "calm.db"
    for path in (store, calm):
        path.write_bytes(sqlite_template.read_bytes())
    chains = prepare(store)
    calm.write_bytes(store.read_bytes())
    collector = ServerProcess(store, tmp_path / "collector.log")
    over = threading.Event()
    senders = [Sender(collector, chain, over) for chain in chains]
    chance = random.Random(4)
    collector.start()
    try:
        for sender in senders:
            sender.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.3))
            collector.kill()
            collector.start()
        for sender in senders:
            sender.join(60)
        over.set()
        assert not any(sender.is_alive() for sender in senders)
    finally:
        over.set()
        collector.stop()
    assert any(status == 0 for sender in senders for status in sender.statuses), "no kill met a request"

    stormy = open_database(str(store))
    quiet = open_database(str(calm))
    try:
        with quiet.write() as session:
            for chain in chains:
                for sealed in chain:
                    arrive(session, sealed)
        assert history(stormy) == history(quiet)
        assert len(history(stormy)["receipts"]) == CLIENTS * RUNS_EACH
    finally:
        stormy.close()
        quiet.close()
