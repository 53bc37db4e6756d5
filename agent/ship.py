"""From an evaluated run to the collector: signed and spooled first, delivered then.

Once a run is spooled nothing here can lose it; what cannot be delivered now is delivered later.
"""

from __future__ import annotations

import errno
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from agent.identity import Identity, load_identity, read_key
from agent.lock import Busy, exclusive
from agent.losses import Damaged, carry, load_losses
from agent.paths import State, state
from agent.report import Occasion, body_of, make_report
from agent.rules.fetching import refresh
from agent.sequence import Last, Number, next_number
from agent.spool import Spool, Spooled, kept_or_loud
from checks.errors import BadInput, FirstlightError, SpoolFull
from checks.model import Resources, Trigger

if TYPE_CHECKING:
    from agent.delivery import Delivery
    from checks.envelope import Envelope
    from checks.evaluate import Evaluation
    from checks.plan import Plan
    from checks.snapshot import Snapshot

LOCK_WAIT_S = 10.0
"""Seconds that a check waits for another process that is delivering."""

BACKLOG_S = 30.0
"""Seconds that a check spends on runs left from before; `firstlight send` takes as long as it needs."""


SLACK = 64 * 1024
"""Bytes beside a run that keeping it takes: its number, its folder's entry, the account."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """What became of this run, in one line for people.

    `url` is the collector's page of it and `run` its id; both are empty where there is none. `rules` is a
    line about what the collector published, where something came of that.
    """

    outcome: Literal["sent", "spooled", "refused", "not-enrolled", "failed"]
    line: str
    url: str = ""
    run: str = ""
    rules: str = ""


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
    shipment = deliver_now(at, kept)
    return replace(shipment, rules=refresh(at)) if shipment.outcome == "sent" else shipment


def spool_run(
    at: State, identity: Identity, plan: Plan, snapshot: Snapshot, evaluation: Evaluation, occasion: Occasion
) -> Spooled:
    """Number, encode, sign and keep a run.

    It takes along the count of what was dropped before it. Raises `SpoolFull`, `FirstlightError`, and
    `msgspec.ValidationError` for a report that is none.
    """
    from agent.redaction.at_site import report_for
    from checks.envelope import seal
    from checks.ids import new_run_id

    spool = Spool(at.spool)
    with kept_or_loud("this run"):
        at.prepare()
        with next_number(at, identity.agent, lambda: newest(at, spool, identity.agent)) as number:
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
                dropped=carry(at, run),
            )
            body = body_of(report_for(at, report))
            envelope = seal(present.agent, run, body, read_key(at.root / present.key_file))
            return _keep(at, spool, number, envelope)


def _keep(at: State, spool: Spool, number: Number, envelope: Envelope) -> Spooled:
    """Make a number and its run durable; on a full disk, once more without delivered runs."""
    try:
        number.take(envelope.seal.hash)
        return spool.add(envelope)
    except (OSError, SpoolFull) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        if not _room_for(at, spool, len(envelope.body)):
            raise
    number.take(envelope.seal.hash)
    return spool.add(envelope)


def _room_for(at: State, spool: Spool, size: int) -> bool:
    """Whether delivered runs made room. Not while another process delivers: it may be moving them."""
    from agent.pressure import make_room

    with suppress(Busy, Damaged, OSError), exclusive(at.delivery_lock, wait_s=0):
        return make_room(spool, 2 * size + SLACK, spare=load_losses(at).carried)
    return False


def newest(at: State, spool: Spool, agent: str) -> Last | None:
    """The newest run of an agent that is known of, for a counter that was lost."""
    from agent.contact import last_delivered

    delivered = last_delivered(at)
    known = None
    if delivered is not None and delivered.agent == agent:
        known = Last(agent, delivered.sequence, delivered.hash)
    for entry in sorted(spool.pending() + spool.kept() + spool.quarantined(), reverse=True):
        if known is not None and entry.sequence <= known.sequence:
            break
        try:
            envelope = spool.read(entry)
        except (BadInput, OSError):
            continue
        if envelope.seal.agent == agent:
            return Last(agent, entry.sequence, envelope.seal.hash)
    return known


def deliver_now(at: State, kept: Spooled, *, lock_wait_s: float = LOCK_WAIT_S) -> Shipment:
    """Deliver what is pending; the outcome is that of one run, which is safe in the spool."""
    from agent.delivery import deliver_pending

    later = "spooled; the next run or firstlight send delivers it"
    try:
        done = deliver_pending(at, lock_wait_s=lock_wait_s, budget_s=BACKLOG_S, if_due=True)
    except Busy:
        if any(entry.run == kept.run for entry in Spool(at.spool).kept()):
            return Shipment(
                "sent", f"sent as run {kept.run}, by another firstlight that was delivering", run=kept.run
            )
        return Shipment("spooled", f"{later}: another firstlight is delivering just now", run=kept.run)
    except FirstlightError as error:  # the settings or the key: no later delivery mends that by itself
        return Shipment("failed", f"kept in the spool, NOT sent: {error}", run=kept.run)
    except OSError as error:
        return Shipment("spooled", f"{later}: {error.filename or at.spool}: {error.strerror}", run=kept.run)
    mine = next((delivery for delivery in done if delivery.run == kept.run), None)
    shipment = _shipment(mine, done, kept, later)
    return replace(shipment, line="; ".join([shipment.line, *_aloud(done)]))


def _aloud(done: list[Delivery]) -> list[str]:
    """What nobody may miss, beside what became of this run: what was given up, and what is damaged."""
    lines = []
    given_up = Counter(one.detail for one in done if one.outcome in ("thinned", "dropped"))
    if given_up:
        number = "1 older run was" if given_up.total() == 1 else f"{given_up.total()} older runs were"
        reasons = ", ".join(f"{times} {reason}" for reason, times in given_up.items())
        lines.append(f"{number} given up and counted: {reasons}")
    damaged = [delivery for delivery in done if delivery.outcome == "damaged"]
    lines += [f"{delivery.run}: {delivery.detail}" for delivery in damaged[:3]]
    return lines


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
    if mine.outcome in ("thinned", "dropped"):
        return Shipment("failed", f"NOT sent, NOT kept, but counted: {mine.detail}", run=kept.run)
    if mine.outcome == "held":
        return Shipment("refused", f"not taken: {mine.detail}", run=kept.run)
    return Shipment("refused", f"refused for good, kept in quarantine: {mine.detail}", run=kept.run)
