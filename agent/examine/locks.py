"""Who holds the agent's locks now, and whether that one still moves.

The kernel tells it (``/proc/locks``, proc(5)); the locks themselves are not touched. Where it tells nothing,
as on Windows, nothing is said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent.config import Config, load_config
from agent.examine.symptom import Symptom
from agent.paths import State
from checks.errors import BadInput
from checks.units import span_text

_STATES: Final = {"T": "is stopped", "t": "is stopped by a debugger", "D": "hangs in the kernel"}


class Holder(NamedTuple):
    """A process: its id, the letter of its state, its seconds of life, and its name."""

    pid: int
    state: str
    age_s: float
    name: str


def look(state: State, root: Path = Path("/proc")) -> Iterator[Symptom]:
    """The locks that somebody else holds, and what of it is wrong."""
    try:
        limit = load_config(state).limits.run_s
    except BadInput:
        limit = Config().limits.run_s
    for path in _locks(state):
        holder = held_by(path, root)
        if holder is None or holder.pid == os.getpid():
            continue
        who = f"process {holder.pid} ({holder.name})"
        if holder.state in _STATES:
            cure = f"kill -CONT {holder.pid}, or end it: kill -9 {holder.pid}"
            if holder.state == "D":
                cure = f"see what it waits for: cat /proc/{holder.pid}/stack; often a network mount is gone"
            yield Symptom("lock", f"{path.name}: {who} {_STATES[holder.state]} and holds it", cure, "fail")
        elif path != state.loop_lock and holder.age_s > limit + 600:
            said = f"{path.name}: {who} holds it and has run for {span_text(round(holder.age_s))}"
            yield Symptom("lock", said, f"kill {holder.pid}; what it has spooled stays", "warn")
        elif path != state.loop_lock:
            yield Symptom("lock", f"{path.name}: {who} is at work")


def held_by(path: Path, root: Path = Path("/proc")) -> Holder | None:
    """Who holds a lock file; None where nobody does, or nobody can tell."""
    try:
        seen = path.stat()
        table = (root / "locks").read_text(errors="replace")
    except OSError:
        return None
    mine = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    for line in table.splitlines():
        words = line.split()
        if "->" in words or len(words) < 6 or words[1] != "FLOCK" or words[5] != mine:
            continue
        with suppress(ValueError):
            return process(int(words[4]), root)
    return None


def process(pid: int, root: Path = Path("/proc")) -> Holder | None:
    """A process as the kernel shows it; None where it is gone, or in another container."""
    with suppress(OSError, ValueError, IndexError):
        text = (root / str(pid) / "stat").read_text(errors="replace")
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        up = float((root / "uptime").read_text().split()[0])
        age = up - int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return Holder(pid, fields[0], max(0.0, age), name)
    return None


def _locks(state: State) -> list[Path]:
    own = [
        state.delivery_lock,
        state.sequence_lock,
        state.rules_lock,
        state.salts_lock,
        state.masks_lock,
        state.loop_lock,
        state.log.with_suffix(".lock"),
    ]
    with suppress(OSError):
        own += sorted(state.schedules.glob("*.lock"))[:100]
    return [path for path in own if path.exists()]
