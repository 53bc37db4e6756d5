"""What became of the last run of a schedule, kept over every restart, crash and change of the clock."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agent.durable import make_folder, write_durably
from agent.paths import State
from checks.model import Moment

GRACE: Final = timedelta(seconds=120)
"""A schedule that is new here counts from so long ago: a timer that woke us for it does so in time."""

SET_BACK: Final = timedelta(minutes=5)
"""A clock that was set back by less is waited for; beyond it the schedule begins anew."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LARGEST: Final = 64_000


class Record(msgspec.Struct, frozen=True):
    """`counted` is the moment after which the next time counts: that of the last beginning, or since when
    the schedule is known. `due`, `began` and `ended` are those of the last run (no `due` where a person asked
    for it), `exit` its exit code (None while it runs, or where nobody saw it end) and `outcome` one line for
    people.
    """

    counted: Moment
    due: Moment | None = None
    began: Moment | None = None
    ended: Moment | None = None
    exit: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    outcome: Annotated[str, Meta(max_length=1000)] = ""


def file_of(state: State, name: str) -> Path:
    """The record's file; `name` is one that a `ScheduleEntry` can have."""
    return state.schedules / f"{name}.json"


def lock_of(state: State, name: str) -> Path:
    return state.schedules / f"{name}.lock"


def read_record(state: State, name: str) -> Record | None:
    """The record; None where there is none, or what is there is none."""
    with suppress(OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        with file_of(state, name).open("rb") as file:
            text = file.read(LARGEST + 1)
        found = msgspec.json.decode(text, type=Record) if len(text) <= LARGEST else None
        if found is not None and found.counted >= EARLIEST:
            return found
    return None


def write_record(state: State, name: str, record: Record) -> None:
    """Keep it, durably. Raises `OSError`."""
    make_folder(state.schedules)
    write_durably(file_of(state, name), msgspec.json.encode(record) + b"\n")


def current(state: State, name: str, now: datetime) -> Record | None:
    """The record, where it counts at `now`; None for a schedule that is new here, or that ran in what has
    become the future.
    """
    found = read_record(state, name)
    return found if found is not None and found.counted <= now + SET_BACK else None


def recalled(state: State, name: str, now: datetime) -> Record:
    """The record as it counts at `now`; a schedule that has none gets one. The caller holds the schedule's
    lock. Raises `OSError` where it cannot be kept.
    """
    if (counting := current(state, name, now)) is not None:
        return counting
    found = read_record(state, name)
    begun_anew = Record(now - GRACE) if found is None else msgspec.structs.replace(found, counted=now - GRACE)
    write_record(state, name, begun_anew)
    return begun_anew
