"""A small vendor whose runs went through the real door, with hostile words in one of its machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from building import START, Machine, accept_plan, arrive, enrol, plan_of
from msgspec.structs import replace
from sqlalchemy import select
from sqlalchemy.orm import Session

from checks.model import Message, Result
from server import store
from server.auth.users import add_user
from server.db import Database
from server.tables import (
    Assignment,
    Binding,
    Customer,
    Decision,
    Engineer,
    Episode,
    Finding,
    GoLive,
    Handover,
    Product,
    Project,
    Receipt,
    Site,
    TargetRow,
)

NOW = START + timedelta(days=150)
HOSTILE = """"><script>alert('1')</script><img src=https://evil.example/x onerror=alert(2)> {{ 7*7 }} 灯"""
PASSWORD = "a long enough password"  # of a test's own store


@dataclass(frozen=True)
class Words:
    """What one item says, so that pages have something to read."""

    title: str
    object: str
    message: str
    remedy: str
    owner: str
    severity: str


ITEMS: Mapping[str, Words] = {
    "disk.free": Words(
        "A filesystem has room to grow",
        "/data",
        "{free} free on /data, at least 5 % are needed",
        "Extend the volume, or remove what `du -xh /data | sort -h | tail` names.",
        "customer-it",
        "P1",
    ),
    "lim.nofile": Words(
        "The running process may open enough files",
        "nginx",
        "soft limit 1024 of nginx, at least 65536 are needed",
        "Set LimitNOFILE=65536 in the unit (`systemctl edit nginx`) and restart it.",
        "vendor",
        "P1",
    ),
    "app.config": Words(
        "The connection pool has the agreed size",
        "/etc/app/app.ini: pool.size",
        "pool.size is 10, agreed is 50",
        "Set pool.size = 50 in /etc/app/app.ini and reload the application.",
        "vendor",
        "P2",
    ),
    "time.sync": Words("The clock is synchronised", "", "synchronised, offset 2 ms", "", "customer-it", "P2"),
    "os.supported": Words("The system is supported", "", "Debian 12 is supported", "", "vendor", "P3"),
}
PLAN = {item: words.severity for item, words in ITEMS.items()}
Script = Mapping[str, list[tuple[int, int, str]]]
"""By item, stretches of days [from, to) with the status then; it passes otherwise."""

NORTH: Script = {
    "lim.nofile": [(12, 15, "fail"), (40, 43, "fail")],
    "disk.free": [(70, 80, "warn"), (141, 999, "fail")],
    "app.config": [(100, 104, "fail"), (130, 136, "error"), (146, 999, "fail")],
}
PLANT: Script = {"app.config": [(60, 66, "fail"), (147, 999, "fail")], "time.sync": [(20, 22, "error")]}
HARBOUR: Script = {"disk.free": [(30, 33, "fail")]}


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def results(machine: Machine, script: Script, day: int) -> list[Result]:
    found = []
    for item, words in ITEMS.items():
        status = next((s for since, to, s in script.get(item, []) if since <= day < to), "pass")
        result = machine.result(
            item,
            status,
            object=words.object,
            severity=words.severity,
            owner=words.owner,
            evidence={"measured_on_day": day, "share": 0.034},
        )
        found.append(
            replace(
                result,
                title=words.title,
                message=Message(words.message if status != "pass" else "as it should be", {"free": "3.4 %"}),
                remedy=words.remedy,
            )
        )
    return found


def build(db: Database, *, hostile: bool = True) -> None:
    """Three sites that report, one that never did, four people, decisions, a held run, a proposed plan."""
    with db.write() as session:
        _found(session)
        add_user(session, "root", "admin", PASSWORD, by="test", now=START, name="Rut Admin")
        add_user(session, "mei", "engineer", PASSWORD, by="test", now=START, name="Mei", engineer_id="mei")
    machines = {
        "example-north": Machine("agent-north", "example-north", "fp-n", "erp-1"),
        "plant": Machine("agent-plant", "plant", "fp-p", "db-1"),
        "harbour": Machine("agent-harbour", "harbour", "fp-h", "app-1"),
    }
    stories = {"example-north": (NORTH, 150), "plant": (PLANT, 150), "harbour": (HARBOUR, 60)}
    for site, machine in machines.items():
        with db.write() as session:
            _bind(session, machine, site)
            script, until = stories[site]
            plan = plan_of(PLAN, target=machine.target)
            for day in range(1, until):
                arrive(
                    session,
                    machine.run(at(day), results(machine, script, day), plan=plan),
                    received_at=at(day) + timedelta(minutes=2),
                )
    with db.write() as session:
        _last_words(session, machines["plant"], hostile=hostile)
        _decide(session)


