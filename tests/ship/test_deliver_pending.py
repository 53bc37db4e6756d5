"""What each answer of a collector does to the runs that wait."""

from __future__ import annotations

import pytest
from power_cut import PowerCut, cut_after
from ship_collector import Scripted, TinyCollector
from ship_sample import spool_one

from agent.delivery import Delivery, deliver_pending
from agent.enrolment import enrol
from agent.identity import load_identity, read_key
from agent.lock import exclusive
from agent.paths import State
from agent.ship import deliver_now
from agent.spool import Spool
from checks.envelope import seal
from checks.errors import BadInput


def outcomes(done: list[Delivery]) -> list[str]:
    return [delivery.outcome for delivery in done]


def places(state: State) -> dict[str, int]:
    spool = Spool(state.spool)
    return {
        "pending": len(spool.pending()),
        "sent": len(spool.kept()),
        "quarantine": len(spool.quarantined()),
    }


def test_runs_arrive_in_the_order_of_their_numbers(machine: State, collector: TinyCollector):
    for _ in range(12):
        spool_one(machine)
    assert outcomes(deliver_pending(machine)) == ["sent"] * 12
    assert collector.order == list(range(1, 13))
    assert places(machine) == {"pending": 0, "sent": 12, "quarantine": 0}


def test_what_arrives_is_byte_for_byte_what_was_spooled(machine: State, collector: TinyCollector):
    entry = spool_one(machine)
    hash = Spool(machine.spool).read(entry).seal.hash
    deliver_pending(machine)
    assert collector.arrived() == {entry.run: hash}
    headers = collector.requests[-1]["headers"]
    assert headers["content-type"] == "application/json"
    assert headers["content-encoding"] == "gzip"
    assert headers["firstlight-sent-at"].endswith("+00:00")


def test_a_run_whose_acknowledgement_was_lost_is_sent_again_and_counted_once(
    machine: State, collector: TinyCollector
):
    spool_one(machine)
    collector.script.append(Scripted(0, stores=True))
    assert outcomes(deliver_pending(machine)) == ["waiting"]
    assert outcomes(deliver_pending(machine)) == ["sent"]
    assert collector.order == [1]


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_what_can_never_be_accepted_goes_into_quarantine_with_the_reason(
    machine: State, collector: TinyCollector, status: int
):
    entry = spool_one(machine)
    spool_one(machine)
    collector.script.append(Scripted(status))
    assert outcomes(deliver_pending(machine)) == ["quarantined", "sent"]
    (refused,) = Spool(machine.spool).quarantined()
    assert refused.run == entry.run
    assert refused.note() == f"Scripted (HTTP {status})"


@pytest.mark.parametrize("answer", [Scripted(401), Scripted(403), Scripted(400, hold=True)])
def test_what_enrolment_or_an_upgrade_can_mend_is_held(
    machine: State, collector: TinyCollector, answer: Scripted
):
    entry = spool_one(machine)
    collector.script.append(answer)
    (held,) = deliver_pending(machine)
    assert held.outcome == "held"
    assert "stays in the spool" in held.detail
    (pending,) = Spool(machine.spool).pending()
    assert (pending.run, pending.note()) == (entry.run, held.detail)
    assert outcomes(deliver_pending(machine)) == ["sent"]


def test_a_revoked_agent_is_told_once_and_asks_no_more(machine: State, collector: TinyCollector):
    for _ in range(4):
        spool_one(machine)
    collector.agents.clear()
    before = len(collector.requests)
    assert outcomes(deliver_pending(machine)) == ["held"] * 4
    assert len(collector.requests) == before + 1


@pytest.mark.parametrize("status", [404, 403, 413, 400])
def test_an_error_page_of_a_proxy_never_sends_a_run_into_quarantine(
    machine: State, collector: TinyCollector, status: int
):
    spool_one(machine)
    collector.script.append(Scripted(status, body=b"<html>nginx</html>"))
    (held,) = deliver_pending(machine)
    assert held.outcome == "held"
    assert "not as a Firstlight collector does" in held.detail
    assert places(machine)["pending"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        Scripted(500),
        Scripted(502, body=b"bad gateway"),
        Scripted(429),
        Scripted(0),
        Scripted(201, body=b"{}"),
        Scripted(200, body=b"<html>please log in</html>"),
        Scripted(200, body=b"[" + b" " * 2_000_000),
        Scripted(201, body=b'{"x": ' + b"[" * 100_000),
        Scripted(400, body=b'{"x": ' + b'{"y":' * 100_000),
        Scripted(200, body=b"\xff\xfe"),
        Scripted(503, headers={"Retry-After": "9" * 5000}),
        Scripted(503, headers={"Retry-After": "\xb2"}),
        Scripted(302, body=b"", headers={"Location": "https://elsewhere.example/"}),
    ],
    ids=lambda answer: f"{answer.status}",
)
def test_what_may_pass_leaves_the_run_in_the_spool(
    machine: State, collector: TinyCollector, answer: Scripted
):
    spool_one(machine)
    collector.script.append(answer)
    (delivery,) = deliver_pending(machine)
    assert delivery.outcome in ("waiting", "held")
    assert outcomes(deliver_pending(machine)) == ["sent"]


