"""What this process has used so far, for a run to say what it cost the machine it checked."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from checks.model import Resources


def used(wall_s: float) -> Resources:
    """CPU seconds with those of ended children, and the peak of resident bytes (0 where it is not told) of
    this process or of the largest child that has ended.
    """
    peak = max(_peak_rss(), _peak_of_children())
    return Resources(cpu_s=round(sum(os.times()[:4]), 4), peak_rss=peak, wall_s=round(wall_s, 4))


def _peak_rss() -> int:
    # Not getrusage: its peak outlives exec, so it may be that of a larger program that started this one.
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _peak_of_children() -> int:
    # Before it executes its program a child counts with what this process had then: never too much.
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
