"""What a check of this machine costs, beside a plain script that makes the same reads: CPU and memory."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tables import show

ROUNDS = 15
CPU_GOAL = 4.0
MEMORY_GOAL_MB = 35.0
FLOOR = Path(__file__).with_name("floor_local.py")


def main() -> None:
    firstlight = str(Path(sys.executable).with_name("firstlight"))
    commands = {
        "floor: plain script, same reads": [sys.executable, str(FLOOR)],
        "firstlight check linux-server": [
            firstlight, "check", "linux-server", "--no-send", "--format", "json", "--fail-on", "never",
        ],
    }  # fmt: skip
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    peaks: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            cpu, peak = cost_of(command)
            if turn:
                cpus[name].append(cpu)
                peaks[name].append(peak)
    medians = {name: statistics.median(cpus[name]) for name in commands}
    floor, ours = medians.values()
    peak = statistics.median(peaks["firstlight check linux-server"])
    show(
        "local",
        ["command", "CPU ms", "× floor", "peak MB"],
        [
            [
                name,
                statistics.median(cpus[name]) * 1000,
                statistics.median(cpus[name]) / floor,
                max(peaks[name]),
            ]
            for name in commands
        ],
        {
            f"CPU ≤ {CPU_GOAL:g} × the floor": ours / floor <= CPU_GOAL,
            f"peak memory ≤ {MEMORY_GOAL_MB:g} MB": peak <= MEMORY_GOAL_MB,
        },
    )


def cost_of(command: list[str], good: tuple[int, ...] = (0, 3)) -> tuple[float, float]:
    """CPU seconds (children included) and peak resident megabytes of one process.

    3: something could not be told, as on most containers.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in good:
            output.seek(0)
            raise SystemExit(
                f"{' '.join(command)} ended with {process.returncode}\n{output.read().decode()[-3000:]}"
            )
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
