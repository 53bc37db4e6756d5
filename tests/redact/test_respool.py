"""Rules that were tightened reach the runs that wait: each becomes a new run that names the old one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from machine import ROOT
from ship_collector import Scripted, TinyCollector
from ship_sample import SampleEvaluation, result, spool_one

from agent.commands import send, spool
from agent.delivery import deliver_pending
from agent.identity import load_identity, public_key, read_key
from agent.paths import State
from agent.respool import respool
from agent.spool import Spool
from checks.envelope import verify
from checks.errors import BadInput
from checks.model import Dropped, RunReport, decode_report

WORD = "Falcon"


def waiting(state: State) -> list[RunReport]:
    found = Spool(state.spool)
    return [decode_report(found.read(entry).body) for entry in found.pending()]


def with_a_name(**changes: object) -> SampleEvaluation:
    return SampleEvaluation(results=(result(f"project {WORD} is full", object=f"/srv/{WORD}", **changes),))


def tighten(state: State) -> None:
    state.config.write_text(f'[redact]\nwords = ["{WORD}"]\n')


def test_a_waiting_run_is_made_anew_under_the_next_number_and_names_the_old_one(machine: State) -> None:
    old = spool_one(machine, with_a_name())
    spool_one(machine)
    before = waiting(machine)
    tighten(machine)
    done = respool(machine)
    assert [each.outcome for each in done] == ["replaced", "unchanged"]
    kept, made = waiting(machine)
    assert (made.replaces, made.sequence, kept.sequence) == (old.run, 3, 2)
    assert made.replaced == (1,)
    assert (made.run, made.run != old.run) == (done[0].by, True)
    assert WORD not in str(made)
    assert [each.key for each in made.results] == [each.key for each in before[0].results]
    for same in ("site", "agent", "started", "ended", "scope", "plan_digest", "trigger", "dropped"):
        assert getattr(made, same) == getattr(before[0], same), same
    envelope = Spool(machine.spool).read(Spool(machine.spool).pending()[1])
    assert made.previous == Spool(machine.spool).read(Spool(machine.spool).pending()[0]).seal.hash
    identity = load_identity(machine)
    assert identity is not None
    key = public_key(read_key(machine.root / identity.key_file))
    digest = bytes.fromhex(envelope.seal.hash)
    assert verify(key, made.agent, made.run, digest, envelope.seal.signature)


def test_made_anew_once_more_it_stands_for_both_before_it(machine: State, collector: TinyCollector) -> None:
    spool_one(machine, with_a_name())
    tighten(machine)
    respool(machine)
    machine.config.write_text(f'[redact]\nwords = ["{WORD}", "full"]\n')
    assert [each.outcome for each in respool(machine)] == ["replaced"]
    (made,) = waiting(machine)
    assert (made.sequence, made.replaced) == (3, (1, 2))
    deliver_pending(machine)
    (report,) = collector.reports.values()
    assert report.replaced == (1, 2)


def test_what_was_made_anew_arrives_and_the_old_one_never_does(
    machine: State, collector: TinyCollector
) -> None:
    old = spool_one(machine, with_a_name())
    tighten(machine)
    respool(machine)
    deliver_pending(machine)
    (report,) = collector.reports.values()
    assert (report.replaces, old.run in collector.runs) == (old.run, False)
    assert WORD not in str(report)


def test_nothing_of_the_old_body_stays_in_the_spool(machine: State) -> None:
    spool_one(machine, with_a_name())
    tighten(machine)
    respool(machine)
    for path in machine.spool.rglob("*"):
        assert not path.is_file() or WORD.encode() not in path.read_bytes(), path


def test_a_second_call_finds_nothing_to_do(machine: State) -> None:
    spool_one(machine, with_a_name())
    tighten(machine)
    respool(machine)
    assert [each.outcome for each in respool(machine)] == ["unchanged"]


def test_a_count_of_what_was_dropped_goes_over_once(machine: State) -> None:
    from agent.losses import Losses, load_losses, save_losses

    now = decode_report(Spool(machine.spool).read(spool_one(machine)).body).ended
    lost = Dropped(3, 30, now, now)
    save_losses(machine, Losses(open=lost))
    spool_one(machine, with_a_name())
    tighten(machine)
    respool(machine)
    assert [report.dropped for report in waiting(machine)] == [Dropped(), lost]
    assert load_losses(machine).open == Dropped()
    assert load_losses(machine).carried == {}


DYING = """
import os, sys
from agent.paths import state
from agent.respool import respool

def step(name):
    if name == sys.argv[1]:
        os.kill(os.getpid(), 9)

respool(state(), step=step)
"""


@pytest.mark.parametrize(
    ("step", "left"),
    [("made", ["old"]), ("numbered", ["old"]), ("kept", ["old", "new"]), ("wiped", ["wiped", "new"])],
)
def test_killed_at_any_step_it_leaves_the_old_or_both_and_the_next_call_finishes(
    machine: State, step: str, left: list[str]
) -> None:
    old = spool_one(machine, with_a_name())
    tighten(machine)
    died = subprocess.run(
        [sys.executable, "-c", DYING, step],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert died.returncode == -9, died.stderr
    entries = Spool(machine.spool).pending()
    assert len(entries) == len(left)
    assert entries[0].run == old.run
    assert (WORD.encode() in entries[0].path.read_bytes()) is (left[0] == "old")
    done = respool(machine)
    assert [each.outcome for each in done] == (["replaced"] if len(left) == 1 else ["finished", "unchanged"])
    (report,) = waiting(machine)
    assert report.replaces == old.run
    assert WORD not in str(report)


def test_a_held_run_is_made_anew_too(machine: State, collector: TinyCollector) -> None:
    spool_one(machine, with_a_name())
    collector.script.append(Scripted(403))
    deliver_pending(machine)
    tighten(machine)
    assert [each.outcome for each in respool(machine)] == ["replaced"]


def test_what_cannot_be_made_anew_is_left_and_told(machine: State) -> None:
    spool_one(machine).path.write_bytes(b"torn")
    (done,) = respool(machine)
    assert (done.outcome, "cannot be read" in done.detail) == ("left", True)


def test_the_command_says_what_became_of_each(machine: State, collector: TinyCollector) -> None:
    run = CliRunner().invoke
    assert "--all" in str(run(spool.command, ["redact"]).exception)
    spool_one(machine)
    run(send.command)
    delivered = Spool(machine.spool).kept()[0]
    refused = run(spool.command, ["redact", delivered.run]).exception
    assert isinstance(refused, BadInput)
    assert "is in sent/" in str(refused)
    old = spool_one(machine, with_a_name())
    tighten(machine)
    told = run(spool.command, ["redact", str(old.sequence)])
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith(f"replaced\t2\t{old.run}\treplaced by run ")
    assert run(spool.command, ["redact", "--all"]).stdout.startswith("unchanged\t3\t")
    Path(Spool(machine.spool).pending()[0].path).write_bytes(b"torn")
    assert run(spool.command, ["redact", "--all"]).exit_code == 3


def test_where_a_delivery_failed_it_says_that_the_old_run_may_have_arrived(
    machine: State, collector: TinyCollector
) -> None:
    spool_one(machine, with_a_name())
    collector.script.append(Scripted(0, stores=True))
    run = CliRunner().invoke
    run(send.command)
    tighten(machine)
    assert "the collector has the old run too" in run(spool.command, ["redact", "--all"]).stderr
