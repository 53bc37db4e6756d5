"""The runs of a history as agents would send them: real reports, chained, signed with real keys."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from histories import ITEMS, OPENS_ON, OWNERS, History, rule
from history_words import Run, Target

from checks import ids, model
from checks.envelope import Envelope, seal

SALT = "salt of "
VERSION_OF = {rule(item, version): version for item in ITEMS for version in OPENS_ON}


def agent_of(site: str) -> str:
    return f"agent-{site}"


def fingerprint_of(site: str) -> str:
    return f"machine-{site}"


@lru_cache
def key_of(site: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(agent_of(site).encode()).digest())


def key_for(target: Target, item: str, object: str) -> str:
    """The name that agents give a finding."""
    return ids.finding_key(SALT + target.site, target.name, item, object)


def envelopes(history: History) -> list[Envelope]:
    """The history's runs in its order, each following the one before of its site's agent."""
    sealed: list[Envelope] = []
    tips: dict[str, tuple[int, str]] = {}
    for run in history.runs:
        sequence, previous = tips.get(run.site, (0, "0" * 64))
        body = model.encode_report(report(run, sequence + 1, previous))
        sealed.append(seal(agent_of(run.site), run.id, body, key_of(run.site)))
        tips[run.site] = (sequence + 1, sealed[-1].seal.hash)
    return sealed


def report(run: Run, sequence: int, previous: str) -> model.RunReport:
    """What the agent says; items that are out of scope stand in the plan all the same."""
    scope, results, plan = [], [], []
    for target, reports in run.reports.items():
        for item in ITEMS:
            said = reports.get(item)
            used = said.rule if said is not None else rule(item, 1)
            opens_on = OPENS_ON[VERSION_OF[used]]
            plan.append(model.PlanItem(target.name, item, item, used, model.Severity.P2, opens_on))
            if said is None:
                continue
            scope.append(model.ScopeItem(target.name, item, said.complete))
            for number, (object, seen) in enumerate(said.objects.items()):
                results.append(
                    model.Result(
                        key=key_for(target, item, object),
                        target=target.name,
                        item=item,
                        check=item,
                        check_version=VERSION_OF[used],
                        object=object,
                        status=model.Status(seen.status),
                        severity=model.Severity(seen.severity),
                        cause=seen.cause,
                        rule=used,
                        title=f"Title of {item}",
                        message=model.Message("{free} free", {"free": 100 * sequence + number}),
                        evidence={"free": 100 * sequence + number},
                        remedy="",
                        owner=OWNERS[item],
                        duration_ms=float(sequence),
                    )
                )
    return model.RunReport(
        wire=model.WIRE_VERSION,
        run=run.id,
        agent=agent_of(run.site),
        agent_version="0",
        sequence=sequence,
        previous=previous,
        install="install",
        boot="boot",
        fingerprint=fingerprint_of(run.site),
        site=run.site,
        profile=model.ProfileRef(run.profile, "1"),
        plan_digest=hashlib.sha256(repr(plan).encode()).hexdigest(),
        plan=tuple(plan),
        scope=tuple(scope),
        narrowing=model.Narrowing(only=tuple(sorted({entry.item for entry in scope}))),
        trigger=model.Trigger.SNAPSHOT if run.from_snapshot else model.Trigger.SCHEDULE,
        stage="",
        operator="",
        started=run.at,
        ended=run.at,
        partial=False,
        targets=tuple(model.Target(target.name) for target in run.reports),
        results=tuple(results),
        dropped=model.Dropped(),
        resources=model.Resources(),
    )
