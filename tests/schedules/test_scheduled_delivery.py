"""Scheduled runs reach a real collector, also those that had to wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import firstlight
from real_collector import RealCollector
from stand_in import overdue

from agent.identity import load_identity
from agent.paths import State
from agent.retry import forget


@pytest.fixture
def collector(sqlite_path: Path, tmp_path: Path) -> Iterator[RealCollector]:
    running = RealCollector(sqlite_path, tmp_path / "server.log")
    yield running
    running.stop()


def test_a_scheduled_run_is_delivered_and_one_that_waits_goes_with_the_next_waking(
    state: State, collector: RealCollector
):
    done = firstlight("enrol", collector.url, "--token", "-", state=state.root, input=collector.token())
    assert done.returncode == 0, done.stderr
    assert load_identity(state) is not None

    overdue(state, "default")  # the schedule of the enrolment
    state.config.write_text('[[schedules]]\nname = "default"\nevery = "300d"\n')
    assert firstlight("agent", "--once", state=state.root).returncode in (0, 1, 3)
    assert len(collector.arrived()) == 1
    assert firstlight("agent", "--once", state=state.root).returncode == 0
    assert len(collector.arrived()) == 1, "it was not due again"

    collector.process.stop()
    overdue(state, "default")
    assert firstlight("agent", "--once", state=state.root).returncode in (0, 1, 3)
    assert len(list(state.spool.glob("pending/*.run"))) == 1

    collector.process.start()
    forget(state)  # the wait after the failure is over
    assert firstlight("agent", "--once", state=state.root).returncode == 0
    assert len(collector.arrived()) == 2
    assert collector.conflicts() == []
    sent = [path.read_bytes() for path in state.spool.glob("sent/*.run")]
    assert [b'"trigger":"schedule"' in run for run in sent] == [True, True]
