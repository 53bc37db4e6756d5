"""Findings: the list of what is not settled, and the whole life of one with who is charged for it and why."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect, Template
from markupsafe import Markup
from sqlalchemy.orm import Session

from checks.errors import BadInput
from reports.charts import Span, timeline
from server import decisions
from server.api.given import GivenClock, GivenDb, GivenUser
from server.delivery.names import existing
from server.pages import words
from server.pages.documents import results_by_key
from server.pages.frame import frame, look, page
from server.pages.open_findings import unsettled
from server.pages.overview import AGES, stretch_of
from server.pages.site_lines import SEVERITIES
from server.pages.words import day, said, utc
from server.tables import (
    Customer,
    Decision,
    Engineer,
    Episode,
    EpisodeAlias,
    EpisodeShare,
    Finding,
    Project,
    Site,
    TargetRow,
    TargetState,
    Transition,
)

FINDINGS_A_PAGE = 100
MOST_TRANSITIONS = 100
MOST_EPISODES = 40


@dataclass(frozen=True)
class ShareLine:
    engineer_id: str
    name: str
    share: float
    reason: str


@dataclass(frozen=True)
class EpisodeLine:
    """An episode with what holds after decisions beside what was reported, and who it is charged to."""

    row: Episode
    severity: str
    cause: str
    retired: bool
    reported_cause: str
    project: str
    shares: tuple[ShareLine, ...]
    unattributed: float


def episodes_of(session: Session, finding: Finding, now: datetime) -> list[EpisodeLine]:
    """The finding's episodes, newest first."""
    shares: dict[int, list[ShareLine]] = defaultdict(list)
    charged = (
        sa.select(
            EpisodeShare.episode_id, Engineer.id, Engineer.name, EpisodeShare.share, EpisodeShare.reason
        )
        .join(Engineer, Engineer.id == EpisodeShare.engineer_id)
        .join(Episode, Episode.id == EpisodeShare.episode_id)
        .where(Episode.finding_id == finding.id)
        .order_by(EpisodeShare.share.desc(), Engineer.name)
    )
    for episode, id, name, share, reason in session.execute(charged):
        shares[episode].append(ShareLine(id, name, share, reason))
    rows = session.execute(
        sa.select(Episode, Project.name)
        .outerjoin(Project, Project.id == Episode.project_id)
        .where(Episode.finding_id == finding.id)
        .order_by(Episode.opened_at.desc())
        .limit(MOST_EPISODES)
    ).all()
    agreed = agreed_values(session, finding.id)
    base = decisions.BASE_CAUSE.get(finding.owner, "unknown")
    found = []
    for row, project in rows:
        within = {kind: new for kind, at, new in agreed if row.opened_at <= at <= (row.closed_at or now)}
        found.append(
            EpisodeLine(
                row=row,
                severity=within.get("severity", row.severity),
                cause=within.get("cause", base),
                retired=any(
                    kind == "retirement" and row.lapsed_at is not None and at >= row.lapsed_at
                    for kind, at, _ in agreed
                ),
                reported_cause=base,
                project=project or "",
                shares=tuple(shares[row.id]),
                unattributed=max(0.0, round(1 - sum(s.share for s in shares[row.id]), 9)),
            )
        )
    return found


def agreed_values(session: Session, finding_id: int) -> list[tuple[str, datetime, str]]:
    """Approved decisions on a finding as (kind, moment, new value), the latest approval last."""
    query = (
        sa.select(Decision.kind, Decision.at, Decision.new_value)
        .where(Decision.finding_id == finding_id, Decision.approved_at.is_not(None))
        .order_by(Decision.approved_at, Decision.id)
    )
    return [(kind, at, new) for kind, at, new in session.execute(query) if at is not None]


