"""What the spool promises: kept means kept, in order, and nothing damaged is taken for a run."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import services
from ship_collector import TinyCollector
from ship_sample import ship_one, spool_one

from agent.delivery import deliver_pending
from agent.durable import read_bounded, sync_folder, write_durably
from agent.paths import State
from agent.spool import DAY_S, Spool
from checks.envelope import Ack
from checks.errors import BadInput, SpoolFull


def ack(run: str, highest: int = 1) -> Ack:
    return Ack(run, "new", "epoch-1", highest)


def test_a_run_is_synced_then_renamed_then_its_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    calls: list[str] = []
    fsync, replace, write = os.fsync, os.replace, os.write

    def record_fsync(descriptor: int) -> None:
        calls.append("fsync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        fsync(descriptor)

    def record_replace(source: str, target: str) -> None:
        calls.append("rename")
        replace(source, target)

    def record_write(descriptor: int, data: bytes) -> int:
        calls.append("write")
        return write(descriptor, data)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    monkeypatch.setattr(os, "write", record_write)
    write_durably(tmp_path / "a", b"text")
    assert calls == ["write", "fsync file", "rename", "fsync folder"]


def test_the_kernel_sees_the_same_order(tmp_path: Path):
    services.program("strace", "strace")
    program = "import sys; from pathlib import Path; from agent.durable import write_durably as w; " + (
        "w(Path(sys.argv[1]), b'text')"
    )
    trace = tmp_path / "trace"
    calls = "trace=openat,write,fsync,rename,renameat,renameat2"
    done = subprocess.run(
        ["strace", "-y", "-e", calls, "-o", trace, sys.executable, "-c", program, tmp_path / "kept"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr
    mine = [line for line in trace.read_text().splitlines() if str(tmp_path) in line]
    seen = [line.split("(")[0] + (" folder" if f"<{tmp_path}>)" in line else "") for line in mine]
    assert [call for call in seen if call != "openat"] == ["write", "fsync", "rename", "fsync folder"]


def test_a_failed_write_leaves_what_was_there_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_durably(tmp_path / "a", b"old")

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        write_durably(tmp_path / "a", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_everything_the_agent_keeps_is_private(machine: State):
    spool_one(machine)
    for path in [machine.root, *machine.root.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_runs_wait_in_the_order_of_their_numbers(machine: State):
    kept = [spool_one(machine) for _ in range(12)]
    pending = Spool(machine.spool).pending()
    assert [entry.sequence for entry in pending] == list(range(1, 13))
    assert [entry.run for entry in pending] == [entry.run for entry in kept]


def test_each_body_names_the_hash_of_the_body_before(machine: State):
    spool = Spool(machine.spool)
    seals, chain = [], []
    for _ in range(3):
        envelope = spool.read(spool_one(machine))
        seals.append(envelope.seal.hash)
        chain.append(_previous(envelope.body))
    assert chain == ["0" * 64, *seals[:2]]


def _previous(body: bytes) -> str:
    from checks.model import decode_report

    return decode_report(body).previous


def test_an_acknowledged_run_is_kept_seven_days_and_then_removed(machine: State):
    spool = Spool(machine.spool)
    entry = spool_one(machine)
    spool.mark_acknowledged(entry, ack(entry.run))
    assert not spool.pending()
    (kept,) = spool.kept()
    acknowledged = kept.path.stat().st_mtime
    assert spool.acknowledgement(kept) == ack(entry.run)
    assert spool.prune(7, acknowledged + 6.9 * DAY_S) == 0
    assert spool.prune(7, acknowledged + 7.1 * DAY_S) == 1
    assert list(spool.sent.iterdir()) == []


def test_acknowledging_changes_no_byte_of_the_run(machine: State):
    spool = Spool(machine.spool)
    entry = spool_one(machine)
    before = entry.path.read_bytes()
    spool.mark_acknowledged(entry, ack(entry.run))
    assert spool.kept()[0].path.read_bytes() == before


@pytest.mark.parametrize("damage", ["torn", "empty", "one bit", "another run", "no json"])
def test_a_damaged_file_is_never_taken_for_a_run(machine: State, damage: str):
    entry, other = spool_one(machine), spool_one(machine)
    whole = entry.path.read_bytes()
    flipped = bytearray(whole)
    flipped[-10] ^= 1
    entry.path.write_bytes(
        {
            "torn": whole[: len(whole) // 2],
            "empty": b"",
            "one bit": bytes(flipped),
            "another run": other.path.read_bytes(),
            "no json": b"\x00\xff\n" + whole,
        }[damage]
    )
    with pytest.raises(BadInput, match=entry.run):
        Spool(machine.spool).read(entry)


def test_a_run_is_found_by_number_and_by_the_beginning_of_its_id(machine: State):
    spool = Spool(machine.spool)
    first, second = spool_one(machine), spool_one(machine)
    assert spool.find("2") == second
    assert spool.find(first.run) == first
    with pytest.raises(BadInput, match="2 runs in the spool begin so"):
        spool.find("0")
    with pytest.raises(BadInput, match="no such run"):
        spool.find("ffff")


def test_what_a_killed_writer_left_is_swept_away_by_the_next_delivery(machine: State):
    spool_one(machine)
    left = machine.spool / "pending" / ".000000000009-x.run.1234.new"
    left.write_bytes(b"half")
    deliver_pending(machine)
    assert not left.exists()
    assert len(Spool(machine.spool).kept()) == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real filesystem of 192 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _move_state(machine: State, to: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    shutil.copytree(machine.root, to / "state", copy_function=shutil.copy2)
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(to / "state"))
    return State(to / "state")


def test_a_full_disk_is_loud_and_costs_no_run_that_was_kept(
    machine: State, small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    full = _move_state(machine, small_disk, monkeypatch)
    kept = spool_one(full)
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    shipment = ship_one()
    assert shipment.outcome == "failed"
    assert "No space left on device" in shipment.line
    assert "NOT" in shipment.line
    with pytest.raises(SpoolFull):
        spool_one(full)
    spool = Spool(full.spool)
    assert [entry.run for entry in spool.pending()] == [kept.run]
    assert spool.read(kept).seal.run == kept.run
    assert [path.name for path in spool.waiting.iterdir()] == [kept.path.name]
    filler.unlink()
    assert spool_one(full).sequence >= 2


def test_a_full_disk_does_not_keep_delivered_runs_pending(
    machine: State, small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    full = _move_state(machine, small_disk, monkeypatch)
    spool = Spool(full.spool)
    entry = spool_one(full)
    with pytest.raises(OSError, match="No space"), (small_disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    spool.mark_acknowledged(entry, ack(entry.run))
    assert not spool.pending()
    assert [kept.run for kept in spool.kept()] == [entry.run]


def test_a_disk_that_turned_read_only_is_loud(
    machine: State, small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    frozen = _move_state(machine, small_disk, monkeypatch)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert frozen.identity.exists()
    shipment = ship_one()
    assert shipment.outcome == "failed"
    assert "Read-only file system" in shipment.line


def test_a_folder_can_be_synced_more_than_once(tmp_path: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    sync_folder(tmp_path)
    sync_folder(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before, "a descriptor of the folder stays open"


def test_a_run_that_cannot_be_read_just_now_stays_and_holds_up_nobody(
    machine: State, collector: TinyCollector, monkeypatch: pytest.MonkeyPatch
):
    bad, good = spool_one(machine), spool_one(machine)
    real = Path.open

    def failing(path: Path, *how: Any, **more: Any) -> Any:
        if path == bad.path:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path, *how, **more)

    monkeypatch.setattr(Path, "open", failing)
    assert [one.outcome for one in deliver_pending(machine)] == ["damaged", "sent"]
    assert [entry.run for entry in Spool(machine.spool).pending()] == [bad.run]
    monkeypatch.setattr(Path, "open", real)
    assert [one.outcome for one in deliver_pending(machine)] == ["sent"]
    assert sorted(collector.arrived()) == sorted([bad.run, good.run])


def test_what_is_read_is_bounded_and_takes_no_more_memory_than_it_has_bytes(tmp_path: Path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100)
    tracemalloc.start()
    try:
        assert read_bounded(file, 100) == b"x" * 100
        assert read_bounded(file, 500_000_000) == b"x" * 100
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    for path, limit in ((file, 99), (Path("/dev/zero"), 1000)):
        with pytest.raises(OSError, match="File too large"):
            read_bounded(path, limit)