def _found(session: Session) -> None:
    store.found_store(session, START, example_data=True)
    session.add_all(
        [
            Customer(id="acme", name="Acme Castings 精铸", industry="manufacturing"),
            Customer(id="bank", name="Harbour Bank", industry="finance"),
        ]
    )
    session.flush()
    session.add_all(
        [
            Site(id="example-north", customer_id="acme", name="North foundry 北厂"),
            Site(id="plant", customer_id="acme", name="Plant"),
            Site(id="harbour", customer_id="bank", name="Harbour branch"),
            Site(id="attic", customer_id="bank", name="Attic"),
            Product(id="suite", name="Suite"),
            Engineer(id="mei", name="Mei Lin 林梅"),
            Engineer(id="ana", name="Ana Ortiz"),
            Engineer(id="bo", name="Bo Berg"),
        ]
    )
    session.flush()
    for site in ("example-north", "plant", "harbour"):
        session.add(
            Project(
                id=f"erp-{site}", site_id=site, product_id="suite", name=f"ERP at {site}", started_at=START
            )
        )
    session.flush()
    for project, engineer, share, since, until in (
        ("erp-example-north", "mei", 0.75, 0, None),
        ("erp-plant", "ana", 1.0, 0, 80),
        ("erp-plant", "bo", 1.0, 80, None),
        ("erp-harbour", "bo", 0.5, 0, None),
        ("erp-harbour", "mei", 0.5, 0, None),
    ):
        session.add(
            Assignment(
                project_id=project,
                engineer_id=engineer,
                role="lead" if engineer != "mei" else "engineer",
                share=share,
                valid_from=at(since),
                valid_until=None if until is None else at(until),
            )
        )
    session.add_all(
        [
            GoLive(project_id="erp-example-north", started_at=at(10), cutover_at=at(10.5), outcome="live"),
            GoLive(project_id="erp-plant", started_at=at(50), cutover_at=at(50.3), outcome="live"),
            GoLive(project_id="erp-harbour", started_at=at(25), cutover_at=at(25.2), outcome="live"),
        ]
    )
    session.flush()


def _bind(session: Session, machine: Machine, site: str) -> None:
    enrol(session, machine, project=None)
    target = session.scalars(select(TargetRow).where(TargetRow.site_id == site)).one()
    binding = Binding(
        target_id=target.id,
        profile_id="linux-server",
        project_id=f"erp-{site}",
        interval_s=86_400,
        valid_from=START,
    )
    session.add(binding)
    session.flush()
    accept_plan(session, binding.id, plan_of(PLAN, target=machine.target), START)


def _last_words(session: Session, machine: Machine, *, hostile: bool) -> None:
    """A run under a plan nobody accepted, with hostile words in all of it, and one from a wrong clock."""
    says = HOSTILE if hostile else "pool.size is 10, agreed is 50"
    found = [
        replace(
            result,
            title=says,
            remedy=says,
            owner=says[:100],
            cause=says[:100],
            message=Message(says + " {x}", {"x": says}),
            evidence={says[:60]: says},
        )
        if result.item == "app.config"
        else result
        for result in results(machine, PLANT, 149)
    ]
    plan = plan_of(PLAN, versions={"disk.free": 2}, target=machine.target)
    changes: dict[str, Any] = {"operator": says[:200], "agent_version": says[:100]}
    sealed = machine.run(at(149.5), found, plan=plan, **changes)
    assert arrive(session, sealed, received_at=at(149.5)).status == 201
    wrong = machine.run(at(149.8), results(machine, PLANT, 149), plan=plan)
    answer = arrive(session, wrong, received_at=at(149.9), sent_at=datetime(2031, 1, 1, tzinfo=UTC))
    assert answer.ack is not None
    assert answer.ack.held == "skew"


def _decide(session: Session) -> None:
    first = session.scalars(
        select(Episode).where(Episode.site_id == "example-north").order_by(Episode.opened_at)
    ).first()
    assert first is not None
    run = session.scalars(
        select(Receipt).where(Receipt.site_id == "plant").order_by(Receipt.effective_at)
    ).first()
    assert run is not None
    session.add(
        Handover(
            project_id="erp-plant",
            role="lead",
            from_engineer_id="ana",
            to_engineer_id="bo",
            run_id=run.id,
            at=at(80),
        )
    )
    session.add_all(
        [
            Decision(
                kind="severity",
                finding_id=first.finding_id,
                at=first.opened_at,
                old_value="P1",
                new_value="P2",
                reason="only the test tenant was hit",
                proposed_by="mei",
                proposed_at=at(13),
                approved_by="root",
                approved_at=at(14),
            ),
            Decision(
                kind="cause",
                finding_id=first.finding_id,
                at=first.opened_at,
                old_value="implementation",
                new_value="product",
                reason=HOSTILE,
                proposed_by="root",
                proposed_at=at(15),
            ),
            Decision(
                kind="exclusion",
                kpi="recurrence",
                unit="erp-harbour/disk.free",
                old_value="counted",
                new_value="excluded",
                reason="customer-request",
                proposed_by="bo",
                proposed_at=at(90),
                approved_by="root",
                approved_at=at(91),
            ),
        ]
    )


def finding_of(session: Session, site: str, item: str) -> int:
    query = select(Finding.id).where(Finding.site_id == site, Finding.item == item)
    return session.scalars(query).one()
