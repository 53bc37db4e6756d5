"""From an evaluated plan to the run report of wire version 1. Redaction is behind us when this begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from agent import __version__
from agent.identity import Identity, boot_id, fingerprint
from checks.model import (
    WIRE_VERSION,
    Dropped,
    ProfileRef,
    Resources,
    RunReport,
    Target,
    Trigger,
    decode_report,
    encode_report,
)

if TYPE_CHECKING:
    from checks.evaluate import Evaluation
    from checks.plan import Plan
    from checks.snapshot import Snapshot


NOTHING_DROPPED = Dropped()


@dataclass(frozen=True, slots=True)
class Occasion:
    """How a run came about: for which site, started by whom and when, and what it cost."""

    site: str
    trigger: Trigger
    stage: str
    operator: str
    started: datetime
    partial: bool
    resources: Resources


def make_report(
    identity: Identity,
    plan: Plan,
    snapshot: Snapshot,
    evaluation: Evaluation,
    occasion: Occasion,
    *,
    run: str,
    sequence: int,
    previous: str,
    dropped: Dropped = NOTHING_DROPPED,
) -> RunReport:
    """The report. It ends when the last reading was made: saved readings grow no younger by being sent."""
    ended = snapshot.captured_at.astimezone(UTC)
    return RunReport(
        wire=WIRE_VERSION,
        run=run,
        agent=identity.agent,
        agent_version=__version__,
        sequence=sequence,
        previous=previous,
        install=identity.install,
        boot=boot_id(),
        fingerprint=fingerprint(identity.install),  # as the machine is now: a clone has another
        site=occasion.site,
        profile=ProfileRef(plan.profile.id, plan.profile.version),
        plan_digest=plan.digest,
        plan=plan.items(),
        scope=evaluation.scope,
        narrowing=plan.narrowing,
        trigger=occasion.trigger,
        stage=occasion.stage[:100],
        operator=occasion.operator[:200],
        started=min(occasion.started.astimezone(UTC), ended),
        ended=ended,
        partial=occasion.partial,
        targets=tuple(_registered(target, identity) for target in _named(evaluation, snapshot)),
        results=evaluation.results,
        dropped=dropped,
        resources=occasion.resources,
    )


def body_of(report: RunReport) -> bytes:
    """The bytes to sign; raises `msgspec.ValidationError` for what every collector would refuse."""
    body = encode_report(report)
    decode_report(body)  # 0.1 ms here, or a run in quarantine at the customer
    return body


def _named(evaluation: Evaluation, snapshot: Snapshot) -> list[Target]:
    """Every target that a result can name: those that were read, and those of checks across targets."""
    real = [readings.target for readings in snapshot.targets]
    names = {target.name for target in real}
    across = dict.fromkeys(item.target for item in evaluation.scope if item.target not in names)
    return real + [Target(name) for name in across]


def _registered(target: Target, identity: Identity) -> Target:
    known = identity.targets.get(target.name, "")
    return msgspec.structs.replace(target, id=known) if known and not target.id else target