def test_one_run_that_upsets_the_server_does_not_stop_the_others(machine: State, collector: TinyCollector):
    for _ in range(3):
        spool_one(machine)
    collector.script.append(Scripted(500))
    assert outcomes(deliver_pending(machine)) == ["waiting", "sent", "sent"]


def test_a_server_in_trouble_is_left_in_peace(machine: State, collector: TinyCollector):
    for _ in range(9):
        spool_one(machine)
    collector.script.extend([Scripted(500)] * 9)
    assert outcomes(deliver_pending(machine)) == ["waiting"] * 9
    assert len(collector.script) == 6


def test_an_unreachable_collector_is_asked_once(machine: State, collector: TinyCollector):
    collector.stop()
    for _ in range(3):
        spool_one(machine)
    done = deliver_pending(machine)
    assert outcomes(done) == ["waiting"] * 3
    assert "cannot be reached" in done[0].detail


def test_a_wait_that_the_collector_asks_for_is_kept(machine: State, collector: TinyCollector):
    spool_one(machine)
    slept: list[float] = []
    collector.script.append(Scripted(503, headers={"Retry-After": "7"}))
    assert outcomes(deliver_pending(machine, retry_wait_s=60, sleep=slept.append)) == ["sent"]
    assert slept == [7.0]


def test_a_wait_longer_than_our_patience_leaves_all_runs_for_later(machine: State, collector: TinyCollector):
    spool_one(machine)
    spool_one(machine)
    slept: list[float] = []
    collector.script.append(Scripted(429, headers={"Retry-After": "3600"}))
    assert outcomes(deliver_pending(machine, retry_wait_s=60, sleep=slept.append)) == ["waiting", "waiting"]
    assert slept == []


def test_a_check_does_not_wait_for_a_long_backlog(machine: State, collector: TinyCollector):
    for _ in range(4):
        spool_one(machine)
    ticks = iter([0.0, 1.0, 2.0, 99.0, 99.0])
    done = deliver_pending(machine, budget_s=30, clock=lambda: next(ticks))
    assert outcomes(done) == ["sent", "sent", "waiting", "waiting"]


def test_a_torn_file_is_set_aside_loudly_and_the_rest_goes_on(machine: State, collector: TinyCollector):
    torn, whole = spool_one(machine), spool_one(machine)
    torn.path.write_bytes(torn.path.read_bytes()[:-20])
    stranger = machine.spool / "pending" / "copy of something.run"
    stranger.write_bytes(b"?")
    assert outcomes(deliver_pending(machine)) == ["damaged", "damaged", "sent"]
    assert list(collector.arrived()) == [whole.run]
    assert sorted(path.name for path in (machine.spool / "quarantine").glob("*.run")) == sorted(
        [torn.path.name, stranger.name]
    )


def test_the_collectors_epoch_and_target_ids_become_part_of_the_identity(
    machine: State, collector: TinyCollector
):
    spool_one(machine)
    deliver_pending(machine)
    identity = load_identity(machine)
    assert identity is not None
    assert identity.epoch == "epoch-1"
    assert identity.targets["web-1"] == "t-web-1"


def test_a_store_restored_from_backup_gets_back_what_it_lost(machine: State, collector: TinyCollector):
    for _ in range(5):
        spool_one(machine)
    deliver_pending(machine)
    lost = [run for run, report in collector.reports.items() if report.sequence > 2]
    before = collector.arrived()
    for run in lost:
        del collector.runs[run], collector.reports[run]
    collector.epoch = "epoch-2"
    newest = spool_one(machine)
    deliver_pending(machine)
    assert collector.arrived().keys() == before.keys() | {newest.run}
    assert collector.conflicts() == []
    assert places(machine) == {"pending": 0, "sent": 6, "quarantine": 0}
    deliver_pending(machine)
    assert len(collector.requests) < 20, "it does not begin again each time"


