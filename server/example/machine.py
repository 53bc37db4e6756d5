"""A simulated server with an agent's habits: it judges its readings, signs each run, keeps its chain."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from checks import envelope
from checks.evaluate import evaluate, next_facts
from checks.fact import Reading
from checks.ids import new_run_id
from checks.model import (
    WIRE_VERSION,
    Dropped,
    Narrowing,
    ProfileRef,
    Resources,
    RunReport,
    Target,
    Trigger,
    encode_report,
)
from checks.plan import Plan, make_plan
from checks.profile import load_profile
from checks.snapshot import Readings, Snapshot
from server.example.readings import noise, reading
from server.tables.base import EPOCH

PROFILE = "app-server"
TOOK = timedelta(seconds=4)


@dataclass
class Machine:
    """One server. Its key is made for the occasion and forgotten, so nobody can go on in its name."""

    name: str
    site: str
    agent: str = ""
    target: str = ""
    sequence: int = 0
    previous: str = "0" * 64
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    plan: Plan | None = None

    def enrolment(self, token: str) -> envelope.Enrolment:
        """What it asks the collector with."""
        public = base64.b64encode(self.key.public_key().public_bytes_raw()).decode()
        return envelope.Enrolment(
            token, public, f"example-{self.name}", self.fingerprint, self.name, "example"
        )

    @property
    def fingerprint(self) -> str:
        return f"example machine {self.name}"

    def enrolled(self, answer: envelope.Enrolled) -> None:
        self.agent, self.name, self.target = answer.agent, answer.target, answer.target_id
        self.plan = make_plan(load_profile(PROFILE), [Target(self.name, self.target)])

    def run(self, at: datetime, troubles: Collection[str]) -> envelope.Envelope:
        """The signed run that began at a moment with these troubles."""
        assert self.plan is not None, "enrol it first"
        report = self._report(self.plan, at, troubles)
        sealed = envelope.seal(report.agent, report.run, encode_report(report), self.key)
        self.sequence, self.previous = report.sequence, sealed.seal.hash
        return sealed

    def _report(self, plan: Plan, at: datetime, troubles: Collection[str]) -> RunReport:
        evaluation = evaluate(plan, self._snapshot(plan, at, troubles), salt=self.site)
        wall = 1 + 2 * noise(self.name, at)
        return RunReport(
            wire=WIRE_VERSION,
            run=new_run_id(int(at.timestamp() * 1000)),
            agent=self.agent,
            agent_version="example",
            sequence=self.sequence + 1,
            previous=self.previous,
            install=f"example-{self.name}",
            boot="example",
            fingerprint=self.fingerprint,
            site=self.site,
            profile=ProfileRef(plan.profile.id, plan.profile.version),
            plan_digest=plan.digest,
            plan=plan.items(),
            scope=evaluation.scope,
            narrowing=Narrowing(),
            trigger=Trigger.SCHEDULE,
            stage="",
            operator="example",
            started=at,
            ended=at + timedelta(seconds=wall),
            partial=False,
            targets=plan.targets,
            results=evaluation.results,
            dropped=Dropped(),
            resources=Resources(cpu_s=0.2, peak_rss=30 * 2**20, wall_s=wall),
        )

    def _snapshot(self, plan: Plan, at: datetime, troubles: Collection[str]) -> Snapshot:
        day = (at - EPOCH).days
        values: dict[str, Reading] = {}
        facts = plan.facts(self.name)
        while facts:
            values |= {fact.id(): reading(fact, self.name, day, troubles) for fact in facts}
            facts = next_facts(plan, self.name, values)
        return Snapshot(at, (Readings(plan.targets[0], values, at),))
