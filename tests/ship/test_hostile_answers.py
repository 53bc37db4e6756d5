"""Whatever a collector acknowledges with, no run is lost by it and none is kept from being made."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from ship_collector import Scripted, TinyCollector
from ship_sample import ship_one, spool_one
from spoiling import Watch

from agent.delivery import deliver_pending
from agent.identity import MOST_TARGETS, enrolled, learnt
from agent.paths import State
from agent.spool import Spool, Spooled

VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    2**31,
    2**53 + 1,
    2**63,
    2**70,
    1e308,
    "",
    "x" * 5_000,
    "../../../etc/passwd",
    "\x1b[31mred\nnext",
    "a\0b",
    "\ud800",
    [],
    [1],
    {},
    {"web-1": "x" * 65},
    {"web-1": "../x"},
    {"": "t"},
    {"n" * 201: "t"},
    {str(number): "t" for number in range(5_001)},
)
FIELDS = ("run", "status", "epoch", "highest_sequence", "held", "url", "targets", "rules", "held_before")


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


def honest(entry: Spooled) -> dict[str, object]:
    return {
        "run": entry.run,
        "status": "new",
        "epoch": "epoch-1",
        "highest_sequence": entry.sequence,
        "held_before": entry.sequence - 1,
    }


def hostile(entry: Spooled, field: str) -> Iterator[bytes]:
    for value in VALUES:
        yield json.dumps(honest(entry) | {field: value}).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("field", FIELDS)
def test_no_acknowledgement_costs_a_run_or_the_next_one(
    machine: State, collector: TinyCollector, watch: Watch, field: str
) -> None:
    made, waits = [spool_one(machine)], True
    for body in hostile(made[0], field):
        if not waits:
            made.append(spool_one(machine))  # under what the last answer left behind
            body = body.replace(made[0].run.encode(), made[-1].run.encode())
        collector.script.append(Scripted(201, body=body))
        with watch.over(machine.root) as outside:
            (done,) = [each for each in deliver_pending(machine) if each.run == made[-1].run]
        assert outside == []
        assert done.outcome in ("sent", "waiting"), done
        assert (done.detail + done.url).isprintable(), done
        waits = done.outcome == "waiting"
    collector.script.clear()
    deliver_pending(machine)
    assert ship_one().outcome == "sent"
    assert Spool(machine.spool).pending() == []
    assert Spool(machine.spool).quarantined() == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"[" * 100_000, bytes(range(256)), b"9" * 20_000]
)
def test_what_is_no_acknowledgement_leaves_the_run_in_the_spool(
    machine: State, collector: TinyCollector, body: bytes
) -> None:
    entry = spool_one(machine)
    collector.script.append(Scripted(201, body=body))
    (done,) = deliver_pending(machine)
    assert done.outcome == "waiting"
    assert Spool(machine.spool).pending() == [entry]


def test_ids_of_targets_do_not_pile_up_without_end(machine: State) -> None:
    identity = enrolled(machine)
    for part in range(10):
        identity = learnt(identity, "epoch-1", {f"{part}-{number}": "t" for number in range(5_000)})
    assert len(identity.targets) <= MOST_TARGETS
    assert identity.target in identity.targets


def test_an_address_that_cannot_be_shown_is_not(machine: State, collector: TinyCollector) -> None:
    entry = spool_one(machine)
    body = json.dumps(honest(entry) | {"url": "/runs/\x1b]0;x\x07"}).encode()
    collector.script.append(Scripted(201, body=body))
    (done,) = deliver_pending(machine)
    assert (done.outcome, done.url) == ("sent", "")


def test_a_collector_with_a_new_store_at_each_answer_does_not_keep_an_agent_for_ever(
    machine: State, collector: TinyCollector
) -> None:
    lives = iter(range(1_000))

    def reborn() -> None:
        collector.epoch = f"epoch-{next(lives)}"

    collector.misbehave = reborn
    for _ in range(3):
        spool_one(machine)
    done = deliver_pending(machine)
    assert len(collector.requests) < 20
    waiting = [one for one in done if one.outcome == "waiting"]
    assert "answers from another store each time" in waiting[0].detail
    spool = Spool(machine.spool)
    assert len(spool.pending()) + len(spool.kept()) == 3, "and nothing is lost by it"
    collector.misbehave = lambda: None
    deliver_pending(machine)
    assert (len(spool.pending()), len(collector.arrived())) == (0, 3)
