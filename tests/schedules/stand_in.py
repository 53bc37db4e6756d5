"""Programs that stand in for `firstlight` where a test is about who watches it, and waiting for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from agent.config import Limits
from agent.paths import State
from agent.schedules.known import Known
from agent.schedules.record import Record, write_record
from checks.rules import ScheduleEntry

T = TypeVar("T")

LIMITS = Limits(run_s=60.0, memory_mb=512.0)


def script(folder: Path, text: str, name: str = "program") -> list[str]:
    """A shell script as the program to start."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return [str(file)]


def rare(name: str = "s", **more: str) -> Known:
    """A schedule whose time does not come by chance while a test runs."""
    return Known(ScheduleEntry(name, every="300d", **more), "config")


def overdue(state: State, name: str = "s") -> None:
    """The schedule ran last so long ago that even a rare one is due."""
    write_record(state, name, Record(datetime.now(UTC) - timedelta(days=400)))


def until(found: Callable[[], T], seconds: float = 60.0) -> T:
    """Wait for something to be true; what it is then."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value
