"""What to type where a part is missing that an extra of the package brings."""

from __future__ import annotations

import sys


def remedy(extra: str) -> str:
    """``pip install …``; a standalone build has no pip, and says that it does not hold the part."""
    command = f"pip install 'firstlight[{extra}]'"
    if getattr(sys, "frozen", False):
        return f"the standalone build does not hold it, an environment with {command} does"
    return command
