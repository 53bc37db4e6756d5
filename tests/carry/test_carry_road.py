"""The whole road with real programs: a collector, a machine, and a folder that is carried between them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from machine import ROOT, environment
from real_collector import RealCollector

from agent.paths import State
from agent.spool import Spool


@pytest.fixture
def collector(sqlite_path: Path, tmp_path: Path) -> Iterator[RealCollector]:
    made = RealCollector(sqlite_path, tmp_path / "server.log")
    yield made
    made.stop()


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.said = ""

    def types(self, *words: str, stdin: str = "", code: int = 0) -> str:
        """What the program printed, both streams."""
        done = subprocess.run(
            [sys.executable, "-m", "agent", *words],
            cwd=ROOT,
            env=environment(self.root),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def checks(self) -> str:
        return self.types("check", "linux-server", "--only", "mem.used", "--fail-on", "never")

    @property
    def spool(self) -> Spool:
        return Spool(State(self.root).spool)


def test_runs_go_out_on_a_stick_and_receipts_come_back(collector: RealCollector, tmp_path: Path) -> None:
    machine, stick = Machine(tmp_path / "state"), tmp_path / "stick"
    stick.mkdir()
    machine.types("enrol", collector.url, "--token", "-", "--target", "web-1", stdin=collector.token())
    collector.process.stop()  # from here on there is no way between the two
    for _ in range(4):
        assert "spooled" in machine.checks()
    machine.spool.pending()[1].path.unlink()

    (first,) = [
        line for line in machine.types("export", "--sealed", str(stick)).splitlines() if str(stick) in line
    ]
    file = next(stick.iterdir())
    assert first.startswith(f"{file}: 3 runs (runs 1 to 4)")
    assert "exported 20" in machine.types("spool", "list")

    store = str(collector.process.store)
    taken = machine.types("server", "import", str(file), "--db", store)
    assert "web-1: run 2 missing" in taken
    assert len(collector.arrived()) == 3
    receipts = next(stick.glob("*.receipts"))

    told = machine.types("import", str(receipts))
    assert "3 runs stored by the collector; they leave the spool" in told
    assert [entry.sequence for entry in machine.spool.kept()] == [1, 3, 4]
    assert machine.spool.pending() == []

    assert "3 runs in it were settled before" in machine.types("import", str(receipts))
    assert "nothing waits" in machine.types("export", str(stick))
    again = machine.types("server", "import", str(file), "--db", store)
    assert len(collector.arrived()) == 3
    assert "3    0     3     0          0" in again

    # Back in the network, the next run goes the usual way, and nothing goes twice.
    collector.process.start()
    machine.types("send")
    assert "sent as run" in machine.checks()
    assert len(collector.arrived()) == 4
    assert collector.conflicts() == []


def test_the_road_works_while_the_collector_is_running(collector: RealCollector, tmp_path: Path) -> None:
    machine, stick = Machine(tmp_path / "state"), tmp_path / "stick"
    stick.mkdir()
    machine.types("enrol", collector.url, "--token", "-", "--target", "web-1", stdin=collector.token())
    machine.types("check", "linux-server", "--only", "mem.used", "--fail-on", "never")
    machine.types("export", "--all", str(stick / "x.export"))
    taken = machine.types("server", "import", str(stick / "x.export"), "--db", str(collector.process.store))
    assert "1    0     1     0          0" in taken
