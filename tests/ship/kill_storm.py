"""Agents killed with -9, again and again, and the account that is drawn up after.

It knows a collector only by `ship_collector.CollectorUnderTest`, so the same storm can rage against any.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ship_collector import CollectorUnderTest

import agent
from agent.delivery import deliver_pending
from agent.paths import State
from agent.spool import Spool

HERE = Path(__file__).parent
ROOT = Path(agent.__file__).parent.parent


def start_agent(state: State, *words: str) -> subprocess.Popen[bytes]:
    """A driver process; whoever starts it ends it."""
    paths = os.pathsep.join([str(ROOT), str(HERE)])
    environment = os.environ | {"FIRSTLIGHT_STATE": str(state.root), "PYTHONPATH": paths}
    command = [sys.executable, str(HERE / "kill_driver.py"), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def storm(state: State, *, kills: int, seed: int) -> dict[str, str]:
    """Kill `kills` agents at random moments; the hash of every run that their spool promised to keep.

    Each is killed at least one promise after its start, so between a rename and its acknowledgement or in
    whatever the agent does next.
    """
    chance = random.Random(seed)
    promised: dict[str, str] = {}
    with _next_agents(state) as agents:
        for _ in range(kills):
            victim = next(agents)
            assert victim.stdout is not None
            lines = [victim.stdout.readline() for _ in range(chance.randint(1, 3))]
            time.sleep(chance.uniform(0, 0.02))
            victim.kill()
            lines += _rest(victim.stdout)
            assert victim.stderr is not None
            trouble = victim.stderr.read().decode()
            victim.wait()
            victim.stdout.close()
            victim.stderr.close()
            assert not trouble, trouble
            promised |= {run: hash for _, run, hash in (line.decode().split() for line in lines if line)}
    return promised


def _rest(pipe: IO[bytes]) -> list[bytes]:
    return pipe.read().splitlines(keepends=True)


@contextmanager
def _next_agents(state: State) -> Iterator[Iterator[subprocess.Popen[bytes]]]:
    """Agents one after the other."""
    started: list[subprocess.Popen[bytes]] = []

    def agents() -> Iterator[subprocess.Popen[bytes]]:
        while True:
            started.append(start_agent(state, "100000", "deliver"))
            yield started[-1]

    try:
        yield agents()
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def deliver_the_rest(state: State) -> None:
    """Deliver until nothing is left; a collector that misbehaves now and then is given several chances."""
    for _ in range(100):
        deliver_pending(state, lock_wait_s=30)
        if not Spool(state.spool).pending():
            return


def assert_all_arrived_once(state: State, collector: CollectorUnderTest, promised: dict[str, str]) -> None:
    """The account: all that was promised is there with its own hash, and nothing is left or doubled."""
    arrived, spool = collector.arrived(), Spool(state.spool)
    assert {run: arrived.get(run) for run in promised} == promised
    assert collector.conflicts() == []
    assert spool.pending() == []
    assert spool.quarantined() == []
    assert {entry.run: spool.read(entry).seal.hash for entry in spool.kept()} == arrived
