"""What the collector publishes for sites, as events that are only ever added, and who has taken it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base


class Publication(Base):
    """One event: a profile, a schedule or a waiver was published, one of them withdrawn, or the signing key
    was replaced.

    It is for one site, for all sites of a customer, or (neither named) for everybody. `version` rises with
    every event of the store; that of a site's rules is the greatest one that concerns it. `label` is the
    version of a profile. `document` is JSON as in `checks.rules`; of a signing key it is the raw public half.
    """

    __tablename__ = "publication"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('profile', 'schedule', 'waiver', 'withdrawal', 'signing-key')", name="kind"
        ),
        CheckConstraint("site_id IS NULL OR customer_id IS NULL", name="audience"),
        CheckConstraint("(kind = 'withdrawal') = (withdraws IS NOT NULL)", name="withdrawal"),
        # How far have the rules of a site come: by what is for it, for its customer, and for everybody?
        Index("ix_publication_site", "site_id", "version"),
        Index("ix_publication_customer", "customer_id", "version"),
        Index(
            "ix_publication_everyone",
            "version",
            postgresql_where=text("site_id IS NULL AND customer_id IS NULL"),
            sqlite_where=text("site_id IS NULL AND customer_id IS NULL"),
        ),
        # Was a profile of this name ever published?
        Index("ix_publication_name", "kind", "name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger, unique=True)
    kind: Mapped[str]
    site_id: Mapped[str | None] = mapped_column(ForeignKey("site.id"))
    customer_id: Mapped[str | None] = mapped_column(ForeignKey("customer.id"))
    name: Mapped[str] = mapped_column(default="")
    label: Mapped[str] = mapped_column(default="")
    document: Mapped[bytes] = mapped_column(LargeBinary)
    withdraws: Mapped[int | None] = mapped_column(ForeignKey("publication.id"), unique=True)
    by: Mapped[str]
    at: Mapped[datetime]


class AgentRules(Base):
    """What an agent last fetched: the version of the rules, and the key of ours (raw) that it goes by."""

    __tablename__ = "agent_rules"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agent.id"), primary_key=True)
    version: Mapped[int] = mapped_column(BigInteger)
    sign_key: Mapped[bytes] = mapped_column(LargeBinary)
    fetched_at: Mapped[datetime]
