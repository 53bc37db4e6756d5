"""Runs as they were received: lists, and one run with its receipt and all its results in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any

import sqlalchemy as sa
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Template
from sqlalchemy.orm import Session

from checks.envelope import verify
from checks.model import Result
from server.agents import agent_lines
from server.api.given import GivenClock, GivenDb, GivenUser
from server.delivery.names import existing
from server.errors import NotFound
from server.pages.documents import body_of, report_in
from server.pages.frame import frame, look, page
from server.pages.run_lines import newest_runs
from server.sql import select_in
from server.tables import AgentKey, AgentRow, Customer, Document, Receipt, Site, TargetRow, TargetRun

RUNS_A_PAGE = 50
RESULTS_A_PAGE = 50
_STATUSES = ("fail", "warn", "error", "manual", "pass", "skip")


@dataclass(frozen=True)
class ResultLine:
    """A result and the finding it belongs to, if it ever counted."""

    result: Result
    finding: int | None
    evidence: tuple[tuple[str, str], ...]


def sorted_results(results: tuple[Result, ...]) -> list[Result]:
    """What to do first: failing by severity, warnings, what could not be told, then the rest."""
    return sorted(results, key=lambda r: (_STATUSES.index(r.status.value), r.severity.value))


def findings_of(session: Session, receipt: Receipt, results: list[Result]) -> dict[tuple[str, str], int]:
    """Finding ids by target name and key."""
    rows = select_in(
        session.connection(),
        "SELECT t.name, f.key, f.id, t.site_id FROM finding f JOIN target t ON t.id = f.target_id"
        " WHERE f.key IN ({})",
        list(dict.fromkeys(result.key for result in results)),
    )
    return {(name, key): id for name, key, id, site in rows if site == receipt.site_id}


def signature_holds(session: Session, receipt: Receipt, body: bytes | None) -> bool:
    """Whether the stored body, hash and signature still fit each other under one of the agent's keys."""
    digest = bytes.fromhex(receipt.hash)
    if body is not None and sha256(body).digest() != digest:
        return False
    keys = session.scalars(sa.select(AgentKey.public_key).where(AgentKey.agent_id == receipt.agent_id))
    return any(verify(key, receipt.agent_id, receipt.id, digest, receipt.signature) for key in keys)


@get("/runs", sync_to_thread=True)
def list_runs(
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    site: FromQuery[str] = "",
    agent: FromQuery[str] = "",
    held: FromQuery[str] = "",
    after: FromQuery[str] = "",
) -> Template:
    now = clock()
    with look(db) as session:
        named = existing(session, Site, site) if site else None
        (one,) = (
            agent_lines(session, now, agent_id=existing(session, AgentRow, agent).id) if agent else (None,)
        )
        last = existing(session, Receipt, after) if after else None
        runs = newest_runs(
            session,
            limit=RUNS_A_PAGE + 1,
            site_id=site,
            agent_id=agent,
            held=held == "yes",
            before=(last.effective_at, last.id) if last is not None else None,
        )
        return page(
            "runs.html",
            frame(session, user, now, "runs"),
            runs=runs[:RUNS_A_PAGE],
            more=len(runs) > RUNS_A_PAGE,
            site=named,
            agent=one,
            held=held == "yes",
            first=last is None,
        )


@get("/runs/{id:str}", sync_to_thread=True)
def show_run(
    id: FromPath[str],
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    number: Annotated[int, QueryParameter(name="page", ge=1, le=100_000)] = 1,
) -> Template:
    now = clock()
    with look(db) as session:
        receipt = existing(session, Receipt, id)
        site = existing(session, Site, receipt.site_id)
        body = body_of(session, id)
        report = report_in(body)
        results = sorted_results(report.results) if report is not None else []
        start = (number - 1) * RESULTS_A_PAGE
        if start and start >= len(results):
            raise NotFound(f"run {id} has no page {number}")
        part = results[start : start + RESULTS_A_PAGE]
        known = findings_of(session, receipt, part)
        counted = sa.select(TargetRow.name).join(TargetRun, TargetRun.target_id == TargetRow.id)
        return page(
            "run.html",
            frame(session, user, now, "runs"),
            run=receipt,
            site=site,
            customer=existing(session, Customer, site.customer_id),
            report=report,
            kept=session.scalar(sa.select(Document.size).where(Document.run_id == id)),
            signed=signature_holds(session, receipt, body),
            counted=sorted(session.scalars(counted.where(TargetRun.run_id == id))),
            lines=[ResultLine(r, known.get((r.target, r.key)), tuple(_evidence(r.evidence))) for r in part],
            number=number,
            pages=max(1, -(-len(results) // RESULTS_A_PAGE)),
            total=len(results),
        )


def _evidence(evidence: dict[str, Any]) -> list[tuple[str, str]]:
    """Up to six measured values as text."""
    shown = []
    for name, value in list(evidence.items())[:6]:
        text = f"{value:.6g}" if isinstance(value, float) else str(value)
        shown.append((name, text))
    return shown
