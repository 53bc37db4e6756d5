"""The report for other programs: a stable JSON shape, described in docs/report-json.md.

It is neither the wire nor the stored document: fields may be added within a version, none is renamed,
removed or given another meaning.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from checks.model import Narrowing, ProfileRef, Resources, Result, Scalar, Severity, Status, Target, Trigger
from reports.run.view import Delivery, RunView, by_urgency, counts, verdict, worst_severity

FORMAT: Final = "firstlight-run-report"
VERSION: Final = 1


class JsonResult(msgspec.Struct, frozen=True):
    """One result: `message` is the finished sentence, `template` and `args` what it was made of.

    `changed_since_acceptance` is a sentence, empty where nothing changed or nothing was accepted;
    `under` is the key of the failing result that explains this one, or ``target:NAME`` of a lost target;
    `waived` says until when the failure is borne and by whose word.
    """

    status: Status
    severity: Severity
    item: str
    object: str
    target: str
    title: str
    message: str
    template: str
    args: dict[str, Scalar]
    evidence: dict[str, Scalar]
    cause: str
    remedy: str
    owner: str
    check: str
    check_version: int
    key: str
    rule: str
    duration_ms: float
    changed_since_acceptance: str
    under: str
    waived: str


class JsonRoot(msgspec.Struct, frozen=True):
    """A cause that explains other results: a failing result by its key, or a lost target, which has none."""

    target: str
    item: str
    key: str
    reason: str
    cause: str
    severity: Severity
    results: int


class Summary(msgspec.Struct, frozen=True):
    """The run in one sentence, how many results each status has, and the worst failing severity."""

    text: str
    worst: Severity | None
    counts: dict[str, int]


class JsonReport(msgspec.Struct, frozen=True):
    """The whole report; results stand in the order in which to act on them."""

    format: str
    version: int
    summary: Summary
    profile: ProfileRef
    title: str
    adhoc: bool
    unplaced: tuple[str, ...]
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]
    plan_digest: str
    narrowing: Narrowing
    stage: str
    trigger: Trigger
    site: str
    run: str
    operator: str
    started: datetime
    ended: datetime
    captured: datetime
    partial: bool
    targets: tuple[Target, ...]
    results: tuple[JsonResult, ...]
    delivery: Delivery
    firstlight: str
    resources: Resources
    baseline: str
    roots: tuple[JsonRoot, ...]


def render(view: RunView) -> bytes:
    """The report as indented UTF-8 JSON that ends with a line end."""
    under = {key: root.key or f"target:{root.target}" for root in view.roots for key in root.under}
    report = JsonReport(
        format=FORMAT,
        version=VERSION,
        summary=Summary(
            verdict(view),
            worst_severity(view.results),
            {status.value: count for status, count in counts(view.results).items()},
        ),
        profile=view.profile,
        title=view.title,
        adhoc=view.adhoc,
        unplaced=view.unplaced,
        conflicts=view.conflicts,
        notes=view.notes,
        plan_digest=view.plan_digest,
        narrowing=view.narrowing,
        stage=view.stage,
        trigger=view.trigger,
        site=view.site,
        run=view.run,
        operator=view.operator,
        started=view.started,
        ended=view.ended,
        captured=view.captured,
        partial=view.partial,
        targets=view.targets,
        results=tuple(
            _result(
                result,
                view.changes.get(result.key, ""),
                under.get(result.key, ""),
                view.waivers.get(result.key, ""),
            )
            for result in by_urgency(view.results)
        ),
        delivery=view.delivery,
        firstlight=view.version,
        resources=view.resources,
        baseline=view.baseline,
        roots=tuple(
            JsonRoot(
                each.target, each.item, each.key, each.reason, each.cause, each.severity, len(each.under)
            )
            for each in view.roots
        ),
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _result(result: Result, changed: str, under: str, waived: str) -> JsonResult:
    return JsonResult(
        status=result.status,
        severity=result.severity,
        item=result.item,
        object=result.object,
        target=result.target,
        title=result.title,
        message=str(result.message),
        template=result.message.template,
        args=result.message.args,
        evidence=result.evidence,
        cause=result.cause,
        remedy=result.remedy,
        owner=result.owner,
        check=result.check,
        check_version=result.check_version,
        key=result.key,
        rule=result.rule,
        duration_ms=result.duration_ms,
        changed_since_acceptance=changed,
        under=under,
        waived=waived,
    )
