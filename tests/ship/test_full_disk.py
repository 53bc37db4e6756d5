"""A disk without room, and one that turned read-only: said aloud, nothing corrupt, and well again after."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ship_collector import Scripted, TinyCollector
from ship_sample import ship_one, spool_one
from test_ship_whole import firstlight

from agent.delivery import deliver_pending
from agent.losses import load_losses
from agent.paths import State
from agent.spool import Spool
from checks.model import Dropped

CHECK = ("check", "linux-server", "--only", "mem.used", "--fail-on", "never")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real filesystem of 400 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def there(machine: State, disk: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """The enrolled machine with its state on that filesystem."""
    shutil.copytree(machine.root, disk / "state", copy_function=shutil.copy2)
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(disk / "state"))
    return State(disk / "state")


Fill = Callable[..., Path]


@pytest.fixture
def fill(disk: Path) -> Fill:
    def fill(leaving: int = 0) -> Path:
        filler = disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        os.truncate(filler, filler.stat().st_size - leaving)
        return filler

    return fill


def test_a_check_on_a_full_disk_ends_with_3_and_one_line_and_the_next_is_well(
    there: State, collector: TinyCollector, fill: Fill
):
    assert firstlight(*CHECK).returncode == 0
    for entry in Spool(there.spool).kept():
        Spool(there.spool).remove(entry)
    filler = fill()
    full = firstlight(*CHECK)
    assert full.returncode == 3
    assert full.stderr.splitlines()[-1].startswith("NOT stored, NOT sent: ")
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    filler.unlink()
    well = firstlight(*CHECK)
    assert well.returncode == 0, well.stderr
    assert len(collector.arrived()) == 2
    assert Spool(there.spool).quarantined() == []


def test_delivered_runs_make_room_for_a_new_one(there: State, collector: TinyCollector, fill: Fill):
    for _ in range(60):
        spool_one(there)
    deliver_pending(there)
    fill()
    assert ship_one().outcome in ("sent", "spooled")
    spool = Spool(there.spool)
    assert 0 < len(spool.kept()) < 61
    assert len(collector.arrived()) + len(spool.pending()) == 61
    assert load_losses(there).open == Dropped()


def test_waiting_runs_do_not_make_room_for_whoever_fills_the_disk(
    there: State, collector: TinyCollector, fill: Fill
):
    kept = [spool_one(there).run for _ in range(30)]
    fill()
    shipment = ship_one()
    assert shipment.outcome == "failed"
    assert [entry.run for entry in Spool(there.spool).pending()] == kept


def test_on_a_full_disk_nothing_is_given_up_that_cannot_be_accounted_for(
    there: State, collector: TinyCollector, fill: Fill
):
    kept = [spool_one(there).run for _ in range(10)]
    there.config.write_text("[spool]\nkeep_free_mb = 0.0\nmax_mb = 0.004\n")
    there.losses.unlink(missing_ok=True)
    fill()
    collector.script.append(Scripted(0))
    done = deliver_pending(there)
    (trouble,) = [one for one in done if one.outcome == "damaged"]
    assert trouble.detail.endswith("No space left on device; the spool was not brought within its limits"), (
        trouble
    )
    assert [entry.run for entry in Spool(there.spool).pending()] == kept


def test_what_waits_is_delivered_also_from_a_full_disk(there: State, collector: TinyCollector, fill: Fill):
    kept = [spool_one(there).run for _ in range(5)]
    filler = fill()
    done = deliver_pending(there)
    assert [one.outcome for one in done] == ["sent"] * 5
    assert sorted(collector.arrived()) == sorted(kept)
    filler.unlink()
    assert ship_one().outcome == "sent"
    assert collector.conflicts() == []


@pytest.mark.parametrize("blocks", range(8))
def test_with_almost_no_room_a_run_is_kept_whole_or_not_at_all(
    there: State, collector: TinyCollector, fill: Fill, blocks: int
):
    filler = fill(leaving=4096 * blocks)
    outcomes = {ship_one().outcome for _ in range(4)}
    assert outcomes <= {"sent", "spooled", "failed"}
    filler.unlink()
    assert ship_one().outcome == "sent"
    deliver_pending(there)
    spool = Spool(there.spool)
    assert (spool.pending(), spool.quarantined()) == ([], [])
    assert len(collector.order) == len(set(collector.order))
    assert sum(report.dropped.runs for report in collector.reports.values()) == 0


def test_a_disk_that_turned_read_only_is_one_line_and_exit_3(
    there: State, collector: TinyCollector, disk: Path
):
    kept = spool_one(there)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    frozen = firstlight(*CHECK)
    assert frozen.returncode == 3
    assert "Read-only file system" in frozen.stderr.splitlines()[-1]
    assert "Traceback" not in frozen.stderr
    sent = firstlight("send")
    assert (sent.returncode, sent.stderr.count("\n")) == (3, 1), sent.stderr
    assert "Read-only file system" in sent.stderr
    listed = firstlight("spool", "list")
    assert (listed.returncode, kept.run in listed.stdout) == (0, True)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert firstlight("send").returncode == 0
    assert kept.run in collector.arrived()
