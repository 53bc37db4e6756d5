"""Readings: each fact once, side by side, and none waits for one that hangs."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from machine import Behaviour, plan_of

from agent.collect import READERS, Interrupted, collect
from agent.reading import reading_of
from checks.evaluate import evaluate
from checks.fact import Known, Reading, Unavailable
from checks.facts.localhost import LocalHost
from checks.plan import Plan, make_plan
from checks.profile import load_profile
from checks.snapshot import Snapshot


def collected(plan: Plan) -> Snapshot:
    return collect(plan, {target.name: LocalHost() for target in plan.targets})


def values(snapshot: Snapshot) -> dict[str, Reading]:
    """Readings by the behaviour's name."""
    return {name.split("name=")[1].split(",")[0]: value for name, value in snapshot.targets[0].values.items()}


def test_every_fact_has_a_reading(tmp_path: Path) -> None:
    names = [f"n{number}" for number in range(200)]
    found = values(collected(plan_of(tmp_path, names)))
    assert found == {name: Known(name) for name in names}


def test_a_fact_that_several_items_need_is_read_once(tmp_path: Path) -> None:
    Behaviour.reads.clear()
    collected(plan_of(tmp_path, ["same", "same", "other", "same"]))
    assert sorted(Behaviour.reads) == ["other", "same"]


def test_a_read_that_hangs_costs_only_its_own_reading(tmp_path: Path) -> None:
    found = values(collected(plan_of(tmp_path, ["a", "hangs:30", "b", "c"])))
    assert found.pop("hangs") == Unavailable("timed out after 0.25 s", "timeout")
    assert found == {name: Known(name) for name in "abc"}


def test_more_hanging_reads_than_readers_still_leave_the_others_to_be_read(tmp_path: Path) -> None:
    hanging = [f"hangs{number}:30" for number in range(READERS + 4)]
    found = values(collected(plan_of(tmp_path, [*hanging, "a", "b"])))
    assert found["a"] == Known("a")
    assert found["b"] == Known("b")
    assert sum(isinstance(reading, Unavailable) for reading in found.values()) == len(hanging)


def test_slow_reads_run_side_by_side(tmp_path: Path) -> None:
    running = threading.active_count()
    seen = []
    plan = plan_of(tmp_path, [f"slow{number}:0.1" for number in range(8)])
    collect(
        plan, {"here": LocalHost()}, on_reading=lambda *_: seen.append(threading.active_count() - running)
    )
    assert max(seen) >= 6


def test_quick_reads_need_one_reader(tmp_path: Path) -> None:
    running = threading.active_count()
    seen = []
    plan = plan_of(tmp_path, [f"n{number}" for number in range(50)])
    collect(
        plan, {"here": LocalHost()}, on_reading=lambda *_: seen.append(threading.active_count() - running)
    )
    assert max(seen) <= 3


def test_readers_end_when_the_collection_does(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    collected(plan_of(tmp_path, ["a", "b:0.05", "c:0.05"]))
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
        assert not thread.is_alive()


def test_a_reader_that_may_be_stuck_does_not_keep_the_program_alive(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    collected(plan_of(tmp_path, ["hangs:1"]))
    left = set(threading.enumerate()) - before
    assert all(thread.daemon for thread in left)


@pytest.mark.parametrize(
    ("behaviour", "reading"),
    [
        ("denied", Unavailable("/etc/shadow: permission denied", "denied")),
        ("absent", Unavailable("/nowhere: does not exist", "absent")),
        ("late", Unavailable("timed out", "timeout")),
        ("worn", Unavailable("/dev/sdb: Input/output error", "failed")),
        ("told", Unavailable("port 1 is closed", "refused")),
        ("broken", Unavailable("ZeroDivisionError: division by zero", "failed")),
    ],
)
def test_a_failed_read_is_a_value_with_its_cause(behaviour: str, reading: Unavailable) -> None:
    assert reading_of(Behaviour(behaviour), LocalHost()) == reading


def test_ctrl_c_keeps_what_was_read_and_says_of_the_rest_that_it_was_not(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["a", "stop", "hangs:1"])
    with pytest.raises(Interrupted) as stopped:
        collected(plan)
    found = values(stopped.value.snapshot)
    assert found["a"] == Known("a")
    assert found["hangs"] == Unavailable("not read: the run was interrupted", "interrupted")
    assert len(found) == 3


def test_what_was_interrupted_is_an_error_and_never_a_finding(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, ["stop", "hangs:1"])
    with pytest.raises(Interrupted) as stopped:
        collected(plan)
    results = evaluate(plan, stopped.value.snapshot, salt="s").results
    assert {result.status for result in results} <= {"pass", "error"}


def test_facts_that_an_enumeration_makes_necessary_are_read_too(tmp_path: Path) -> None:
    profile = tmp_path / "disks.yaml"
    profile.write_text("profile: disks\nversion: 1\ntitle: Disks\nitems:\n  - {check: disk.free}\n")
    plan = make_plan(load_profile(str(profile)), plan_of(tmp_path, ["a"]).targets)
    found = collected(plan).targets[0].values
    assert any(name.startswith("DiskUsage(") for name in found)


def test_the_moment_that_is_judged_is_the_end_by_the_clock_given(tmp_path: Path) -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n) for n in range(100))
    snapshot = collect(plan_of(tmp_path, ["a", "b"]), {"here": LocalHost()}, clock=lambda: next(moments))
    assert snapshot.targets[0].captured_at < snapshot.captured_at
    assert snapshot.captured_at.tzinfo is UTC


def test_the_readings_of_several_targets_do_not_mix(tmp_path: Path) -> None:
    from checks.model import Target

    one = plan_of(tmp_path, ["a", "hangs:30"])
    plan = make_plan(one.profile, [Target("one"), Target("two")])
    snapshot = collected(plan)
    assert [readings.target.name for readings in snapshot.targets] == ["one", "two"]
    assert [len(readings.values) for readings in snapshot.targets] == [2, 2]


def test_a_name_that_is_no_text_costs_a_sign_and_not_the_run(tmp_path: Path) -> None:
    class Names(Behaviour):
        value_type: ClassVar[Any] = list[str]

        def read(self, host: object) -> list[str]:
            return ["/srv/caf\udce9", "/srv/启动"]

    reading = reading_of(Names("x"), LocalHost())
    assert reading == Known(["/srv/caf\ufffd", "/srv/启动"])
    assert msgspec.json.decode(msgspec.json.encode(reading)) == {"state": "known", "value": reading.value}
