"""Hours of the day in which no run begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

DAY = 24 * 60
_HOURS = re.compile(r"\s*(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})\s*", re.ASCII)
_MINUTE = timedelta(minutes=1)


class Hours(NamedTuple):
    """From one minute of the day until another, which is not among them; over midnight where it is less."""

    begin: int
    end: int

    def holds(self, minute: int) -> bool:
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


def read_hours(text: str) -> Hours:
    """``22:00-06:00``; raises `ValueError` that says what would be right."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(f"quiet {text!r:.120} is no span of hours; write it as 22:00-06:00")
    begin, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    if begin >= DAY or end > DAY or int(found[2]) > 59 or int(found[4]) > 59:
        raise ValueError(f"quiet {text!r:.120} holds no time of the day; write it as 22:00-06:00")
    if begin == end % DAY:
        raise ValueError(f"quiet {text!r:.120} begins where it ends; write two times, as in 22:00-06:00")
    return Hours(begin, end % DAY if end < DAY else DAY)


def refuse_whole_day(quiet: Sequence[Hours]) -> None:
    """Raises `ValueError` where the hours together leave no minute of the day."""
    if quiet and all(any(hours.holds(minute) for hours in quiet) for minute in range(DAY)):
        raise ValueError("quiet leaves no minute of the day in which a run may begin; shorten it")


def is_quiet(moment: datetime, quiet: Sequence[Hours], zone: tzinfo) -> bool:
    """Whether no run begins at `moment`."""
    if not quiet:
        return False
    wall = moment.astimezone(zone)
    return any(hours.holds(wall.hour * 60 + wall.minute) for hours in quiet)


def after_quiet(moment: datetime, quiet: Sequence[Hours], zone: tzinfo) -> datetime:
    """`moment`, or the first one after it that is not quiet."""
    while is_quiet(moment, quiet, zone):
        wall = moment.astimezone(zone)
        now = wall.hour * 60 + wall.minute
        ends = [(hours.end - now - 1) % DAY + 1 for hours in quiet if hours.holds(now)]
        begun = moment.replace(second=0, microsecond=0)
        moment = begun + max(ends) * _MINUTE
        # A clock that is changed meanwhile makes the way longer or shorter than the hours say.
        while moment - _MINUTE > begun and not is_quiet(moment - _MINUTE, quiet, zone):
            moment -= _MINUTE
    return moment.astimezone(UTC)
