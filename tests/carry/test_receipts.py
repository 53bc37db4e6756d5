"""What the collector answered on a file, taken in where the runs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from carry_world import NOW, World, by_hand, raw_frame, receipts_in
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from agent.carry.incoming import incoming
from agent.carry.receipts import settle
from agent.contact import last_delivered
from agent.held import WORDS
from agent.identity import save_identity
from checks.carried import Answered, Receipts
from checks.errors import BadInput
from checks.signed import sign
from server import keys
from server.tables import Store


def signed(world: World, receipts: Receipts | bytes, key: Ed25519PrivateKey | None = None) -> bytes:
    """Receipts as the collector itself would sign them."""
    body = receipts if isinstance(receipts, bytes) else msgspec.json.encode(receipts)
    with world.db.read() as session:
        key = key or keys.signing_key(session)
    return sign("receipts", "epoch", body, key).to_bytes()


def answers(world: World, *answers: Answered, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "agent": world.identity.agent,
        "epoch": world.identity.epoch,
        "file": "ab" * 32,
        "issued": NOW,
        "highest_sequence": 9,
        "answers": answers,
    }
    return signed(world, Receipts(**fields | changes))


def new_life(world: World, epoch: str) -> None:
    """The collector's store was restored."""
    with world.db.write() as session:
        session.execute(update(Store).values(epoch=epoch))


def test_what_was_stored_leaves_the_spool_as_after_a_delivery(world: World) -> None:
    world.runs(3)
    settled = settle(world.state, world.take(world.export(sealed=True)).receipts)
    assert (settled.count("sent"), settled.before, settled.again) == (3, 0, 0)
    assert world.places() == {"pending": [], "sent": [1, 2, 3], "quarantine": []}
    entry = world.spool.kept()[0]
    ack = world.spool.acknowledgement(entry)
    assert ack is not None
    assert (ack.status, ack.epoch, ack.highest_sequence) == ("new", world.identity.epoch, 3)
    assert world.identity.targets["web-1"].startswith("t-")
    last = last_delivered(world.state)
    assert last is not None
    assert (last.highest, last.sequence) == (3, 3)


def test_the_same_file_twice_is_harmless(world: World) -> None:
    world.runs(2)
    receipts = world.take(world.export()).receipts
    settle(world.state, receipts)
    again = settle(world.state, receipts)
    assert (again.done, again.before, again.again) == ([], 2, 0)
    assert world.places()["sent"] == [1, 2]


def test_runs_made_after_the_export_stay(world: World) -> None:
    world.runs(2)
    path = world.export()
    world.runs(1)
    settle(world.state, world.take(path).receipts)
    assert world.places() == {"pending": [3], "sent": [1, 2], "quarantine": []}


def test_each_answer_does_what_it_would_do_over_http(world: World) -> None:
    entries = world.runs(6)
    data = answers(
        world,
        Answered(entries[0].run, 201),
        Answered(entries[1].run, 200, held="skew"),
        Answered(entries[2].run, 401, title="rotated key", detail="a newer key took over", hold=True),
        Answered(entries[3].run, 409, title="another run has this id", detail="another body"),
        Answered(entries[4].run, 503, title="not stored", hold=True),
        Answered(entries[5].run, 400, title="newer wire version", hold=True, path="$.wire"),
    )
    settled = settle(world.state, data)
    outcomes = [delivery.outcome for delivery in settled.done]
    assert outcomes == ["sent", "sent", "held", "quarantined", "waiting", "held"]
    assert world.places() == {"pending": [3, 5, 6], "sent": [1, 2], "quarantine": [4]}
    assert settled.done[1].detail == WORDS["skew"]
    notes = {entry.sequence: entry.note() for entry in world.spool.pending() + world.spool.quarantined()}
    later = "; it stays in the spool and goes with the next export"
    assert notes[3] == f"rotated key: a newer key took over (HTTP 401){later}"
    assert notes[4] == "another run has this id: another body (HTTP 409)"
    assert notes[5] == ""
    assert notes[6] == f"newer wire version (at $.wire) (HTTP 400){later}"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 415, 421, 425, 429, 500, 503])
@pytest.mark.parametrize("hold", [False, True])
def test_a_file_does_with_a_run_what_the_same_answer_over_http_does(
    world: World, status: int, hold: bool
) -> None:
    from agent.uplink import Answer, Uplink
    from checks.envelope import Problem

    (entry,) = world.runs(1)
    answer = Answer(status, None, msgspec.json.encode(Problem("no", status, hold=hold)), "")
    with Uplink("http://127.0.0.1:9") as uplink:
        error = uplink._refusal(answer)
    over_http = "quarantined" if error.permanent else "held" if error.hold else "waiting"
    settled = settle(world.state, answers(world, Answered(entry.run, status, title="no", hold=hold)))
    assert [delivery.outcome for delivery in settled.done] == [over_http]


def test_receipts_of_runs_that_are_gone_change_nothing(world: World) -> None:
    (entry,) = world.runs(1)
    entry.path.unlink()
    assert settle(world.state, answers(world, Answered(entry.run, 201))).before == 1


