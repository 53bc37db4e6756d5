"""How long the console takes to answer, beside a bare interpreter: medians of whole processes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tables import show

ROUNDS = 15
GOALS = {"--version": 5.0, "--help": 5.0, "checks list": 10.0}


def main() -> None:
    python = sys.executable
    commands = {"python -c pass": [python, "-c", "pass"]}
    commands |= {name: [_firstlight(), *name.split()] for name in GOALS}
    walls: dict[str, list[float]] = {name: [] for name in commands}
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            wall, cpu = _run(command)
            if turn:  # the first round only fills the page cache
                walls[name].append(wall)
                cpus[name].append(cpu)
    bare = statistics.median(walls["python -c pass"])
    rows = []
    goals = {}
    for name in commands:
        wall = statistics.median(walls[name])
        rows.append([name, wall * 1000, statistics.median(cpus[name]) * 1000, wall / bare])
        if name in GOALS:
            goals[f"{name} ≤ {GOALS[name]:g} × bare Python"] = wall / bare <= GOALS[name]
    show("startup", ["command", "wall ms", "CPU ms", "× bare"], rows, goals)


def _firstlight() -> str:
    return str(Path(sys.executable).with_name("firstlight"))


def _run(command: list[str]) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
