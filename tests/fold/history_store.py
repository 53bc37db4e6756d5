"""A history brought into the real store: what is agreed goes into the tables, runs come through the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from histories import ENGINEERS, PROJECTS, START, GoLive, History
from history_wire import agent_of, envelopes, fingerprint_of, key_of
from history_words import AcceptedPlan, Assignment, Binding, Handover, Target
from sqlalchemy.orm import Session

from checks.envelope import Envelope
from server import plans, store, tables
from server.db import Database
from server.delivery import record_handover
from server.delivery.refold import refold_project, refold_targets
from server.ingest.accept import accept
from server.ingest.arrival import Arrival

RECEIVED = datetime(2040, 1, 1, tzinfo=UTC)
"""After every run of every history, so that each is folded at the time its agent observed."""
BEFORE = START - timedelta(days=400)


def found(session: Session, history: History) -> None:
    """Everything that is agreed, except handovers: those name a run that has to be stored first."""
    found_vendor(session, history)
    rows = [bind(session, binding) for binding in history.world.bindings]
    for row, binding in zip(rows, history.world.bindings, strict=True):
        row.valid_until = binding.valid_until
        session.add_all(accepted(session, row, plan) for plan in binding.plans)
    _add(session, map(_assignment, history.world.assignments))


def found_vendor(session: Session, history: History) -> None:
    """Who there is and what stands where, before anything is agreed."""
    sites = sorted({target.site for target in history.targets})
    store.found_store(session, BEFORE)
    session.add_all(tables.Engineer(id=name, name=name) for name in ENGINEERS)
    _add(session, [tables.Customer(id="acme", name="Acme"), tables.Product(id="suite", name="Suite")])
    _add(session, [tables.Site(id=site, customer_id="acme", name=site) for site in sites])
    session.add_all(_project(site, project) for site in sites for project in PROJECTS[site])
    session.add_all(map(_target, history.targets))
    _add(session, map(_agent, sites))
    session.add_all(map(_key, sites))
    _add(session, map(_go_live, history.go_lives))


def target_id(target: Target) -> str:
    return f"{target.site}-{target.name}"


def bind(session: Session, binding: Binding) -> tables.Binding:
    """A binding as it is made: without a plan, and without an end."""
    row = tables.Binding(
        target_id=target_id(binding.target),
        profile_id=binding.profile,
        project_id=binding.project,
        interval_s=86_400,
        valid_from=binding.valid_from,
    )
    _add(session, [row])
    return row


def accepted(session: Session, binding: tables.Binding, plan: AcceptedPlan) -> tables.AcceptedPlan:
    entries = [
        plans.Entry(item, item, line.rule, line.severity, line.opens_on)
        for item, line in sorted(plan.lines.items())
    ]
    return tables.AcceptedPlan(
        binding_id=binding.id,
        plan_id=plans.intern(session.connection(), plans.encode(entries)),
        valid_from=plan.valid_from,
        accepted_by="somebody",
        accepted_at=plan.valid_from,
    )


def _target(target: Target) -> tables.TargetRow:
    return tables.TargetRow(id=target_id(target), site_id=target.site, name=target.name, created_at=BEFORE)


def _key(site: str) -> tables.AgentKey:
    public = key_of(site).public_key().public_bytes_raw()
    return tables.AgentKey(agent_id=agent_of(site), public_key=public, created_at=BEFORE)


def _agent(site: str) -> tables.AgentRow:
    return tables.AgentRow(
        id=agent_of(site),
        site_id=site,
        install="install",
        fingerprint=fingerprint_of(site),
        target_id="",
        enrolled_at=BEFORE,
        token_hash="",
    )


def _project(site: str, name: str) -> tables.Project:
    return tables.Project(
        id=name, site_id=site, product_id="suite", name=name, started_at=BEFORE, window_days=30
    )


def _assignment(assignment: Assignment) -> tables.Assignment:
    return tables.Assignment(
        project_id=assignment.project,
        engineer_id=assignment.engineer,
        role=assignment.role,
        share=float(assignment.share),
        valid_from=assignment.valid_from,
        valid_until=assignment.valid_until,
    )


def _go_live(attempt: GoLive) -> tables.GoLive:
    return tables.GoLive(
        project_id=attempt.project,
        started_at=attempt.started_at,
        cutover_at=attempt.cutover_at,
        outcome=attempt.outcome,
        ended_at=attempt.ended_at,
    )


def _add(session: Session, rows: Iterable[Any]) -> None:
    session.add_all(rows)
    session.flush()


def arrive(db: Database, history: History, order: Iterable[int]) -> Iterator[str]:
    """Bring the runs in that order, each in a transaction; a handover is recorded as soon as it can be.

    Gives the id of each run after it was stored.
    """
    sealed = envelopes(history)
    for minutes, index in enumerate(order):
        received = RECEIVED + timedelta(minutes=minutes)
        new = _deliver(db, sealed[index], received)
        for handover in history.world.handovers:
            if new and handover.run == history.runs[index].id:
                _hand_over(db, handover, received)
        yield history.runs[index].id


def live_through(db: Database, history: History, delays: Sequence[timedelta]) -> None:
    """Plans are accepted and bindings end when it is time, runs come late by their delays, and who held
    which role is entered when all is over."""
    sealed = envelopes(history)
    with db.write() as session:
        found_vendor(session, history)
        rows = [bind(session, binding).id for binding in history.world.bindings]
    events: list[tuple[datetime, int, Callable[[], object]]] = []
    for row, binding in zip(rows, history.world.bindings, strict=True):
        for plan in binding.plans:
            events.append((max(plan.valid_from, binding.valid_from), 0, partial(_accept_late, db, row, plan)))
        if binding.valid_until is not None:
            events.append((binding.valid_until, 0, partial(_end, db, row, binding.valid_until)))
    for run, late, envelope in zip(history.runs, delays, sealed, strict=True):
        events.append((run.at + late, 1, partial(_deliver, db, envelope, RECEIVED)))
    for _, _, happen in sorted(events, key=lambda event: event[:2]):
        happen()
    for assignment in history.world.assignments:
        with db.write() as session:
            _add(session, [_assignment(assignment)])
            refold_project(session, assignment.project)
    for handover in history.world.handovers:
        _hand_over(db, handover, RECEIVED)


def _deliver(db: Database, sealed: Envelope, received: datetime) -> bool:
    """Whether the run was new."""
    with db.write() as session:
        answer = accept(session, Arrival(sealed.seal, sealed.body, received, sent_at=received))
    assert answer.status in (200, 201), answer
    assert answer.ack is not None and not answer.ack.held, answer
    return answer.status == 201


def _hand_over(db: Database, handover: Handover, now: datetime) -> None:
    with db.write() as session:
        record_handover(
            session,
            handover.project,
            handover.role,
            handover.engineer,
            handover.run,
            by="somebody",
            now=now,
            from_engineer_id=handover.predecessor,
        )


def _accept_late(db: Database, number: int, plan: AcceptedPlan) -> None:
    with db.write() as session:
        row = session.get_one(tables.Binding, number)
        _add(session, [accepted(session, row, plan)])
        refold_targets(session, [row.target_id])


def _end(db: Database, number: int, until: datetime) -> None:
    with db.write() as session:
        row = session.get_one(tables.Binding, number)
        row.valid_until = until
        refold_targets(session, [row.target_id])
