"""A plan, a snapshot and an evaluation as small as they can be, in the shape that shipping reads.

`test_ship_whole.py` ships a real plan, so that these stand-ins cannot drift from it unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agent.identity import Identity, load_identity
from agent.paths import State
from agent.report import Occasion
from agent.ship import Shipment, ship, spool_run
from agent.spool import Spooled
from checks.ids import finding_key, rule_digest
from checks.model import (
    Message,
    Narrowing,
    PlanItem,
    Resources,
    Result,
    ScopeItem,
    Severity,
    Status,
    Target,
    Trigger,
)
from checks.snapshot import Readings, Snapshot

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULE = rule_digest("disk.free", "disk.free", 1, {"fail_below": 5}, "fail")


@dataclass(frozen=True)
class SampleProfile:
    id: str = "linux-server"
    version: str = "1"


@dataclass(frozen=True)
class SamplePlan:
    profile: SampleProfile = field(default_factory=SampleProfile)
    digest: str = "ab" * 32
    narrowing: Narrowing = field(default_factory=Narrowing)

    def items(self) -> tuple[PlanItem, ...]:
        return (PlanItem("web-1", "disk.free", "disk.free", RULE, Severity.P1),)


@dataclass(frozen=True)
class SampleEvaluation:
    results: tuple[Result, ...] = field(default_factory=lambda: (result(),))
    scope: tuple[ScopeItem, ...] = (ScopeItem("web-1", "disk.free", True),)


def result(text: str = "3 % free on /data", **changes: Any) -> Result:
    fields: dict[str, Any] = {
        "key": finding_key("plant-a", "web-1", "disk.free", "/data"),
        "target": "web-1",
        "item": "disk.free",
        "check": "disk.free",
        "check_version": 1,
        "object": "/data",
        "status": Status.FAIL,
        "severity": Severity.P1,
        "cause": "low",
        "rule": RULE,
        "title": "A filesystem has room to grow",
        "message": Message(text),
        "evidence": {"free": 3.0},
        "remedy": "extend the volume",
        "owner": "customer-it",
        "duration_ms": 1.5,
    }
    return Result(**fields | changes)


def snapshot(at: datetime = NOON) -> Snapshot:
    return Snapshot(at, (Readings(Target("web-1"), {}, at),))


def occasion(**changes: Any) -> Occasion:
    fields: dict[str, Any] = {
        "site": "plant-a",
        "trigger": Trigger.MANUAL,
        "stage": "",
        "operator": "ada",
        "started": NOON - timedelta(seconds=2),
        "partial": False,
        "resources": Resources(0.2, 30_000_000, 2.0),
    }
    return Occasion(**fields | changes)


def spool_one(state: State, evaluation: Any = None, **changes: Any) -> Spooled:
    """Keep a run without delivering it."""
    identity = load_identity(state)
    assert isinstance(identity, Identity)
    plan: Any = SamplePlan()
    return spool_run(state, identity, plan, snapshot(), evaluation or SampleEvaluation(), occasion(**changes))


def ship_one(evaluation: Any = None, site: str | None = None) -> Shipment:
    """Ship a run the way `firstlight check` does."""
    plan: Any = SamplePlan()
    return ship(
        plan,
        snapshot(),
        evaluation or SampleEvaluation(),
        site=site,
        trigger=Trigger.MANUAL,
        stage="",
        operator="ada",
        started=NOON - timedelta(seconds=2),
        partial=False,
        resources=Resources(),
    )
