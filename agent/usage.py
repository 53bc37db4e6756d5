"""What this process has used so far, for a run to say what it cost the machine it checked."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from checks.model import Resources


def used(wall_s: float) -> Resources:
    """CPU seconds with those of ended children, and the peak of resident bytes (0 where it is not told)."""
    return Resources(cpu_s=round(sum(os.times()[:4]), 4), peak_rss=_peak_rss(), wall_s=round(wall_s, 4))


def _peak_rss() -> int:
    # Not getrusage: its peak outlives exec, so it may be that of a larger program that started this one.
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
