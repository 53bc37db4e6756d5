"""What the runs amount to: findings, their transitions, episodes, and who is charged for each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Base


class Finding(Base):
    """One item and object at one target. `key` names it; label and title are for people.

    `status` … `since` repeat the newest transition, so that the present needs no search.
    """

    __tablename__ = "finding"
    __table_args__ = (
        UniqueConstraint("target_id", "key"),
        # Which findings belong to this family (item × site)?
        Index("ix_finding_family", "site_id", "item"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    target_id: Mapped[str] = mapped_column(ForeignKey("target.id"))
    key: Mapped[str]
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    item: Mapped[str]
    check_id: Mapped[str]
    object: Mapped[str]
    title: Mapped[str]
    owner: Mapped[str]
    status: Mapped[str]
    severity: Mapped[str]
    cause: Mapped[str]
    rule: Mapped[str]
    since: Mapped[datetime]


class Transition(Base):
    """A change of one finding's entry in its target's state vector, in fold order; never thinned.

    `status` is a result's status, or ``gone`` where a run spoke for the whole item without this object.
    """

    __tablename__ = "transition"

    finding_id: Mapped[int] = mapped_column(ForeignKey("finding.id"), primary_key=True)
    effective_at: Mapped[datetime] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("receipt.id"), primary_key=True)
    status: Mapped[str]
    severity: Mapped[str]
    cause: Mapped[str]
    rule: Mapped[str]

    __table_args__ = ({"sqlite_with_rowid": False},)


class Episode(Base):
    """One stretch of a finding from opened to verified closed; derived by the fold, never edited.

    `state` is ``open``, ``lapsed`` or ``closed``; `close_kind` ``verified`` or ``rule-changed``.
    `severity` is the worst the runs reported in the first 24 h. `recurred` labels an episode that opens
    within 90 days of the finding's last close. `reason` says how its shares were found.
    """

    __tablename__ = "episode"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'lapsed', 'closed')", name="state"),
        UniqueConstraint("finding_id", "opened_at", "opened_run"),
        # What is open at this site?
        Index("ix_episode_site", "site_id", "state", "opened_at"),
        # Which episodes does a KPI of this project look at?
        Index("ix_episode_project", "project_id", "item", "opened_at"),
        # An id that was merged away lives on as an alias and is never given out again.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    finding_id: Mapped[int] = mapped_column(ForeignKey("finding.id"))
    site_id: Mapped[str] = mapped_column(ForeignKey("site.id"))
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id"))
    item: Mapped[str]
    state: Mapped[str]
    opened_at: Mapped[datetime]
    opened_run: Mapped[str]
    lapsed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_run: Mapped[str | None]
    close_kind: Mapped[str] = mapped_column(default="")
    rule_changed: Mapped[bool] = mapped_column(default=False)
    severity: Mapped[str]
    recurred: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str]


class EpisodeAlias(Base):
    """The id of an episode that a late run merged into another, so that old links still lead somewhere."""

    __tablename__ = "episode_alias"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    episode_id: Mapped[int]


class EpisodeShare(Base):
    """Who is charged with which part of an episode; what is missing to 1 is unattributed."""

    __tablename__ = "episode_share"
    __table_args__ = (
        CheckConstraint("share > 0 AND share <= 1", name="share"),
        Index("ix_episode_share_engineer", "engineer_id", "episode_id"),
    )

    episode_id: Mapped[int] = mapped_column(ForeignKey("episode.id", ondelete="CASCADE"), primary_key=True)
    engineer_id: Mapped[str] = mapped_column(ForeignKey("engineer.id"), primary_key=True)
    share: Mapped[float]
    reason: Mapped[str]
