"""Who delivers what to whom: customers, sites, products, projects, engineers, assignments, go-lives."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base


class Customer(Base):
    __tablename__ = "customer"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    industry: Mapped[str] = mapped_column(default="")


class Site(Base):
    """A place of a customer where targets stand; its id is what agents report for."""

    __tablename__ = "site"

    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    name: Mapped[str]


class Product(Base):
    __tablename__ = "product"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Project(Base):
    """The delivery of one product at one site.

    `window_days` is the first-go-live window, 14 to 90 days by industry, fixed when the project starts.
    """

    __tablename__ = "project"
    __table_args__ = (CheckConstraint("window_days BETWEEN 14 AND 90", name="window"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), index=True)
    product_id: Mapped[str] = mapped_column(ForeignKey("product.id"))
    name: Mapped[str]
    started_at: Mapped[datetime]
    window_days: Mapped[int] = mapped_column(default=30)


class Engineer(Base):
    __tablename__ = "engineer"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str] = mapped_column(default="")


class Assignment(Base):
    """An engineer holds a role in a project with a share, from `valid_from` until `valid_until`.

    At any moment the shares of one project sum to 1 at most; what is missing is "unattributed".
    """

    __tablename__ = "assignment"
    __table_args__ = (
        CheckConstraint("share > 0 AND share <= 1", name="share"),
        CheckConstraint("valid_until IS NULL OR valid_until > valid_from", name="interval"),
        # Who held a role in this project at that moment?
        Index("ix_assignment_project", "project_id", "valid_from"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id"))
    engineer_id: Mapped[str] = mapped_column(ForeignKey("engineer.id"), index=True)
    role: Mapped[str]
    share: Mapped[float]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime | None]


class Handover(Base):
    """The baseline at which an engineer took a role over: a run both names stand for.

    `at` is the effective time of `run_id`; what fails there stays with the predecessor.
    """

    __tablename__ = "handover"
    __table_args__ = (UniqueConstraint("project_id", "role", "to_engineer_id", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id"), index=True)
    role: Mapped[str]
    from_engineer_id: Mapped[str | None] = mapped_column(ForeignKey("engineer.id"))
    to_engineer_id: Mapped[str] = mapped_column(ForeignKey("engineer.id"))
    run_id: Mapped[str] = mapped_column(ForeignKey("receipt.id"))
    at: Mapped[datetime]


class GoLive(Base):
    """One cutover attempt of a project. The first *started* attempt is the first cutover.

    `outcome` is ``running``, ``live``, ``aborted`` or ``rolled-back``; `ended_at` is when it became so.
    """

    __tablename__ = "go_live"
    __table_args__ = (
        CheckConstraint("outcome IN ('running', 'live', 'aborted', 'rolled-back')", name="outcome"),
        CheckConstraint("(outcome IN ('running', 'live')) OR ended_at IS NOT NULL", name="ended"),
        Index("ix_go_live_project", "project_id", "started_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id"))
    started_at: Mapped[datetime]
    cutover_at: Mapped[datetime | None]
    outcome: Mapped[str] = mapped_column(default="running")
    ended_at: Mapped[datetime | None]
