"""The check of the last upload, in real runs of a machine that is enrolled, and of one that is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from click.testing import CliRunner
from machine import firstlight
from ship_collector import Scripted, TinyCollector
from ship_sample import spool_one

from agent.commands import send
from agent.contact import Delivered, note_delivered
from agent.identity import load_identity, save_identity
from agent.paths import State
from agent.uploads import deliveries
from checks.fact import NotReadable


def upload(state: State) -> tuple[str, str, str]:
    """Status, cause and words of the result in a run that is kept to itself."""
    done = firstlight(
        "check", "linux-server", "--only", "agent.upload", "--no-send", "--format", "json", state=state.root
    )
    (result,) = json.loads(done.stdout)["results"]
    return result["status"], result["cause"], result["message"]


def test_from_enrolment_over_the_first_run_to_a_collector_that_nobody_reaches(
    machine: State, collector: TinyCollector
) -> None:
    assert upload(machine)[0] == "pass"
    spool_one(machine)
    assert CliRunner().invoke(send.command, []).exit_code == 0
    assert upload(machine)[2].startswith("the last run arrived ")
    delivered = msgspec.json.decode(machine.delivered.read_bytes(), type=Delivered)
    spool_one(machine)
    collector.script.append(Scripted(403))
    CliRunner().invoke(send.command, [])
    note_delivered(machine, msgspec.structs.replace(delivered, at=delivered.at - timedelta(days=8)))
    status, cause, said = upload(machine)
    assert (status, cause) == ("fail", "refused")
    assert said.startswith("the last run arrived 8 d ago; 1 wait: Scripted")


def test_it_does_not_apply_where_nobody_enrolled(state: State) -> None:
    assert upload(state) == ("skip", "not-enrolled", "this machine is not enrolled, so nothing is to arrive")


def test_what_the_spool_keeps_tells_where_the_note_is_lost(machine: State) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    spool_one(machine)
    CliRunner().invoke(send.command, [])
    machine.delivered.unlink()
    newest = deliveries(machine).newest
    assert newest is not None
    assert before < newest < datetime.now(UTC) + timedelta(seconds=5)


def test_the_note_of_another_enrolment_says_nothing(machine: State) -> None:
    note_delivered(machine, Delivered("agent-of-before", "e", 1, 1, "0" * 64, datetime.now(UTC)))
    found = deliveries(machine)
    assert found.newest is None
    assert found.since is not None


def test_a_damaged_identity_cannot_tell(machine: State) -> None:
    identity = load_identity(machine)
    assert identity is not None
    save_identity(machine, msgspec.structs.replace(identity, interval_s=300))
    assert deliveries(machine).interval_s == 300
    machine.identity.write_text("{")
    with pytest.raises(NotReadable, match="damaged"):
        deliveries(machine)
