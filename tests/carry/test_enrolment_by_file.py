"""A machine that never had a network becomes an agent: a file that asks, a file that answers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import building
import msgspec
import pytest
from carry_world import NOW, SETTINGS, clock
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.carry.enrolling import ask_for_enrolment, take_enrolment
from agent.carry.export import export
from agent.carry.receipts import settle
from agent.contact import Delivered, note_delivered
from agent.identity import host_name, load_identity, read_key, save_identity
from agent.paths import State
from agent.sequence import next_number
from agent.spool import Spool
from checks.carried import EnrolledByFile
from checks.errors import BadInput
from checks.signed import parse, sign
from server import delivery
from server.carry.enrolling import asked_in, enrol_from_file
from server.carry.taking import take_export
from server.db import Database
from server.errors import NotFound, Refused
from server.tables import AgentRow

URL = "https://collector.example"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    return State(tmp_path / "state")


@pytest.fixture
def store(db: Database) -> Iterator[Database]:
    with db.write() as session:
        building.found_vendor(session)
    yield db


def answered(db: Database, data: bytes, site: str = "plant") -> bytes:
    with db.write() as session:
        return enrol_from_file(session, asked_in(data), site, url=URL, by="root", now=NOW)[1]


def test_a_machine_without_any_network_becomes_an_agent_and_its_runs_count(
    store: Database, state: State, tmp_path: Path
) -> None:
    request, _ = ask_for_enrolment(state, "web-1")
    assert load_identity(state) is None
    done = take_enrolment(state, answered(store, request))
    identity = load_identity(state)
    assert identity == done.identity
    assert identity is not None
    assert (identity.sites, identity.target, identity.url) == (("plant",), "web-1", URL)
    machine = building.Machine(identity.agent, target="web-1", key=read_key(state.root / identity.key_file))
    Spool(state.spool).add(machine.run(building.START, {"disk": "pass"}))
    path = export(state, tmp_path / "x.export", now=NOW, sealed=True).path
    taken = take_export(store, SETTINGS, clock, io.BytesIO(path.read_bytes()), by="root")
    assert settle(state, taken.receipts).count("sent") == 1


def test_each_file_again_gets_the_same_and_changes_nothing(store: Database, state: State) -> None:
    request, key = ask_for_enrolment(state, "web-1")
    assert ask_for_enrolment(state, "web-1") == (request, key)
    first, second = answered(store, request), answered(store, request)
    assert first == second
    done = take_enrolment(state, first)
    assert take_enrolment(state, second) == done


def test_the_private_key_is_in_no_file_that_travels(store: Database, state: State) -> None:
    request, _ = ask_for_enrolment(state)
    answer = answered(store, request)
    (path,) = state.root.glob("key-*.pem")
    secret = path.read_bytes().splitlines()[1]
    raw = read_key(path).private_bytes_raw()
    for data in (request, answer):
        assert secret not in data
        assert raw not in data
        assert raw.hex().encode() not in data


def test_a_machine_that_was_revoked_enrols_again_by_file_and_keeps_its_id(
    store: Database, state: State
) -> None:
    first = take_enrolment(state, answered(store, ask_for_enrolment(state, "web-1")[0])).identity
    with store.write() as session:
        delivery.revoke_agent(session, first.agent, by="root", now=NOW)
    machine = building.Machine(first.agent, target="web-1", key=read_key(state.root / first.key_file))
    Spool(state.spool).add(machine.run(building.START, {"disk": "pass"}))
    done = take_enrolment(state, answered(store, ask_for_enrolment(state)[0]))
    assert (done.identity.agent, done.signed_again) == (first.agent, 1)
    assert done.identity.key_file != first.key_file


def test_a_restored_disk_that_is_enrolled_again_by_file_counts_again(store: Database, state: State) -> None:
    first = take_enrolment(state, answered(store, ask_for_enrolment(state, "web-1")[0])).identity
    with store.write() as session:
        ours = session.get_one(AgentRow, first.agent).fingerprint
        key = read_key(state.root / first.key_file)
        before = building.Machine(first.agent, target="web-1", key=key, fingerprint=ours)
        building.arrive(session, before.run(building.START, {"disk": "pass"}))
        restored = building.Machine(first.agent, target="web-1", key=key, fingerprint=ours)
        held = restored.run(building.START + timedelta(hours=1), {"disk": "pass"})
        answer = building.arrive(session, held)
        assert answer.ack is not None
        assert answer.ack.held == "fork"
    note_delivered(state, Delivered(first.agent, first.epoch, 1, 1, held.seal.hash, NOW))
    take_enrolment(state, answered(store, ask_for_enrolment(state)[0]))
    with store.read() as session:
        assert session.get_one(AgentRow, first.agent).tip_hash == held.seal.hash


def test_a_machine_whose_identity_was_lost_keeps_its_id_where_the_store_was_lost_too(
    store: Database, state: State
) -> None:
    first = take_enrolment(state, answered(store, ask_for_enrolment(state, "web-1")[0])).identity
    with next_number(state, first.agent, lambda: None) as number:
        number.take("a" * 64)
    state.identity.unlink()
    asked = asked_in(ask_for_enrolment(state)[0])
    assert asked.agent == first.agent


def test_a_site_that_masks_names_asks_under_a_token(store: Database, state: State) -> None:
    state.prepare()
    state.config.write_text('[redact]\nmask = ["host"]\n')
    own = host_name()
    request, _ = ask_for_enrolment(state)
    asked = asked_in(request)
    assert asked.target != own
    # In base64 a short name can stand by chance.
    texts = (asked.target, asked.install, asked.fingerprint, asked.agent, asked.agent_version)
    assert not any(own in text for text in texts)


def test_a_copied_state_folder_does_not_ask_in_the_name_of_the_original(
    store: Database, state: State
) -> None:
    done = take_enrolment(state, answered(store, ask_for_enrolment(state, "web-1")[0]))
    save_identity(state, msgspec.structs.replace(done.identity, fingerprint="machine:" + "0" * 24))
    with pytest.raises(BadInput, match="begin with an empty state folder"):
        ask_for_enrolment(state)


def test_another_machines_answer_is_refused(store: Database, state: State, tmp_path: Path) -> None:
    other = State(tmp_path / "other")
    answer = answered(store, ask_for_enrolment(other, "web-2")[0])
    ask_for_enrolment(state, "web-1")
    with pytest.raises(BadInput, match="answers a file that this machine did not write"):
        take_enrolment(state, answer)
    assert load_identity(state) is None


def test_an_enrolled_machine_believes_no_other_collector(store: Database, state: State) -> None:
    take_enrolment(state, answered(store, ask_for_enrolment(state, "web-1")[0]))
    before = load_identity(state)
    told = msgspec.json.decode(
        parse(answered(store, ask_for_enrolment(state)[0]), "enrolled").body, type=EnrolledByFile
    )
    import base64

    stranger = Ed25519PrivateKey.generate()
    public = base64.b64encode(stranger.public_key().public_bytes_raw()).decode()
    posing = msgspec.structs.replace(told, answer=msgspec.structs.replace(told.answer, sign_key=public))
    for key, words in (
        (stranger, "signed by another collector than the one this machine is enrolled with"),
        (Ed25519PrivateKey.generate(), "not signed with the key that it names"),
    ):
        with pytest.raises(BadInput, match=words):
            take_enrolment(state, sign("enrolled", "x", msgspec.json.encode(posing), key).to_bytes())
    assert load_identity(state) == before


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 50_000])
def test_hostile_bodies_are_one_sentence_on_both_sides(store: Database, state: State, body: bytes) -> None:
    key = Ed25519PrivateKey.generate()
    with pytest.raises(BadInput, match="an enrolment that cannot be used"):
        take_enrolment(state, sign("enrolled", "x", body, key).to_bytes())
    with pytest.raises(BadInput, match="not an enrolment"):
        asked_in(sign("enrolment", "x", body, key).to_bytes())


def test_a_request_is_signed_with_the_key_that_it_wants_enrolled(store: Database, state: State) -> None:
    body = parse(ask_for_enrolment(state)[0], "enrolment").body
    with pytest.raises(BadInput, match="not signed with the key"):
        asked_in(sign("enrolment", "x", body, Ed25519PrivateKey.generate()).to_bytes())


def test_a_site_that_is_none_and_a_key_that_serves_elsewhere_are_refused(
    store: Database, state: State
) -> None:
    request, _ = ask_for_enrolment(state, "web-1")
    with pytest.raises(NotFound):
        answered(store, request, "nowhere")
    answered(store, request)
    with store.write() as session:
        delivery.add_site(session, "acme", "Other", by="root", now=NOW, id="other")
    with pytest.raises(Refused, match="is enrolled for site plant"):
        answered(store, request, "other")
    with store.write() as session:
        agent = delivery.enrolment.AgentRow
        found = session.query(agent).one().id
        delivery.revoke_agent(session, found, by="root", now=NOW)
    with pytest.raises(Refused, match="was given up"):
        answered(store, request)


def test_the_commands_say_what_to_do_next(store: Database, state: State, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from agent.commands.export import command as export_command
    from agent.commands.import_ import command as import_command
    from server.commands.enrol import command as enrol_command

    run = CliRunner().invoke
    url = store.engine.url.render_as_string(hide_password=False)
    asked = run(export_command, ["--enrolment", "--target", "web-1", str(tmp_path / "ask")])
    assert asked.exit_code == 0, asked.output
    assert "firstlight server enrol --site ID FILE" in asked.output
    treasure = tmp_path / "treasure"
    treasure.write_text("the collector's own")
    (tmp_path / "ask.enrolled").symlink_to(treasure)  # a stick that was anybody's
    told = run(enrol_command, [str(tmp_path / "ask"), "--site", "plant", "--db", url, "--url", URL])
    assert told.exit_code == 0, told.output
    assert treasure.read_text() == "the collector's own"
    assert "the machine as web-1" in told.output
    done = run(import_command, [str(tmp_path / "ask.enrolled")])
    assert done.exit_code == 0, done.output
    key = told.output.split("this collector's ")[1].split()[0]
    assert f"the collector's key is {key}: compare it" in done.output
    for words in (["--enrolment", "--sealed"], ["--target", "x"]):
        refused = run(export_command, [*words, str(tmp_path / "y")])
        assert isinstance(refused.exception, BadInput)
    for wrong in (tmp_path, tmp_path / "gone", Path("/dev/null")):
        refused = run(enrol_command, [str(wrong), "--site", "plant", "--db", url])
        assert isinstance(refused.exception, BadInput)
