"""From an evaluated run to the collector: signed and spooled first, delivered then.

Once a run is spooled nothing here can lose it; what cannot be delivered now is delivered later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from agent.identity import Identity, load_identity, read_key
from agent.lock import Busy
from agent.paths import State, state
from agent.report import Occasion, body_of, make_report
from agent.sequence import Last, next_number
from agent.spool import Spool, Spooled, kept_or_loud
from checks.errors import BadInput, FirstlightError
from checks.model import Resources, Trigger

if TYPE_CHECKING:
    from agent.delivery import Delivery
    from checks.evaluate import Evaluation
    from checks.plan import Plan
    from checks.snapshot import Snapshot

LOCK_WAIT_S = 10.0
"""Seconds that a check waits for another process that is delivering."""

BACKLOG_S = 30.0
"""Seconds that a check spends on runs left from before; `firstlight send` takes as long as it needs."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What became of this run, in one line for people.

    `url` is the collector's page of it and `run` its id; both are empty where there is none.
    """

    outcome: Literal["sent", "spooled", "refused", "not-enrolled", "failed"]
    line: str
    url: str = ""
    run: str = ""


def ship(
    plan: Plan,
    snapshot: Snapshot,
    evaluation: Evaluation,
    *,
    site: str | None,
    trigger: Trigger,
    stage: str,
    operator: str,
    started: datetime,
    partial: bool,
    resources: Resources,
) -> Shipment:
    """Spool a run and deliver what is pending, this run last. Snapshot and evaluation are already redacted.

    Raises `BadInput` for a site that this agent may not report for; all else is an outcome.
    """
    at = state()
    identity = load_identity(at)
    if identity is None:
        if site is not None:
            raise BadInput(f"--site {site}: this machine is not enrolled; firstlight enrol URL --token TOKEN")
        return Shipment(
            "not-enrolled", "not sent: this machine is not enrolled (firstlight enrol URL --token TOKEN)"
        )
    occasion = Occasion(identity.site(site), trigger, stage, operator, started, partial, resources)
    try:
        kept = spool_run(at, identity, plan, snapshot, evaluation, occasion)
    except msgspec.ValidationError as error:
        return Shipment(
            "failed", f"NOT stored, NOT sent: the report is no valid run ({error}); please report this"
        )
    except FirstlightError as error:
        return Shipment("failed", f"NOT stored, NOT sent: {error}")
    return deliver_now(at, kept)


def spool_run(
    at: State, identity: Identity, plan: Plan, snapshot: Snapshot, evaluation: Evaluation, occasion: Occasion
) -> Spooled:
    """Number, encode, sign and keep a run.

    Raises `SpoolFull`, `FirstlightError`, and `msgspec.ValidationError` for a report that is none.
    """
    from checks.envelope import seal
    from checks.ids import new_run_id

    spool = Spool(at.spool)
    with kept_or_loud("this run"):
        at.prepare()
        with next_number(at, identity.agent, lambda: newest(spool)) as number:
            present = load_identity(at)  # enrolled again since? Then the new key signs
            if present is None or present.agent != identity.agent:
                raise FirstlightError("this machine was enrolled as another agent meanwhile; run again")
            run = new_run_id()
            report = make_report(
                present,
                plan,
                snapshot,
                evaluation,
                occasion,
                run=run,
                sequence=number.sequence,
                previous=number.previous,
            )
            envelope = seal(present.agent, run, body_of(report), read_key(at.root / present.key_file))
            number.take(envelope.seal.hash)
            return spool.add(envelope)


def newest(spool: Spool) -> Last | None:
    """The newest whole run in the spool, for a counter that was lost."""
    for entry in sorted(spool.pending() + spool.kept(), reverse=True):
        try:
            envelope = spool.read(entry)
        except BadInput:
            continue
        return Last(envelope.seal.agent, entry.sequence, envelope.seal.hash)
    return None


def deliver_now(at: State, kept: Spooled, *, lock_wait_s: float = LOCK_WAIT_S) -> Shipment:
    """Deliver what is pending; the outcome is that of one run, which is safe in the spool."""
    from agent.delivery import deliver_pending

    later = "spooled; the next run or firstlight send delivers it"
    try:
        done = deliver_pending(at, lock_wait_s=lock_wait_s, budget_s=BACKLOG_S)
    except Busy:
        if any(entry.run == kept.run for entry in Spool(at.spool).kept()):
            return Shipment(
                "sent", f"sent as run {kept.run}, by another firstlight that was delivering", run=kept.run
            )
        return Shipment("spooled", f"{later}: another firstlight is delivering just now", run=kept.run)
    except FirstlightError as error:
        return Shipment("spooled", f"{later}: {error}", run=kept.run)
    except OSError as error:
        return Shipment("spooled", f"{later}: {error.filename or at.spool}: {error.strerror}", run=kept.run)
    mine = next((delivery for delivery in done if delivery.run == kept.run), None)
    return _shipment(mine, done, kept, later)


def _shipment(mine: Delivery | None, done: list[Delivery], kept: Spooled, later: str) -> Shipment:
    if mine is None:  # taken by a process that delivered while this one waited for the lock
        return Shipment("sent", f"sent as run {kept.run}", run=kept.run)
    before = sum(1 for delivery in done if delivery.outcome == "sent") - (mine.outcome == "sent")
    more = f", with {before} from before" if before else ""
    if mine.outcome == "sent":
        note = f"; {mine.detail}" if mine.detail else ""
        return Shipment("sent", f"sent as run {kept.run}{more}{note}", mine.url, run=kept.run)
    if mine.outcome == "waiting":
        return Shipment("spooled", f"{later}: {mine.detail}", run=kept.run)
    if mine.outcome == "held":
        return Shipment("refused", f"not taken: {mine.detail}", run=kept.run)
    return Shipment("refused", f"refused for good, kept in quarantine: {mine.detail}", run=kept.run)
