"""What arrived: receipts, documents, accepted plans, and each target's place in the fold."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base

HELD = text("held <> ''")


class Store(Base):
    """One row: the life of this store. `epoch` changes when it is restored from a backup."""

    __tablename__ = "store"

    id: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[str]
    created_at: Mapped[datetime]
    example_data: Mapped[bool] = mapped_column(default=False)


class TargetRow(Base):
    """A host (or pseudo-target ``site/<role>``) of a site, known by its name there."""

    __tablename__ = "target"
    __table_args__ = (UniqueConstraint("site_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    name: Mapped[str]
    created_at: Mapped[datetime]


class Receipt(Base):
    """One run, stored once. `effective_at` was fixed when it arrived and orders the fold.

    `held` is empty, or why the run is stored but not folded (``skew``, ``fork``); `flags` are words for
    people (``skew``, ``adhoc``, ``fork``). Counts are of results by status. `document` holds the body.
    """

    __tablename__ = "receipt"
    __table_args__ = (
        # Which runs arrived for this site, newest first?
        Index("ix_receipt_site", "site_id", "effective_at"),
        # Does another body claim this place in the agent's chain? (a fork)
        Index("ix_receipt_chain", "agent_id", "sequence"),
        Index("ix_receipt_previous", "agent_id", "previous"),
        # What waits for an admin?
        Index(
            "ix_receipt_held", "held", postgresql_where=text("held <> ''"), sqlite_where=text("held <> ''")
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agent.id"))
    sequence: Mapped[int] = mapped_column(BigInteger)
    previous: Mapped[str]
    hash: Mapped[str]
    signature: Mapped[str]
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    profile_id: Mapped[str]
    profile_version: Mapped[str]
    plan_digest: Mapped[str]
    trigger: Mapped[str]
    stage: Mapped[str]
    operator: Mapped[str]
    fingerprint: Mapped[str]
    observed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    effective_at: Mapped[datetime]
    offset_ms: Mapped[int] = mapped_column(BigInteger)
    held: Mapped[str] = mapped_column(default="")
    flags: Mapped[str] = mapped_column(default="")
    passed: Mapped[int]
    warned: Mapped[int]
    failed: Mapped[int]
    errors: Mapped[int]
    skipped: Mapped[int]
    manual: Mapped[int]
    dropped_runs: Mapped[int] = mapped_column(default=0)
    released_by: Mapped[str | None]


class ReplacedRun(Base):
    """A number of an agent's chain that never arrives, because `run_id` was made in its place."""

    __tablename__ = "replaced_run"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agent.id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("receipt.id"), primary_key=True)


class Document(Base):
    """The signed body of a run, compressed with zstd. Thinned by age; receipts never are."""

    __tablename__ = "document"

    run_id: Mapped[str] = mapped_column(ForeignKey("receipt.id"), primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]


class Plan(Base):
    """What one target was held to, once per content: its entries as JSON (`server.plans.Entry`)."""

    __tablename__ = "plan"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    entries: Mapped[bytes] = mapped_column(LargeBinary)


class ReportedPlan(Base):
    """A plan that a target's runs were made with, and the run that first said so."""

    __tablename__ = "reported_plan"
    __table_args__ = (UniqueConstraint("target_id", "profile_id", "plan_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    target_id: Mapped[str] = mapped_column(ForeignKey("target.id"))
    profile_id: Mapped[str]
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"))
    first_run: Mapped[str]
    first_at: Mapped[datetime]


class Binding(Base):
    """Which profile a target of a site is held to, how often, and for which project (none = the site)."""

    __tablename__ = "binding"
    __table_args__ = (
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="interval"),
        CheckConstraint("interval_s > 0", name="expected"),
        Index("ix_binding_target", "target_id", "profile_id", "valid_from"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    target_id: Mapped[str] = mapped_column(ForeignKey("target.id"))
    profile_id: Mapped[str]
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id"), index=True)
    interval_s: Mapped[int]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]
    accepts_first: Mapped[bool] = mapped_column(default=False)


class AcceptedPlan(Base):
    """A plan a binding holds its target to, from `valid_from` until the next one of the binding."""

    __tablename__ = "accepted_plan"
    __table_args__ = (UniqueConstraint("binding_id", "valid_from"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    binding_id: Mapped[int] = mapped_column(ForeignKey("binding.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"))
    valid_from: Mapped[datetime]
    accepted_by: Mapped[str]
    accepted_at: Mapped[datetime]


class Scope(Base):
    """What a run spoke for at a target, once per content: whole items, and single keys of others."""

    __tablename__ = "scope"

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    items: Mapped[bytes] = mapped_column(LargeBinary)


class TargetRun(Base):
    """A folded run at one target, in fold order. Runs without an eligible result there have no row."""

    __tablename__ = "target_run"

    target_id: Mapped[str] = mapped_column(ForeignKey("target.id"), primary_key=True)
    effective_at: Mapped[datetime] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("receipt.id"), primary_key=True)
    scope_id: Mapped[int] = mapped_column(ForeignKey("scope.id"))

    __table_args__ = (
        # At which targets did this run count?
        Index("ix_target_run_run", "run_id"),
        {"sqlite_with_rowid": False},
    )


class TargetState(Base):
    """The newest folded run of a target and the digest of what it said: the row that ingest locks."""

    __tablename__ = "target_state"

    target_id: Mapped[str] = mapped_column(ForeignKey("target.id"), primary_key=True)
    effective_at: Mapped[datetime]
    run_id: Mapped[str]
    vector: Mapped[str]
    scope_id: Mapped[int]
