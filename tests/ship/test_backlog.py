"""Thirty days without a collector, a run every hour: all arrive, and none costs more than the first."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from ship_collector import Scripted, TinyCollector
from ship_sample import spool_one

from agent.delivery import deliver_pending
from agent.paths import State
from agent.spool import Spool

RUNS = 30 * 24


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """A state in memory, where there is such a place: thousands of syncs of a disk show nothing here."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="firstlight-backlog-", dir=memory) as folder:
        monkeypatch.setenv("FIRSTLIGHT_STATE", f"{folder}/state")
        yield State(Path(folder) / "state")


@contextmanager
def looks() -> Iterator[Counter[str]]:
    """How often which folder is listed."""
    seen: Counter[str] = Counter()
    real = {"scandir": os.scandir, "listdir": os.listdir}

    def watching(name: str):  # type: ignore[no-untyped-def]
        def look(path="."):  # type: ignore[no-untyped-def]
            seen[Path(path).name] += 1
            return real[name](path)

        return look

    with mock.patch.multiple(os, **{name: watching(name) for name in real}):
        yield seen


@pytest.mark.slow
def test_thirty_days_of_hourly_runs_arrive_in_order_when_the_collector_is_back(
    machine: State, collector: TinyCollector
):
    collector.script.append(Scripted(0))
    spool_one(machine)
    deliver_pending(machine)
    with looks() as spooling:
        for _ in range(RUNS - 1):
            spool_one(machine)
    assert spooling.total() == 0, "to spool a run no folder is listed, however many runs there are"
    with looks() as delivering:
        done = deliver_pending(machine)
    assert collector.order == list(range(1, RUNS + 1))
    assert [delivery.outcome for delivery in done] == ["sent"] * RUNS
    assert delivering["pending"] <= 15, delivering
    assert Spool(machine.spool).pending() == []
    assert len(Spool(machine.spool).kept()) == RUNS


def test_a_check_meanwhile_delivers_for_a_while_and_leaves_the_rest(machine: State, collector: TinyCollector):
    for _ in range(5):
        spool_one(machine)
    ticks = iter([0.0, 0.0, 10.0, 31.0] + [31.0] * 9)
    done = deliver_pending(machine, budget_s=30, clock=lambda: next(ticks))
    assert [delivery.outcome for delivery in done] == ["sent"] * 2 + ["waiting"] * 3
    assert "firstlight send does the rest" in done[-1].detail
