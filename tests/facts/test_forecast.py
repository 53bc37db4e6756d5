"""A trend is that of the whole, not of single readings, and a clearing neither hides nor fakes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from answering import Remembering, in_rounds
from hypothesis import given
from hypothesis import strategies as st

from agent.history import Recollection, record
from agent.paths import State
from checks.fact import Known, Reading
from checks.facts.disk import DiskUsage, Usage
from checks.facts.filling import FillHistory
from checks.facts.localhost import LocalHost
from checks.facts.memory import Sample
from checks.forecast import MOST_POINTS, Point, theil_sen, thinned, trend
from checks.library.disk import fill_forecast
from checks.model import Status, Target, Verdict
from checks.snapshot import Readings, Snapshot

HOUR, DAY = 3600.0, 86400.0
NOW = 1_790_000_000.0
MINUTES = [NOW - 6 * HOUR + minute * 300 for minute in range(73)]


def test_a_line_has_its_own_slope() -> None:
    seen = trend([Point(at, 2 * (at - NOW) + 50_000) for at in MINUTES], NOW, 1e6)
    assert seen is not None
    assert (seen.slope, seen.points, seen.span, seen.clearings) == (2.0, 73, 6 * HOUR, 0)
    assert seen.level == 50_000


def test_a_quarter_of_wild_readings_does_not_turn_it() -> None:
    points = [Point(at, 1e9 if n % 4 == 1 else at - NOW) for n, at in enumerate(MINUTES)]
    assert abs(theil_sen([points]) - 1.0) < 0.1


def test_one_clearing_neither_hides_nor_slows_the_growth() -> None:
    points = [Point(at, at - NOW + 50_000 - (20_000 if n > 40 else 0)) for n, at in enumerate(MINUTES)]
    seen = trend(points, NOW, 100_000)
    assert seen is not None
    assert (seen.slope, seen.clearings, seen.periodic) == (1.0, 1, False)


def sawtooth(step: float, top: float, rise: float, until: float = NOW) -> list[Point]:
    """Every `step` seconds back to zero."""
    return [Point(at, rise * (at % step)) for at in range(int(until - 3 * DAY), int(until), 600)] + [
        Point(until, top)
    ]


def test_what_is_rotated_daily_is_forecast_by_the_height_of_its_tops() -> None:
    seen = trend(sawtooth(DAY, NOW % DAY, 1.0), NOW, 2 * DAY)
    assert seen is not None
    assert seen.periodic
    assert seen.clearings == 3
    assert seen.slope == 0.0
    assert seen.level == 86_000


def test_what_grows_beyond_its_usual_top_is_forecast_by_itself_again() -> None:
    rest = [Point(NOW + n * 600, DAY + n * 3000.0) for n in range(40)]
    seen = trend([*sawtooth(DAY, DAY - 1, 1.0), *rest], NOW + 39 * 600, 4 * DAY)
    assert seen is not None
    assert not seen.periodic
    assert seen.slope == 5.0


def test_what_grows_much_faster_than_it_used_to_is_not_waited_for() -> None:
    start = NOW - NOW % DAY
    slow = sawtooth(DAY, 0.0, 1.0, until=start)
    fast = [Point(start + n * 300, n * 3000.0) for n in range(1, 20)]
    seen = trend([*slow, *fast], start + 19 * 300, 2 * DAY)
    assert seen is not None
    assert not seen.periodic


def test_too_few_runs_or_too_short_a_time_give_no_trend() -> None:
    assert trend([Point(NOW - n * 3600, 1.0) for n in range(3, -1, -1)], NOW, 10) is None
    assert trend([Point(NOW - n * 60, 1.0) for n in range(9, -1, -1)], NOW, 10) is None
    assert trend([], NOW, 10) is None


def test_longer_windows_are_for_rare_runs_only() -> None:
    daily = [Point(NOW - n * DAY, 30.0 - n) for n in range(30, -1, -1)]
    seen = trend(daily, NOW, 1000)
    assert seen is not None
    assert (seen.points, seen.span) == (31, 30 * DAY)
    assert abs(seen.slope * DAY - 1.0) < 1e-9


levels = st.floats(0, 1e15, allow_nan=False)


@given(st.lists(st.tuples(st.floats(NOW - 40 * DAY, NOW + DAY), levels), max_size=400), st.floats(1, 1e15))
def test_any_history_has_a_finite_trend_or_none(rows: list[tuple[float, float]], whole: float) -> None:
    points = [Point(*row) for row in sorted(rows)]
    seen = trend(points, NOW, whole)
    assert seen is None or abs(seen.slope) < float("inf")
    assert len(thinned(points)) <= 73 + 72 + 31 + 3


def test_many_points_are_thinned_out_before_all_pairs_are_looked_at() -> None:
    points = [Point(float(at), 3.0 * at) for at in range(100_000)]
    assert theil_sen([points]) == 3.0
    assert MOST_POINTS == 150


def test_of_each_hour_the_highest_is_kept() -> None:
    base = NOW - NOW % HOUR
    points = [
        Point(base - DAY + 60, 5.0),
        Point(base - DAY + 120, 9.0),
        Point(base - DAY + 180, 7.0),
        Point(base, 1.0),
    ]
    assert thinned(points) == (Point(base - DAY + 120, 9.0), Point(base, 1.0))


def history(*rows: tuple[int, float, float]) -> tuple[Sample, ...]:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return tuple(
        Sample(begin + timedelta(hours=hour), {"used": used, "total": total}) for hour, used, total in rows
    )


def test_what_disk_usage_records_is_what_the_history_recalls() -> None:
    numbers = DiskUsage.series(Usage(1000, 400))
    host = LocalHost(memory=Remembering([Sample(datetime(2026, 1, 1, tzinfo=UTC), dict(numbers))]))
    assert FillHistory("/").read(host).points == (Point(1767225600.0, 600.0),)
    assert FillHistory("/").asks()[0].fact == DiskUsage("/").id()  # type: ignore[attr-defined]


def test_a_filesystem_that_was_resized_begins_anew() -> None:
    rows = history((0, 10, 100), (1, 20, 100), (2, 20, 200), (3, 30, 200.5))
    found, rounds = in_rounds(FillHistory("/"), LocalHost(memory=Remembering(rows)))
    assert [point.level for point in found.points] == [20, 30]
    assert len(rounds) == 1


def test_numbers_of_another_form_are_passed_over() -> None:
    sample = Sample(datetime(2026, 1, 1, tzinfo=UTC), {"something": 1.0})
    assert FillHistory("/").read(LocalHost(memory=Remembering([sample]))).points == ()


def test_runs_leave_behind_what_the_next_ones_are_forecast_from(tmp_path: Path) -> None:
    """From the reading of a run over the agent's own files to the verdict of a later run."""
    state = State(tmp_path / "state")
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for hour in range(6):
        values: dict[str, Reading] = {"DiskUsage(mount=/data)": Known(Usage(1000, 270 - 30 * hour))}
        at = begin + timedelta(hours=hour)
        record(state, Snapshot(at, (Readings(Target("db1"), values, at),), site="plant"))
    host = LocalHost(memory=Recollection(state, "plant", "db1"))
    found = FillHistory("/data").read(host)
    assert [point.level for point in found.points] == [730, 760, 790, 820, 850, 880]
    verdict = fill_forecast(
        usage=Usage(1000, 90), history=found, now=begin + timedelta(hours=6), mount="/data"
    )
    assert isinstance(verdict, Verdict)
    assert (verdict.status, verdict.evidence["seconds_left"]) == (Status.FAIL, 10800)
    assert verdict.message.args["date"] == "2026-01-01 09:00 UTC"
