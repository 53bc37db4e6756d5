"""An export at the collector: everything in it through the door that HTTP has, and nothing else from it."""

from __future__ import annotations

import gzip
import io
from datetime import timedelta
from pathlib import Path

import building
import msgspec
import pytest
from carry_world import NOW, SETTINGS, World, by_hand, clock, frame, raw_frame, receipts_in
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from checks.errors import BadInput
from checks.signed import parse, signer
from server import delivery, keys, store
from server.carry.taking import take_export
from server.errors import Forbidden
from server.settings import Settings
from server.tables import AgentRow, AuditEntry, Receipt


@pytest.mark.parametrize("sealed", [False, True])
def test_what_a_machine_exported_is_stored_and_counts_as_if_it_had_been_sent(
    each_world: World, sealed: bool
) -> None:
    world = each_world
    with world.db.write() as session:
        building.bind(session, world.made)
    world.runs(3)
    taken = world.take(world.export(sealed=sealed))
    assert (taken.new, taken.same, taken.held, taken.held_back, taken.refused) == (3, 0, 0, 0, 0)
    assert (taken.agent, taken.target, taken.site_id, taken.sealed) == (
        world.identity.agent,
        "web-1",
        "plant",
        sealed,
    )
    assert world.arrived() == [1, 2, 3]
    with world.db.read() as session:
        first = session.scalars(select(Receipt).order_by(Receipt.sequence)).first()
        assert first is not None
        # No clock travelled: what the agent observed counts as it is.
        assert (first.effective_at, first.received_at, first.offset_ms) == (building.START, NOW, 0)


def test_the_same_file_twice_changes_nothing_and_is_answered_again(each_world: World) -> None:
    world = each_world
    world.runs(2)
    path = world.export()
    first, second = world.take(path), world.take(path)
    assert (second.new, second.same, second.refused) == (0, 2, 0)
    assert world.arrived() == [1, 2]
    assert [answer.status for answer in receipts_in(first).answers] == [201, 201]
    assert [answer.status for answer in receipts_in(second).answers] == [200, 200]


def test_what_came_over_http_meanwhile_is_the_same_run(world: World) -> None:
    entries = world.runs(2)
    path = world.export()
    with world.db.write() as session:
        building.arrive(session, world.spool.read(entries[0]), received_at=NOW)
    taken = world.take(path)
    assert (taken.new, taken.same) == (1, 1)


def test_the_receipts_are_signed_by_the_collector_and_for_that_agent_alone(world: World) -> None:
    world.runs(2)
    taken = world.take(world.export())
    file = parse(taken.receipts, "receipts")
    with world.db.read() as session:
        public, epoch = keys.public_key(session, "sign"), store.epoch(session)
    assert signer(file, [public]) == public
    receipts = receipts_in(taken)
    assert (receipts.agent, receipts.epoch, receipts.issued) == (world.identity.agent, epoch, NOW)
    assert receipts.highest_sequence == 2
    assert set(receipts.targets) == {"web-1"}
    assert taken.receipts_name == f"firstlight-{world.identity.agent}-1-2.receipts"


def test_one_bad_run_never_stops_the_rest(each_world: World) -> None:
    world = each_world
    good = [world.made.run(building.START, {"disk": "pass"}) for _ in range(2)]
    foreign = building.Machine("agent-2").run(building.START, {"disk": "pass"})
    torn = frame(good[0])[:-40] + b"x" * 40
    bomb = gzip.compress(b" " * (SETTINGS.max_decompressed + 1))
    large = b"x" * (SETTINGS.max_body + 1)
    agent = world.identity.agent
    stranger_key = building.Machine(agent, "plant", "machine-1", "web-1")
    stranger_key.sequence = 7
    data = by_hand(
        world,
        [
            frame(good[0]),
            frame(foreign),
            torn,
            raw_frame(bomb, agent=agent),
            raw_frame(large, agent=agent),
            raw_frame(b"no gzip", agent=agent),
            frame(stranger_key.run(building.START, {"disk": "pass"})),
            frame(good[1]),
        ],
    )
    taken = world.take(data)
    assert world.arrived() == [1, 2]
    assert [(answer.status, answer.title) for answer in receipts_in(taken).answers] == [
        (201, ""),
        (400, "another agent's run"),
        (400, "not gzip"),
        (413, "run too large"),
        (413, "run too large"),
        (400, "not gzip"),
        (401, "bad signature"),
        (201, ""),
    ]
    assert (taken.new, taken.refused, taken.held_back, taken.failed) == (2, 5, 1, 0)
    assert [refusal.hold for refusal in taken.refusals] == [False, False, False, False, False, True]


