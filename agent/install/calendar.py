"""A schedule in systemd's words: OnCalendar= expressions (systemd.time(7)) that name the same times.

Where the clocks are changed systemd has its own mind about the hour that is missing or comes twice. So a
timer only wakes, and what is due is decided by `checks.schedules` alone; the tick makes good what a timer
left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from checks.errors import FirstlightError
from checks.rules import ScheduleEntry
from checks.schedules.timing import Timing, read_timing

if TYPE_CHECKING:
    from cronsim import CronSim

WEEK_S: Final = 7 * 86400
NAMES: Final = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
EVERY_DAY: Final = frozenset(range(7))
WORKDAYS: Final = frozenset(range(1, 6))
MOST_LINES: Final = 160


class Unsayable(FirstlightError):
    """systemd's grammar has no words for these times; the text says why."""


class _Days(NamedTuple):
    """Days of the week that are days of the month, too: `month` by number, `word` in systemd's own words."""

    week: frozenset[int] = EVERY_DAY
    month: frozenset[int] | None = None
    word: str = ""

    def meets(self, other: _Days) -> _Days:
        """The days that are in both; raises `Unsayable`."""
        week = self.week & other.week
        if (self.word or other.word) and (self.month or self.word) and (other.month or other.word):
            raise Unsayable("its days of the month and of the week cannot be said together")
        month = self.month or other.month
        if self.month is not None and other.month is not None:
            month = self.month & other.month
        return _Days(week, month, self.word or other.word)

    @property
    def never(self) -> bool:
        return not self.week or (self.month is not None and not self.month)


class Moment(NamedTuple):
    """A time of the week, Sunday being 0."""

    day: int
    hour: int
    minute: int
    second: int


def on_calendar(entry: ScheduleEntry, machine: str) -> tuple[str, ...]:
    """The expressions that together name the times of an entry on this machine, its jitter included.

    Quiet hours are not in them. Raises `Unsayable`, and `BadInput` for an entry that is wrong.
    """
    timing = read_timing(entry)
    lines = _spans(timing, machine) if timing.span_s else _cron(timing, entry.timezone, machine)
    if len(lines) > MOST_LINES:
        raise Unsayable(f"it would take {len(lines)} expressions")
    return lines


def even_spans() -> list[int]:
    """The seconds apart that a calendar can keep: the parts of a week in whole minutes."""
    return [span for span in range(60, WEEK_S + 1, 60) if WEEK_S % span == 0]


