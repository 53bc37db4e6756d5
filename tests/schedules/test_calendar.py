"""A schedule in systemd's words: held against systemd itself and cronsim, over a year."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
import services
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agent.install.calendar import Unsayable, even_spans, on_calendar
from checks.errors import BadInput
from checks.rules import ScheduleEntry
from checks.schedules.timing import following, read_timing

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)


def of_systemd(lines: tuple[str, ...], most: int) -> list[datetime]:
    """When systemd would elapse in the year, all expressions of a timer together: `most` times of each."""
    program = services.program("systemd-analyze", "systemd")
    found: set[datetime] = set()
    for line in lines:
        done = subprocess.run(
            [program, "calendar", f"--iterations={most}", f"--base-time={BEGIN:%Y-%m-%d %H:%M:%S} UTC", line],
            capture_output=True,
            text=True,
            check=True,
            env={"TZ": "UTC", "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
        for text in done.stdout.splitlines():
            label, _, rest = text.strip().partition(": ")
            if rest != "never" and (label == "Next elapse" or label.startswith("Iter. #")):
                found.add(datetime.strptime(rest, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC))
    return sorted(time for time in found if time < END)


def of_ours(entry: ScheduleEntry, machine: str, end: datetime = END) -> list[datetime]:
    found, moment, timing = [], BEGIN, read_timing(entry)
    while (moment := following(timing, moment, machine)) < end:
        found.append(moment)
    return found


def of_cronsim(cron: str, zone: ZoneInfo) -> list[datetime]:
    times = (time.astimezone(UTC) for time in CronSim(cron, BEGIN.astimezone(zone)))
    return list(takewhile(lambda time: time < END, times))


def same_year(entry: ScheduleEntry, machine: str) -> tuple[list[datetime], list[datetime]]:
    """The year of systemd and the year of ours."""
    ours = of_ours(entry, machine)
    return of_systemd(on_calendar(entry, machine), len(ours) + 3), ours


def steady(times: list[datetime], zone: ZoneInfo) -> list[datetime]:
    """The times that are not near a change of the clocks: there systemd has its own mind."""
    day = timedelta(days=1)
    return [
        time
        for time in times
        if (time - day).astimezone(zone).utcoffset() == (time + day).astimezone(zone).utcoffset()
    ]


MINUTES = st.sampled_from(["0", "7", "5,35", "*/20", "10-12", "59"])
HOURS = st.sampled_from(["0", "23", "2", "*/6", "1-3", "5,17", "8-12"])
DAYS = st.sampled_from(["*", "1", "1,15", "31", "*/2", "28-31", "L", "LW", "1-31"])
MONTHS = st.sampled_from(["*", "1", "2", "JAN,JUL", "*/3", "4-6"])
WEEK = st.sampled_from(["*", "MON", "MON-FRI", "0,6", "7", "5-7", "TUE#2", "FRI#5", "5L", "MON#1,WED", "*/2"])


@given(MINUTES, HOURS, DAYS, MONTHS, WEEK, st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
@settings(max_examples=15)
def test_systemd_wakes_exactly_when_cron_means(
    minute: str, hour: str, day: str, month: str, week: str, zone: str
):
    entry = ScheduleEntry("s", cron=f"{minute} {hour} {day} {month} {week}", timezone=zone)
    try:
        read_timing(entry)
    except BadInput:
        assume(False)  # the 31st of February
    own = ZoneInfo(zone)
    expected = of_cronsim(entry.cron, own)
    try:
        lines = on_calendar(entry, "m")
    except Unsayable as reason:
        assert "no day is among" in str(reason) or (day in ("L", "LW") and "#" in week) or week == "5L"
        assert expected == [] or "no day is among" not in str(reason)
        return
    assert steady(of_systemd(lines, len(expected) + 3), own) == steady(expected, own)


@given(
    st.sampled_from(["30 2 * * *", "50 23,3 * * 6", "5 */6 * * MON-FRI", "0 22 1 * *"]), st.integers(0, 999)
)
@settings(max_examples=12)
def test_the_jitter_of_a_machine_is_in_the_times(cron: str, machine: int):
    entry = ScheduleEntry("s", cron=cron, timezone="UTC", jitter="3h")
    try:
        systemd, ours = same_year(entry, f"m{machine}")
    except Unsayable as reason:
        assert cron == "0 22 1 * *"
        assert str(reason) == "its jitter carries it over midnight, and not from every day"
        assert read_timing(entry).delay_s(f"m{machine}") >= 2 * 3600
        return
    assert systemd == ours


@pytest.mark.parametrize("every", ["90 min", "7h", "1d", "84h", "7d"])
def test_systemd_keeps_a_span_that_is_part_of_a_week(every: str):
    systemd, ours = same_year(ScheduleEntry("s", every=every), "web-1")
    assert systemd == ours


def test_the_finest_spans_are_said_in_few_words():
    assert len(on_calendar(ScheduleEntry("s", every="1 min"), "m")) == 1
    assert len(on_calendar(ScheduleEntry("s", every="90s"), "m")) == 2
    day = BEGIN + timedelta(days=1)
    ours = of_ours(ScheduleEntry("s", every="90s"), "m", day)
    systemd = of_systemd(on_calendar(ScheduleEntry("s", every="90s"), "m"), 960)
    assert [time for time in systemd if time < day] == ours


@pytest.mark.parametrize("every", ["11 min", "5h", "10d", "61s"])
def test_what_is_no_part_of_a_week_cannot_be_said(every: str):
    with pytest.raises(Unsayable, match="does not divide the week into equal parts"):
        on_calendar(ScheduleEntry("s", every=every), "m")


def test_every_part_of_a_week_in_minutes_can_be_said():
    lines = {span: on_calendar(ScheduleEntry("s", every=f"{span}s"), "m") for span in even_spans()}
    assert {1, 5, 7, 10, 12, 15, 20, 30, 56, 60, 90, 420, 1440, 10080} <= {span // 60 for span in lines}
    assert max(map(len, lines.values())) == 140


def test_day_of_month_or_day_of_week_are_two_expressions_and_their_meeting_is_one():
    either = on_calendar(ScheduleEntry("s", cron="0 6 1,15 * MON", timezone="Asia/Shanghai"), "m")
    assert either == ("*-*-01,15 06:00:00 Asia/Shanghai", "Mon *-*-* 06:00:00 Asia/Shanghai")
    both = on_calendar(ScheduleEntry("s", cron="0 6 */14 * MON", timezone="UTC"), "m")
    assert both == ("Mon *-*-01,15,29 06:00:00 UTC",)


def test_without_a_zone_systemd_takes_the_machines_as_we_do():
    assert on_calendar(ScheduleEntry("s", cron="30 2 * * *"), "m") == ("*-*-* 02:30:00",)


def test_where_the_clocks_change_systemd_leaves_out_what_the_tick_then_runs():
    """Why the tick is needed: the missing hour is skipped, and the repeated one is not repeated."""
    lost = ScheduleEntry("s", cron="30 2 * * *", timezone="Europe/Berlin")
    left_out = set(of_ours(lost, "m")) - set(of_systemd(on_calendar(lost, "m"), 370))
    assert left_out == {datetime(2026, 3, 29, 1, 0, tzinfo=UTC)}
