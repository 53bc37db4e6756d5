"""One run from plan to redacted results: read, evaluate, redact, in this order and nothing else.

What is shown, stored or sent comes after, and sees nothing that has not been redacted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from agent import __version__
from agent.collect import HOSTS_AT_ONCE, Interrupted, collect, utc_now
from agent.history import Recollection, record
from agent.identity import UNENROLLED, load_identity, load_salts, secret_salt
from agent.paths import state
from agent.planning import Planned
from agent.progress import progress
from agent.redact import Redactor
from agent.redaction.at_site import hidden, masks_names, redactor_for, remember
from agent.rules.waivers import waived
from agent.usage import used
from checks.evaluate import Evaluation, evaluate
from checks.model import PlanItem, ProfileRef, Resources, Target, Trigger
from checks.plan import Plan
from checks.snapshot import Snapshot

if TYPE_CHECKING:
    from agent.ship import Shipment
    from agent.targets.sources import Sources
    from checks.causes import Root
    from reports.run.view import RunView


class Run(msgspec.Struct, frozen=True):
    """What a run gave. Snapshot, evaluation and `items` (those of the plan) are redacted; the plan is not."""

    plan: Plan
    snapshot: Snapshot
    evaluation: Evaluation
    items: tuple[PlanItem, ...]
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
    beside: Callable[[Sources], None] | None = None,
) -> Run:
    """Read what the plan needs and evaluate. Ctrl-C ends the reading; the run is partial then.

    `keep` says whether its numbers go into the history that forecasts are made from. `beside` is called with
    the sources once all facts are read, for what else is wanted of the same targets.
    """
    plan = planned.plan
    redactor = redactor_for(state(), site, _known(planned))  # a wrong rule is told before minutes of reading
    sources = _sources(planned, site, accept_new)
    started, begin, partial = utc_now(), monotonic(), False
    try:
        with progress(plan) as on_reading:
            snapshot = collect(
                plan, sources.hosts, remotes=sources.remotes, limit=limit, on_reading=on_reading
            )
        if beside is not None:
            beside(sources)
    except Interrupted as stop:
        snapshot, partial = stop.snapshot, True
    finally:
        sources.close()
    snapshot = msgspec.structs.replace(snapshot, site=site)
    if keep:
        record(state(), snapshot)
    return _evaluated(plan, snapshot, site, trigger, started, begin, partial, redactor)


def _known(planned: Planned) -> set[str]:
    """The names of machines that a plan holds, where this site masks them."""
    if not masks_names(state()):
        return set()
    from agent.redaction.known import names_of

    return names_of(planned, load_identity())


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
    redactor = redactor_for(state(), named, _known(Planned(plan)))
    begin, at = monotonic(), saved.captured_at
    seen = hidden(plan, saved)
    run = _evaluated(plan, seen, named, Trigger.SNAPSHOT, at, begin, saved.partial, redactor)
    return run if site not in (None, saved.site) else _with_recorded_keys(run, saved)


def _with_recorded_keys(run: Run, saved: Snapshot) -> Run:
    """The run with the keys that were recorded: where the site masks names, only its agents can make them."""
    recorded = {(each.target, each.item, each.object): each.key for each in saved.recorded}
    results = run.evaluation.results
    named = {each.key: recorded.get((each.target, each.item, each.object), each.key) for each in results}
    if all(old == new for old, new in named.items()):
        return run
    renamed = tuple(msgspec.structs.replace(each, key=named[each.key]) for each in results)
    basis = {named.get(key, key): read for key, read in run.evaluation.basis.items()}
    evaluation = Evaluation(renamed, run.evaluation.scope, basis)
    snapshot = msgspec.structs.replace(run.snapshot, recorded=renamed)
    roots = tuple(
        msgspec.structs.replace(
            root, key=named.get(root.key, root.key), under=tuple(named.get(key, key) for key in root.under)
        )
        for root in run.roots
    )
    return msgspec.structs.replace(run, evaluation=evaluation, snapshot=snapshot, roots=roots)


def view_of(
    run: Run, site: str, stage: str, operator: str, shipment: Shipment | None, *, note: str = ""
) -> RunView:
    """The run as the reports show it, with what changed since it was accepted and what is borne of it.

    `note` is what a reader must know of the plan.
    """
    from agent.baselines import since_acceptance
    from reports.run.view import Delivery, RunView

    changes, baseline = since_acceptance(state(), run.snapshot, run.evaluation.basis)
    profile = run.plan.profile
    redactor = redactor_for(state(), site)
    return RunView(
        profile=ProfileRef(profile.id, profile.version),
        title=redactor.text(profile.title),
        plan_digest=run.plan.digest,
        started=run.started,
        ended=run.ended,
        captured=run.snapshot.captured_at,
        targets=_targets(run),
        results=run.evaluation.results,
        version=__version__,
        site=site,
        operator=redactor.operator(operator),
        stage=stage,
        trigger=run.trigger,
        narrowing=run.snapshot.narrowing,
        partial=run.partial,
        adhoc=profile.adhoc,
        unplaced=run.plan.unplaced,
        conflicts=tuple(redactor.text(str(each)) for each in run.plan.conflicts if each.caveat),
        resources=run.resources,
        changes=changes,
        baseline=baseline,
        roots=run.roots,
        waivers=waived(state(), site, run.evaluation.results, run.ended),
        notes=(note,) if note else (),
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
    redactor: Redactor,
) -> Run:
    evaluation = evaluate(plan, snapshot, salt=_salt_of(site))
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
    redacted = redactor.evaluation(evaluation)
    remember(state(), redactor)
    return Run(
        plan=plan,
        snapshot=clean,
        evaluation=redacted,
        items=redactor.items(plan.items()),
        trigger=trigger,
        started=started,
        ended=utc_now() if trigger is not Trigger.SNAPSHOT else snapshot.captured_at,
        partial=partial,
        resources=used(monotonic() - begin),
        roots=_roots(plan, snapshot, evaluation, redactor),
    )


def _salt_of(site: str) -> str:
    """What the findings' keys of a site are made with: its id, or the secret of one that masks names."""
    at = state()
    if masks_names(at):
        return secret_salt(at, site)
    return load_salts(at).get(site, site) if site else UNENROLLED


def _targets(run: Run) -> tuple[Target, ...]:
    """The plan's targets as they may be shown: masked where the snapshot's are."""
    if not masks_names(state()):
        return tuple(run.plan.targets)
    return tuple(each.target for each in run.snapshot.targets)


def _roots(plan: Plan, snapshot: Snapshot, evaluation: Evaluation, redactor: Redactor) -> tuple[Root, ...]:
    """The causes in a run; most runs have neither a lost target nor an item that needs another."""
    if not any(each.lost for each in snapshot.targets) and not any(unit.item.needs for unit in plan.units):
        return ()
    from checks.causes import roots_of

    return tuple(
        msgspec.structs.replace(root, target=redactor.target(root.target), reason=redactor.text(root.reason))
        for root in roots_of(plan, snapshot, evaluation)
    )
