"""Rotates the agent's key in a process of its own and dies by `kill -9` at the step it is told.

``rotation_driver.py STEP``: a step ends before each rename, each removal of a file and the request to the
collector, and so after the one before it. It ends by itself, with 0, where there are fewer steps.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.paths import state
from agent.rotation import rotate
from agent.uplink import Uplink

left = int(sys.argv[1])


def step() -> None:
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str) -> None:
    real: Callable[..., Any] = getattr(owner, name)

    def counted(*args: Any, **more: Any) -> Any:
        step()
        return real(*args, **more)

    setattr(owner, name, counted)


for owner, name in ((Path, "replace"), (Path, "unlink"), (Uplink, "change_key")):
    before(owner, name)
rotate(state())
