"""One run from plan to redacted results: read, evaluate, redact, in this order and nothing else.

What is shown, stored or sent comes after, and sees nothing that has not been redacted.
"""

from __future__ import annotations

from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from agent import __version__
from agent.collect import HOSTS_AT_ONCE, Interrupted, collect, utc_now
from agent.history import Recollection, record
from agent.identity import UNENROLLED, load_salts
from agent.paths import state
from agent.planning import Planned
from agent.progress import progress
from agent.redact import Redactor
from agent.usage import used
from checks.evaluate import Evaluation, evaluate
from checks.model import ProfileRef, Resources, Trigger
from checks.plan import Plan
from checks.snapshot import Snapshot

if TYPE_CHECKING:
    from agent.ship import Shipment
    from agent.targets.sources import Sources
    from checks.causes import Root
    from reports.run.view import RunView


class Run(msgspec.Struct, frozen=True):
    """What a run gave. Snapshot and evaluation are redacted."""

    plan: Plan
    snapshot: Snapshot
    evaluation: Evaluation
    trigger: Trigger
    started: datetime
    ended: datetime
    partial: bool
    resources: Resources
    roots: tuple[Root, ...] = ()


def check_now(
    planned: Planned,
    *,
    site: str,
    trigger: Trigger,
    limit: int = HOSTS_AT_ONCE,
    accept_new: bool = False,
    keep: bool = True,
) -> Run:
    """Read what the plan needs and evaluate. Ctrl-C ends the reading; the run is partial then.

    `keep` says whether its numbers go into the history that forecasts are made from.
    """
    plan = planned.plan
    sources = _sources(planned, site, accept_new)
    started, begin, partial = utc_now(), monotonic(), False
    try:
        with progress(plan) as on_reading:
            snapshot = collect(
                plan, sources.hosts, remotes=sources.remotes, limit=limit, on_reading=on_reading
            )
    except Interrupted as stop:
        snapshot, partial = stop.snapshot, True
    finally:
        sources.close()
    snapshot = msgspec.structs.replace(snapshot, site=site)
    if keep:
        record(state(), snapshot)
    return _evaluated(plan, snapshot, site, trigger, started, begin, partial)


def _sources(planned: Planned, site: str, accept_new: bool) -> Sources:
    """Where the plan's targets in scope are read from: without a site file this machine is all there is."""
    from agent.targets.sources import Sources
    from checks.facts.localhost import LocalHost

    at = state()

    def memory(target: str) -> Recollection:
        return Recollection(at, site, target, planned.plan.profile.id)

    def here(target: str) -> LocalHost:
        return LocalHost(stuck_dir=at.root / "stuck", memory=memory(target))

    if planned.site is None:
        return Sources({target.name: here(target.name) for target in planned.plan.targets}, {})
    from agent.targets.sources import sources_of

    in_scope = dict.fromkeys(source for unit in planned.plan.units for source in unit.sources)
    return sources_of(planned.site, in_scope, planned.router, here, memory, accept_new=accept_new)


def check_saved(plan: Plan, saved: Snapshot, *, site: str | None) -> Run:
    """Evaluate readings that were saved, with the keys they had unless another site is named."""
    named = saved.site if site is None else site
    return _evaluated(plan, saved, named, Trigger.SNAPSHOT, saved.captured_at, monotonic(), saved.partial)


def view_of(run: Run, site: str, stage: str, operator: str, shipment: Shipment | None) -> RunView:
    """The run as the reports show it, with what changed since it was accepted."""
    from agent.baselines import since_acceptance
    from reports.run.view import Delivery, RunView

    changes, baseline = since_acceptance(state(), run.snapshot, run.evaluation.basis)
    profile = run.plan.profile
    return RunView(
        profile=ProfileRef(profile.id, profile.version),
        title=profile.title,
        plan_digest=run.plan.digest,
        started=run.started,
        ended=run.ended,
        captured=run.snapshot.captured_at,
        targets=tuple(run.plan.targets),
        results=run.evaluation.results,
        version=__version__,
        site=site,
        operator=operator,
        stage=stage,
        trigger=run.trigger,
        narrowing=run.plan.narrowing,
        partial=run.partial,
        adhoc=profile.adhoc,
        unplaced=run.plan.unplaced,
        conflicts=tuple(str(each) for each in run.plan.conflicts if each.caveat),
        resources=run.resources,
        changes=changes,
        baseline=baseline,
        roots=run.roots,
        run=shipment.run if shipment else "",
        delivery=Delivery(shipment.outcome, shipment.line, shipment.url) if shipment else Delivery(),
    )


def _evaluated(
    plan: Plan,
    snapshot: Snapshot,
    site: str,
    trigger: Trigger,
    started: datetime,
    begin: float,
    partial: bool,
) -> Run:
    salt = load_salts(state()).get(site, site) if site else UNENROLLED
    evaluation = evaluate(plan, snapshot, salt=salt)
    redactor = Redactor(salt)
    clean = redactor.snapshot(
        msgspec.structs.replace(
            snapshot,
            recorded=evaluation.results,
            profile=plan.profile.id,
            profile_version=plan.profile.version,
            plan_digest=plan.digest,
            narrowing=plan.narrowing,
            partial=partial,
        )
    )
    redacted = Evaluation(results=clean.recorded, scope=evaluation.scope, basis=evaluation.basis)
    return Run(
        plan=plan,
        snapshot=clean,
        evaluation=redacted,
        trigger=trigger,
        started=started,
        ended=utc_now() if trigger is not Trigger.SNAPSHOT else snapshot.captured_at,
        partial=partial,
        resources=used(monotonic() - begin),
        roots=_roots(plan, clean, redacted),
    )


def _roots(plan: Plan, snapshot: Snapshot, evaluation: Evaluation) -> tuple[Root, ...]:
    """The causes in a run; most runs have neither a lost target nor an item that needs another."""
    if not any(each.lost for each in snapshot.targets) and not any(unit.item.needs for unit in plan.units):
        return ()
    from checks.causes import roots_of

    return roots_of(plan, snapshot, evaluation)
