"""The schedules as a person sees them: from where, when next, and how it went last time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from agent.lock import is_held
from agent.paths import State
from agent.schedules.known import Known, lacking
from agent.schedules.record import Record, lock_of, read_record
from checks.schedules.timing import Timing, following, read_timing

TIMES = 3
SOURCES = {"config": "config.toml", "collector": "the collector", "enrolment": "the enrolment"}


def listing(state: State, schedules: tuple[Known, ...], machine: str, now: datetime) -> Iterator[str]:
    """The lines of `firstlight agent --list`."""
    for known in schedules:
        entry = known.entry
        source = SOURCES[known.origin]
        yield f"{entry.name}  from {source}: {_when(known)}; {_what(known)}"
        if known.refused:
            yield f"  not kept to: {known.refused}"
            continue
        timing = read_timing(entry)
        record = read_record(state, entry.name)
        times = [_shown(time, timing) for time in next_times(timing, record, now, machine)]
        yield f"  next  {' · '.join(times)}"
        yield f"  last  {_last(state, entry.name, record, timing)}"
        if lack := lacking(state, entry):
            yield f"  but   {lack}: its runs end with 2"


def next_times(
    timing: Timing, record: Record | None, now: datetime, machine: str, count: int = TIMES
) -> list[datetime]:
    """The next times at which a run begins; the first lies in the past where one is due already."""
    moment = record.counted if record is not None and record.counted <= now else now
    times = []
    for _ in range(count):
        moment = following(timing, moment, machine)
        times.append(moment)
        moment = max(moment, now)  # of what was missed only one run is made
    assert all(earlier < later for earlier, later in pairwise(times))
    return times


def _when(known: Known) -> str:
    entry = known.entry
    words = [f"every {entry.every}" if entry.every else entry.cron]
    words += [entry.timezone] if entry.timezone and entry.cron else []
    words += [f"up to {entry.jitter} later"] if entry.jitter else []
    words += [f"quiet {', '.join(entry.quiet)}"] if entry.quiet else []
    return ", ".join(words)


def _what(known: Known) -> str:
    entry = known.entry
    words = [entry.profile or "the profile of the enrolment"]
    words += [f"of {entry.site_file}"] if entry.site_file else []
    words += [f"stage {entry.stage}"] if entry.stage else []
    words += [f"for site {entry.site}"] if entry.site else []
    return " ".join(words)


def _last(state: State, name: str, record: Record | None, timing: Timing) -> str:
    if record is None or record.began is None:
        return "not yet"
    began = _shown(record.began, timing)
    if record.ended is None:
        return f"{began}, {'running now' if is_running(state, name) else 'nobody saw how it ended'}"
    took = max(0.0, (record.ended - record.began).total_seconds())
    return f"{began}, took {took:.1f} s, {record.outcome}"


def is_running(state: State, name: str) -> bool:
    """Whether a run of the schedule holds its lock now."""
    return is_held(lock_of(state, name))


def _shown(moment: datetime, timing: Timing) -> str:
    return f"{moment.astimezone(timing.zone):%a %Y-%m-%d %H:%M:%S %z}"
