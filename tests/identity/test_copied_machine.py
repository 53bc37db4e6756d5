"""A machine that was copied: it says so, goes on, and becomes an agent of its own when it is told to."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from served import Served
from ship_sample import ship_one, spool_one
from sqlalchemy import select

from agent.commands.enrol import command
from agent.delivery import deliver_pending
from agent.enrolment import enrol
from agent.identity import fingerprint, load_identity, looks_cloned, save_identity
from agent.paths import State
from agent.spool import Spool
from checks.errors import BadInput, UplinkError
from checks.machines import same_machine
from checks.model import decode_report
from server import delivery
from server.clock import utc_now
from server.ingest.branches import branches_of
from server.tables import AgentRow, Receipt


def machine_at(root: Path, machine_id: str, board: str = "") -> Path:
    """A root folder of a machine with these ids."""
    for place, text in (("etc/machine-id", machine_id), ("sys/class/dmi/id/product_uuid", board)):
        if text:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).write_text(f"{text}\n")
    return root


def elsewhere(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let this process stand on another machine."""
    for place in ("agent.identity.fingerprint", "agent.enrolment.fingerprint", "agent.report.fingerprint"):
        monkeypatch.setattr(place, lambda install, root=None: text)


def copied(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str = "copy") -> State:
    """A copy of a state folder, as a cloned or restored disk holds it, which is used from now on."""
    copy = State(tmp_path / to)
    shutil.copytree(state.root, copy.root)
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(copy.root))
    return copy


def held_at(real: Served) -> list[tuple[int, str]]:
    with real.db.read() as session:
        rows = session.execute(select(Receipt.sequence, Receipt.held).order_by(Receipt.received_at))
        return [(row.sequence, row.held) for row in rows]


def test_two_readings_of_one_machine_agree_whatever_each_could_read(tmp_path: Path) -> None:
    as_root = fingerprint("i", machine_at(tmp_path / "a", "m-1", "board-1"))
    as_user = fingerprint("i", machine_at(tmp_path / "b", "m-1"))
    clone = fingerprint("i", machine_at(tmp_path / "c", "m-1", "board-2"))
    reinstalled = fingerprint("i", machine_at(tmp_path / "d", "m-2", "board-1"))
    bare = fingerprint("i", tmp_path / "e")
    assert same_machine(as_root, as_user)
    assert same_machine(as_root, as_root)
    assert not same_machine(as_root, clone)
    assert not same_machine(as_root, reinstalled)
    assert not same_machine(bare, as_root)
    assert not same_machine("", as_root)
    assert same_machine("", "")
    assert max(map(len, (as_root, bare))) <= 200


def test_a_copy_says_that_it_is_one_and_what_to_type(machine: State, tmp_path: Path) -> None:
    identity = load_identity(machine)
    assert identity is not None
    assert looks_cloned(identity) == ""
    said = looks_cloned(identity, machine_at(tmp_path / "other", "another machine"))
    assert said == (
        f"this machine is not the one that was enrolled as {identity.agent}; if it is a copy of that: "
        f"firstlight enrol {identity.url} --token - --fresh; if that moved to new hardware: "
        f"firstlight enrol {identity.url} --token - --moved"
    )


