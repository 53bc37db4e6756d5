"""An agent that does nothing but spool and deliver, started by tests as a process of its own.

``kill_driver.py COUNT [deliver]`` keeps COUNT runs, one after the other, and delivers after each if told so.
It prints number, run and hash of each once the spool has promised to keep it.
"""

from __future__ import annotations

import os
import sys

from ship_sample import spool_one

from agent.paths import state
from agent.spool import Spool


def main() -> None:
    at = state()
    spool = Spool(at.spool)
    if "deliver" in sys.argv:
        from agent.delivery import deliver_pending
    for _ in range(int(sys.argv[1])):
        entry = spool_one(at)
        line = f"{entry.sequence} {entry.run} {spool.read(entry).seal.hash}\n"
        os.write(1, line.encode())
        if "deliver" in sys.argv:
            deliver_pending(at)


main()
