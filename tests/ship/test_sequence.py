"""Numbers: never twice, whatever dies and however many processes ask at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kill_storm import start_agent
from power_cut import PowerCut, cut_after
from ship_collector import TinyCollector
from ship_sample import spool_one

from agent.delivery import deliver_pending
from agent.identity import load_identity, save_identity
from agent.lock import Busy, exclusive
from agent.paths import State
from agent.spool import Spool
from checks.model import decode_report

PROCESSES, EACH = 8, 6


def test_eight_processes_at_once_never_share_a_number(machine: State):
    agents = [start_agent(machine, str(EACH)) for _ in range(PROCESSES)]
    said = [process.communicate(timeout=60) for process in agents]
    assert [error.decode() for _, error in said] == [""] * PROCESSES
    spool = Spool(machine.spool)
    numbers = [entry.sequence for entry in spool.pending()]
    assert numbers == list(range(1, PROCESSES * EACH + 1))
    reports = [decode_report(spool.read(entry).body) for entry in spool.pending()]
    hashes = ["0" * 64, *(spool.read(entry).seal.hash for entry in spool.pending())]
    assert [report.previous for report in reports] == hashes[:-1]


def test_a_power_cut_anywhere_may_leave_a_gap_but_never_a_number_twice(
    machine: State, collector: TinyCollector
):
    steps = 0
    while True:
        try:
            with cut_after(steps):
                spool_one(machine)
        except PowerCut:
            steps += 1
        else:
            break
    spool_one(machine)
    assert steps > 8, "the cuts fell on every step of numbering and spooling"
    deliver_pending(machine)
    assert Spool(machine.spool).pending() == []
    assert Spool(machine.spool).quarantined() == []
    assert len(collector.order) == len(set(collector.order)) >= 2


def test_a_lost_counter_goes_on_after_the_newest_run_in_the_spool(machine: State):
    kept = [spool_one(machine) for _ in range(3)]
    machine.sequence.unlink()
    after = spool_one(machine)
    spool = Spool(machine.spool)
    assert after.sequence == 4
    assert decode_report(spool.read(after).body).previous == spool.read(kept[-1]).seal.hash


@pytest.mark.parametrize("damage", [b'{"agent": "age', b"", b"\x00" * 60, b"[" * 5000])
def test_a_damaged_counter_is_kept_beside_and_numbering_goes_on(machine: State, damage: bytes):
    before = spool_one(machine)
    machine.sequence.write_bytes(damage)
    after = spool_one(machine)
    spool = Spool(machine.spool)
    assert (before.sequence, after.sequence) == (1, 2)
    assert decode_report(spool.read(after).body).previous == spool.read(before).seal.hash
    assert machine.sequence.with_suffix(".damaged").read_bytes() == damage


def test_a_lost_counter_never_gives_a_number_again_whose_run_is_no_longer_here(
    machine: State, collector: TinyCollector
):
    kept = [spool_one(machine) for _ in range(3)]
    hashes = [Spool(machine.spool).read(entry).seal.hash for entry in kept]
    deliver_pending(machine)
    Spool(machine.spool).prune(-1)
    machine.sequence.unlink()
    after = spool_one(machine)
    assert after.sequence == 4
    assert decode_report(Spool(machine.spool).read(after).body).previous == hashes[-1]


def test_another_agents_runs_in_the_spool_are_not_counted_on(machine: State, collector: TinyCollector):
    for _ in range(3):
        spool_one(machine)
    identity = load_identity(machine)
    assert identity is not None
    save_identity(machine, msgspec.structs.replace(identity, agent="agent-9"))
    machine.sequence.unlink()
    assert spool_one(machine).sequence == 1


def test_a_lock_is_free_again_when_its_holder_is_gone(tmp_path: Path):
    with exclusive(tmp_path / "lock"), pytest.raises(Busy), exclusive(tmp_path / "lock", wait_s=0):
        pass
    with exclusive(tmp_path / "lock", wait_s=0):
        pass
