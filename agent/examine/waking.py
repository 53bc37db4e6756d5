"""Whether anything wakes this agent, and how the runs that were due went."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from agent.config import load_config
from agent.examine.home import config_remedy
from agent.examine.locks import held_by
from agent.examine.symptom import Level, Symptom
from agent.identity import Identity
from agent.install import cron, placing
from agent.install.start import is_root
from agent.paths import State
from agent.schedules.known import Known, known_schedules, lacking
from agent.schedules.listing import is_running
from agent.schedules.record import Record, read_record
from agent.schedules.running import WORDS
from agent.schedules.surroundings import machine
from checks.errors import BadInput
from checks.schedules.timing import following, read_timing
from checks.units import span_text

LATE: Final = timedelta(minutes=45)
"""The tick wakes every 15 minutes; twice that and a long run before it are no reason to worry."""


def look(state: State, identity: Identity | None, now: datetime | None = None) -> Iterator[Symptom]:
    """The schedules there are, what wakes for them, and what became of each."""
    moment = now or datetime.now(UTC)
    try:
        schedules = known_schedules(state, load_config(state))
    except BadInput as error:
        yield Symptom("schedules", str(error), config_remedy(state), "fail")
        return
    wakers = list(waking(state))
    if not wakers and all(known.origin == "enrolment" for known in schedules):
        if identity is not None:
            said = "nothing wakes this agent: nothing is checked unless somebody types it"
            yield Symptom("schedules", said, "firstlight install", "warn")
        return
    yield from wakers or [
        Symptom(
            "schedules",
            f"nothing wakes for {', '.join(known.entry.name for known in schedules)[:200]}",
            "firstlight install, or keep firstlight agent running",
            "fail",
        )
    ]
    for known in schedules:
        yield one(state, known, moment)


def waking(state: State) -> Iterator[Symptom]:
    """What wakes this agent: its own loop, systemd, or cron; nothing is yielded where nothing does."""
    holder = held_by(state.loop_lock)
    if holder is not None:
        yield Symptom("schedules", f"firstlight agent wakes for them, process {holder.pid}")
    elif placing.runs_systemd():
        yield from _timers(state)
    elif _is_for(state, _text(cron.FOLDER / cron.FILE)) or _is_for(state, cron.crontab()):
        if cron.warning():
            yield Symptom(
                "schedules",
                "cron is to wake for them, but no cron daemon runs",
                "start it: service cron start (or crond); or keep firstlight agent running",
                "fail",
            )
        else:
            yield Symptom("schedules", "cron wakes for them")


def _is_for(state: State, text: str) -> bool:
    """Whether a table or unit of ours is that of this agent: there may be one of another on this machine."""
    return any("firstlight" in line and str(state.root) in line for line in text.splitlines())


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _timers(state: State) -> Iterator[Symptom]:
    folder = placing.unit_folder(system=is_root())
    services = [_text(path) for path in folder.glob("firstlight*.service")]
    if not any(str(state.root) in text for text in services):
        return
    timers = sorted(path.name for path in folder.glob("firstlight*.timer"))
    asleep = [name for name in timers if not _is_active(name)]
    if asleep:
        scope = "" if is_root() else "--user "
        yield Symptom(
            "schedules",
            f"{', '.join(asleep)}: written, but systemd does not wait for it",
            f"systemctl {scope}enable --now {' '.join(asleep)}",
            "fail",
        )
    elif timers:
        yield Symptom("schedules", f"systemd wakes for them ({len(timers)} timers)")


def _is_active(timer: str) -> bool:
    program = shutil.which("systemctl")
    if program is None:
        return False
    scope = [] if is_root() else ["--user"]
    words = [program, *scope, "is-active", timer]
    try:
        done = subprocess.run(words, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def one(state: State, known: Known, now: datetime) -> Symptom:
    """One schedule: whether it is kept to, when it ran last, and how that went."""
    name = f"schedule {known.entry.name}"
    see = "firstlight agent --list"
    if known.refused:
        return Symptom(
            name, f"of the collector, not kept to: {known.refused}", "tell whoever published it", "warn"
        )
    if lack := lacking(state, known.entry):
        cure = f"mend {state.config}" if known.origin == "config" else "tell whoever published it"
        return Symptom(name, lack, cure, "fail")
    record = read_record(state, known.entry.name)
    if record is None:
        return Symptom(name, "has not run yet", see, "note")
    if record.began is not None and record.ended is None:
        if is_running(state, known.entry.name):
            ago = span_text(max(0.0, float(round((now - record.began).total_seconds()))))
            return Symptom(name, f"runs now, since {ago}")
        return Symptom(name, "its last run was killed before it could say how it went", see, "warn")
    due = following(read_timing(known.entry), record.counted, machine())
    if due < now - LATE:
        late = span_text(float(round((now - due).total_seconds())))
        return Symptom(name, f"is overdue by {late}", "firstlight agent --once runs what is due", "fail")
    if record.exit not in (None, 0, 1):
        level: Level = "warn" if record.exit != 2 else "fail"
        said = f"its last run ended with {record.exit}: {record.outcome}"
        return Symptom(name, said, _again(state, known, record), level)
    last = (
        f"last {record.ended:%Y-%m-%d %H:%M} UTC, {record.outcome or 'fine'}"
        if record.ended
        else "not due yet"
    )
    return Symptom(name, last)


def _again(state: State, known: Known, record: Record) -> str:
    """What helps after a run that did not end well."""
    now = f"firstlight agent --schedule {known.entry.name} runs it now"
    if record.exit == 2 and known.origin == "config":
        return f"mend what it names ({state.config}); then {now}"
    if record.exit == 3 and record.outcome.startswith(WORDS[3]):
        return f"firstlight check --only-failed shows which checks could not tell, and what lets them; {now}"
    return now
