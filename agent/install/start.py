"""How to start this very program again."""

from __future__ import annotations

import os
import shutil
import stat
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


def lasting_program() -> list[str]:
    """The words for what outlives this version: units and tables.

    A standalone build that was started by a link is named by that link, which an upgrade leads elsewhere
    while the folder behind it goes. Root believes no link that others could lead elsewhere.
    """
    if not getattr(sys, "frozen", False):
        return program()
    typed = sys.argv[0] if os.sep in sys.argv[0] else shutil.which(sys.argv[0])
    if typed:
        link = Path(os.path.abspath(typed))  # noqa: PTH100 - resolve() would follow the link
        try:
            if link.samefile(sys.executable) and all(_kept_by_owner(part) for part in (link, *link.parents)):
                return [str(link)]
        except OSError:
            pass
    return program()


def _kept_by_owner(path: Path) -> bool:
    """Whether not everybody can put something else in the place of `path`: it is root's or one's own."""
    own = {0, os.geteuid()} if hasattr(os, "geteuid") else {0}
    seen = path.lstat()
    return seen.st_uid in own and (stat.S_ISLNK(seen.st_mode) or not seen.st_mode & 0o002)


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
