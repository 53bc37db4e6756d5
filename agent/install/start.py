"""How to start this very program again."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def program() -> list[str]:
    """The words by which this program is started, by absolute path."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    beside = Path(sys.executable).with_name("firstlight")
    found = str(beside) if beside.is_file() else shutil.which("firstlight")
    if found:
        return [found]
    return [sys.executable, "-c", "from agent.cli import main; main()"]


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