def test_a_run_bears_the_fingerprint_of_the_machine_it_was_made_on(
    machine: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere(monkeypatch, "machine:0123")
    report = decode_report(Spool(machine.spool).read(spool_one(machine)).body)
    assert report.fingerprint == "machine:0123"


def test_a_clone_beside_its_original_is_held_and_told_so_until_it_is_enrolled_fresh(
    machine: State, real: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ship_one().outcome == "sent"
    original = load_identity(machine)
    assert original is not None
    clone = copied(machine, tmp_path, monkeypatch)
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(machine.root))
    assert "does not count" not in ship_one().line
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(clone.root))
    elsewhere(monkeypatch, "machine:0123")
    shipped = ship_one()
    assert shipped.outcome == "sent"
    assert "it does not count yet: the collector knows another run of this number" in shipped.line
    assert "firstlight enrol URL --token - --fresh" in shipped.line
    assert held_at(real) == [(1, ""), (2, ""), (2, "fork")]
    spool_one(clone)
    # Whoever has a token for the copy must say that it is one: it would take the original's place.
    with pytest.raises(BadInput, match="if it is a copy of that"):
        enrol(clone, real.url, real.token())
    done = enrol(clone, real.url, real.token(), fresh=True)
    assert done.identity.agent != original.agent
    assert done.identity.install != original.install
    assert (clone.install.read_text().strip(), done.set_aside) == (done.identity.install, 1)
    assert looks_cloned(done.identity) == ""
    (aside,) = Spool(clone.spool).quarantined()
    assert f"made as {original.agent}, whose copied identity was given up here" in aside.note()
    assert len(list(clone.root.glob("key-*.pem"))) == 1
    assert "does not count" not in ship_one().line
    with real.db.read() as session:
        mine = session.execute(
            select(Receipt.sequence, Receipt.held).where(Receipt.agent_id == done.identity.agent)
        ).all()
        assert [tuple(row) for row in mine] == [(1, "")]
    # The original never noticed.
    monkeypatch.undo()
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(machine.root))
    assert "does not count" not in ship_one().line


