"""Putting a schedule in place where this machine keeps its schedules, and taking it away again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from agent.durable import write_durably
from agent.schedule import MARK, Schedule, cron_line, service_unit, timer_unit
from checks.errors import BadInput, FirstlightError

SERVICE, TIMER = "firstlight.service", "firstlight.timer"
CRON_FOLDER = Path("/etc/cron.d")
CRON_FILE = "firstlight"
HEADING = "# Written by firstlight install; remove with: firstlight install --remove\n"


@dataclass(frozen=True, slots=True)
class Wakeup:
    """What is to be run: the command line and the state folder it works in."""

    command: list[str]
    state: str
    schedule: Schedule


def program() -> list[str]:
    """How to start this very program again, by absolute path."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    beside = Path(sys.executable).with_name("firstlight")
    found = str(beside) if beside.is_file() else shutil.which("firstlight")
    if found:
        return [found]
    return [sys.executable, "-c", "from agent.cli import main; main()"]


def runs_systemd() -> bool:
    """Whether systemd is PID 1 (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def units(wakeup: Wakeup, *, system: bool) -> dict[str, str]:
    """The systemd units by file name."""
    return {
        SERVICE: service_unit(wakeup.command, wakeup.state, system=system),
        TIMER: timer_unit(wakeup.schedule),
    }


def unit_folder(*, system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "systemd" / "user"


def write_units(wakeup: Wakeup, folder: Path, *, system: bool) -> list[Path]:
    """Write service and timer; says what was written. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in units(wakeup, system=system).items():
        write_durably(folder / name, text.encode(), mode=0o644)
    return [folder / SERVICE, folder / TIMER]


def write_cron_file(wakeup: Wakeup, folder: Path = CRON_FOLDER) -> Path:
    """Write the system's cron file; says where. Raises `OSError`."""
    line = cron_line(wakeup.schedule, wakeup.command, wakeup.state, user="root")
    path = folder / CRON_FILE
    write_durably(path, (HEADING + line).encode(), mode=0o644)
    return path


def install(wakeup: Wakeup) -> list[str]:
    """Put the schedule in place of any earlier one; says in lines what was done.

    Raises `FirstlightError` where this machine has neither systemd nor cron, `OSError`.
    """
    if runs_systemd():
        return _install_timer(wakeup)
    if is_root() and CRON_FOLDER.is_dir():
        path = write_cron_file(wakeup)
        return [f"wrote {path}", *_cron_warning()]
    if not is_root() and shutil.which("crontab"):
        _replace_crontab_line(cron_line(wakeup.schedule, wakeup.command, wakeup.state))
        return ["wrote one line into your crontab (crontab -l shows it)", *_cron_warning()]
    raise FirstlightError(
        "this machine has neither systemd nor cron, so nothing can wake the check; "
        "install cron, or let your own scheduler run: " + " ".join(wakeup.command)
    )


def remove() -> list[str]:
    """Take away whatever `install` put in place; says in lines what went."""
    gone = []
    folder = unit_folder(system=is_root())
    if (folder / TIMER).exists() or (folder / SERVICE).exists():
        if runs_systemd():
            _systemctl("disable", "--now", TIMER)
        for name in (TIMER, SERVICE):
            (folder / name).unlink(missing_ok=True)
            gone.append(f"removed {folder / name}")
        if runs_systemd():
            _systemctl("daemon-reload")
    if is_root() and (CRON_FOLDER / CRON_FILE).exists():
        (CRON_FOLDER / CRON_FILE).unlink()
        gone.append(f"removed {CRON_FOLDER / CRON_FILE}")
    if shutil.which("crontab") and MARK in _crontab():
        _replace_crontab_line("")
        gone.append("removed the line from your crontab")
    return gone


def _install_timer(wakeup: Wakeup) -> list[str]:
    system = is_root()
    written = write_units(wakeup, unit_folder(system=system), system=system)
    _systemctl("daemon-reload")
    _systemctl("enable", TIMER)
    _systemctl("restart", TIMER)  # an earlier timer takes the new times at once
    lines = [f"wrote {path}" for path in written] + [f"started {TIMER}; systemctl list-timers shows it"]
    if not system:
        lines.append("it runs while you are logged in; to run always: loginctl enable-linger")
    return lines


def _systemctl(*words: str) -> None:
    scope = [] if is_root() else ["--user"]
    done = subprocess.run(
        ["systemctl", *scope, *words], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        raise FirstlightError(f"systemctl {' '.join(words)}: {_line(done.stderr)}")


def _crontab() -> str:
    done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout if done.returncode == 0 else ""


def _replace_crontab_line(line: str) -> None:
    """Change the one marked line of the user's crontab and keep every other byte."""
    kept = [old for old in _crontab().splitlines(keepends=True) if MARK not in old]
    if kept and not kept[-1].endswith("\n"):
        kept[-1] += "\n"
    done = subprocess.run(
        ["crontab", "-"], input="".join(kept) + line, capture_output=True, text=True, timeout=30, check=False
    )
    if done.returncode != 0:
        raise BadInput(f"crontab: {_line(done.stderr)}")


def _cron_warning() -> list[str]:
    import psutil

    names = {process.info["name"] for process in psutil.process_iter(["name"])}
    if names & {"cron", "crond", "busybox", "fcron", "anacron", "systemd-cron"}:
        return []
    return ["no cron daemon runs on this machine now; the check wakes only when one does"]


def _line(text: str) -> str:
    return " ".join(text.split())[:300] or "failed without a word"