def test_many_runs_go_in_transactions_of_bounded_size(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.carry.taking.MOST_AT_ONCE", 2)
    world.runs(5)
    assert world.take(world.export()).new == 5
    assert world.arrived() == [1, 2, 3, 4, 5]


def test_a_run_that_cannot_be_stored_just_now_is_answered_so_and_taken_the_next_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.runs(2)
    path = world.export()

    def broken(*args: object, **more: object) -> object:
        raise OSError("disk is full")

    monkeypatch.setattr("server.ingest.writer.record", broken)
    taken = world.take(path)
    assert (taken.new, taken.failed) == (0, 2)
    assert [answer.status for answer in receipts_in(taken).answers] == [503, 503]
    monkeypatch.undo()
    assert world.take(path).new == 2


def test_an_import_leaves_a_line_in_the_audit_trail(world: World) -> None:
    world.runs(2)
    world.take(world.export())
    with world.db.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "import")).one()
        assert (entry.actor, entry.subject) == ("root", f"agent:{world.identity.agent}")
        assert entry.detail.startswith("2 new, 0 same, 0 not taken; runs 1 to 2; file ")


def test_a_key_that_was_rotated_since_is_fine_for_what_came_before(world: World) -> None:
    world.runs(2)
    path = world.export("early.export")
    with world.db.write() as session:
        for entry in world.spool.pending():
            building.arrive(session, world.spool.read(entry), received_at=NOW)
    world.enrol(again=True)
    taken = world.take(path)
    assert (taken.same, taken.held_back) == (2, 0)


def test_what_a_rotated_key_signed_too_late_waits_until_it_is_exported_again(world: World) -> None:
    world.runs(1)
    path = world.export("early.export")
    world.enrol(again=True)
    taken = world.take(path)
    assert (taken.new, taken.held_back) == (0, 1)
    assert receipts_in(taken).answers[0].title == "rotated key"
    assert world.take(world.export("late.export")).new == 1


def refused_as_a_whole(world: World, data: bytes, kind: type[BadInput], words: str) -> None:
    with pytest.raises(kind, match=words):
        world.take(data)
    assert world.arrived() == []


def test_a_revoked_key_opens_no_door(world: World) -> None:
    world.runs(1)
    data = world.export().read_bytes()
    with world.db.write() as session:
        delivery.revoke_agent(session, world.identity.agent, by="root", now=NOW)
    refused_as_a_whole(world, data, Forbidden, "was revoked; enrol that machine again")


