"""When a run is due: over zones, changes of the clocks, jumps of the clock, and machines that slept."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.paths import State
from agent.schedules.record import GRACE, SET_BACK, Record, read_record, recalled, write_record
from checks.errors import BadInput
from checks.rules import ScheduleEntry
from checks.schedules.quiet import is_quiet
from checks.schedules.timing import due, next_after, read_timing

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",  # changes by half an hour
    "Asia/Shanghai",
    "Africa/Casablanca",
    "Pacific/Chatham",
]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def daily(hour: int, minute: int, zone: str, **more: object) -> ScheduleEntry:
    text = f"{minute} {hour} * * *"
    return msgspec.structs.replace(ScheduleEntry("s", cron=text, timezone=zone), **more)


def runs(entry: ScheduleEntry, begin: datetime, end: datetime, machine: str = "m") -> list[datetime]:
    """When a machine that is never off runs from `begin` until `end`."""
    found: list[datetime] = []
    moment = begin
    while (moment := next_after(entry, moment, machine)) < end:
        found.append(moment)
    return found


@given(st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 59), st.integers(2020, 2031))
@settings(max_examples=40)
def test_a_daily_time_runs_once_on_every_day_of_every_zone(zone: str, hour: int, minute: int, year: int):
    own = ZoneInfo(zone)
    entry = daily(hour, minute, zone)
    begin = datetime(year, 1, 1, tzinfo=own).astimezone(UTC) - timedelta(seconds=1)
    found = runs(entry, begin, datetime(year + 1, 1, 1, tzinfo=own).astimezone(UTC) - timedelta(seconds=1))
    days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
    assert [each.astimezone(own).date() for each in found] == [
        date(year, 1, 1) + n * DAY for n in range(days)
    ]
    for each in found:
        wall = each.astimezone(own)
        exists = datetime(wall.year, wall.month, wall.day, hour, minute, tzinfo=own)
        if exists.astimezone(UTC).astimezone(own) == exists:
            assert each == exists.astimezone(UTC)  # the first of the two, where it comes twice
        else:
            assert (wall.hour, wall.minute) > (hour, minute)


def test_half_past_two_on_the_days_when_the_clocks_change_in_berlin():
    entry = daily(2, 30, "Europe/Berlin")
    spring = runs(entry, datetime(2026, 3, 28, 12, tzinfo=UTC), datetime(2026, 3, 30, 12, tzinfo=UTC))
    assert spring == [datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 30, 0, 30, tzinfo=UTC)]
    autumn = runs(entry, datetime(2026, 10, 24, 12, tzinfo=UTC), datetime(2026, 10, 26, 12, tzinfo=UTC))
    assert autumn == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def test_what_runs_every_half_hour_goes_on_through_the_hour_that_comes_twice():
    entry = ScheduleEntry("s", cron="*/30 * * * *", timezone="Europe/Berlin")
    night = datetime(2026, 10, 24, 22, tzinfo=UTC)
    assert runs(entry, night, night + 6 * HOUR) == [night + n * HOUR / 2 for n in range(1, 12)]


def test_a_machine_that_wakes_within_the_repeated_hour_does_not_run_again():
    entry = daily(2, 50, "Europe/Berlin")
    repeated = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 for the second time
    assert next_after(entry, repeated, "m") == datetime(2026, 10, 26, 1, 50, tzinfo=UTC)


SPANS = st.sampled_from(["1 min", "90s", "7 min", "11 min", "1h", "5h", "7h", "1d", "10d", "30d"])


@given(SPANS, MOMENTS, st.text("abc", max_size=5))
def test_a_span_is_kept_exactly_from_an_offset_of_the_machine(every: str, moment: datetime, machine: str):
    entry = ScheduleEntry("s", every=every)
    span = timedelta(seconds=read_timing(entry).span_s)
    first = next_after(entry, moment, machine)
    assert moment < first <= moment + span
    assert next_after(entry, first, machine) == first + span
    assert next_after(entry, first - timedelta(microseconds=1), machine) == first


@given(
    st.sampled_from(["*/7 * * * *", "30 2 * * *", "0 6 * * MON-FRI", "15 4 1,15 * SUN", "0 9 L * *", ""]),
    st.sampled_from(ZONES),
    st.sampled_from(["", "1s", "10 min", "9h"]),
    st.sampled_from([(), ("22:00-06:00",), ("00:00-02:30", "02:30-03:10"), ("06:30-06:00",)]),
    MOMENTS,
)
def test_the_next_time_is_later_never_quiet_and_due_then_and_not_before(
    cron: str, zone: str, jitter: str, quiet: tuple[str, ...], moment: datetime
):
    entry = ScheduleEntry(
        "s", every="" if cron else "37 min", cron=cron, timezone=zone, jitter=jitter, quiet=quiet
    )
    timing = read_timing(entry)
    time = next_after(entry, moment, "m")
    assert time > moment
    assert not is_quiet(time, timing.quiet, timing.zone)
    assert due(entry, moment, time, "m") == time
    assert due(entry, moment, time - timedelta(microseconds=1), "m") is None
    if quiet:  # without them it would have been no later, and only quiet hours lie between
        free = next_after(msgspec.structs.replace(entry, quiet=()), moment, "m")
        assert free <= time
        assert free == time or is_quiet(free, timing.quiet, timing.zone)
        assert free == time or is_quiet(time - timedelta(minutes=1), timing.quiet, timing.zone)


@given(SPANS, MOMENTS, st.integers(1, 400))
def test_what_was_missed_runs_once_on_wake(every: str, slept_at: datetime, days: int):
    entry = ScheduleEntry("s", every=every)
    wakes = slept_at + days * DAY
    missed = due(entry, slept_at, wakes, "m")
    if missed is None:
        assert next_after(entry, slept_at, "m") > wakes
    else:
        assert due(entry, wakes, wakes, "m") is None  # it began at `wakes`
        assert next_after(entry, wakes, "m") - wakes <= timedelta(seconds=read_timing(entry).span_s)


def test_what_was_missed_before_the_quiet_hours_runs_when_they_end():
    entry = ScheduleEntry("s", cron="0 21 * * *", timezone="UTC", quiet=("22:00-06:00",))
    last, wakes = datetime(2026, 3, 1, 21, tzinfo=UTC), datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    assert due(entry, last, wakes, "m") is None
    assert due(entry, last, datetime(2026, 3, 3, 6, 0, tzinfo=UTC), "m") == datetime(
        2026, 3, 2, 21, tzinfo=UTC
    )


def test_all_that_falls_into_quiet_hours_begins_as_one_run_when_they_end():
    entry = ScheduleEntry("s", cron="0 * * * *", timezone="Europe/Berlin", quiet=("22:00-06:00",))
    night = datetime(2026, 1, 10, 20, 30, tzinfo=UTC)  # 21:30
    assert runs(entry, night, night + 10 * HOUR) == [
        datetime(2026, 1, 11, 5, tzinfo=UTC),
        datetime(2026, 1, 11, 6, tzinfo=UTC),
    ]


def test_quiet_hours_that_end_in_the_missing_hour_end_when_the_clocks_have_changed():
    entry = ScheduleEntry("s", cron="0 1 * * *", timezone="Europe/Berlin", quiet=("00:00-02:30",))
    assert next_after(entry, datetime(2026, 3, 28, 22, tzinfo=UTC), "m") == datetime(
        2026, 3, 29, 1, tzinfo=UTC
    )


def test_machines_spread_and_each_keeps_its_own_time():
    entry = ScheduleEntry("s", cron="0 3 * * *", timezone="UTC", jitter="1h")
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    times = {next_after(entry, moment, f"machine-{n}") for n in range(200)}
    midnight = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert all(midnight <= time <= midnight + HOUR for time in times)
    assert len(times) > 180
    assert len({next_after(ScheduleEntry("s", every="1d"), moment, f"machine-{n}") for n in range(200)}) > 195
    for each in runs(entry, moment, moment + 30 * DAY, "machine-1"):
        assert each - each.replace(hour=3, minute=0, second=0) == timedelta(
            seconds=read_timing(entry).delay_s("machine-1")
        )


JUMPS = st.lists(
    st.tuples(st.integers(0, 600), st.integers(-400 * 86400, 400 * 86400)),
    max_size=3,
    unique_by=lambda x: x[0],
)


@given(JUMPS, st.sampled_from(["5 min", "30 min", "1h"]))
@settings(max_examples=20)
def test_a_clock_that_jumps_neither_blocks_runs_nor_makes_a_storm(
    tmp_path_factory: pytest.TempPathFactory, jumps: list[tuple[int, int]], every: str
):
    """Ten hours, minute by minute, on a machine whose clock is set this way and that."""
    state = State(tmp_path_factory.mktemp("state"))
    entry = ScheduleEntry("s", every=every)
    span = read_timing(entry).span_s // 60
    by_minute = dict(jumps)
    wall = datetime(2026, 6, 1, tzinfo=UTC)
    began: list[int] = []
    for minute in range(600):
        wall += timedelta(minutes=1, seconds=by_minute.get(minute, 0))
        record = recalled(state, "s", wall)
        if due(entry, record.counted, wall, "m") is not None:
            began.append(minute)
            (state.schedules / "s.json").write_bytes(msgspec.json.encode(Record(wall)))
    gaps = [later - earlier for earlier, later in zip([0, *began], [*began, 600], strict=True)]
    allowed = span * (1 + len(jumps)) + (SET_BACK.seconds // 60 + 1) * len(jumps) + 1
    assert max(gaps) <= allowed, "runs were blocked"
    assert len(began) <= 600 // span + 1 + 2 * len(jumps), "runs came in a storm"


def test_a_clock_that_went_forward_a_year_makes_one_run():
    entry, began = ScheduleEntry("s", every="1h"), datetime(2026, 3, 1, tzinfo=UTC)
    later = began + 365 * DAY
    assert due(entry, began, later, "m") is not None
    assert due(entry, later, later + timedelta(seconds=1), "m") is None


def test_a_clock_that_was_set_back_a_little_is_waited_for(tmp_path: Path):
    state, began = State(tmp_path), datetime(2026, 3, 1, 12, tzinfo=UTC)
    write_record(state, "s", Record(began))
    assert recalled(state, "s", began - SET_BACK).counted == began
    assert recalled(state, "s", began - SET_BACK - timedelta(seconds=1)).counted == (
        began - SET_BACK - timedelta(seconds=1) - GRACE
    )


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b'{"counted": 5}',
        b'{"counted": "2026-01-01"}',
        b'{"counted": "0001-01-01T00:00:00Z"}',
        b'{"counted": "9999-12-31T23:59:59Z"}',
        b"\xff" * 100,
        b" " * 100_000,
        b"[" * 50_000,
    ],
)
def test_a_record_that_is_damaged_begins_anew(tmp_path: Path, text: bytes):
    state, now = State(tmp_path), datetime(2026, 3, 1, 12, tzinfo=UTC)
    state.schedules.mkdir()
    (state.schedules / "s.json").write_bytes(text)
    assert recalled(state, "s", now).counted == now - GRACE
    assert read_record(state, "s") == Record(now - GRACE)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "neither every nor cron"),
        ({"every": "1h", "cron": "* * * * *"}, "both given; write one of them"),
        ({"every": "59s"}, "not between 1 min and 366 d"),
        ({"every": "1.5s"}, "not between 1 min and 366 d in whole seconds"),
        ({"every": "2000d"}, "not between 1 min and 366 d"),
        ({"every": "often"}, "no span of time; write one such as 30 min, 6h or 1d"),
        ({"every": "8 GiB"}, "no span of time"),
        ({"every": "-1h"}, "not between 1 min and 366 d"),
        ({"cron": "@daily"}, "has 1 fields; write five fields, minute hour day month weekday"),
        ({"cron": "0 0 2 * * *"}, "has 6 fields"),
        ({"cron": "60 2 * * *"}, "bad minute"),
        ({"cron": "0 0 30 2 *"}, "bad day-of-month"),
        ({"cron": "0 0 * * MON#6"}, "bad day-of-week"),
        ({"every": "1h", "timezone": "Mars/Olympus"}, "not known here; write a name such as Europe/Berlin"),
        ({"every": "1h", "timezone": "../../../etc/passwd"}, "not known here"),
        ({"every": "1h", "jitter": "some"}, "jitter 'some' is no span"),
        ({"every": "1h", "quiet": ("nights",)}, "write it as 22:00-06:00"),
        ({"every": "1h", "quiet": ("22:00-24:30",)}, "holds no time of the day"),
        ({"every": "1h", "quiet": ("06:00-06:00",)}, "begins where it ends"),
        ({"every": "1h", "quiet": ("00:00-13:00", "12:00-24:00")}, "no minute of the day"),
    ],
)
def test_what_a_schedule_cannot_say_is_refused_with_its_name_and_what_is_right(
    fields: dict[str, object], problem: str
):
    with pytest.raises(BadInput) as refused:
        read_timing(ScheduleEntry("nightly", **fields))  # type: ignore[arg-type]
    assert str(refused.value).startswith("schedule nightly: ")
    assert problem in str(refused.value)


def test_without_a_time_zone_it_is_this_machines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    entry = ScheduleEntry("s", cron="0 9 * * *")
    assert next_after(entry, datetime(2026, 3, 1, 12, tzinfo=UTC), "m") == datetime(2026, 3, 2, tzinfo=UTC)
