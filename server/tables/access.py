"""Who may come in: people with sessions and tokens, agents with keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base


class User(Base):
    """Somebody who logs in. An engineer's login names the engineer, so that nobody rules on his own case."""

    __tablename__ = "user_account"
    __table_args__ = (CheckConstraint("role IN ('admin', 'engineer')", name="role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[str]
    engineer_id: Mapped[str | None] = mapped_column(ForeignKey("engineer.id"))
    password_hash: Mapped[str]
    disabled_at: Mapped[datetime | None]


class Session(Base):
    """A logged-in browser; the cookie holds the token, the table only its SHA-256."""

    __tablename__ = "session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ApiToken(Base):
    """A bearer token for the API; it acts as its user and expires."""

    __tablename__ = "api_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user_account.id"), index=True)
    label: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class EnrolmentToken(Base):
    """A one-time permission for a machine to report for a site.

    The first plan reported under it is accepted together with a binding of the reported targets to
    `project_id` (or to the site alone), expected every `interval_s` seconds. `profile_id` empty = any.
    """

    __tablename__ = "enrolment_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id"))
    profile_id: Mapped[str] = mapped_column(default="")
    interval_s: Mapped[int] = mapped_column(default=86_400)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by: Mapped[str | None]
    bound_at: Mapped[datetime | None]


class AgentRow(Base):
    """An enrolled agent and the site it reports for. `fingerprint` is the machine's at enrolment.

    `tip_sequence` and `tip_hash` name the newest body of its chain that was not held as a fork.
    """

    __tablename__ = "agent"

    id: Mapped[str] = mapped_column(primary_key=True)
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"), index=True)
    install: Mapped[str]
    fingerprint: Mapped[str]
    target_id: Mapped[str]
    enrolled_at: Mapped[datetime]
    token_hash: Mapped[str]
    last_seen_at: Mapped[datetime | None]
    clock_offset_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    tip_sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    tip_hash: Mapped[str] = mapped_column(default="0" * 64)


class AgentKey(Base):
    """A public key (raw Ed25519) of an agent; valid up to `last_sequence` once a newer one took over."""

    __tablename__ = "agent_key"
    __table_args__ = (
        UniqueConstraint("agent_id", "public_key"),
        Index("ix_agent_key_agent", "agent_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agent.id"))
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    last_sequence: Mapped[int | None]
    revoked_at: Mapped[datetime | None]
