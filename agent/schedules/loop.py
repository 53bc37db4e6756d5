"""The agent where nothing else wakes it: sleeps until something is due, and starts it as a child.

It imports almost nothing, and keeps nothing of a run: whatever leaks or crashes does so in a child. It wakes
once a minute at least, to notice a clock that jumped, a laptop that slept, a configuration that changed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from types import FrameType
from typing import Final

from agent.limits import Child, Ending, pause
from agent.log import Log
from agent.paths import State
from agent.schedules.known import Known
from agent.schedules.once import begin_sending, delivery_is_due
from agent.schedules.record import current
from agent.schedules.running import Running, begin, now_utc, told
from agent.schedules.surroundings import Surroundings, stamps_of, surroundings
from checks.errors import BadInput, FirstlightError
from checks.schedules.quiet import is_quiet
from checks.schedules.timing import following, read_timing

LONGEST_SLEEP_S: Final = 60.0
WATCHING_S: Final = 1.0
AT_ONCE: Final = 2
"""Runs at a time: a long one of a whole site does not hold up that of this machine."""

AGAIN_S: Final = 60.0
"""Seconds until a run is tried again that could not be begun."""

JUMP_S: Final = 30.0
"""A clock that differs by more from the time that passed has jumped."""

STOPPING_S: Final = 10.0


class Loop:
    """One agent's loop. `turn` does what is due and says how long to sleep; `run` turns until a signal."""

    def __init__(
        self,
        state: State,
        log: Log,
        machine: str,
        program: list[str],
        *,
        now: Callable[[], datetime] = now_utc,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises `BadInput` for a configuration that is wrong."""
        self.state, self.log, self.machine, self.program = state, log, machine, program
        self.now, self.clock = now, clock
        self.around: Surroundings = surroundings(state)
        self.running: dict[str, Running] = {}
        self.sending: Child | None = None
        self.stopping = False
        self._not_before: dict[str, float] = {}
        self._seen = (now(), clock())
        self._tell_schedules()

    def run(self) -> int:
        """Turn until SIGTERM or SIGINT; then end what runs, within ten seconds."""
        bell = _bell()
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._hear)
        while not self.stopping:
            seconds = self.turn()
            pause([*bell, *self._waits_on()], seconds)
            for end in bell:
                with suppress(BlockingIOError):
                    os.read(end, 4096)
        self._stop()
        return 0

    def turn(self) -> float:
        """Do what is due; the seconds until there is something to do again."""
        self._notice_jump()
        self._reload()
        self._look()
        self._reap()
        nearest = min([LONGEST_SLEEP_S, *(self._see_to(known) for known in self._in_force())])
        self._deliver()
        return WATCHING_S if self.running or self.sending else max(0.0, nearest)

    def _see_to(self, known: Known) -> float:
        """Begin a run if one is due; the seconds until the next."""
        name = known.entry.name
        waits = self._not_before.get(name, 0.0) - self.clock()
        if name in self.running or waits > 0 or len(self.running) >= AT_ONCE:
            return max(waits, WATCHING_S)
        try:
            if (seconds := self._until(known)) > 0:
                return seconds
            running = begin(
                self.state, known, self.around.config.limits, self.log, self.machine,
                program=self.program, now=self.now,
            )  # fmt: skip
        except (FirstlightError, OSError) as error:
            self.log.say(str(error))
            running = None
        if running is None:
            if (seconds := self._until(known)) > 0:  # new here, or run by somebody else just now
                return seconds
            self._not_before[name] = self.clock() + AGAIN_S
            return AGAIN_S
        self.running[name] = running
        return WATCHING_S

    def _until(self, known: Known) -> float:
        """The seconds until a run of the schedule is to begin, or to be looked at again; 0 where it is due,
        and where the schedule is new here.
        """
        moment = self.now()
        record = current(self.state, known.entry.name, moment)
        if record is None:
            return 0.0
        timing = read_timing(known.entry)
        time = following(timing, record.counted, self.machine)
        if time > moment:
            return (time - moment).total_seconds() + 0.001
        return LONGEST_SLEEP_S if is_quiet(moment, timing.quiet, timing.zone) else 0.0

    def _look(self) -> None:
        """See how what runs is doing."""
        for name, running in list(self.running.items()):
            if running.look() is not None:
                del self.running[name]
        if self.sending is not None and (ending := self.sending.look()) is not None:
            self.sending = None
            self._sent(ending)

    def _deliver(self) -> None:
        """Start to deliver what waits, while no run does that by itself."""
        if self.running or self.sending or self.clock() < self._not_before.get("", 0.0):
            return
        if not delivery_is_due(self.state, self.now()):
            return
        self._not_before[""] = self.clock() + AGAIN_S
        try:
            self.sending = begin_sending(self.state, self.around, self.program)
        except OSError as error:
            self.log.say(f"delivery: not begun: {error.strerror or error}")

    def _sent(self, ending: Ending) -> None:
        if ending.exit or ending.reason:
            self.log.say(f"delivery: {told(ending, ending.exit)}")

    def _notice_jump(self) -> None:
        moment, beat = self.now(), self.clock()
        leap = (moment - self._seen[0]) - timedelta(seconds=beat - self._seen[1])
        self._seen = (moment, beat)
        if abs(leap.total_seconds()) > JUMP_S:
            whither = "forward" if leap > timedelta(0) else "back"
            self.log.say(
                f"the clock went {whither} by {abs(leap.total_seconds()):.0f} s, or this machine slept; "
                f"it is {moment:%Y-%m-%d %H:%M:%S}Z now"
            )
            self._not_before.clear()

    def _reload(self) -> None:
        """Read what has changed; a configuration that is wrong is told, and the one before it stays."""
        stamps = stamps_of(self.state)
        if stamps == self.around.stamps:
            return
        try:
            self.around = surroundings(self.state)
        except BadInput as error:
            self.log.say(f"the configuration stays as it was: {error}")
            self.around = Surroundings(self.around.config, self.around.schedules, stamps)
            return
        self._not_before.clear()
        self._tell_schedules()

    def _tell_schedules(self) -> None:
        for known in self.around.schedules:
            if known.refused:
                self.log.say(f"schedule {known.entry.name} of the collector is not kept to: {known.refused}")
        names = [known.entry.name for known in self._in_force()]
        if names:
            self.log.say(f"schedules in force: {', '.join(names)}")
        else:
            self.log.say(f"there is no schedule; enrol this machine, or write one into {self.state.config}")

    def _in_force(self) -> list[Known]:
        return [known for known in self.around.schedules if not known.refused]

    def _waits_on(self) -> list[int]:
        children = [running.child for running in self.running.values()]
        return [end for child in [*children, self.sending] if child is not None for end in child.waits_on()]

    def _reap(self) -> None:
        """As the first process of a container: take leave of those whose parents died."""
        if os.getpid() != 1:
            return
        ours = {running.child.pid for running in self.running.values()}
        ours |= {self.sending.pid} if self.sending is not None else set()
        with suppress(ChildProcessError):
            while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                if found.si_pid in ours:
                    return
                os.waitpid(found.si_pid, os.WNOHANG)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        if number in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True

    def _stop(self) -> None:
        """End what runs: politely, and ten seconds later in any case."""
        children = [running.child for running in self.running.values()]
        for child in [*children, self.sending]:
            if child is not None:
                child.stop("the agent was asked to end")
        until = self.clock() + STOPPING_S
        while (self.running or self.sending) and self.clock() < until:
            self._look()
            if self.running or self.sending:
                pause(self._waits_on(), 0.2)
        self.log.say("ended, as it was asked to")
        self.log.close()


def _bell() -> list[int]:
    """A descriptor that can be read once a signal came; none on Windows, where sleeps are short."""
    if os.name != "posix":
        return []
    alarm, ring = os.pipe()
    for end in (alarm, ring):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    return [alarm]
