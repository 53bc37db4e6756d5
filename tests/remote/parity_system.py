"""Samples of what is read of the system: kernel, processors, memory, starts, limits, clock and locale."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checks.fact import Fact
from checks.facts.boot import BootTime, PendingReboot, Start
from checks.facts.cputime import CpuTime, CpuUse
from checks.facts.kernel import (
    ConnectionTracking,
    EphemeralPorts,
    FileHandles,
    Handles,
    KernelRelease,
    Tracked,
    TransparentHugePages,
)
from checks.facts.locales import ProcessLocale, SystemLocale
from checks.facts.machine import Machine
from checks.facts.oom import Kills, OomKills
from checks.facts.persisted import PersistedParameters
from checks.facts.processor import Governors, Load, LoadAverage, Processors
from checks.facts.swap import Swap, SwapSpace
from checks.facts.timekeeper import TimeOffset

SPEAKS = f"flt{os.getpid()}-speaks"


def samples(world: object) -> dict[str, Fact]:
    del world
    return {
        "KernelRelease": KernelRelease(),
        "TransparentHugePages": TransparentHugePages(),
        "FileHandles": FileHandles(),
        "EphemeralPorts": EphemeralPorts(),
        "ConnectionTracking": ConnectionTracking(),
        "BootTime": BootTime(),
        "PendingReboot": PendingReboot(),
        "Machine": Machine(),
        "Processors": Processors(),
        "CpuUse": CpuUse(),
        "LoadAverage": LoadAverage(),
        "Governors": Governors(),
        "SwapSpace": SwapSpace(),
        "OomKills": OomKills(),
        "PersistedParameters": PersistedParameters(),
        "PersistedParameters of some names": PersistedParameters(("vm.swappiness", "kernel.pid_max")),
        "TimeOffset": TimeOffset(),
        "SystemLocale": SystemLocale(),
        "ProcessLocale": ProcessLocale(SPEAKS),
        "ProcessLocale of nobody": ProcessLocale("flt-does-not-run"),
    }


def make(folder: Path, stack: contextlib.ExitStack) -> None:
    """A program of root's with a locale, and something in its environment that is nobody's business."""
    program = folder / SPEAKS
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    given = {"LANG": "de_DE.UTF-8", "LC_CTYPE": "C.UTF-8", "PASSWORD": "open sesame"}
    process = subprocess.Popen([program, "3600"], env=given)
    stack.callback(process.wait)
    stack.callback(process.kill)
    while Path(f"/proc/{process.pid}/comm").read_text().strip() != SPEAKS[:15]:
        time.sleep(0.001)


STANDING: dict[type, Callable[[Any], object]] = {
    # The system goes on running between the two readings.
    Start: lambda seen: (seen.at, seen.number, seen.before, seen.container),
    CpuTime: lambda seen: (seen.boot, seen.since, seen.total > 0),
    Load: lambda seen: seen.one >= 0,
    Handles: lambda seen: seen.limit,
    Tracked: lambda seen: seen.limit,
    Swap: lambda seen: seen.total,
    Kills: lambda seen: (seen.logged, seen.log, seen.counted, seen.boot, seen.container),
}
