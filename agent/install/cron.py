"""One line of a crontab: cron wakes the agent every five minutes, which runs what is due."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from agent.durable import write_durably
from agent.install.wanted import Wakeup
from checks.errors import FirstlightError

FOLDER: Final = Path("/etc/cron.d")
FILE: Final = "firstlight"
MARK: Final = "# firstlight: scheduled check"
HEADING: Final = "# Written by firstlight install; remove with: firstlight install --remove\n"
STEP: Final = 5
"""Minutes between two wakings."""


def cron_line(wakeup: Wakeup) -> str:
    """The one line, with the user's field that /etc/cron.d wants. Cron mails what goes wrong."""
    words = [f"FIRSTLIGHT_STATE={shlex.quote(wakeup.state)}", *map(shlex.quote, wakeup.program)]
    line = " ".join([*words, "agent --once"]).replace("%", r"\%")  # cron turns a bare one into a new line
    minutes = ",".join(str(minute) for minute in range(wakeup.offset(STEP), 60, STEP))
    user = f"{wakeup.user or 'root'} " if wakeup.system else ""
    return f"{minutes} * * * * {user}{line} >/dev/null {MARK}\n"


def write_cron_file(wakeup: Wakeup, folder: Path) -> Path:
    """Write the system's cron file; says where. Raises `OSError`."""
    path = folder / FILE
    write_durably(path, (HEADING + cron_line(wakeup)).encode(), mode=0o644)
    return path


def crontab() -> str:
    """The user's own table; empty where there is none, or no cron."""
    if not shutil.which("crontab"):
        return ""
    done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout if done.returncode == 0 else ""


def replace_crontab_line(line: str) -> None:
    """Change the one marked line of the user's crontab and keep every other byte."""
    kept = [old for old in crontab().splitlines(keepends=True) if MARK not in old]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    done = subprocess.run(
        ["crontab", "-"], input="".join(kept) + line, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise FirstlightError(f"crontab: {' '.join(done.stderr.split())[:300] or 'failed without a word'}")


def warning() -> list[str]:
    """A line where no cron is there to read the table."""
    import psutil

    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    if names & {"cron", "crond", "busybox", "fcron", "anacron", "systemd-cron"}:
        return []
    return ["no cron daemon runs on this machine now; the check wakes only when one does"]
