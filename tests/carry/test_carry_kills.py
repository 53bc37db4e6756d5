"""Processes killed in the middle, and a stick that is really full: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import services
from carry_world import World
from machine import ROOT, environment

from agent.carry.export import export
from agent.carry.exports import load
from checks.errors import FirstlightError

RUNS = 300


def killed_when(ready: Callable[[], bool], *words: str, state: Path) -> bool:
    """Start the program and kill it once `ready`; whether it was still at work then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "agent", *words],
        cwd=ROOT,
        env=environment(state),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    while process.poll() is None and not ready():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_imports_that_are_killed_on_both_sides_lose_and_double_nothing(world: World) -> None:
    world.runs(RUNS)
    path = world.export(sealed=True)
    store = world.db.engine.url.render_as_string(hide_password=False)
    words = ("server", "import", str(path), "--db", store)
    assert killed_when(lambda: len(world.arrived()) > 0, *words, state=world.state.root)
    some = world.arrived()
    assert 0 < len(some) < RUNS
    assert some == list(range(1, len(some) + 1)), "runs are stored whole and in order"
    assert not list(world.folder.glob("*.receipts"))
    taken = world.take(path)
    assert taken.new + taken.same == RUNS
    assert taken.same >= len(some)
    assert world.arrived() == list(range(1, RUNS + 1))

    receipts = world.folder / "r.receipts"
    receipts.write_bytes(taken.receipts)
    sent = world.spool.sent
    assert killed_when(lambda: any(sent.glob("*.run")), "import", str(receipts), state=world.state.root)
    places = world.places()
    assert sorted(places["pending"] + places["sent"]) == list(range(1, RUNS + 1))
    assert places["pending"]
    again = subprocess.run(
        [sys.executable, "-m", "agent", "import", str(receipts)],
        cwd=ROOT,
        env=environment(world.state.root),
        capture_output=True,
        check=True,
    )
    assert b"stored by the collector" in again.stdout
    assert world.places() == {"pending": [], "sent": list(range(1, RUNS + 1)), "quarantine": []}


def test_an_export_that_is_killed_leaves_no_file_that_looks_whole(world: World) -> None:
    world.runs(RUNS)
    target = world.folder / "stick.export"

    def begun() -> bool:
        return any(world.folder.iterdir())

    assert killed_when(begun, "export", str(target), state=world.state.root)
    assert not target.exists()
    assert world.places()["pending"] == list(range(1, RUNS + 1))
    world.export()
    assert [path.name for path in world.folder.iterdir()] == ["stick.export"]


@pytest.fixture
def tiny_stick(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 64 KiB."""
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        services.missing("a mount of one's own", "run the tests as root, with CAP_SYS_ADMIN")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("sealed", [False, True])
def test_a_stick_that_is_really_full_is_told_and_left_clean(
    world: World, tiny_stick: Path, sealed: bool
) -> None:
    from carry_world import NOW

    world.runs(3)
    (tiny_stick / "photo").write_bytes(os.urandom(64 * 1024))
    with pytest.raises(FirstlightError, match="No space left on device; nothing was exported"):
        export(world.state, tiny_stick, now=NOW, sealed=sealed)
    assert [path.name for path in tiny_stick.iterdir()] == ["photo"]
    assert (world.places()["pending"], load(world.state).exports) == ([1, 2, 3], ())
    (tiny_stick / "photo").unlink()
    path = export(world.state, tiny_stick, now=NOW, sealed=sealed).path
    assert world.take(path).new == 3
