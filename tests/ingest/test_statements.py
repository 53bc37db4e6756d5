"""What an unchanged run costs the store: so many statements, whatever its size and whoever else reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from building import LATER, START, Machine, bind, enrol, found_vendor
from sqlalchemy import event

from server.db import Database
from server.ingest.delivery import Delivery
from server.ingest.writer import Writer

A_RUN = 8
"""Receipt, document, heartbeat, target, plan in force, state read, place in the history, state written."""


def test_an_unchanged_run_costs_eight_statements_and_the_rest_is_shared_by_a_batch(db: Database) -> None:
    machines = [Machine(agent=f"agent-{i}", target=f"host-{i}", fingerprint=f"machine-{i}") for i in range(8)]
    with db.write() as session:
        found_vendor(session)
        for machine in machines:
            enrol(session, machine)
            bind(session, machine)
    writer = Writer(db, 1 << 20)
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    def cost(count: int, hour: int) -> int:
        batch = []
        for machine in machines[:count]:
            sealed = machine.run(START + timedelta(hours=hour), {"disk": "pass", "port": "pass"})
            seal = sealed.seal
            batch.append(Delivery(seal.agent, seal.run, seal.signature, "", "identity", sealed.body, LATER))
        asked.clear()
        assert [answer.status for answer in writer.take(batch)] == [201] * count
        return len(asked)

    cost(8, 1)
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        four, eight = cost(4, 2), cost(8, 3)
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    assert (eight - four) / 4 == A_RUN
    assert eight - 8 * A_RUN <= 7
