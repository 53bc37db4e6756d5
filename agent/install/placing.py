"""Where this machine keeps what wakes programs: writing it there, starting it, taking it away whole."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.durable import write_durably
from agent.install import cron, windows
from agent.install.start import is_root
from agent.install.units import EARLIER, SERVICE, TICK, unit_word, units
from agent.install.wanted import Wakeup
from checks.errors import BadInput, FirstlightError

WINDOWS: Final = os.name == "nt"


def runs_systemd() -> bool:
    """Whether systemd is PID 1 (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def unit_folder(*, system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()) / "systemd" / "user"


def stamp_folder(*, system: bool) -> Path:
    """Where systemd notes when persistent timers woke last (systemd.timer(5), Persistent=)."""
    if system:
        return Path("/var/lib/systemd/timers")
    return Path(os.environ.get("XDG_DATA_HOME") or Path("~/.local/share").expanduser()) / "systemd/timers"


def form_here() -> str:
    """What wakes programs on this machine: ``systemd``, ``cron`` or ``windows``."""
    if WINDOWS:
        return "windows"
    return "systemd" if runs_systemd() else "cron"


def write_units(wakeup: Wakeup, folder: Path) -> list[Path]:
    """Write the units; says what was written. Raises `OSError`, `BadInput`."""
    folder.mkdir(parents=True, exist_ok=True)
    texts, _ = units(wakeup)
    for name, text in texts.items():
        write_durably(folder / name, text.encode(), mode=0o644)
    return [folder / name for name in texts]


def write_files(wakeup: Wakeup, form: str, folder: Path) -> list[Path]:
    """Write what `form` takes into a folder, for packages and images. Raises `OSError`, `BadInput`."""
    if form == "systemd":
        return write_units(wakeup, folder)
    if form == "cron":
        return [cron.write_cron_file(wakeup, folder)]
    path = folder / "firstlight-task.xml"
    write_durably(path, windows.task_definition(wakeup).encode(), mode=0o644)
    return [path]


def install(wakeup: Wakeup) -> list[str]:
    """Put the waking in place of any earlier one; says in lines what was done.

    Raises as `refuse_unplaceable`, `FirstlightError`, `OSError`.
    """
    refuse_unplaceable(wakeup)
    before = woken_state()
    lines = _install(wakeup)
    if before and before != wakeup.state:
        lines.append(f"it is in place of what woke the agent of {before}, which nothing wakes any more")
    return lines


def _install(wakeup: Wakeup) -> list[str]:
    if WINDOWS:
        return windows.create_task(wakeup)
    if runs_systemd():
        return _install_timers(wakeup)
    if is_root():
        path = cron.write_cron_file(wakeup, cron.FOLDER)
        return [f"wrote {path}", *cron.warning()]
    cron.replace_crontab_line(cron.cron_line(wakeup))
    return ["wrote one line into your crontab (crontab -l shows it)", *cron.warning()]


def refuse_unplaceable(wakeup: Wakeup) -> None:
    """Raises `FirstlightError` where this machine has nothing that wakes, and `BadInput` for what its way of
    waking cannot do; nothing has been written then.
    """
    if WINDOWS:
        return
    if runs_systemd():
        units(wakeup)
    elif wakeup.reads:
        raise BadInput(
            "--grant needs systemd, and cron wakes programs here; leave it out, or install for root"
        )
    elif not (cron.FOLDER.is_dir() if is_root() else shutil.which("crontab")):
        raise FirstlightError(
            "this machine has neither systemd nor cron, so nothing can wake the check; install cron, keep "
            "firstlight agent running, or let your own scheduler run every 5 minutes: "
            + " ".join([*wakeup.program, "agent --once --state", wakeup.state])
        )


def grants_reading(state: str, user: str) -> bool:
    """Whether the service that is installed for this folder and account may read every file (--grant read):
    whoever types install again to change something else means to keep that.
    """
    if not user or WINDOWS or not runs_systemd():
        return False
    try:
        lines = (unit_folder(system=True) / SERVICE).read_text(errors="replace").splitlines()
    except OSError:
        return False
    mine = f"User={user}" in lines and f"Environment={unit_word('FIRSTLIGHT_STATE=' + state)}" in lines
    return mine and any(line.startswith("AmbientCapabilities=") for line in lines)


def woken_state() -> str:
    """The state folder of the agent that is woken on this machine now, or of one's own sessions; empty where
    none is. There is one waking for a machine, whatever agents it has.
    """
    if WINDOWS:
        return ""
    places = [cron.FOLDER / cron.FILE, unit_folder(system=True) / SERVICE]
    texts = [] if is_root() else [cron.crontab()]
    for path in places if is_root() else [unit_folder(system=False) / SERVICE]:
        with suppress(OSError):
            texts.append(path.read_text(errors="replace"))
    for line in "\n".join(texts).splitlines():
        if "firstlight" not in line.lower() or "FIRSTLIGHT_STATE=" not in line or line.startswith("#"):
            continue
        with suppress(ValueError):
            plain = line.removeprefix("Environment=").replace("%%", "%").replace(r"\%", "%")
            words = shlex.split(plain)
            return next(word for word in words if word.startswith("FIRSTLIGHT_STATE="))[17:]
    return ""


def remove(state: str = "") -> list[str]:
    """Take away whatever `install` put in place, of earlier versions too; says in lines what went. Where it
    wakes the agent of another folder than `state` it stays.
    """
    if WINDOWS:
        return windows.remove_task()
    if state and (other := woken_state()) and other != state:
        return [
            f"what is installed wakes the agent of {other} and stays; to take it away: "
            f"FIRSTLIGHT_STATE={other} firstlight install --remove"
        ]
    gone = _remove_units(_present(unit_folder(system=is_root())))
    if is_root() and (cron.FOLDER / cron.FILE).exists():
        (cron.FOLDER / cron.FILE).unlink()
        gone.append(f"removed {cron.FOLDER / cron.FILE}")
    if cron.MARK in cron.crontab():
        cron.replace_crontab_line("")
        gone.append("removed the line from your crontab")
    return gone


def _install_timers(wakeup: Wakeup) -> list[str]:
    folder = unit_folder(system=wakeup.system)
    texts, notes = units(wakeup)
    lines = _remove_units([path for path in _present(folder) if path.name not in texts])
    lines += [f"wrote {path}" for path in write_units(wakeup, folder)]
    timers = [name for name in texts if name.endswith(".timer")]
    _systemctl("daemon-reload")
    _systemctl("enable", *timers)
    _systemctl("restart", *timers)  # an earlier timer takes the new times at once
    lines += [*notes, f"started {', '.join(timers)}; systemctl list-timers shows them"]
    if not wakeup.system:
        lines.append("they run while you are logged in; to run always: loginctl enable-linger")
    if is_root() and (cron.FOLDER / cron.FILE).exists():  # from before systemd was here
        (cron.FOLDER / cron.FILE).unlink()
        lines.append(f"removed {cron.FOLDER / cron.FILE}")
    return lines


def _present(folder: Path) -> list[Path]:
    """The units of ours in a folder, timers first."""
    names = [*EARLIER, SERVICE, f"{TICK}.timer", f"{TICK}.service"]
    found = [*folder.glob("firstlight-check@*.timer"), *(folder / name for name in names)]
    return sorted((path for path in found if path.exists()), key=lambda path: (path.suffix != ".timer", path))


def _remove_units(found: list[Path]) -> list[str]:
    """Stop and remove units, and what systemd remembers of them."""
    gone = []
    timers = [path.name for path in found if path.suffix == ".timer"]
    if timers and runs_systemd():
        _systemctl("disable", "--now", *timers)
    for path in found:
        path.unlink(missing_ok=True)
        gone.append(f"removed {path}")
    for name in timers:
        (stamp_folder(system=is_root()) / f"stamp-{name}").unlink(missing_ok=True)
    if found and runs_systemd():
        _systemctl("daemon-reload")
    return gone


def _systemctl(*words: str) -> None:
    scope = [] if is_root() else ["--user"]
    done = subprocess.run(
        ["systemctl", *scope, *words], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        said = " ".join(done.stderr.split())[:300] or "failed without a word"
        raise FirstlightError(f"systemctl {' '.join(words)}: {said}")
