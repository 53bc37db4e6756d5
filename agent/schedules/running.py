"""One run of a schedule: under its lock, recorded before it begins and when it has ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from agent.config import Limits
from agent.durable import make_folder
from agent.limits import Child, Ending
from agent.lock import take
from agent.log import Log
from agent.paths import State
from agent.schedules.known import Known, check_words
from agent.schedules.record import Record, current, lock_of, recalled, write_record
from agent.schedules.surroundings import child_environment
from checks.errors import FirstlightError
from checks.schedules.timing import due

STOPPED: Final = 3
"""The exit code of a run that was made to end."""

WORDS: Final = {0: "fine", 1: "findings", 2: "wrong input", 3: "something could not be done", 4: "refused"}


def now_utc() -> datetime:
    return datetime.now(UTC)


class Running:
    """A run that was begun; `look` as `Child.look`, until it gives the exit code."""

    def __init__(
        self,
        state: State,
        name: str,
        record: Record,
        child: Child,
        lock: int,
        log: Log,
        now: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.child = child
        self._lock = lock
        self._state = state
        self._record = record
        self._log = log
        self._now = now

    def look(self) -> int | None:
        """The exit code, once it has ended and that is recorded; None while it runs."""
        ending = self.child.look()
        if ending is None:
            return None
        code = STOPPED if ending.reason else ending.exit
        line = told(ending, code)
        record = msgspec.structs.replace(self._record, ended=self._now(), exit=code, outcome=line)
        began = record.began or record.counted
        took = f"{max(0.0, (self._now() - began).total_seconds()):.1f} s"
        try:
            write_record(self._state, self.name, record)
        except OSError as error:
            self._log.say(f"schedule {self.name}: its outcome cannot be recorded: {error.strerror or error}")
        self._log.say(f"schedule {self.name}: the run {_why(record)} took {took}: {line}")
        os.close(self._lock)
        return code


def begin(
    state: State,
    known: Known,
    limits: Limits,
    log: Log,
    machine: str,
    *,
    program: list[str],
    asked: bool = False,
    now: Callable[[], datetime] = now_utc,
) -> Running | None:
    """Begin a run where one is due, or in any case where a person has `asked` for it.

    None where another run of the schedule is still going on, or has been made just now. Raises
    `FirstlightError` where the run cannot be recorded: it is not begun then, for nothing could be kept.
    """
    name = known.entry.name
    try:
        make_folder(state.schedules)
        lock = take(lock_of(state, name))
        if lock is None:
            before = current(state, name, now())
            if asked or (before and due(known.entry, before.counted, now(), machine) is not None):
                began = _at(before.began if before else None)
                log.say(f"schedule {name}: not begun, for its run of {began} is still going on")
            return None
        try:
            running = _begin(state, known, limits, log, machine, program, lock, asked, now)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        place = error.filename or state.schedules
        raise FirstlightError(f"schedule {name}: not begun: {place}: {error.strerror or error}") from error
    if running is None:
        os.close(lock)
    return running


def _begin(
    state: State,
    known: Known,
    limits: Limits,
    log: Log,
    machine: str,
    program: list[str],
    lock: int,
    asked: bool,
    now: Callable[[], datetime],
) -> Running | None:
    """`begin`, with the lock held. The child holds it too: a run outlives a watcher that was killed."""
    name, moment = known.entry.name, now()
    before = recalled(state, name, moment)  # as whoever held the lock until now left it
    time = None if asked else due(known.entry, before.counted, moment, machine)
    if time is None and not asked:
        return None
    if before.began is not None and before.ended is None:
        log.say(f"schedule {name}: nobody saw how its run of {_at(before.began)} ended")
    record = Record(counted=moment, due=time, began=moment)
    write_record(state, name, record)
    try:
        child = Child(
            [*program, *check_words(state, known.entry)],
            env=child_environment(state),
            run_s=limits.run_s,
            memory_mb=limits.memory_mb,
            keep=(lock,),
        )
    except OSError:
        write_record(state, name, before)  # it is still due
        raise
    log.say(f"schedule {name}: begun, the run {_why(record)}")
    return Running(state, name, record, child, lock, log, now)


def told(ending: Ending, code: int) -> str:
    """The outcome in one line. Of what the run said only that which stopped it is told, without secrets."""
    if ending.reason:
        return f"ended before its time: {ending.reason} (exit {code})"
    words = f"{WORDS.get(code, 'unknown')} (exit {code})"
    if code in (2, 3, 4) and ending.said.startswith("firstlight: "):
        from agent.redact import Redactor

        return (
            f"{words}: {Redactor(os.urandom(16).hex()).text(ending.said.removeprefix('firstlight: '))[:300]}"
        )
    return words


def _why(record: Record) -> str:
    return f"that was due {_at(record.due)}" if record.due is not None else "that was asked for"


def _at(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if moment is not None else "an unknown time"
