"""How long the console takes to answer, beside a bare interpreter: medians of whole processes.

Where ``make dist`` has left a standalone build, it stands beside the environment that it was made from.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tables import show

ROUNDS = 15
GOALS = {"--version": 5.0, "--help": 5.0, "checks list": 10.0}
CHECK = "check linux-server --no-send --format json"
STANDALONE_GOAL = 2.0
"""How many times the environment's start-up the standalone build's may take, in wall time and in CPU."""


def main() -> None:
    python = sys.executable
    commands = {"python -c pass": [python, "-c", "pass"]}
    commands |= {name: [_firstlight(), *name.split()] for name in (*GOALS, CHECK)}
    standalone = _standalone()
    if standalone:
        commands |= {f"standalone: {name}": [standalone, *name.split()] for name in (*GOALS, CHECK)}
    walls: dict[str, list[float]] = {name: [] for name in commands}
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as state:
        for turn in range(ROUNDS + 1):
            for name, command in commands.items():
                wall, cpu = _run(command, state)
                if turn:  # the first round only fills the page cache
                    walls[name].append(wall)
                    cpus[name].append(cpu)
    bare = statistics.median(walls["python -c pass"])
    rows = []
    goals = {}
    for name in commands:
        wall, cpu = statistics.median(walls[name]), statistics.median(cpus[name])
        rows.append([name, wall * 1000, cpu * 1000, wall / bare])
        if name in GOALS:
            goals[f"{name} ≤ {GOALS[name]:g} × bare Python"] = wall / bare <= GOALS[name]
        beside = name.removeprefix("standalone: ")
        if beside != name:
            ratios = wall / statistics.median(walls[beside]), cpu / statistics.median(cpus[beside])
            goal = (
                f"{name} ≤ {STANDALONE_GOAL:g} × the environment ({ratios[0]:.2f} wall, {ratios[1]:.2f} CPU)"
            )
            goals[goal] = max(ratios) <= STANDALONE_GOAL
    show("startup", ["command", "wall ms", "CPU ms", "× bare"], rows, goals)
    if not standalone:
        print("  no standalone build beside it; make dist makes one")


def _firstlight() -> str:
    return str(Path(sys.executable).with_name("firstlight"))


def _standalone() -> str:
    """The program of the standalone build in dist/, empty where there is none."""
    found = sorted(Path(__file__).parents[1].glob("dist/firstlight-*/firstlight"))
    return str(found[-1]) if found else ""


def _run(command: list[str], state: str) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"FIRSTLIGHT_STATE": state},
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1, 3):  # what a check finds is the machine's matter
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
