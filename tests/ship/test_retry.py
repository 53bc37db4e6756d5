"""When delivery is tried again, over processes, clock jumps and whatever a collector asks for."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ship_collector import Scripted, TinyCollector
from ship_sample import ship_one, spool_one

from agent import retry
from agent.commands import send, spool
from agent.contact import clock_offset, last_delivered
from agent.delivery import deliver_pending
from agent.enrolment import enrol
from agent.paths import State
from agent.retry import LONGEST_ASKED_S, LONGEST_S, SHORTEST_S, Retry, in_words, load_retry, next_attempt
from agent.spool import Spool

NOW = 1_800_000_000.0


def fail(machine: State, collector: TinyCollector, now: float = NOW, **answer: object) -> Retry:
    collector.script.append(Scripted(**({"status": 0} | answer)))  # type: ignore[arg-type]
    deliver_pending(machine, wall=lambda: now)
    found = load_retry(machine)
    assert found is not None
    return found


def test_each_failure_in_a_row_may_wait_twice_as_long_up_to_an_hour(machine: State, collector: TinyCollector):
    spool_one(machine)
    for number in range(1, 14):
        found = fail(machine, collector)
        assert found.failures == number
        assert SHORTEST_S <= found.wait_s <= min(LONGEST_S, SHORTEST_S * 2**number)
    assert "cannot be reached" in found.reason


def test_the_waits_are_spread_over_their_whole_span(machine: State):
    waits = sorted(retry.failed(machine, "", None, NOW, random.Random(seed)).wait_s for seed in range(300))
    late = [wait for wait in waits if wait > LONGEST_S / 2]
    assert 100 < len(late) < 200, "full jitter: half of the waits lie in the upper half"
    retry.forget(machine)
    assert load_retry(machine) is None


def test_a_success_begins_anew(machine: State, collector: TinyCollector):
    spool_one(machine)
    fail(machine, collector)
    deliver_pending(machine)
    assert load_retry(machine) is None
    assert next_attempt(machine) is None


def test_a_check_waits_for_its_time_and_a_person_does_not(machine: State, collector: TinyCollector):
    spool_one(machine)
    fail(machine, collector, time.time())
    before = len(collector.requests)
    shipment = ship_one()
    assert shipment.outcome == "spooled"
    assert "next attempt 20" in shipment.line
    assert "after 1 failure: http://127.0.0.1:" in shipment.line
    due = CliRunner().invoke(send.command, ["--if-due"])
    assert (due.exit_code, due.stdout.count("waiting\t")) == (0, 2)
    assert len(collector.requests) == before, "nothing was asked of the collector"
    typed = CliRunner().invoke(send.command)
    assert typed.stdout.count("sent\t") == 2


def test_what_the_collector_asks_for_wins_and_is_kept_over_processes(
    machine: State, collector: TinyCollector
):
    spool_one(machine)
    found = fail(machine, collector, status=503, headers={"Retry-After": "600"})
    assert 600 <= found.wait_s <= 660, "a tenth more at most, so that not all come at one moment"
    assert found.blocks(NOW + 599)
    assert not found.blocks(NOW + 661)
    long = fail(machine, collector, status=429, headers={"Retry-After": "99999999"})
    assert long.wait_s <= LONGEST_ASKED_S * 1.1


def test_a_held_run_neither_blocks_checks_nor_is_asked_about_all_the_time(
    machine: State, collector: TinyCollector
):
    spool_one(machine)
    found = fail(machine, collector, status=403)
    assert found.failures == 0
    assert not found.blocks(NOW + 1)
    assert next_attempt(machine, NOW + 1) == datetime.fromtimestamp(NOW + LONGEST_S, UTC)


def test_one_run_that_upsets_the_server_does_not_hold_up_what_comes_after(
    machine: State, collector: TinyCollector
):
    spool_one(machine)
    spool_one(machine)
    found = fail(machine, collector, status=500)
    assert found.failures == 0
    assert len(Spool(machine.spool).pending()) == 1


def test_a_delivery_that_ran_out_of_time_is_due_at_once(machine: State, collector: TinyCollector):
    spool_one(machine)
    spool_one(machine)
    ticks = iter([0.0, 1.0, 99.0, 99.0])
    deliver_pending(machine, budget_s=30, clock=lambda: next(ticks))
    assert next_attempt(machine, NOW) == datetime.fromtimestamp(NOW, UTC)


def test_an_attempt_that_is_due_and_that_nobody_made_yet_is_told_as_due():
    waiting = Retry(3, 1_000_000.0, 60.0, "refused")
    assert in_words(waiting, 1_000_030.0) == (
        "next attempt 1970-01-12 13:47 UTC (in less than a minute), after 3 failures: refused"
    )
    assert in_words(waiting, 1_000_100.0) == (
        "next attempt due since 1970-01-12 13:47 UTC, after 3 failures: refused"
    )


def test_the_next_attempt_is_now_where_nothing_failed_and_none_where_nothing_waits(machine: State):
    assert next_attempt(machine, NOW) is None
    spool_one(machine)
    assert next_attempt(machine, NOW) == datetime.fromtimestamp(NOW, UTC)
    found = retry.failed(machine, "away", None, NOW)
    assert next_attempt(machine, NOW) == datetime.fromtimestamp(NOW + found.wait_s, UTC)


def test_an_enrolment_by_a_person_makes_delivery_due(machine: State, collector: TinyCollector):
    spool_one(machine)
    fail(machine, collector)
    enrol(machine, collector.url, collector.token())
    assert load_retry(machine) is None


@given(
    wait=st.floats(0, LONGEST_ASKED_S),
    jumps=st.lists(st.floats(-1e9, 1e9), max_size=5),
)
def test_no_jump_of_the_clock_lets_a_wait_grow_or_block_once_it_is_behind_the_attempt(
    wait: float, jumps: list[float]
):
    found = Retry(3, NOW, wait, "away")
    for jump in jumps:
        now = NOW + jump
        assert found.due(now) - now <= wait + 0.001
        if now < NOW:
            assert not found.blocks(now)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[" * 10_000,
        b'{"failures": 1, "tried": 1e300, "wait_s": 1e300}',
        b'{"failures": -1}',
        b'{"failures": 1, "wait_s": -5}',
        b'{"failures": 3, "tried": 99999999999, "wait_s": 3600.0}',
    ],
)
def test_whatever_stands_in_the_file_delivery_is_not_blocked_by_it(machine: State, text: bytes):
    machine.retry.write_bytes(text)
    found = load_retry(machine)
    assert found is None or not found.blocks(NOW)


def test_the_list_says_when_it_is_tried_next_and_what_was_given_up(machine: State, collector: TinyCollector):
    for _ in range(4):
        spool_one(machine)
    machine.config.write_text("[spool]\nkeep_free_mb = 0.0\nmax_mb = 0.000001\n")
    fail(machine, collector, time.time())
    listed = CliRunner().invoke(spool.command, ["list"])
    assert "next attempt 20" in listed.stderr
    assert "3 runs were given up (3 results, 2026-03-02 12:00 to 2026-03-02 12:00 UTC)" in listed.stderr
    (line,) = listed.stdout.splitlines()
    assert line.split("\t")[:2] == ["pending", "4"]
    assert line.split("\t")[4] == "new"


def test_what_was_refused_or_held_goes_again_when_a_person_says_so(machine: State, collector: TinyCollector):
    kept = [spool_one(machine) for _ in range(3)]
    collector.script.extend([Scripted(400), Scripted(403)])
    deliver_pending(machine)
    one = CliRunner().invoke(spool.command, ["retry", "1"])
    assert one.output == "1 run waits again; firstlight send delivers\n"
    again = CliRunner().invoke(spool.command, ["retry", "--all"])
    assert again.output == "1 run waits again; firstlight send delivers\n"
    assert next_attempt(machine, NOW) == datetime.fromtimestamp(NOW, UTC)
    assert [entry.note() for entry in Spool(machine.spool).pending()] == ["", ""]
    deliver_pending(machine)
    assert sorted(collector.arrived()) == sorted(entry.run for entry in kept)
    assert list((machine.spool / "quarantine").iterdir()) == []


def test_what_cannot_go_again_stays_and_says_why(machine: State, collector: TinyCollector):
    torn, sent = spool_one(machine), spool_one(machine)
    torn.path.write_bytes(b"torn")
    deliver_pending(machine)
    said = CliRunner().invoke(spool.command, ["retry", "--all"])
    assert "stays where it is: " in said.stderr
    assert said.stdout == "nothing was put back\n"
    delivered = CliRunner().invoke(spool.command, ["retry", sent.run])
    assert "was delivered; there is nothing to try again" in str(delivered.exception)
    neither = CliRunner().invoke(spool.command, ["retry"])
    assert "name a RUN, or --all" in str(neither.exception)


def test_the_last_contact_is_remembered_with_the_offset_of_the_clocks(
    machine: State, collector: TinyCollector
):
    entry = spool_one(machine)
    deliver_pending(machine)
    delivered, clock = last_delivered(machine), clock_offset(machine)
    assert delivered is not None
    assert (delivered.sequence, delivered.highest, delivered.epoch) == (1, 1, "epoch-1")
    assert delivered.hash == collector.arrived()[entry.run]
    assert clock is not None
    assert abs(clock.offset_s) <= 2
    spool_one(machine)
    collector.script.append(Scripted(500, headers={"Date": "Mon, 02 Mar 2099 12:00:00 GMT"}))
    deliver_pending(machine)
    ahead = clock_offset(machine)
    assert ahead is not None
    said = datetime(2099, 3, 2, 12, tzinfo=UTC)
    assert abs(ahead.offset_s - (said - ahead.at).total_seconds()) <= 2


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 02 Mar 0000 12:00:00 GMT", "9" * 400, "Mon, 99"])
def test_a_date_that_is_none_changes_nothing(machine: State, collector: TinyCollector, date: str):
    spool_one(machine)
    collector.script.append(Scripted(500, headers={"Date": date}))
    deliver_pending(machine)
    assert len(Spool(machine.spool).pending()) == 1
