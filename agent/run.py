"""One run from plan to redacted results: read, evaluate, redact, in this order and nothing else.

What is shown, stored or sent comes after, and sees nothing that has not been redacted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Final

import msgspec

from agent import __version__
from agent.collect import Interrupted, collect, utc_now
from agent.identity import UNENROLLED, Identity, load_salts, local_target
from agent.paths import state
from agent.progress import progress
from agent.redact import Redactor
from agent.usage import used
from checks.errors import BadInput
from checks.evaluate import Evaluation, evaluate
from checks.model import ProfileRef, Resources, Trigger
from checks.plan import Plan, make_plan
from checks.profile import load_profile
from checks.snapshot import Snapshot

if TYPE_CHECKING:
    from agent.ship import Shipment
    from reports.run.view import RunView

DEFAULT_PROFILE: Final = "linux-server"


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


def plan_for(
    profile: str | None,
    identity: Identity | None,
    saved: Snapshot | None,
    *,
    only: Sequence[str],
    stage: str,
    overrides: Sequence[str],
) -> Plan:
    """The plan of a profile for this machine, or for the targets of a saved snapshot.

    Unnamed, the profile is that of the snapshot, else that of the enrolment, else `linux-server`.
    """
    targets = [readings.target for readings in saved.targets] if saved is not None else [local_target()]
    unnamed = (saved.profile if saved else "") or (identity.profile if identity else "") or DEFAULT_PROFILE
    try:
        loaded = load_profile(profile or unnamed, overrides=overrides)
    except BadInput as error:
        if profile is None and saved is not None:
            raise BadInput(f"{error}; the snapshot was made with that profile: name its file") from error
        raise
    return make_plan(loaded, targets, only=only, stage=stage)


def check_now(plan: Plan, *, site: str, trigger: Trigger) -> Run:
    """Read this machine and evaluate. Ctrl-C ends the reading; the run is partial then."""
    from checks.facts.localhost import LocalHost

    started, begin, partial = utc_now(), monotonic(), False
    host = LocalHost(stuck_dir=state().root / "stuck")
    try:
        with progress(plan) as on_reading:
            snapshot = collect(plan, {target.name: host for target in plan.targets}, on_reading=on_reading)
    except Interrupted as stop:
        snapshot, partial = stop.snapshot, True
    snapshot = msgspec.structs.replace(snapshot, site=site)
    return _evaluated(plan, snapshot, site, trigger, started, begin, partial)


def check_saved(plan: Plan, saved: Snapshot, *, site: str | None) -> Run:
    """Evaluate readings that were saved, with the keys they had unless another site is named."""
    named = saved.site if site is None else site
    return _evaluated(plan, saved, named, Trigger.SNAPSHOT, saved.captured_at, monotonic(), False)


def view_of(run: Run, site: str, stage: str, operator: str, shipment: Shipment | None) -> RunView:
    """The run as the reports show it."""
    from reports.run.view import Delivery, RunView

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
        resources=run.resources,
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
    results = redactor.results(evaluation.results)
    clean = redactor.snapshot(msgspec.structs.replace(snapshot, profile=plan.profile.id, recorded=results))
    return Run(
        plan=plan,
        snapshot=clean,
        evaluation=Evaluation(results=results, scope=evaluation.scope),
        trigger=trigger,
        started=started,
        ended=utc_now() if trigger is not Trigger.SNAPSHOT else snapshot.captured_at,
        partial=partial,
        resources=used(monotonic() - begin),
    )
