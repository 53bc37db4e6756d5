"""Runs that were stored but not folded, and an admin's word that lets them count."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session
from zstandard import ZstdDecompressor

from checks.envelope import Seal
from checks.model import decode_report
from server import audit
from server.errors import NotFound, Refused
from server.ingest.arrival import Arrival
from server.ingest.examine import Examined, senders
from server.ingest.record import fold
from server.tables import Document, Receipt, TargetRow
from server.tables.base import to_micros


def release(session: Session, run_id: str, by: str, now: datetime) -> None:
    """Fold a held run at the effective time that was fixed when it arrived.

    Raises `NotFound` for an unknown run and `Refused` for one that is not held (or no longer).
    """
    receipt = session.get(Receipt, run_id)
    if receipt is None:
        raise NotFound(f"no run {run_id}")
    why = receipt.held
    changed = session.execute(
        sa.update(Receipt)
        .where(Receipt.id == run_id, Receipt.held != "")
        .values(held="", released_by=by)
        .execution_options(synchronize_session=False)
    )
    if getattr(changed, "rowcount", 0) != 1:
        raise Refused(f"run {run_id} is not held")
    document = session.get(Document, run_id)
    if document is None:
        raise Refused(f"run {run_id} has no document any more and cannot be folded")
    body = ZstdDecompressor().decompress(document.body, max_output_size=document.size)
    report = decode_report(body)
    seal = Seal(report.agent, report.run, receipt.hash, receipt.signature)
    connection = session.connection()
    run = Examined(
        Arrival(seal, body, now),
        report,
        senders(connection, [report.agent])[report.agent],
        to_micros(receipt.effective_at),
        receipt.offset_ms,
        "",
        tuple(filter(None, receipt.flags.split(","))),
    )
    of_site = sa.select(TargetRow.name, TargetRow.id).where(TargetRow.site_id == report.site)
    targets = {row.name: row.id for row in session.execute(of_site)}
    fold(connection, run, {t.name: targets[t.name] for t in report.targets}, run.flags)
    audit.record(session, now, by, "release", f"run:{run_id}", why)
