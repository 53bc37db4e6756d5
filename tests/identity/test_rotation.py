"""A key that takes over from another: announced by the old one, confirmed by the new, safe at every step."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from served import Served
from ship_sample import spool_one
from sqlalchemy import select

from agent.delivery import Delivery, deliver_pending
from agent.enrolment import enrol
from agent.identity import load_identity, public_key, read_key
from agent.paths import State
from agent.rotation import rotate
from agent.spool import Spool
from agent.uplink import Uplink
from checks.envelope import KeyChanged, keys_path
from checks.errors import BadInput, UplinkError
from checks.signed import sign_request
from server import delivery
from server.clock import utc_now
from server.tables import AgentKey, AuditEntry, Receipt

DRIVER = Path(__file__).with_name("rotation_driver.py")
MOST_STEPS = 60
on_both = pytest.mark.parametrize("real", ["sqlite", "postgresql"], indirect=True)


def key_in_use(state: State) -> bytes:
    identity = load_identity(state)
    assert identity is not None
    return public_key(read_key(state.root / identity.key_file))


def keys_at(real: Served) -> list[tuple[bytes, int | None]]:
    """The keys that the collector knows, oldest first, and where each ends."""
    with real.db.read() as session:
        rows = session.execute(select(AgentKey.public_key, AgentKey.last_sequence).order_by(AgentKey.id))
        return [(bytes(key), last) for key, last in rows]


def outcomes(done: list[Delivery]) -> list[str]:
    return [delivery.outcome for delivery in done]


@on_both
def test_a_new_key_takes_over_and_what_waited_is_signed_with_it(machine: State, real: Served) -> None:
    old = key_in_use(machine)
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["sent"]
    spool_one(machine)
    done = rotate(machine)
    assert done.signed_again == 1
    new = key_in_use(machine)
    assert new != old
    assert keys_at(real) == [(old, 2), (new, None)]
    assert len(list(machine.root.glob("key-*.pem"))) == 1
    assert not machine.renewal.exists()
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["sent", "sent"]
    with real.db.read() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "rotate-key"))
        assert entry.actor == entry.subject == f"agent:{done.identity.agent}"


def test_the_old_key_stays_good_for_what_it_signed_before_and_for_nothing_after(
    machine: State, real: Served
) -> None:
    spool = Spool(machine.spool)
    carried = spool.read(spool_one(machine))
    old = load_identity(machine)
    assert old is not None
    old_key = (machine.root / old.key_file).read_bytes()
    rotate(machine)
    with Uplink(real.url) as uplink:
        assert uplink.deliver(carried).status == "new"
    (machine.root / old.key_file).write_bytes(old_key)
    machine.identity.write_bytes(msgspec.json.encode(old))
    spool_one(machine)
    done = deliver_pending(machine)
    assert outcomes(done) == ["sent", "held"]
    assert "rotated key: this key signed up to run 1; a newer key took over" in done[1].detail
    assert "enrol again" in done[1].detail


def test_an_answer_that_got_lost_is_asked_for_again_with_the_same_key(
    machine: State, real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Uplink.change_key

    def lost(self: Uplink, *args: str) -> KeyChanged:
        change(self, *args)  # type: ignore[arg-type]
        raise UplinkError("the answer was lost", permanent=False)

    monkeypatch.setattr(Uplink, "change_key", lost)
    old = key_in_use(machine)
    with pytest.raises(UplinkError, match="the answer was lost"):
        rotate(machine)
    assert key_in_use(machine) == old
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["held"]
    monkeypatch.setattr(Uplink, "change_key", change)
    # Nobody has to do anything: the next delivery finds the newer key by itself.
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["sent", "sent"]
    assert keys_at(real) == [(old, 0), (key_in_use(machine), None)]


def test_a_collector_that_is_away_changes_nothing_and_the_next_delivery_finishes(
    machine: State, real: Served
) -> None:
    old = key_in_use(machine)
    real.stop()
    with pytest.raises(UplinkError):
        rotate(machine)
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["waiting"]
    assert key_in_use(machine) == old
    real.start()
    assert outcomes(deliver_pending(machine)) == ["sent"]
    assert key_in_use(machine) != old
    assert not machine.renewal.exists()


def test_enrolled_again_a_rotation_that_was_cut_off_is_forgotten(
    machine: State, real: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = Uplink.change_key

    def lost(self: Uplink, *args: str) -> KeyChanged:
        change(self, *args)  # type: ignore[arg-type]
        raise UplinkError("the answer was lost", permanent=False)

    monkeypatch.setattr(Uplink, "change_key", lost)
    with pytest.raises(UplinkError):
        rotate(machine)
    enrol(machine, real.url, real.token())
    assert not machine.renewal.exists()
    assert len(list(machine.root.glob("key-*.pem"))) == 1
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["sent"]


@on_both
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_at_any_step_the_agent_goes_on_by_itself(machine: State, real: Served) -> None:
    killed = 0
    for step in range(1, MOST_STEPS):
        spool_one(machine)
        done = subprocess.run([sys.executable, str(DRIVER), str(step)], capture_output=True, text=True)
        assert done.returncode in (0, -9), done.stderr
        spool_one(machine)
        assert outcomes(deliver_pending(machine)) == ["sent", "sent"], step
        assert keys_at(real)[-1] == (key_in_use(machine), None)
        assert [last for _, last in keys_at(real)].count(None) == 1
        assert not machine.renewal.exists()
        if done.returncode == 0:
            break
        killed += 1
    assert 6 <= killed < MOST_STEPS - 1
    assert len(list(machine.root.glob("key-*.pem"))) == 1
    with real.db.read() as session:
        receipts = session.execute(select(Receipt.sequence, Receipt.held).order_by(Receipt.sequence)).all()
    assert [(r.sequence, r.held) for r in receipts] == [(n, "") for n in range(1, 2 * (killed + 1) + 1)]


@on_both
def test_revoked_then_enrolled_again_nothing_is_lost_and_the_ids_stay(machine: State, real: Served) -> None:
    before = load_identity(machine)
    assert before is not None
    spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["sent"]
    with real.db.write() as session:
        delivery.revoke_agent(session, before.agent, by="root", now=utc_now(), reason="laptop stolen")
    for _ in range(2):
        spool_one(machine)
    done = deliver_pending(machine)
    assert outcomes(done) == ["held", "held"]
    assert "revoked" in done[0].detail
    with pytest.raises(UplinkError, match="revoked") as refused:
        rotate(machine)
    assert refused.value.hold
    outcome = enrol(machine, real.url, real.token())
    assert (outcome.identity.agent, outcome.identity.targets) == (before.agent, before.targets)
    assert outcome.signed_again == 2
    assert outcomes(deliver_pending(machine)) == ["sent", "sent"]
    with real.db.read() as session:
        assert session.scalars(select(Receipt.sequence).order_by(Receipt.sequence)).all() == [1, 2, 3]
        audited = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "revoke-agent")).one()
    assert audited == "1 key: laptop stolen"


def test_a_machine_that_is_not_enrolled_has_no_key_to_change(state: State) -> None:
    with pytest.raises(BadInput, match="not enrolled"):
        rotate(state)
    assert not state.root.exists()


@on_both
def test_only_the_present_key_and_the_new_one_together_are_believed(machine: State, real: Served) -> None:
    identity = load_identity(machine)
    assert identity is not None
    mine = read_key(machine.root / identity.key_file)
    new, thief = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    path = keys_path(identity.agent)

    def ask(
        by: Ed25519PrivateKey, confirmed: Ed25519PrivateKey, body: bytes, agent: str = identity.agent
    ) -> str:
        """What the collector answers to a change that these two sign."""
        signatures = [sign_request(agent, "POST", path, body, key) for key in (by, confirmed)]
        with Uplink(real.url) as uplink:
            try:
                return uplink.change_key(agent, body, *signatures).agent
            except UplinkError as error:
                return str(error)

    def change(key: Ed25519PrivateKey, last: int = 0) -> bytes:
        return json.dumps(
            {"public_key": base64.b64encode(public_key(key)).decode(), "last_sequence": last}
        ).encode()

    no_key = "no key of this agent signed the request"
    assert no_key in ask(thief, thief, change(thief))
    assert no_key in ask(mine, new, change(new), "a-0000000000000000")
    assert "the new key did not sign" in ask(mine, mine, change(new))
    assert "the new key did not sign" in ask(mine, thief, change(new))
    assert "was in use before" in ask(mine, mine, change(mine))
    assert "not a change of key" in ask(mine, new, b"{}")
    assert "not a change of key" in ask(mine, new, change(new, -1))
    assert "not a change of key" in ask(mine, new, change(new, 2**40))
    assert len(keys_at(real)) == 1
    assert ask(mine, new, change(new, 3)) == identity.agent
    assert ask(mine, new, change(new, 9)) == identity.agent  # once more: nothing changes
    assert keys_at(real) == [(public_key(mine), 3), (public_key(new), None)]
    assert "was replaced by another one" in ask(mine, thief, change(thief))
    # An old announcement, played again after the next change, brings nothing back.
    newest = Ed25519PrivateKey.generate()
    assert ask(new, newest, change(newest, 4)) == identity.agent
    assert "was in use before" in ask(mine, new, change(new, 3))
    assert keys_at(real)[-1] == (public_key(newest), None)
