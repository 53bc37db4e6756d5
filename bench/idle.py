"""What an agent costs that waits: memory, CPU and wakings of `firstlight agent`, beside a bare Python that
sleeps; and what a run costs, beside a plain script that makes the same reads.

    python bench/idle.py [--seconds 120]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from local import FLOOR, cost_of
from tables import show

MEMORY_GOAL_MB = 40.0
RUN_GOAL_S = 0.6
SHARE_GOAL = 0.0001
ROUNDS = 9
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""The smallest time that the kernel's accounts of processes know."""

CONFIG = """
[[schedules]]
name = "nightly"
cron = "30 2 1 1 *"
timezone = "Europe/Berlin"
jitter = "1h"
quiet = ["22:00-02:00"]

[[schedules]]
name = "monthly"
every = "30d"
"""


class Idle(NamedTuple):
    """Megabytes in memory, and those that are the process's share; CPU seconds as the kernel accounts them
    (in ticks) and as its scheduler does; how often the process woke.
    """

    rss_mb: float
    pss_mb: float
    accounted_s: float
    cpu_s: float
    wakings: int


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--seconds", type=float, default=120.0)
    seconds = asked.parse_args().seconds
    firstlight = str(Path(sys.executable).with_name("firstlight"))
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        state.mkdir(mode=0o700)
        (state / "config.toml").write_text(CONFIG)
        environment = os.environ | {"FIRSTLIGHT_STATE": str(state)}
        commands = {
            "floor: python -c 'sleep'": [sys.executable, "-c", "import time; time.sleep(1e6)"],
            "firstlight agent": [firstlight, "agent"],
        }
        found = waited(commands, environment, seconds)
    floor, ours = found.values()
    show(
        "idle",
        ["process", "RSS MB", "PSS MB", "× floor", f"CPU ms in {seconds:g} s", "accounted ms", "wakings/min"],
        [
            [
                name, each.rss_mb, each.pss_mb, each.rss_mb / floor.rss_mb, each.cpu_s * 1000,
                each.accounted_s * 1000, each.wakings / seconds * 60,
            ]
            for name, each in found.items()
        ],
        {
            f"resident memory ≤ {MEMORY_GOAL_MB:g} MB": ours.rss_mb <= MEMORY_GOAL_MB,
            f"CPU < {SHARE_GOAL:.2%} of the time, which top shows as 0.0": ours.cpu_s / seconds < SHARE_GOAL,
        },
    )  # fmt: skip
    runs(firstlight)


def waited(commands: dict[str, list[str]], environment: dict[str, str], seconds: float) -> dict[str, Idle]:
    """What each process costs while all of them wait."""
    started = {
        name: subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        for name, command in commands.items()
    }
    try:
        time.sleep(10.0)
        before = {name: seen(process.pid) for name, process in started.items()}
        time.sleep(seconds)
        after = {name: seen(process.pid) for name, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
            process.wait()
    return {
        name: Idle(
            now.rss_mb,
            now.pss_mb,
            now.accounted_s - before[name].accounted_s,
            now.cpu_s - before[name].cpu_s,
            now.wakings - before[name].wakings,
        )
        for name, now in after.items()
    }


def seen(pid: int) -> Idle:
    """A process as proc(5) shows it at this moment."""
    place = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    rollup = dict(line.split(":", 1) for line in (place / "smaps_rollup").read_text().splitlines()[1:])
    fields = (place / "stat").read_text().rpartition(")")[2].split()
    nanoseconds = int((place / "schedstat").read_text().split()[0])
    return Idle(
        int(status["VmRSS"].split()[0]) * 1024 / 1e6,
        int(rollup["Pss"].split()[0]) * 1024 / 1e6,
        (int(fields[11]) + int(fields[12])) * TICK_S,
        nanoseconds / 1e9,
        int(status["voluntary_ctxt_switches"]) + int(status["nonvoluntary_ctxt_switches"]),
    )


def runs(firstlight: str) -> None:
    """The CPU of scheduled runs of linux-server, children included."""
    commands = {
        "floor: plain script, same reads": [sys.executable, str(FLOOR)],
        "a scheduled run of linux-server": [
            firstlight, "check", "linux-server", "--trigger", "schedule", "--no-send", "--format", "json",
            "--fail-on", "never",
        ],
    }  # fmt: skip
    cpus: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            cpu, _ = cost_of(command)
            if turn:  # the first round only fills the page cache
                cpus[name].append(cpu)
    floor, ours = (statistics.median(each) for each in cpus.values())
    show(
        "idle_runs",
        ["command", "CPU ms", "worst ms", "× floor"],
        [
            [name, statistics.median(each) * 1000, max(each) * 1000, statistics.median(each) / floor]
            for name, each in cpus.items()
        ],
        {f"CPU of a run ≤ {RUN_GOAL_S:g} s": ours <= RUN_GOAL_S},
    )


if __name__ == "__main__":
    main()
