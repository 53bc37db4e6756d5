"""A collector that comes back from a backup gets again what it lost, told to or not; nothing is doubled."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from power_cut import PowerCut, cut_after
from real_collector import RealCollector
from ship_collector import TinyCollector
from ship_sample import ship_one, spool_one
from sqlalchemy import func, select

from agent.delivery import deliver_pending
from agent.enrolment import enrol
from agent.paths import State
from agent.spool import Spool
from server import store
from server.clock import utc_now
from server.commands import restored
from server.db import Database
from server.tables import AuditEntry, Document, Receipt


@pytest.fixture
def real(sqlite_path: Path, tmp_path: Path) -> Iterator[RealCollector]:
    collector = RealCollector(sqlite_path, tmp_path / "collector.log")
    yield collector
    collector.stop()


def back_up(store_file: Path, to: Path) -> None:
    """What an administrator does with a store in use."""
    source, target = sqlite3.connect(store_file), sqlite3.connect(to)
    with source, target:
        source.backup(target)
    source.close()
    target.close()


def restore(real: RealCollector, store_file: Path, backup: Path) -> None:
    real.process.stop()
    real.db.close()
    for old in store_file.parent.glob(f"{store_file.name}-*"):
        old.unlink()
    shutil.copyfile(backup, store_file)


@pytest.mark.parametrize("declared", [True, False])
def test_after_a_restore_the_next_check_brings_back_what_was_lost(
    state: State, real: RealCollector, sqlite_path: Path, tmp_path: Path, declared: bool
):
    enrol(state, real.url, real.token(), target="web-1")
    first = [spool_one(state) for _ in range(3)]
    deliver_pending(state)
    back_up(sqlite_path, tmp_path / "backup.db")
    lost = [spool_one(state) for _ in range(4)]
    deliver_pending(state)
    assert len(real.arrived()) == 7

    restore(real, sqlite_path, tmp_path / "backup.db")
    assert sorted(real.arrived()) == sorted(entry.run for entry in first)
    if declared:
        said = CliRunner().invoke(restored.command, ["--db", str(sqlite_path)])
        assert said.exit_code == 0, said.output
        assert "agents send again what they still keep and this store lacks" in said.output
    real.process.start()

    shipment = ship_one()
    assert shipment.outcome == "sent"
    assert ", with 4 from before" in shipment.line
    arrived = real.arrived()
    assert arrived.keys() == {entry.run for entry in first + lost} | {shipment.run}
    assert real.conflicts() == []
    with real.db.read() as session:
        numbers = list(session.scalars(select(Receipt.sequence).order_by(Receipt.sequence)))
        assert session.scalar(select(func.count()).select_from(Document)) == len(numbers)
    assert numbers == list(range(1, 9))
    assert Spool(state.spool).pending() == []
    assert ship_one().line.count("from before") == 0, "it does not begin again each time"


def test_a_restore_is_told_in_the_audit_trail_and_changes_the_epoch_and_nothing_else(db: Database):
    with db.write() as session:
        before = store.found_store(session, utc_now())
    with db.write() as session:
        assert store.begin_new_life(session, by="console", now=utc_now())[0] == before
    with db.read() as session:
        after = store.epoch(session)
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "restored"))
        assert after != before
        assert (entry.actor, entry.subject) == ("console", "store:1")
        assert entry.detail == f"epoch {before} ended, {after} began"


def test_a_store_that_never_was_cannot_be_restored(sqlite_path: Path):
    said = CliRunner().invoke(restored.command, ["--db", str(sqlite_path)])
    assert "never initialised" in str(said.exception)


def test_a_crash_anywhere_while_an_undeclared_loss_is_mended_loses_none(
    machine: State, collector: TinyCollector
):
    spool, steps, cut = Spool(machine.spool), 0, True
    while cut:
        kept = [spool_one(machine) for _ in range(3)]
        deliver_pending(machine)
        for entry in kept[1:]:
            del collector.runs[entry.run], collector.reports[entry.run]
        kept.append(spool_one(machine))
        try:
            with cut_after(steps):
                deliver_pending(machine)
            cut = False
        except PowerCut:
            steps += 2
        deliver_pending(machine)
        deliver_pending(machine)
        assert {entry.run for entry in kept} <= collector.arrived().keys(), f"cut after {steps - 2} steps"
        assert spool.pending() == []
        spool.prune(-1)
    assert steps > 20
    assert collector.conflicts() == []