def test_a_power_cut_at_any_step_of_delivery_loses_and_doubles_nothing(
    machine: State, collector: TinyCollector
):
    spool, steps, promised = Spool(machine.spool), 0, {}
    while True:
        entry = spool_one(machine)
        promised[entry.run] = spool.read(entry).seal.hash
        try:
            with cut_after(steps):
                deliver_pending(machine)
        except PowerCut:
            steps += 1
            deliver_pending(machine)
        else:
            break
    assert steps > 6
    assert collector.arrived() == promised
    assert collector.conflicts() == []
    assert places(machine) == {"pending": 0, "sent": len(promised), "quarantine": 0}


def test_a_power_cut_while_a_restored_store_gets_its_runs_back_loses_none(
    machine: State, collector: TinyCollector
):
    spool, steps, cut = Spool(machine.spool), 0, True
    while cut:
        kept = [spool_one(machine), spool_one(machine)]
        deliver_pending(machine)
        for entry in kept:
            del collector.runs[entry.run], collector.reports[entry.run]
        collector.epoch = f"epoch-{steps + 2}"
        kept.append(spool_one(machine))
        try:
            with cut_after(steps):
                deliver_pending(machine)
            cut = False
        except PowerCut:
            steps += 1
        deliver_pending(machine)
        assert {entry.run for entry in kept} <= collector.arrived().keys()
        assert places(machine) == {"pending": 0, "sent": 3, "quarantine": 0}
        spool.prune(-1)  # the next round begins afresh
    assert steps > 20
    assert collector.conflicts() == []


def test_while_another_process_delivers_the_run_is_safe_in_the_spool(machine: State):
    entry = spool_one(machine)
    with exclusive(machine.delivery_lock):
        shipment = deliver_now(machine, entry, lock_wait_s=0)
    assert shipment.outcome == "spooled"
    assert "another firstlight is delivering" in shipment.line


def test_after_a_new_enrolment_the_same_bodies_go_under_a_new_signature(
    machine: State, collector: TinyCollector
):
    entry = spool_one(machine)
    spool = Spool(machine.spool)
    before = spool.read(entry)
    collector.script.append(Scripted(401))
    assert outcomes(deliver_pending(machine)) == ["held"]
    done = enrol(machine, collector.url, collector.token())
    after = spool.read(entry)
    assert done.signed_again == 1
    assert after.body == before.body
    assert after.seal.signature != before.seal.signature
    assert entry.note() == ""
    assert outcomes(deliver_pending(machine)) == ["sent"]
    assert collector.arrived() == {entry.run: before.seal.hash}


def test_a_crash_between_enrolment_and_signing_again_is_mended_by_delivery(
    machine: State, collector: TinyCollector
):
    entry = spool_one(machine)
    spool = Spool(machine.spool)
    stale = spool.read(entry)
    enrol(machine, collector.url, collector.token())
    spool.reseal(entry, stale)
    assert outcomes(deliver_pending(machine)) == ["sent"]


def test_runs_of_an_agent_that_this_collector_does_not_know_stay_and_are_said(
    machine: State, collector: TinyCollector
):
    entry = spool_one(machine)
    collector.agents = {"agent-x": b""}
    done = enrol(machine, collector.url, collector.token())
    assert (done.identity.agent, done.orphaned) == ("agent-2", 1)
    assert outcomes(deliver_pending(machine)) == ["held"]
    assert Spool(machine.spool).pending()[0].run == entry.run
    assert spool_one(machine).sequence == 1, "a new agent counts from one"


def test_a_run_sealed_by_another_key_is_signed_with_our_own(machine: State, collector: TinyCollector):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    entry = spool_one(machine)
    spool = Spool(machine.spool)
    body = spool.read(entry).body
    spool.reseal(entry, seal("agent-1", entry.run, body, Ed25519PrivateKey.generate()))
    deliver_pending(machine)
    identity = load_identity(machine)
    assert identity is not None
    key = read_key(machine.root / identity.key_file)
    assert spool.read(spool.kept()[0]) == seal("agent-1", entry.run, body, key)


def test_a_machine_that_is_not_enrolled_cannot_send(state: State):
    with pytest.raises(BadInput, match="not enrolled; firstlight enrol URL"):
        deliver_pending(state)
    assert not state.root.exists()
