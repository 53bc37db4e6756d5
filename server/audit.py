"""Who did what to which subject: one line, written in the transaction of the deed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from server.tables import AuditEntry


def record(session: Session, at: datetime, by: str, action: str, subject: str, detail: str = "") -> None:
    """Add an audit line. `by` is a login or ``agent:<id>``; `subject` is ``kind:id``; never a secret."""
    session.add(AuditEntry(at=at, actor=by, action=action, subject=subject, detail=detail))
