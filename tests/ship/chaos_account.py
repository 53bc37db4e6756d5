"""The account after the chaos: what was promised, what arrived, and whether the two fit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import zstandard
from real_collector import RealCollector
from sqlalchemy import select

from agent.identity import load_identity, public_key, read_key
from agent.losses import load_losses
from agent.paths import State
from agent.spool import Spool
from checks.envelope import verify
from checks.model import RunReport, decode_report
from server.tables import Document, Receipt


class Witness(Protocol):
    """What is known of one machine: what its spool promised to keep, and what it was about to give up."""

    name: str
    state: State
    promised: dict[str, int]
    leaving: set[str]


@dataclass
class Verdict:
    """The account: all but the first four have to be empty."""

    promised: int = 0
    arrived: int = 0
    kept_here: int = 0
    told_as_dropped: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    corrupted: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.lost or self.doubled or self.corrupted or self.miscounted)


def account(collector: RealCollector, machines: Iterable[Witness]) -> Verdict:
    """Hold what is stored against what was promised."""
    verdict, witnesses = Verdict(), {}
    for machine in machines:
        identity = load_identity(machine.state)
        assert identity is not None
        witnesses[identity.agent] = machine
    arrived = _arrived(collector, witnesses, verdict)
    for agent, machine in witnesses.items():
        _account_of(machine, arrived.get(agent, {}), verdict)
    return verdict


def _arrived(
    collector: RealCollector, witnesses: Mapping[str, Witness], verdict: Verdict
) -> dict[str, dict[str, RunReport]]:
    """The stored runs by agent and id, each once and with the signature of its agent."""
    columns = (Receipt.id, Receipt.agent_id, Receipt.sequence, Receipt.hash, Receipt.signature, Receipt.held)
    with collector.db.read() as session:
        receipts = session.execute(select(*columns)).all()
        bodies = {row.run_id: row.body for row in session.execute(select(Document.run_id, Document.body))}
    verdict.arrived = len(receipts)
    verdict.doubled += collector.conflicts()
    verdict.doubled += [f"{row.id}: held as {row.held}" for row in receipts if row.held]
    numbers = Counter((row.agent_id, row.sequence) for row in receipts)
    verdict.doubled += [f"{agent}: {n} twice" for (agent, n), times in numbers.items() if times > 1]
    keys = {}
    for agent, machine in witnesses.items():
        identity = load_identity(machine.state)
        assert identity is not None
        keys[agent] = public_key(read_key(machine.state.root / identity.key_file))
    reports: dict[str, dict[str, RunReport]] = {}
    for row in receipts:
        body = zstandard.ZstdDecompressor().decompress(bodies.pop(row.id, b""))
        digest = hashlib.sha256(body)
        signed = verify(keys[row.agent_id], row.agent_id, row.id, digest.digest(), row.signature)
        if signed and digest.hexdigest() == row.hash:
            reports.setdefault(row.agent_id, {})[row.id] = decode_report(body)
        else:
            verdict.corrupted.append(row.id)
    verdict.corrupted += [f"{run}: a document without a receipt" for run in bodies]
    return reports


def _account_of(machine: Witness, arrived: Mapping[str, RunReport], verdict: Verdict) -> None:
    spool, left = Spool(machine.state.spool), load_losses(machine.state)
    here = {entry.run for entry in spool.pending() + spool.quarantined()}
    told = sum(report.dropped.runs for report in arrived.values()) + left.open.runs
    missing = [run for run in machine.promised if run not in arrived and run not in here]
    verdict.promised += len(machine.promised)
    verdict.kept_here += len(here)
    verdict.told_as_dropped += told
    verdict.lost += [run for run in missing if run not in machine.leaving]
    # Each that is missing was counted; and none twice, so not more than were ever about to be given up. Some
    # of those had arrived without the agent learning of it.
    if not len(missing) <= told <= len(machine.leaving) or left.carried or left.leaving:
        counts = f"{len(missing)} missing, {told} told, {len(machine.leaving)} at most given up"
        verdict.miscounted.append(f"{machine.name}: {counts}, {left}")
    verdict.corrupted += [f"{entry.run}: {entry.note()}" for entry in spool.quarantined()]
