"""When a run of a schedule is due.

A run is due at the first time of the schedule after the last run began, however many have passed since: what
was missed runs once. Every machine comes later by a part of `jitter` that is always the same, and a run that
would begin in quiet hours begins when they end.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from checks.errors import BadInput
from checks.rules import ScheduleEntry
from checks.schedules.quiet import Hours, after_quiet, is_quiet, read_hours, refuse_whole_day
from checks.schedules.zones import zone_of
from checks.units import parse_quantity

SHORTEST_S: Final = 60
LONGEST_S: Final = 366 * 86400
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class Timing(NamedTuple):
    """What an entry says, read: `span_s` seconds apart, or by `cron`; one of the two is empty."""

    name: str
    span_s: int
    cron: str
    zone: tzinfo
    jitter_s: int
    quiet: tuple[Hours, ...]

    def offset_s(self, machine: str) -> int:
        """Seconds after 1970 of the first time of an `every` on this machine, by which sites spread."""
        return _spread(machine, self.name, "every") % self.span_s

    def delay_s(self, machine: str) -> int:
        """Seconds by which this machine comes later than the time says."""
        return _spread(machine, self.name, "jitter") % (self.jitter_s + 1)


def read_timing(entry: ScheduleEntry) -> Timing:
    """An entry's texts, read; raises `BadInput` with the schedule's name, what is wrong and what is right."""
    try:
        if bool(entry.every) == bool(entry.cron):
            both = "every and cron are both given" if entry.every else "neither every nor cron is given"
            raise ValueError(f'{both}; write one of them: every = "6h", or cron = "30 2 * * *"')
        quiet = tuple(read_hours(text) for text in entry.quiet)
        refuse_whole_day(quiet)
        if entry.cron:
            _refuse_bad_cron(entry.cron)
        return Timing(
            entry.name,
            _span(entry.every, "every", SHORTEST_S) if entry.every else 0,
            " ".join(entry.cron.split()),
            zone_of(entry.timezone),
            _span(entry.jitter, "jitter", 0) if entry.jitter else 0,
            quiet,
        )
    except (ValueError, BadInput) as error:
        raise BadInput(f"schedule {entry.name}: {error}") from error


def next_after(entry: ScheduleEntry, moment: datetime, machine: str) -> datetime:
    """When the run after one that began at `moment` begins (UTC, later than `moment`).

    `machine` is any text that is this machine's own and never changes. Raises `BadInput`.
    """
    return following(read_timing(entry), moment, machine)


def due(entry: ScheduleEntry, last_began: datetime, now: datetime, machine: str) -> datetime | None:
    """The time at which a run was to begin that is due at `now`; None where none is.

    `last_began` is when the last run began, or since when the schedule is known. Where that is later than
    `now` (a clock was set back) nothing is due: see `agent.schedules.record`, which then begins anew.
    """
    return due_by(read_timing(entry), last_began, now, machine)


def following(timing: Timing, moment: datetime, machine: str) -> datetime:
    """`next_after` for an entry that has been read."""
    delay = timedelta(seconds=timing.delay_s(machine))
    raw = _raw_after(timing, moment.astimezone(UTC) - delay, machine) + delay
    return after_quiet(raw, timing.quiet, timing.zone)


def due_by(timing: Timing, last_began: datetime, now: datetime, machine: str) -> datetime | None:
    """`due` for an entry that has been read."""
    if is_quiet(now, timing.quiet, timing.zone):
        return None
    time = following(timing, last_began, machine)
    return time if time <= now else None


def _raw_after(timing: Timing, moment: datetime, machine: str) -> datetime:
    """The first time after `moment` that the schedule itself names."""
    if timing.span_s:
        offset = timing.offset_s(machine)
        passed = (moment - EPOCH) // _SECOND
        return EPOCH + ((passed - offset) // timing.span_s * timing.span_s + offset + timing.span_s) * _SECOND
    from cronsim import CronSim

    # An hour that a change of the clocks repeats is told twice from within its repetition: then the next.
    for found in CronSim(timing.cron, moment.astimezone(timing.zone)):
        time = found.astimezone(UTC)
        if time > moment:
            return time
    raise BadInput(f"schedule {timing.name}: cron {timing.cron!r} never comes again")


def _span(text: str, what: str, least: int) -> int:
    found = parse_quantity(text, bare="span")
    if found is None or found.dimension != "span":
        raise ValueError(f"{what} {text!r:.120} is no span of time; write one such as 30 min, 6h or 1d")
    if found.number != int(found.number) or not least <= found.number <= LONGEST_S:
        shortest = "1 min" if least else "0 s"
        raise ValueError(f"{what} {text!r:.120} is not between {shortest} and 366 d in whole seconds")
    return int(found.number)


def _refuse_bad_cron(text: str) -> None:
    from cronsim import CronSim, CronSimError

    right = "write five fields, minute hour day month weekday, such as 30 2 * * * or 0 6 * * MON-FRI"
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"cron {text!r:.220} has {len(fields)} fields; {right}")
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        raise ValueError(f"cron {text!r:.220}: {str(error).lower()}; {right}") from error
    except StopIteration:
        raise ValueError(f"cron {text!r:.220} names a day that never comes; {right}") from None


def _spread(machine: str, name: str, what: str) -> int:
    return zlib.crc32(f"{machine}\0{name}\0{what}".encode())