def drawn(transitions: list[Transition], episodes: list[EpisodeLine], now: datetime) -> Markup:
    """The finding's life as a picture; both lists come newest first."""
    if not transitions:
        return Markup("")
    oldest_first = transitions[::-1]
    ends = [t.effective_at for t in oldest_first[1:]] + [now]
    states = [
        Span(t.effective_at, end, t.status, f"{said(t.status, words.STATUS)} from {utc(t.effective_at)}")
        for t, end in zip(oldest_first, ends, strict=True)
    ]
    spans = [
        Span(
            line.row.opened_at,
            line.row.closed_at or (line.row.lapsed_at if line.row.state == "lapsed" else None) or now,
            line.row.state,
            f"{line.severity} episode {line.row.id}, {line.row.state}, opened {utc(line.row.opened_at)}",
        )
        for line in episodes[::-1]
    ]
    start = oldest_first[0].effective_at
    label = f"{len(episodes)} episodes between {day(start)} and {day(now)}; the lists below say the same"
    picture = timeline(states, spans, start=start, end=max(now, start), label=label)
    return Markup(picture)  # noqa: S704  # every text in it was escaped where it was drawn


@get("/findings", sync_to_thread=True)
def list_findings(
    db: GivenDb,
    user: GivenUser,
    clock: GivenClock,
    severity: FromQuery[str] = "",
    age: FromQuery[str] = "",
    site: FromQuery[str] = "",
    state_: Annotated[str, QueryParameter(name="state")] = "open",
) -> Template:
    if state_ not in ("open", "lapsed"):
        raise BadInput("Right values of state are open and lapsed.")
    now = clock()
    with look(db) as session:
        named = existing(session, Site, site) if site else None
        everything = [
            finding
            for finding in unsettled(session, [state_], site_id=site or None)
            if severity in ("", finding.severity) and age in ("", stretch_of(finding.opened_at, now))
        ]
        return page(
            "findings.html",
            frame(session, user, now, "findings"),
            findings=everything[:FINDINGS_A_PAGE],
            total=len(everything),
            severities=SEVERITIES,
            stretches=AGES,
            severity=severity,
            age=age,
            state=state_,
            site=named,
        )


@get("/findings/{id:int}", sync_to_thread=True)
def show_finding(id: FromPath[int], db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        finding = existing(session, Finding, id)
        site = existing(session, Site, finding.site_id)
        transitions = list(
            session.scalars(
                sa.select(Transition)
                .where(Transition.finding_id == id)
                .order_by(Transition.effective_at.desc(), Transition.run_id.desc())
                .limit(MOST_TRANSITIONS + 1)
            )
        )
        newest = session.scalar(
            sa.select(TargetState.run_id).where(TargetState.target_id == finding.target_id)
        )
        runs = list(dict.fromkeys([*filter(None, [newest]), *(t.run_id for t in transitions[:1])]))
        spoke = [
            (run, by_key[finding.key])
            for run, by_key in results_by_key(session, runs).items()
            if finding.key in by_key
        ]
        episodes = episodes_of(session, finding, now)
        decided = list(
            session.scalars(
                sa.select(Decision).where(Decision.finding_id == id).order_by(Decision.id.desc()).limit(50)
            )
        )
        return page(
            "finding.html",
            frame(session, user, now, "findings"),
            finding=finding,
            site=site,
            customer=existing(session, Customer, site.customer_id),
            target=existing(session, TargetRow, finding.target_id),
            said_by=spoke[0][0] if spoke else "",
            result=spoke[0][1] if spoke else None,
            transitions=transitions[:MOST_TRANSITIONS],
            more=len(transitions) > MOST_TRANSITIONS,
            episodes=episodes,
            decisions=decided,
            picture=drawn(transitions[:MOST_TRANSITIONS], episodes, now),
        )


@get("/episodes/{id:int}", sync_to_thread=True)
def show_episode(id: FromPath[int], db: GivenDb) -> Redirect:
    """An episode is told of on its finding's page; the id of a merged one still leads there."""
    with look(db) as session:
        alias = session.get(EpisodeAlias, id)
        episode = existing(session, Episode, alias.episode_id if alias is not None else id)
        return Redirect(f"/findings/{episode.finding_id}#episode-{episode.id}", status_code=303)
