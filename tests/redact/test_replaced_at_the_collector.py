"""A run that replaces another at the collector: it counts once, and the audit trail says what happened."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from building import START, Machine, arrive, bind, enrol, found_vendor
from sqlalchemy import select

from checks.ids import new_run_id
from server.db import Database
from server.tables import AuditEntry, Episode, Receipt

DAY = timedelta(days=1)


@pytest.mark.parametrize("arrived", [False, True])
def test_a_run_made_anew_counts_once_and_says_whether_the_old_one_had_arrived(
    db: Database, arrived: bool
) -> None:
    machine = Machine()
    with db.write() as session:
        found_vendor(session)
        enrol(session, machine)
        bind(session, machine)
        arrive(session, machine.run(START + DAY, {"disk": "pass"}))
        failing = machine.result("disk", "fail")
        old = machine.report(START + 2 * DAY, [failing])
        if arrived:
            assert arrive(session, machine.seal(old)).status == 201
        made = msgspec.structs.replace(
            machine.report(START + 2 * DAY, [failing]), run=new_run_id(), replaces=old.run
        )
        assert arrive(session, machine.seal(made)).status == 201
        assert len(session.scalars(select(Episode)).all()) == 1
        assert len(session.scalars(select(Receipt)).all()) == 2 + arrived
        (told,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "replaced"))
        assert told.subject == f"run:{old.run}"
        assert told.detail.startswith(f"by {made.run}, ")
        assert told.detail.endswith("the old run had arrived") is arrived
