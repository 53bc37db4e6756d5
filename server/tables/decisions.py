"""What people decided about what machines found, and who did what: both append-only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base


class Decision(Base):
    """What needs a second person: a severity, a cause, a KPI unit's exclusion, a lapsed episode's retirement.

    A decision about an episode names the finding and a moment; it attaches to the episode that covers it.
    It counts once approved by somebody else than who asked, and by nobody attributed. Both values stay.
    """

    __tablename__ = "decision"
    __table_args__ = (
        CheckConstraint("kind IN ('severity', 'cause', 'exclusion', 'retirement')", name="kind"),
        CheckConstraint("(kind = 'exclusion') = (unit IS NOT NULL)", name="unit"),
        CheckConstraint("(kind = 'exclusion') = (finding_id IS NULL)", name="finding"),
        CheckConstraint("approved_by IS NULL OR approved_by <> proposed_by", name="second_person"),
        Index("ix_decision_finding", "finding_id", "at"),
        Index("ix_decision_unit", "kpi", "unit"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    finding_id: Mapped[int | None] = mapped_column(ForeignKey("finding.id"))
    at: Mapped[datetime | None]
    kpi: Mapped[str | None]
    unit: Mapped[str | None]
    old_value: Mapped[str]
    new_value: Mapped[str]
    reason: Mapped[str]
    proposed_by: Mapped[str]
    proposed_at: Mapped[datetime]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    rejected_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Who did what to which subject; written in the transaction of the deed."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str] = mapped_column(index=True)
    detail: Mapped[str] = mapped_column(default="")