def test_only_the_pinned_key_of_the_collector_is_believed(world: World) -> None:
    (entry,) = world.runs(1)
    right = Receipts(
        world.identity.agent, world.identity.epoch, "ab" * 32, NOW, 1, (Answered(entry.run, 201),)
    )
    for key in (Ed25519PrivateKey.generate(), world.key):
        with pytest.raises(BadInput, match="not signed by the collector of this machine"):
            settle(world.state, signed(world, right, key))
    save_identity(world.state, msgspec.structs.replace(world.identity, sign_key=""))
    with pytest.raises(BadInput, match="knows no key of its collector"):
        settle(world.state, signed(world, right))
    assert world.places()["pending"] == [1]


def test_another_agents_receipts_are_refused(world: World) -> None:
    (entry,) = world.runs(1)
    with pytest.raises(
        BadInput, match=f"receipts for agent agent-2, and this machine is {world.identity.agent}"
    ):
        settle(world.state, answers(world, Answered(entry.run, 201), agent="agent-2"))
    assert world.places()["pending"] == [1]


def test_a_new_life_of_the_store_brings_everything_that_is_kept_again(world: World) -> None:
    world.runs(3)
    settle(world.state, world.take(world.export()).receipts)
    before = world.identity.epoch
    new_life(world, "second-life")
    world.runs(1)
    path = world.export()
    settled = settle(world.state, world.take(path).receipts)
    assert (settled.count("sent"), settled.again) == (1, 3)
    assert world.identity.epoch == "second-life" != before
    assert world.places() == {"pending": [1, 2, 3], "sent": [4], "quarantine": []}
    settle(world.state, world.take(world.export()).receipts)
    assert world.places()["pending"] == []


def test_receipts_of_a_life_that_is_over_are_not_believed(world: World) -> None:
    world.runs(2)
    old = world.take(world.export()).receipts
    settle(world.state, old)
    new_life(world, "second-life")
    world.runs(1)
    settle(world.state, world.take(world.export()).receipts)
    assert world.places()["pending"] == [1, 2]
    with pytest.raises(BadInput, match="earlier life of the collector's store"):
        settle(world.state, old)
    assert (world.places()["pending"], world.identity.epoch) == ([1, 2], "second-life")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"{" * 100_000,
        b'{"agent":"a"}',
        b'{"agent":"a","epoch":"e","file":"x","issued":"2026-01-01T00:00:00Z","highest_sequence":1}',
    ],
)
def test_receipts_that_do_not_decode_are_one_sentence(world: World, body: bytes) -> None:
    with pytest.raises(BadInput, match="receipts that cannot be read"):
        settle(world.state, signed(world, body))


@pytest.mark.parametrize("run", ["../../../etc/passwd", "", "x" * 3000])
def test_no_name_from_a_file_is_used_as_a_path(world: World, run: str) -> None:
    good = msgspec.json.decode(
        answers(world, Answered("01890a5d-ac96-774b-bcce-b302099a8057", 409)).partition(b"\n")[2]
    )
    good["answers"][0]["run"] = run
    with pytest.raises(BadInput, match="receipts that cannot be read"):
        settle(world.state, signed(world, msgspec.json.encode(good)))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_spoiled_receipts_file_changes_nothing(world: World, data: st.DataObject) -> None:
    if not world.spool.waiting.exists():
        world.runs(1)
    entry = world.spool.pending()[0]
    whole = answers(world, Answered(entry.run, 201))
    place = data.draw(st.integers(0, 9_999)) % len(whole)
    spoiled = whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :]
    try:
        settle(world.state, spoiled)
    except BadInput:
        assert world.places()["pending"] == [1]
        return
    # A signature's base64 has bits that mean nothing, and so has whom the file says it is by.
    assert world.places()["sent"] == [1]
    world.spool.send_again(0, world.identity.agent)


def test_a_file_is_told_what_it_is_before_anything_is_done(world: World, tmp_path: Path) -> None:
    world.runs(1)
    sealed, plain = world.export("s", sealed=True), world.export("p")
    (world.folder / "text").write_text("hello")
    (world.folder / "empty").write_text("")
    for path, words in (
        (sealed, "sealed for a collector; bring it there"),
        (plain, "holds what this side sends; bring it to the collector"),
        (world.folder / "text", "not a file that a Firstlight collector signed"),
        (world.folder / "empty", "not a file that a Firstlight collector signed"),
        (world.folder, "directory|plain file"),
        (world.folder / "gone", "No such file"),
        (Path("/dev/zero"), "not a plain file"),
    ):
        with pytest.raises(BadInput, match=words):
            incoming(path)
    good = world.folder / "r"
    good.write_bytes(answers(world))
    assert incoming(good)[0] == "receipts"


def test_a_file_larger_than_any_of_a_collector_is_not_read_into_memory(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.carry.incoming.RECEIPTS_LIMIT", 100)
    (world.folder / "large").write_bytes(b"x" * 101)
    with pytest.raises(BadInput, match="larger than a collector's file ever is"):
        incoming(world.folder / "large")


def test_a_pipe_does_not_hang_the_command(world: World, tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="not a plain file"):
        incoming(tmp_path / "pipe")


def test_refusals_of_a_whole_file_by_hand_reach_quarantine(world: World) -> None:
    world.runs(1)
    taken = world.take(by_hand(world, [raw_frame(b"no gzip", agent=world.identity.agent)]))
    assert receipts_in(taken).answers[0].title == "not gzip"
    settled = settle(world.state, taken.receipts)
    assert (settled.before, world.places()["pending"]) == (1, [1])
