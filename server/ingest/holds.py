"""Runs that were stored but not folded, and an admin's word that lets them count."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server import audit
from server.errors import NotFound, Refused
from server.ingest.record import fold
from server.ingest.stored import stored_run, targets_of
from server.tables import Receipt


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
    connection = session.connection()
    run = stored_run(connection, run_id)
    if run is None:
        raise Refused(f"run {run_id} has no document any more and cannot be folded")
    fold(connection, run, targets_of(connection, run), run.flags)
    audit.record(session, now, by, "release", f"run:{run_id}", why)