def test_a_stranger_and_a_forger_are_told_apart_from_a_torn_file(world: World) -> None:
    world.runs(2)
    data = world.export().read_bytes()
    refused_as_a_whole(world, data[:-1], BadInput, "not a whole signed file")
    refused_as_a_whole(world, data + b"x", BadInput, "not a whole signed file")
    refused_as_a_whole(world, data[: len(data) // 2], BadInput, "not a whole signed file")
    refused_as_a_whole(world, b"", BadInput, "not a file that Firstlight signed")
    refused_as_a_whole(world, by_hand(world, [b"x"], agent="nobody"), Forbidden, "none of that name")
    other = by_hand(world, [b"x"], lie="agent-2")
    refused_as_a_whole(world, other, BadInput, "names another agent inside")
    world.made.key = Ed25519PrivateKey.generate()
    forged = msgspec.json.encode({"kind": "export", "by": world.identity.agent}) + b"\n"
    refused_as_a_whole(world, forged, BadInput, "not a file that Firstlight signed")


def test_files_of_other_kinds_are_no_exports(world: World) -> None:
    world.runs(1)
    receipts = world.take(world.export()).receipts
    with pytest.raises(BadInput, match="a file of receipts, and export are wanted here"):
        world.take(receipts)


def test_a_torn_sealed_file_stores_nothing(world: World) -> None:
    world.runs(3)
    data = world.export(sealed=True).read_bytes()
    refused_as_a_whole(world, data[:-1], BadInput, "not a whole sealed file")
    refused_as_a_whole(world, data[:200], BadInput, "not a whole sealed file|not a sealed file")
    other = data.replace(b'"to":"', b'"to":"0', 1)
    refused_as_a_whole(world, other, BadInput, "sealed for another collector")


def test_a_file_that_is_not_whole_inside_stores_nothing_although_it_is_signed(world: World) -> None:
    good = frame(world.made.run(building.START, {"disk": "pass"}))
    refused_as_a_whole(world, by_hand(world, [good], runs=2), BadInput, "it ends before run 2 of 2")
    refused_as_a_whole(world, by_hand(world, [good, b"x"], runs=1), BadInput, "something follows")
    refused_as_a_whole(world, by_hand(world, [good], runs=10**6), BadInput, "100000 are the most")
    refused_as_a_whole(
        world, by_hand(world, [good, raw_frame(b"x", size=2**39)]), BadInput, "ends within run 2"
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoiled_file_stores_nothing_but_whole_runs_of_that_agent(
    world: World, data: st.DataObject
) -> None:
    """Bytes changed under a right signature: what a hostile machine could send."""
    frames = [
        frame(
            building.Machine(world.identity.agent, "plant", "machine-1", "web-1", world.made.key).run(
                building.START, {"disk": "pass"}
            )
        )
        for _ in range(2)
    ]
    blob = bytearray(b"".join(frames))
    for _ in range(data.draw(st.integers(1, 3))):
        # Runs differ by a byte or two each time they are made; where a change falls must not.
        blob[data.draw(st.integers(0, 9_999)) % len(blob)] ^= data.draw(st.integers(1, 255))
    try:
        taken = world.take(by_hand(world, [bytes(blob)], runs=2))
    except BadInput:
        return
    assert taken.new + taken.same + taken.refused + taken.held_back == 2
    with world.db.read() as session:
        assert session.scalar(select(func.count()).where(Receipt.agent_id != world.identity.agent)) == 0


def test_bombs_are_stopped_at_the_limit_of_a_run(world: World) -> None:
    import tracemalloc

    small = Settings(db="", max_decompressed=2**20)
    bombs = [raw_frame(gzip.compress(bytes(2**26)), agent=world.identity.agent) for _ in range(3)]
    data = by_hand(world, bombs)
    tracemalloc.start()
    taken = take_export(world.db, small, clock, io.BytesIO(data), by="root")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (taken.new, taken.refused) == (0, 3)
    assert peak < 12 * 2**20


def test_a_file_of_rubbish_is_not_looked_at_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.carry.taking.MOST_REFUSED", 100)
    good = frame(world.made.run(building.START, {"disk": "pass"}))
    data = by_hand(world, [*(raw_frame(b"x", agent=world.identity.agent) for _ in range(300)), good])
    taken = world.take(data)
    assert (taken.new, taken.refused, taken.failed) == (0, 128, 173)
    assert receipts_in(taken).answers[-1].title == "not looked at"


def test_the_offset_of_the_clock_that_was_measured_over_http_stays(each_world: World) -> None:
    world = each_world
    first, _ = world.runs(2)
    with world.db.write() as session:
        sealed = world.spool.read(first)
        building.arrive(session, sealed, received_at=NOW, sent_at=NOW - timedelta(minutes=9))
    world.take(world.export())
    with world.db.read() as session:
        agent = session.get(AgentRow, world.identity.agent)
        assert agent is not None
        assert (agent.clock_offset_ms, agent.tip_sequence) == (540_000, 2)


def test_a_clock_that_is_far_ahead_is_held_as_over_http(world: World) -> None:
    world.runs(1, at=NOW + timedelta(days=3))
    taken = world.take(world.export())
    assert (taken.new, taken.held) == (1, 1)
    assert receipts_in(taken).answers[0].held == "skew"


def test_gaps_are_told_with_the_import(world: World) -> None:
    entries = world.runs(6)
    for entry in entries[2:4]:
        entry.path.unlink()
    taken = world.take(world.export())
    assert [str(gap) for gap in taken.gaps.gaps] == ["runs 3–4 missing"]


def test_the_command_prints_a_table_and_writes_the_receipts(world: World, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from server.commands.import_ import command

    entries = world.runs(5)
    entries[1].path.unlink()
    path = world.export("stick.export", sealed=True)
    (world.folder / "torn.export").write_bytes(path.read_bytes()[:-9])
    url = world.db.engine.url.render_as_string(hide_password=False)
    done = CliRunner().invoke(command, [str(path), str(world.folder / "torn.export"), "--db", url])
    agent = world.identity.agent
    receipts = world.folder / f"firstlight-{agent}-1-5.receipts"
    lines = done.output.splitlines()
    assert f"firstlight: {world.folder / 'torn.export'}: not a whole sealed file" in done.output
    assert f"receipts for web-1: {receipts}" in lines
    assert f"{agent}  web-1    plant     4    4     0     0          0" in lines
    assert lines[-1] == "web-1: run 2 missing"
    assert done.exit_code == 2
    assert parse(receipts.read_bytes(), "receipts").head.kind == "receipts"
    again = CliRunner().invoke(command, [str(path), "--db", url, "--receipts", str(tmp_path)])
    assert again.exit_code == 0, again.output
    assert (tmp_path / receipts.name).exists()


@pytest.mark.parametrize("what", ["/dev/null", "/", "missing.export"])
def test_the_command_refuses_what_is_no_file(world: World, what: str) -> None:
    from click.testing import CliRunner

    from server.commands.import_ import command

    url = world.db.engine.url.render_as_string(hide_password=False)
    done = CliRunner().invoke(command, [what, "--db", url])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output


def test_a_folder_that_takes_no_receipts_costs_no_run(world: World) -> None:
    from click.testing import CliRunner

    from server.commands.import_ import command

    world.runs(1)
    path = world.export()
    (world.folder / f"firstlight-{world.identity.agent}-1-1.receipts").mkdir()
    url = world.db.engine.url.render_as_string(hide_password=False)
    done = CliRunner().invoke(command, [str(path), "--db", url])
    assert done.exit_code == 3
    assert "the runs are stored, but there is no receipts file" in done.output
    assert world.arrived() == [1]
