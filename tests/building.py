"""Small worlds and signed runs for tests of the collector: a vendor, an enrolled agent, what it reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from checks import envelope, ids
from checks.model import (
    Dropped,
    Message,
    Narrowing,
    PlanItem,
    ProfileRef,
    Resources,
    Result,
    RunReport,
    ScopeItem,
    Severity,
    Status,
    Target,
    Trigger,
    encode_report,
)
from server import plans, store
from server.ingest.accept import accept
from server.ingest.arrival import Answer, Arrival
from server.tables import (
    AcceptedPlan,
    AgentKey,
    AgentRow,
    Assignment,
    Binding,
    Customer,
    Engineer,
    EnrolmentToken,
    Product,
    Project,
    Site,
    TargetRow,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2027, 1, 1, tzinfo=UTC)
"""After everything: a run received then is folded at the time its agent observed."""

NO_HASH = "0" * 64
ITEMS = {"disk": "P1", "port": "P0", "clock": "P2"}


def rule_of(item: str, version: int = 1) -> str:
    """A rule of an item; another version is another rule."""
    return ids.rule_digest(item, f"check.{item}", version, {}, "fail")


def plan_of(
    items: Mapping[str, str] = ITEMS, *, versions: Mapping[str, int] | None = None, target: str = "host"
) -> tuple[PlanItem, ...]:
    """A plan that holds a target to these items (id → severity)."""
    versions = versions or {}
    return tuple(
        PlanItem(target, item, f"check.{item}", rule_of(item, versions.get(item, 1)), Severity(severity))
        for item, severity in items.items()
    )


@dataclass
class Machine:
    """An agent's side of the world: it signs runs and keeps their chain."""

    agent: str = "agent-1"
    site: str = "plant"
    fingerprint: str = "machine-1"
    target: str = "host"
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sequence: int = 0
    previous: str = NO_HASH

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes_raw()

    def result(
        self,
        item: str,
        status: str,
        *,
        object: str = "",
        severity: str | None = None,
        version: int = 1,
        cause: str = "",
        owner: str = "vendor",
        evidence: Mapping[str, Any] | None = None,
    ) -> Result:
        return Result(
            key=ids.finding_key(self.site, self.target, item, object),
            target=self.target,
            item=item,
            check=f"check.{item}",
            check_version=1,
            object=object,
            status=Status(status),
            severity=Severity(severity or ITEMS.get(item, "P2")),
            cause=cause,
            rule=rule_of(item, version),
            title=f"Title of {item}",
            message=Message("{what} is {status}", {"what": item, "status": status}),
            evidence=dict(evidence or {}),
            remedy=f"mend {item}",
            owner=owner,
            duration_ms=1.5,
        )

    def report(
        self,
        at: datetime,
        results: Sequence[Result],
        *,
        plan: Sequence[PlanItem] | None = None,
        scope: Sequence[ScopeItem] | None = None,
        **changes: Any,
    ) -> RunReport:
        """The next run of this machine, observed at `at`. Without a scope it is the whole plan, complete."""
        plan = plan_of(target=self.target) if plan is None else plan
        if scope is None:
            scope = [ScopeItem(entry.target, entry.item, True) for entry in plan]
        values: dict[str, Any] = {
            "wire": 1,
            "run": ids.new_run_id(int(at.timestamp() * 1000)),
            "agent": self.agent,
            "agent_version": "0",
            "sequence": self.sequence + 1,
            "previous": self.previous,
            "install": "install-1",
            "boot": "boot-1",
            "fingerprint": self.fingerprint,
            "site": self.site,
            "profile": ProfileRef("linux-server", "1"),
            "plan_digest": NO_HASH,
            "plan": tuple(plan),
            "scope": tuple(scope),
            "narrowing": Narrowing(),
            "trigger": Trigger.SCHEDULE,
            "stage": "",
            "operator": "root",
            "started": at - timedelta(seconds=1),
            "ended": at,
            "partial": False,
            "targets": (Target(self.target),),
            "results": tuple(results),
            "dropped": Dropped(),
            "resources": Resources(),
        }
        return RunReport(**(values | changes))

    def seal(self, report: RunReport) -> envelope.Envelope:
        """Sign a report and move the chain on."""
        sealed = envelope.seal(report.agent, report.run, encode_report(report), self.key)
        self.sequence, self.previous = report.sequence, sealed.seal.hash
        return sealed

    def run(
        self, at: datetime, results: Mapping[str, str] | Sequence[Result], **more: Any
    ) -> envelope.Envelope:
        """A signed run; results as item → status, or as results."""
        if isinstance(results, Mapping):
            results = [self.result(item, status) for item, status in results.items()]
        return self.seal(self.report(at, results, **more))