def test_a_fresh_enrolment_whose_answer_was_lost_is_asked_for_again_as_the_same_machine(
    machine: State, real: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = copied(machine, tmp_path, monkeypatch)
    elsewhere(monkeypatch, "machine:0123")
    token = real.token()
    from agent.uplink import Uplink

    ask = Uplink.enrol

    def lost(self: Uplink, request: object) -> object:
        ask(self, request)  # type: ignore[arg-type]
        raise UplinkError("the answer was lost", permanent=False)

    monkeypatch.setattr(Uplink, "enrol", lost)
    before = clone.identity.read_bytes()
    with pytest.raises(UplinkError):
        enrol(clone, real.url, token, fresh=True)
    assert clone.identity.read_bytes() == before
    monkeypatch.setattr(Uplink, "enrol", ask)
    done = enrol(clone, real.url, token, fresh=True)
    with real.db.read() as session:
        assert len(session.scalars(select(AgentRow.id)).all()) == 2
        assert session.get_one(AgentRow, done.identity.agent).install == done.identity.install
    assert not clone.enrolling.exists()


def test_a_machine_on_new_hardware_keeps_its_identity_where_it_says_that_it_moved(
    machine: State, real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_identity(machine)
    assert before is not None
    ship_one()
    elsewhere(monkeypatch, "machine:0123")
    done = enrol(machine, real.url, real.token(), moved=True)
    assert (done.identity.agent, done.identity.target) == (before.agent, before.target)
    assert looks_cloned(done.identity) == ""
    assert "does not count" not in ship_one().line
    with real.db.read() as session:
        assert session.get_one(AgentRow, before.agent).fingerprint == "machine:0123"


def test_a_restored_disk_counts_again_once_it_is_enrolled_again(
    machine: State, real: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_one()
    backup = copied(machine, tmp_path, monkeypatch, "backup")
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(machine.root))
    for _ in range(2):
        ship_one()
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(backup.root))
    for _ in range(2):
        assert "accept this branch, or enrol again" in ship_one().line
    assert held_at(real) == [(1, ""), (2, ""), (3, ""), (2, "fork"), (3, "fork")]
    enrol(backup, real.url, real.token())
    # A token is a person's word for this machine: what was held counts, and so does what comes.
    assert [held for _, held in held_at(real)] == [""] * 5
    assert "does not count" not in ship_one().line
    with real.db.read() as session:
        assert branches_of(session, session.scalars(select(AgentRow.id)).one()) == []


def test_enrolling_mends_an_identity_that_is_damaged_or_gone(machine: State, real: Served) -> None:
    before = load_identity(machine)
    assert before is not None
    ship_one()
    for damage in (lambda: machine.identity.write_bytes(b'{"agent": 1\xff'), machine.identity.unlink):
        spool_one(machine)
        damage()
        done = enrol(machine, real.url, real.token())
        assert (done.identity.agent, done.identity.target) == (before.agent, before.target)
        assert done.signed_again == 1
        assert [d.outcome for d in deliver_pending(machine)] == ["sent"]
    assert [held for _, held in held_at(real)] == ["", "", ""]


def test_two_machines_of_one_template_get_two_agents(
    state: State, real: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = State(tmp_path / "other")
    one = enrol(state, real.url, real.token(), target="web-1").identity
    two = enrol(other, real.url, real.token(), target="web-2").identity
    assert one.fingerprint == two.fingerprint
    assert (one.agent != two.agent, one.targets != two.targets) == (True, True)
    ship_one()
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(other.root))
    ship_one()
    assert held_at(real) == [(1, ""), (1, "")]


def test_a_clock_that_is_off_is_measured_at_the_delivery_and_a_day_is_too_much(
    machine: State, real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock_is(off: timedelta) -> None:
        class Off(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return datetime.now(UTC) + off

        monkeypatch.setattr("agent.uplink.datetime", Off)

    for off in (timedelta(0), timedelta(minutes=-20), timedelta(hours=30)):
        clock_is(off)
        shipped = ship_one()
    assert "this machine's clock and the collector's differ by more than a day" in shipped.line
    with real.db.read() as session:
        rows = session.execute(
            select(Receipt.offset_ms, Receipt.held, Receipt.flags).order_by(Receipt.sequence)
        ).all()
        offset_ms = session.scalars(select(AgentRow.clock_offset_ms)).one()
    assert [round(row.offset_ms / 60_000) for row in rows] == [0, 20, -1800]
    assert [row.held for row in rows] == ["", "", "skew"]
    assert ["skew" in row.flags for row in rows] == [False, True, True]
    assert round(offset_ms / 60_000) == -1800


def test_the_command_says_what_it_did(
    machine: State, real: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = copied(machine, tmp_path, monkeypatch)
    spool_one(clone)
    elsewhere(monkeypatch, "machine:0123")

    def typed(*args: str) -> str:
        result = CliRunner().invoke(command, [real.url, "--token", "-", *args], input=real.token() + "\n")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    with pytest.raises(BadInput, match="leave one of them out"):
        typed("--fresh", "--moved")
    said = typed("--fresh", "--target", "web-9")
    assert "this machine as web-9" in said
    assert "1 waiting run of the copied identity set aside (firstlight spool list)" in said


def test_another_key_of_the_same_collector_is_accepted_for_the_token_and_told(
    machine: State, real: Served
) -> None:
    identity = load_identity(machine)
    assert identity is not None
    save_identity(machine, msgspec.structs.replace(identity, sign_key="A" * 43 + "="))
    done = enrol(machine, real.url, real.token())
    assert "signs with another key than before" in done.other_keys
    assert done.identity.sign_key == identity.sign_key
    assert enrol(machine, real.url, real.token()).other_keys == ""


def test_on_another_collector_what_waits_is_kept_and_said_to_be_nobodys(machine: State, real: Served) -> None:
    """The same collector stands in for another one: it no longer knows this machine by its old id."""
    spool_one(machine)
    identity = load_identity(machine)
    assert identity is not None
    machine.sequence.unlink()
    machine.identity.unlink()
    with real.db.write() as session:
        session.get_one(AgentRow, identity.agent).install = "another installation"
        delivery.revoke_agent(session, identity.agent, by="root", now=utc_now())
    done = enrol(machine, real.url, real.token())
    assert done.identity.agent != identity.agent
    assert (done.signed_again, done.orphaned) == (0, 1)
    (held,) = deliver_pending(machine)
    assert held.outcome == "held"
    assert "only the collector that knows that agent takes it" in held.detail
