"""Publications as people are shown them: in words, if they are in force, and who has the newest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from checks.rules import PublishedProfile, ScheduleEntry, Waiver
from server.publishing.audience import audience_in, concerns
from server.publishing.standing import newest_of_each, withdrawn_ids
from server.tables import AgentRow, AgentRules, Publication, Site

KINDS: Final = ("profile", "schedule", "waiver")
MOST: Final = 300


@dataclass(frozen=True)
class Line:
    """A publication. `words` are one line, `terms` all of it but the text of a profile; `left` says why it is
    not in force, empty where it is.
    """

    id: int
    kind: str
    name: str
    words: str
    terms: tuple[tuple[str, str], ...]
    audience: str
    site_id: str | None
    by: str
    at: datetime
    left: str

    @property
    def named(self) -> str:
        return f"{self.name} {self.words}".rstrip()


@dataclass(frozen=True)
class Fetched:
    """Of how many agents of a site how many have what is published for it now, and when one fetched last."""

    site_id: str
    site_name: str
    agents: int
    fetched: int
    newest_at: datetime | None


def published_lines(session: Session, now: datetime, *, most: int | None = MOST) -> tuple[list[Line], int]:
    """The newest publications, the newest first, and how many there are in all."""
    query = sa.select(Publication).where(Publication.kind.in_(KINDS))
    rows = session.scalars(
        query.options(defer(Publication.document)).order_by(Publication.id.desc()).limit(most)
    ).all()
    total = session.scalar(sa.select(sa.func.count()).select_from(query.subquery())) or 0
    return lines_of(session, rows, now), total


def lines_of(session: Session, rows: Sequence[Publication], now: datetime) -> list[Line]:
    """The lines of some publications, in their order."""
    gone = withdrawn_ids(session)
    every = sa.select(Publication).where(Publication.kind.in_(KINDS)).order_by(Publication.id)
    standing = newest_of_each(session.scalars(every.options(defer(Publication.document))).all(), gone)
    # A profile is long, and its name says enough.
    short = sa.select(Publication.id, Publication.document).where(
        Publication.id.in_([row.id for row in rows]), Publication.kind != "profile"
    )
    documents = {row.id: row.document for row in session.execute(short)}
    return [_line(row, documents.get(row.id, b""), gone, standing, now) for row in rows]


def text_of(row: Publication) -> str:
    """The text of a profile; empty for everything else."""
    return msgspec.json.decode(row.document, type=PublishedProfile).text if row.kind == "profile" else ""


def _line(
    row: Publication, document: bytes, gone: Collection[int], standing: Collection[int], now: datetime
) -> Line:
    name, words, terms, expired = f"{row.name} {row.label}".rstrip(), "", [], False
    if row.kind == "waiver":
        waiver = msgspec.json.decode(document, type=Waiver)
        place = " ".join(filter(None, (waiver.object, waiver.target and f"at {waiver.target}")))
        name, expired = f"{waiver.item} {place}".rstrip(), waiver.expires <= now
        words = f"until {waiver.expires:%Y-%m-%d}, approved by {waiver.approved_by}: {waiver.reason}"
        terms = [
            ("Item", waiver.item),
            ("Object", waiver.object or "every one"),
            ("Target", waiver.target or "every one"),
            ("Until", f"{waiver.expires:%Y-%m-%d %H:%M} UTC"),
            ("Approved by", waiver.approved_by),
            ("Reason", waiver.reason),
        ]
    if row.kind == "schedule":
        entry = msgspec.json.decode(document, type=ScheduleEntry)
        when = f"every {entry.every}" if entry.every else f"at {entry.cron}"
        profile = entry.profile or "the profile of the enrolment"
        words = f"{when}, {profile}"
        terms = [
            ("When", when),
            ("Time zone", entry.timezone or "the machine's own"),
            ("Later by up to", entry.jitter),
            ("Quiet", ", ".join(entry.quiet)),
            ("Profile", profile),
            ("Stage", entry.stage),
        ]
    left = "withdrawn" if row.id in gone else "replaced" if row.id not in standing else ""
    return Line(
        row.id,
        row.kind,
        name,
        words,
        tuple((term, text) for term, text in terms if text),
        str(audience_in(row)),
        row.site_id,
        row.by,
        row.at,
        left or ("expired" if expired else ""),
    )


def fetched_lines(session: Session) -> list[Fetched]:
    """Per site with agents for which something was ever published, by name."""
    newest = (
        sa.select(sa.func.max(Publication.version))
        .where(concerns(Site.id, Site.customer_id))
        .correlate(Site)
        .scalar_subquery()
    )
    query = (
        sa.select(
            Site.id,
            Site.name,
            sa.func.count(AgentRow.id),
            sa.func.count(sa.case((AgentRules.version >= newest, 1))),
            sa.type_coerce(sa.func.max(AgentRules.fetched_at), AgentRules.fetched_at.type),
        )
        .join(AgentRow, AgentRow.site_id == Site.id)
        .outerjoin(AgentRules, AgentRules.agent_id == AgentRow.id)
        .where(newest.is_not(None))
        .group_by(Site.id, Site.name)
        .order_by(Site.name)
        .limit(MOST)
    )
    return [Fetched(*row) for row in session.execute(query)]
