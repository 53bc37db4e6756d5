"""Runs as they were received: receipts, the signed documents, and those held until an admin releases them.

Delivering runs is not here: ``POST /api/v1/runs`` is the ingest route in front of this application.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response
from sqlalchemy.orm import Session

from checks.envelope import HEADER_AGENT, HEADER_RUN, HEADER_SIGNATURE
from server.api.given import GivenClock, GivenDb, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, portion, shown
from server.auth.web import admin
from server.errors import NotFound
from server.tables import Document, Receipt, TargetRun


class RunView(msgspec.Struct, frozen=True):
    """A receipt. `held` says why a run is stored but does not count; counts are of results by status."""

    id: str
    agent_id: str
    sequence: int
    hash: str
    site_id: str
    profile_id: str
    profile_version: str
    trigger: str
    stage: str
    operator: str
    observed_at: datetime
    received_at: datetime
    effective_at: datetime
    offset_ms: int
    held: str
    flags: str
    passed: int
    warned: int
    failed: int
    errors: int
    skipped: int
    manual: int
    dropped_runs: int
    released_by: str | None


class RunDetail(msgspec.Struct, frozen=True):
    """`counted_at` are the targets at which results of the run count; `document` says if it is still kept."""

    run: RunView
    previous: str
    signature: str
    fingerprint: str
    plan_digest: str
    counted_at: list[str]
    document: bool


@get("/runs", sync_to_thread=True)
def list_runs(
    db: GivenDb,
    site: FromQuery[str] = "",
    held: FromQuery[Literal["yes", "no", "any"]] = "any",
    after: After = "",
    limit: Limit = DEFAULT,
) -> Listing[RunView]:
    """Newest first by effective time."""
    query = sa.select(Receipt)
    if site:
        query = query.where(Receipt.site_id == site)
    if held != "any":
        query = query.where(Receipt.held != "" if held == "yes" else Receipt.held == "")
    with db.read() as session:
        if after:
            last = _run(session, after)
            query = query.where(
                sa.or_(
                    Receipt.effective_at < last.effective_at,
                    sa.and_(Receipt.effective_at == last.effective_at, Receipt.id < last.id),
                )
            )
        newest = query.order_by(Receipt.effective_at.desc(), Receipt.id.desc())
        rows = session.scalars(newest.limit(limit + 1)).all()
        return portion([shown(RunView, row) for row in rows], limit, [row.id for row in rows])


@get("/runs/{id:str}", sync_to_thread=True)
def show_run(id: FromPath[str], db: GivenDb) -> RunDetail:
    return run_detail(db, id)


def run_detail(db: GivenDb, id: FromPath[str]) -> RunDetail:
    with db.read() as session:
        receipt = _run(session, id)
        targets = sa.select(TargetRun.target_id).where(TargetRun.run_id == id)
        kept = sa.select(Document.run_id).where(Document.run_id == id)
        return RunDetail(
            run=shown(RunView, receipt),
            previous=receipt.previous,
            signature=receipt.signature,
            fingerprint=receipt.fingerprint,
            plan_digest=receipt.plan_digest,
            counted_at=sorted(session.scalars(targets)),
            document=session.scalar(kept) is not None,
        )


@get("/runs/{id:str}/document", media_type="application/json", sync_to_thread=True)
def show_document(id: FromPath[str], db: GivenDb) -> Response[bytes]:
    """The body exactly as the agent signed it; the headers hold what verifies it."""
    from zstandard import ZstdDecompressor

    with db.read() as session:
        receipt = _run(session, id)
        document = session.get(Document, id)
        if document is None:
            raise NotFound(f"the document of run {id} is no longer kept; its receipt and transitions are")
        body = ZstdDecompressor().decompress(document.body, max_output_size=document.size)
        headers = {
            HEADER_AGENT: receipt.agent_id,
            HEADER_RUN: receipt.id,
            HEADER_SIGNATURE: receipt.signature,
            "X-Content-Type-Options": "nosniff",
        }
        return Response(body, media_type="application/json", headers=headers)


@post("/runs/{id:str}/release", status_code=200, guards=[admin], sync_to_thread=True)
def release_run(id: FromPath[str], db: GivenDb, user: GivenUser, clock: GivenClock) -> RunDetail:
    """Let a held run count at the effective time that was fixed when it arrived."""
    from server.ingest.holds import release

    with db.write() as session:
        release(session, id, user.login, clock())
    return run_detail(db, id)


def _run(session: Session, id: FromPath[str]) -> Receipt:
    row = session.get(Receipt, id)
    if row is None:
        raise NotFound(f"there is no run {id}")
    return row


ROUTES = [list_runs, show_run, show_document, release_run]
