"""What is to be installed, and the rights it is to have."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from checks.rules import ScheduleEntry


@dataclass(frozen=True, slots=True)
class Wakeup:
    """Which program is woken for which schedules, and where it keeps its state.

    `user` is the account it runs as (empty: whoever installs it; of root's alone can another be named), and
    `reads` says whether that account may read every file and look at every process. `system` says whether
    it is installed for the machine or only for a user's own sessions.
    """

    program: list[str]
    state: str
    machine: str
    schedules: tuple[ScheduleEntry, ...]
    system: bool
    user: str = ""
    reads: bool = False

    def offset(self, every: int) -> int:
        """A number below `every` that is this machine's own, by which sites spread their waking."""
        return zlib.crc32(f"{self.machine}\0wake".encode()) % every