def arrive(
    session: Session,
    sealed: envelope.Envelope,
    *,
    received_at: datetime = LATER,
    sent_at: datetime | None = None,
) -> Answer:
    return accept(session, Arrival(sealed.seal, sealed.body, received_at, sent_at))


def found_vendor(session: Session) -> None:
    """One customer, one site ``plant``, one product, the project ``erp`` and the engineers ann and bo."""
    store.found_store(session, START)
    session.add(Customer(id="acme", name="Acme", industry="manufacturing"))
    session.flush()
    session.add(Site(id="plant", customer_id="acme", name="Plant"))
    session.add(Product(id="suite", name="Suite"))
    session.add_all([Engineer(id="ann", name="Ann"), Engineer(id="bo", name="Bo")])
    session.flush()
    session.add(Project(id="erp", site_id="plant", product_id="suite", name="ERP", started_at=START))
    session.flush()


def enrol(session: Session, machine: Machine, *, token: bool = False, project: str | None = "erp") -> None:
    """Make a machine known. With `token` its first plan binds it; without it nothing is bound."""
    hashed = f"token-of-{machine.agent}"
    session.add(
        EnrolmentToken(
            token_hash=hashed,
            site_id=machine.site,
            project_id=project,
            created_by="test",
            created_at=START,
            expires_at=LATER,
            used_at=START,
            bound_at=None if token else START,
        )
    )
    target = session.query(TargetRow).filter_by(site_id=machine.site, name=machine.target).first()
    if target is None:
        target = TargetRow(
            id=f"{machine.site}-{machine.target}", site_id=machine.site, name=machine.target, created_at=START
        )
        session.add(target)
    session.flush()
    session.add(
        AgentRow(
            id=machine.agent,
            site_id=machine.site,
            install="install-1",
            fingerprint=machine.fingerprint,
            target_id=target.id,
            enrolled_at=START,
            token_hash=hashed,
        )
    )
    session.flush()
    session.add(AgentKey(agent_id=machine.agent, public_key=machine.public, created_at=START))
    session.flush()


def bind(
    session: Session,
    machine: Machine,
    plan: Sequence[PlanItem] | None = None,
    *,
    project: str | None = "erp",
    since: datetime = START,
    until: datetime | None = None,
) -> int:
    """Bind the machine's target to a plan that is accepted from the start; the binding's id."""
    target = session.query(TargetRow).filter_by(site_id=machine.site, name=machine.target).one()
    binding = Binding(
        target_id=target.id,
        profile_id="linux-server",
        project_id=project,
        interval_s=86_400,
        valid_from=since,
        valid_until=until,
    )
    session.add(binding)
    session.flush()
    accept_plan(session, binding.id, plan_of(target=machine.target) if plan is None else plan, since)
    return binding.id


def accept_plan(session: Session, binding: int, plan: Sequence[PlanItem], since: datetime) -> None:
    document = plans.encode(plans.entries_of(plan, plan[0].target) if plan else [])
    number = plans.intern(session.connection(), document)
    session.add(
        AcceptedPlan(
            binding_id=binding, plan_id=number, valid_from=since, accepted_by="test", accepted_at=since
        )
    )
    session.flush()


def assign(
    session: Session,
    engineer: str,
    share: float = 1.0,
    *,
    role: str = "lead",
    since: datetime = START,
    until: datetime | None = None,
) -> None:
    session.add(
        Assignment(
            project_id="erp",
            engineer_id=engineer,
            role=role,
            share=share,
            valid_from=since,
            valid_until=until,
        )
    )
    session.flush()