def _spans(timing: Timing, machine: str) -> tuple[str, ...]:
    if WEEK_S % timing.span_s:
        raise Unsayable("it does not divide the week into equal parts")
    first = timing.offset_s(machine) + timing.delay_s(machine)
    thursday = 4 * 86400  # 1970 began on one
    seconds = {(thursday + first + turn) % WEEK_S for turn in range(0, WEEK_S, timing.span_s)}
    moments = [Moment(s // 86400, s // 3600 % 24, s // 60 % 60, s % 60) for s in seconds]
    return tuple(f"{week}*-*-* {clock} UTC" for week, clock in _grouped(moments))


def _cron(timing: Timing, timezone: str, machine: str) -> tuple[str, ...]:
    from datetime import UTC, datetime

    from cronsim import CronSim

    parsed = CronSim(timing.cron, datetime(2024, 1, 1, tzinfo=UTC))
    zone = f" {timezone}" if timezone else ""
    months = _numbers(parsed.months, range(1, 13))
    delay = timing.delay_s(machine)
    by_carry: dict[int, list[Moment]] = defaultdict(list)
    for hour in parsed.hours:
        for minute in parsed.minutes:
            second = hour * 3600 + minute * 60 + delay
            by_carry[second // 86400].append(
                Moment(0, second // 3600 % 24, second // 60 % 60, second % 60),
            )
    lines = []
    for carry, moments in sorted(by_carry.items()):
        clocks = [clock for _, clock in _grouped(moments, weekly=False)]
        for days in _later(_days(parsed), carry, every_month=months == "*"):
            day = days.word or "-" + _numbers(days.month or range(1, 32), range(1, 32))
            lines += [f"{_week(days.week)}*-{months}{day} {clock}{zone}" for clock in clocks]
    return tuple(lines)


def _later(every: list[_Days], carry: int, *, every_month: bool) -> list[_Days]:
    """The days that come `carry` days after these; raises `Unsayable` where that depends on the month."""
    if not carry:
        return every
    if not every_month or any(days.month is not None or days.word for days in every):
        raise Unsayable("its jitter carries it over midnight, and not from every day")
    return [_Days(frozenset((day + carry) % 7 for day in days.week)) for days in every]


def _days(parsed: CronSim) -> list[_Days]:
    """The days of a cron expression: those of the month *and* of the week where one of the two fields begins
    with a star, else those of the one *or* of the other (crontab(5)).
    """
    of_month = _days_of_month(parsed)
    of_week = _days_of_week(parsed)
    if not parsed.day_and:
        return [*of_month, *of_week]
    both = [a.meets(b) for a in of_month for b in of_week]
    found = [days for days in both if not days.never]
    if not found:
        raise Unsayable("no day is among its days of the month and of the week")
    return found


def _days_of_month(parsed: CronSim) -> list[_Days]:
    found = []
    plain = frozenset(day for day in parsed.days if day > 0)
    if plain:
        found.append(_Days(month=None if plain == frozenset(range(1, 32)) else plain))
    if parsed.LAST in parsed.days:
        found.append(_Days(word="~01"))
    if parsed.LAST_WEEKDAY in parsed.days:  # the last day; or a Friday of which only a weekend is left
        found += [_Days(WORKDAYS, word="~01"), *(_Days(frozenset({5}), word=word) for word in ("~02", "~03"))]
    return found


def _days_of_week(parsed: CronSim) -> list[_Days]:
    found = []
    plain = frozenset(day % 7 for day in parsed.weekdays if isinstance(day, int))
    if plain:
        found.append(_Days(plain))
    for each in sorted(day for day in parsed.weekdays if isinstance(day, tuple)):
        day, turn = frozenset({each[0] % 7}), each[1]
        if turn == parsed.LAST:
            found.append(_Days(day, word="~07/1"))
        else:
            found.append(_Days(day, month=frozenset(range(turn * 7 - 6, min(turn * 7, 31) + 1))))
    return found


def _grouped(moments: Iterable[Moment], *, weekly: bool = True) -> list[tuple[str, str]]:
    """Week days and times of the day, as few pairs as lists of hours, minutes and days make of them."""
    minutes: dict[tuple[int, int, int], set[int]] = defaultdict(set)
    for each in moments:
        minutes[each.day, each.hour, each.second].add(each.minute)
    hours: dict[tuple[int, int, frozenset[int]], set[int]] = defaultdict(set)
    for (day, hour, second), found in minutes.items():
        hours[day, second, frozenset(found)].add(hour)
    days: dict[tuple[int, frozenset[int], frozenset[int]], set[int]] = defaultdict(set)
    for (day, second, those), found in hours.items():
        days[second, those, frozenset(found)].add(day)
    return sorted(
        (
            _week(frozenset(week)) if weekly else "",
            f"{_numbers(clock, range(24))}:{_numbers(those, range(60))}:{second:02d}",
        )
        for (second, those, clock), week in days.items()
    )


def _week(days: frozenset[int]) -> str:
    return "" if days == EVERY_DAY else ",".join(NAMES[day] for day in sorted(days)) + " "


def _numbers(found: Iterable[int], every: range) -> str:
    """A list of two-digit numbers, or a star."""
    numbers = sorted(set(found))
    return "*" if numbers == list(every) else ",".join(f"{number:02d}" for number in numbers)
