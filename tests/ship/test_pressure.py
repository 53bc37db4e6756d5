"""A spool above its limits: what goes first, what stays, and that every loss is counted and told."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ship_collector import Scripted, TinyCollector
from ship_sample import NOON, SampleEvaluation, result, ship_one, spool_one

from agent import retry
from agent.delivery import Delivery, deliver_pending
from agent.losses import Losses, load_losses, save_losses
from agent.paths import State
from agent.pressure import CLOCK_DOUBT_S, look_at_the_clock
from agent.spool import DAY_S, Spool, Spooled
from checks import ids
from checks.errors import BadInput
from checks.model import Dropped, RunReport, decode_report

T0 = datetime(2026, 3, 2, 0, 30, tzinfo=UTC).timestamp()

At = Callable[..., Spooled]


@pytest.fixture
def at(machine: State, monkeypatch: pytest.MonkeyPatch) -> At:
    """Spool a run whose id says that it was made so many days after the first."""

    def spool(day: float, **changes: Any) -> Spooled:
        clock = SimpleNamespace(time_ns=lambda: int((T0 + day * DAY_S) * 1e9))
        monkeypatch.setattr(ids, "time", clock)
        return spool_one(machine, **changes)

    return spool


def limits(machine: State, **values: float) -> None:
    machine.config.write_text("[spool]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))


def size(machine: State) -> int:
    return sum(path.stat().st_size for path in machine.spool.rglob("*") if path.is_file())


def cap(machine: State, part: float) -> None:
    """Let the spool hold so much of what it holds now."""
    limits(machine, keep_free_mb=0.0, max_mb=size(machine) * part / 1e6)


def away(machine: State, collector: TinyCollector, now: float = T0 + 40 * DAY_S) -> list[Delivery]:
    """A delivery that reaches nobody, and the upkeep after it."""
    collector.script.append(Scripted(0))
    return deliver_pending(machine, wall=lambda: now)


def report(machine: State, entry: Spooled) -> RunReport:
    return decode_report(Spool(machine.spool).read(entry).body)


def gone(done: list[Delivery]) -> list[tuple[str, int]]:
    return [(one.outcome, one.sequence) for one in done if one.outcome in ("thinned", "dropped")]


def test_the_oldest_days_are_thinned_out_to_one_run_each_before_anything_is_dropped(
    machine: State, collector: TinyCollector, at: At
):
    for hour in range(24 * 4):
        at(hour / 24)
    cap(machine, 0.5)
    lost = gone(away(machine, collector))
    assert {outcome for outcome, _ in lost} == {"thinned"}
    assert [number for _, number in lost] == sorted(number for _, number in lost)
    left = [entry.sequence for entry in Spool(machine.spool).pending()]
    assert left[:2] == [24, 48], "the last run of each of the oldest days stays"
    assert left[-24:] == list(range(73, 97)), "the youngest day was not needed"
    assert size(machine) / 1e6 < 0.5 * 96 * 1.7e-3


def test_what_is_thinned_out_is_counted_and_told_by_the_next_run_and_only_by_that(
    machine: State, collector: TinyCollector, at: At
):
    for hour in range(12):
        at(hour / 24)
    cap(machine, 0.5)
    lost = gone(away(machine, collector))
    carrier, after = at(1.0), at(1.1)
    assert report(machine, carrier).dropped == Dropped(len(lost), len(lost), NOON, NOON)
    assert report(machine, after).dropped == Dropped()
    limits(machine, keep_free_mb=0.0)
    deliver_pending(machine)
    assert sum(one.dropped.runs for one in collector.reports.values()) == len(lost)
    assert load_losses(machine).open == Dropped()


def test_one_run_of_a_day_stays_for_each_site_profile_and_stage_and_a_whole_one_if_there_is(
    machine: State, collector: TinyCollector, at: At
):
    for stage in ("before", "after"):
        for partial in (True, False):
            at(0.1, stage=stage, partial=partial)
    at(0.2, site="plant-b")
    at(5)
    for thinned in (1, 3):
        cap(machine, 0.97)
        assert gone(away(machine, collector)) == [("thinned", thinned)]


def test_when_thinning_is_not_enough_the_oldest_are_dropped_and_never_the_newest(
    machine: State, collector: TinyCollector, at: At
):
    for day in range(10):
        at(day)
    cap(machine, 0.5)
    assert gone(away(machine, collector)) == [("dropped", number) for number in range(1, 7)]
    limits(machine, keep_free_mb=0.0, max_mb=0.000001)
    assert gone(away(machine, collector)) == [("dropped", number) for number in range(7, 10)]
    assert [entry.sequence for entry in Spool(machine.spool).pending()] == [10]


def test_delivered_runs_go_before_anything_that_waits_and_are_no_loss(
    machine: State, collector: TinyCollector, at: At
):
    for day in range(5):
        at(day)
    deliver_pending(machine)
    for day in range(5, 10):
        at(day)
    cap(machine, 0.8)
    assert gone(away(machine, collector)) == []
    spool = Spool(machine.spool)
    assert [entry.sequence for entry in spool.pending()] == [6, 7, 8, 9, 10]
    assert [entry.sequence for entry in spool.kept()] == [4, 5]
    assert load_losses(machine).open == Dropped()
    assert sorted(spool.sent.glob("*.ack")) == sorted(
        entry.path.with_suffix(".ack") for entry in spool.kept()
    )


def test_what_is_in_quarantine_goes_before_what_waits_and_is_counted(
    machine: State, collector: TinyCollector, at: At
):
    for day in range(6):
        at(day)
    collector.script.extend([Scripted(400), Scripted(400), Scripted(0)])
    deliver_pending(machine)
    cap(machine, 0.8)
    assert gone(away(machine, collector)) == [("dropped", 1), ("dropped", 2)]
    assert load_losses(machine).open.runs == 2


def test_a_run_that_carries_a_count_gives_it_back_when_it_is_dropped_itself(
    machine: State, collector: TinyCollector, at: At
):
    two = SampleEvaluation((result(), result()))
    for day in range(4):
        at(day)
    cap(machine, 0.6)
    first = gone(away(machine, collector))
    carrier = at(4)
    assert report(machine, carrier).dropped.runs == len(first)
    at(5, evaluation=two)
    limits(machine, keep_free_mb=0.0, max_mb=0.000001)
    second = gone(away(machine, collector))
    assert ("dropped", carrier.sequence) in second
    assert load_losses(machine).open.runs == len(first) + len(second) == 5


def test_runs_above_the_age_are_dropped_and_quarantine_has_an_age_of_its_own(
    machine: State, collector: TinyCollector, at: At
):
    for day in (0, 10, 20, 30):
        at(day)
    collector.script.extend([Scripted(400), Scripted(0)])
    deliver_pending(machine, wall=lambda: T0 + 31 * DAY_S)
    limits(machine, keep_free_mb=0.0, max_days=15, quarantine_days=5)
    spool = Spool(machine.spool)
    (refused,) = spool.quarantined()
    set_aside = spool.refused_at(refused)
    save_losses(machine, Losses(seen=set_aside))
    done = away(machine, collector, set_aside + 6 * DAY_S)
    told = {one.sequence: one.detail for one in done if one.outcome == "dropped"}
    assert told[1] == "dropped from quarantine after 5 days"
    assert told[2] == "dropped: it waited for more than 15 days"
    assert [entry.sequence for entry in spool.pending()] == [4], "the newest stays, however old"


@pytest.mark.parametrize("jump_days", [3650, -400])
def test_a_clock_that_jumped_costs_no_run_for_its_age(
    machine: State, collector: TinyCollector, at: At, jump_days: float
):
    for day in range(4):
        at(day)
    deliver_pending(machine, wall=lambda: T0 + 4 * DAY_S)
    for day in range(4, 8):
        at(day)
    limits(machine, keep_free_mb=0.0, max_days=2)
    wrong = T0 + (5 + jump_days) * DAY_S
    assert gone(away(machine, collector, wrong)) == []
    assert gone(away(machine, collector, wrong + 3600)) == []
    assert len(Spool(machine.spool).kept()) == 4
    losses = load_losses(machine)
    assert losses.trusted_from == wrong + CLOCK_DOUBT_S
    set_right = look_at_the_clock(machine, losses, T0 + 5 * DAY_S)
    assert set_right.trusted_from == T0 + 5 * DAY_S + CLOCK_DOUBT_S, (
        "right again, it is believed after a week"
    )


def test_little_room_on_the_disk_is_made_only_where_the_spool_can_make_it(
    machine: State, collector: TinyCollector, at: At, monkeypatch: pytest.MonkeyPatch
):
    for day in range(10):
        at(day)
    real = os.statvfs(machine.spool)
    free = real.f_bavail * real.f_frsize

    def little(short: float) -> None:
        limits(machine, keep_free_mb=(free + short) / 1e6)
        monkeypatch.setattr("agent.pressure._free", lambda folder: free)

    little(500_000_000)
    assert gone(away(machine, collector)) == []
    little(size(machine) * 0.3)
    assert gone(away(machine, collector)) == [("dropped", number) for number in range(1, 5)]


def test_the_command_says_in_its_last_line_what_was_given_up(
    machine: State, collector: TinyCollector, at: At
):
    for day in range(6):
        at(day)
    cap(machine, 0.5)
    collector.script.append(Scripted(0))
    shipment = ship_one()
    assert shipment.outcome == "spooled"
    assert re.search(
        r"; (\d) older runs were given up and counted: \1 dropped: the spool is full$", shipment.line
    )
    retry.forget(machine)
    limits(machine, keep_free_mb=0.0)
    assert "given up" not in ship_one().line


def test_a_damaged_account_is_set_aside_aloud_and_stops_nothing(machine: State, collector: TinyCollector):
    machine.losses.write_bytes(b'{"open": {"runs": 3')
    shipment = ship_one()
    assert shipment.outcome == "sent"
    assert "losses.json: damaged; kept as" in shipment.line
    assert machine.losses.with_suffix(".damaged").exists()
    assert load_losses(machine).open == Dropped()


def test_an_account_of_a_hostile_size_or_shape_is_no_traceback(machine: State):
    for text in (b"", b"[]", b'{"open": {"runs": -1}}', b"[" * 100_000, b'{"leaving": {"x": 1}}'):
        machine.losses.write_bytes(text)
        assert spool_one(machine).sequence


def test_ages_are_those_of_the_ids(machine: State, at: At):
    assert at(3).made == T0 + 3 * DAY_S
    assert timedelta(seconds=at(4).made - T0) == timedelta(days=4)
    assert Path(at(5).path).exists()


def test_the_limits_hold_also_while_the_way_to_the_collector_is_set_wrongly(
    machine: State, collector: TinyCollector, at: At
):
    for day in range(6):
        at(day)
    machine.config.write_text('[network]\nproxy = "nonsense"\n[spool]\nkeep_free_mb = 0.0\nmax_mb = 0.004\n')
    told: list[Delivery] = []
    with pytest.raises(BadInput, match="not a proxy"):
        deliver_pending(machine, tell=told.append, wall=lambda: T0 + 7 * DAY_S)
    assert len(gone(told)) == 6 - len(Spool(machine.spool).pending()) > 2
