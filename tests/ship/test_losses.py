"""The account of losses under kills and power cuts at every step: no count is lost, and none told twice."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from power_cut import PowerCut, cut_after
from ship_collector import Scripted, TinyCollector
from ship_sample import spool_one

from agent.delivery import Delivery, deliver_pending
from agent.enrolment import enrol
from agent.losses import load_losses
from agent.paths import State
from agent.spool import Spool
from checks.model import decode_report


class Account:
    """A machine, what ever stood in its spool, and what a collector learnt of it."""

    def __init__(self, folder: Path) -> None:
        self.collector = TinyCollector()
        self.state = State(folder / "state")
        enrol(self.state, self.collector.url, self.collector.token(), target="web-1")
        self.spool = Spool(self.state.spool)
        self.seen: set[str] = set()
        self.delivered: set[str] = set()

    def close(self) -> None:
        self.collector.stop()

    def look(self) -> None:
        """Remember what stands where; what ever was acknowledged is no loss."""
        self.seen |= {entry.run for entry in self.spool.pending() + self.spool.quarantined()}
        self.delivered |= {entry.run for entry in self.spool.kept()}
        self.seen |= self.delivered

    def hear(self, delivery: Delivery) -> None:
        """What was acknowledged may be gone again before anybody looks."""
        if delivery.outcome == "sent":
            self.delivered.add(delivery.run)

    def cap(self, runs: float) -> None:
        size = 2_000 * runs / 1e6
        self.state.config.write_text(f"[spool]\nkeep_free_mb = 0.0\nmax_mb = {size:.6f}\n")

    def settled(self) -> None:
        """Let nothing be left half done: a delivery that reaches nobody and relieves nothing."""
        self.state.config.write_text("[spool]\nkeep_free_mb = 0.0\n")
        self.collector.script.appendleft(Scripted(0))
        deliver_pending(self.state)
        self.collector.script.clear()
        self.look()

    def lost(self) -> int:
        """Runs that stood in the spool, were never acknowledged, and are gone."""
        here = {entry.run for entry in self.spool.pending() + self.spool.kept() + self.spool.quarantined()}
        return len(self.seen - here - self.delivered)

    def told(self) -> int:
        """What was told to the collector, is on its way there, or will go with the next run."""
        arrived = dict(self.collector.reports)
        here = self.spool.pending() + self.spool.kept() + self.spool.quarantined()
        arrived |= {entry.run: decode_report(self.spool.read(entry).body) for entry in here}
        return sum(one.dropped.runs for one in arrived.values()) + load_losses(self.state).open.runs


class Life(RuleBasedStateMachine):
    """Runs made, delivered, refused and given up in any order, cut off after any number of system calls."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="firstlight-losses-"))
        self.at = Account(self.folder)

    def teardown(self) -> None:
        try:
            self.every_loss_is_counted_once()
        finally:
            self.at.close()
            shutil.rmtree(self.folder)

    @rule(steps=st.one_of(st.none(), st.integers(0, 14)))
    def a_run_is_made(self, steps: int | None) -> None:
        self.cut(steps, lambda: spool_one(self.at.state))

    @rule(
        runs=st.sampled_from([0.1, 1.5, 3.0, 100.0]),
        reached=st.booleans(),
        refused=st.booleans(),
        steps=st.one_of(st.none(), st.integers(0, 60)),
    )
    def a_delivery(self, runs: float, reached: bool, refused: bool, steps: int | None) -> None:
        self.at.cap(runs)
        if not reached:
            self.at.collector.script.append(Scripted(0))
        elif refused:
            self.at.collector.script.append(Scripted(400))
        self.cut(steps, lambda: deliver_pending(self.at.state, tell=self.at.hear))
        self.at.collector.script.clear()

    def cut(self, steps: int | None, deed: Any) -> None:
        try:
            if steps is None:
                deed()
            else:
                with cut_after(steps):
                    deed()
        except PowerCut:
            pass
        self.at.look()

    @rule()
    def every_loss_is_counted_once(self) -> None:
        self.at.settled()
        assert self.at.told() == self.at.lost()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)


@pytest.mark.parametrize("pending", [4])
def test_a_cut_at_every_step_of_giving_up_and_carrying_counts_each_run_once(tmp_path: Path, pending: int):
    """The same, exhaustively, for the one path on which most is written."""
    steps, whole = 0, False
    while not whole:
        account = Account(tmp_path / str(steps))
        try:
            for _ in range(pending):
                spool_one(account.state)
            account.look()
            account.cap(0.1)
            account.collector.script.append(Scripted(0))
            try:
                with cut_after(steps):
                    deliver_pending(account.state)
                    spool_one(account.state)
                whole = True
            except PowerCut:
                steps += 1
            account.collector.script.clear()
            account.look()
            account.settled()
            assert account.told() == account.lost(), f"cut after {steps - 1} steps"
        finally:
            account.close()
    assert account.lost() == pending - 1
    assert steps > 25
