"""Whatever is due now, one after the other, and then what waits to be delivered: for cron, the tick of
systemd and the task of Windows, which wake often and know nothing of schedules.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from agent.limits import Child, watch
from agent.log import Log
from agent.paths import State
from agent.schedules.known import find
from agent.schedules.running import Running, begin, now_utc
from agent.schedules.surroundings import Surroundings, child_environment
from checks.errors import FirstlightError
from checks.schedules.quiet import is_quiet
from checks.schedules.timing import read_timing

WORST_FIRST = (2, 1, 3, 4)


def run_due(
    state: State,
    around: Surroundings,
    machine: str,
    log: Log,
    *,
    program: list[str],
    stopped: Callable[[], bool] = lambda: False,
    only: str = "",
    now: Callable[[], datetime] = now_utc,
) -> int:
    """Run what is due, or of it only one schedule; the exit code is the gravest of theirs.

    One that cannot be begun (a full disk) is told, and the others run.
    """
    codes = set()
    chosen = [known for known in around.schedules if only in ("", known.entry.name)]
    if only and not chosen:
        log.say(f"schedule {only}: no longer there; firstlight install takes its timer away")
    for known in chosen:
        if stopped():
            break
        if known.refused:
            log.say(f"schedule {known.entry.name} of the collector is not kept to: {known.refused}")
            continue
        try:
            running = begin(state, known, around.config.limits, log, machine, program=program, now=now)
        except FirstlightError as error:
            log.say(str(error))
            codes.add(3)
            continue
        if running is not None:
            codes.add(_to_its_end(running, stopped))
    if not stopped() and delivery_is_due(state, now()):
        code = send(state, around, log, program, stopped)
        codes |= {code} if code in (3, 4) else set()
    return next((code for code in WORST_FIRST if code in codes), 0)


def run_now(
    state: State,
    around: Surroundings,
    name: str,
    machine: str,
    log: Log,
    *,
    program: list[str],
    stopped: Callable[[], bool] = lambda: False,
    now: Callable[[], datetime] = now_utc,
) -> int:
    """Run one schedule at once, unless one of its runs is going on or the hours are quiet.

    Raises `BadInput` for a name that there is not, `FirstlightError` where it cannot be begun.
    """
    known = find(list(around.schedules), name)
    timing = read_timing(known.entry)
    if is_quiet(now(), timing.quiet, timing.zone):
        log.say(f"schedule {name}: not begun, for these hours are quiet ({', '.join(known.entry.quiet)})")
        return 0
    running = begin(state, known, around.config.limits, log, machine, program=program, asked=True, now=now)
    return 0 if running is None else _to_its_end(running, stopped)


def delivery_is_due(state: State, now: datetime) -> bool:
    """Whether something waits, and may be tried again."""
    from agent.retry import next_attempt

    if not state.identity.exists():
        return False
    with suppress(FirstlightError, OSError):  # a spool that cannot be read is doctor's to tell
        moment = next_attempt(state, now.timestamp())
        return moment is not None and moment <= now
    return False


def begin_sending(state: State, around: Surroundings, program: list[str]) -> Child:
    """Start to deliver what waits. Raises `OSError`."""
    limits = around.config.limits
    return Child(
        [*program, "send", "--if-due"],
        env=child_environment(state),
        run_s=limits.run_s,
        memory_mb=limits.memory_mb,
    )


def send(
    state: State, around: Surroundings, log: Log, program: list[str], stopped: Callable[[], bool]
) -> int:
    """Deliver what waits, and say how that ended where it did not end well."""
    from agent.schedules.running import told

    try:
        ending = watch(begin_sending(state, around, program), stopped)
    except OSError as error:
        log.say(f"delivery: not begun: {error.strerror or error}")
        return 3
    if ending.exit or ending.reason:
        log.say(f"delivery: {told(ending, ending.exit)}")
    return ending.exit


def _to_its_end(running: Running, stopped: Callable[[], bool]) -> int:
    from agent.limits import pause

    asked = False
    while (code := running.look()) is None:
        if stopped() and not asked:
            asked = True
            running.child.stop("the agent was asked to end")
        pause(running.child.waits_on(), 1.0)
    return code
