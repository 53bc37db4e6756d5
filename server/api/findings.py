"""Findings with their episodes, transitions and decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa
from litestar import get
from litestar.params import FromPath, FromQuery

from server import decisions
from server.api.decisions import DecisionView
from server.api.given import GivenClock, GivenDb
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.delivery.names import existing
from server.tables import Decision, Episode, EpisodeAlias, EpisodeShare, Finding, Site, Transition

NEWEST_TRANSITIONS = 500


class FindingView(msgspec.Struct, frozen=True):
    """One item and object at one target, as its newest counted run left it."""

    id: int
    target_id: str
    site_id: str
    key: str
    item: str
    check_id: str
    object: str
    title: str
    owner: str
    status: str
    severity: str
    cause: str
    rule: str
    since: datetime


class ShareView(msgspec.Struct, frozen=True):
    engineer_id: str
    share: float
    reason: str


class EpisodeView(msgspec.Struct, frozen=True):
    """`severity` and `cause` hold after approved decisions, `reported_severity` before.

    `unattributed` is what `shares` leave to 1, and `unattributed_reason` why. `retired` says that two people
    put it away after it lapsed.
    """

    id: int
    state: str
    retired: bool
    opened_at: datetime
    opened_run: str
    lapsed_at: datetime | None
    closed_at: datetime | None
    closed_run: str | None
    close_kind: str
    rule_changed: bool
    recurred: bool
    reported_severity: str
    severity: str
    cause: str
    project_id: str | None
    shares: list[ShareView]
    unattributed: float
    unattributed_reason: str


class TransitionView(msgspec.Struct, frozen=True):
    effective_at: datetime
    run_id: str
    status: str
    severity: str
    cause: str
    rule: str


class FindingDetail(msgspec.Struct, frozen=True):
    """`transitions` holds the newest 500, newest first."""

    finding: FindingView
    episodes: list[EpisodeView]
    transitions: list[TransitionView]
    decisions: list[DecisionView]


class EpisodePlace(msgspec.Struct, frozen=True):
    """The finding an episode belongs to; `id` differs from the one asked for where a merge took it in."""

    id: int
    finding: int


@get("/sites/{id:str}/findings", sync_to_thread=True)
def list_findings(
    id: FromPath[str],
    db: GivenDb,
    episode: FromQuery[Literal["open", "lapsed", "all"]] = "all",
    item: FromQuery[str] = "",
    after: After = "",
    limit: Limit = DEFAULT,
) -> Listing[FindingView]:
    """The findings of a site; ``episode=open`` leaves those that have an open episode."""
    query = sa.select(Finding).where(Finding.site_id == id)
    if item:
        query = query.where(Finding.item == item)
    if episode != "all":
        having = sa.select(Episode.finding_id).where(Episode.site_id == id, Episode.state == episode)
        query = query.where(Finding.id.in_(having))
    with db.read() as session:
        existing(session, Site, id)
        return by_id(session, FindingView, query, Finding.id, after=after, limit=limit)


@get("/findings/{id:int}", sync_to_thread=True)
def show_finding(id: FromPath[int], db: GivenDb, clock: GivenClock) -> FindingDetail:
    now = clock()
    with db.read() as session:
        finding = existing(session, Finding, id)
        episodes = session.scalars(
            sa.select(Episode).where(Episode.finding_id == id).order_by(Episode.opened_at.desc())
        ).all()
        transitions = session.scalars(
            sa.select(Transition)
            .where(Transition.finding_id == id)
            .order_by(Transition.effective_at.desc(), Transition.run_id.desc())
            .limit(NEWEST_TRANSITIONS)
        )
        decided = session.scalars(
            sa.select(Decision).where(Decision.finding_id == id).order_by(Decision.id.desc())
        )
        shares: dict[int, list[ShareView]] = {}
        of_finding = (
            sa.select(EpisodeShare)
            .join(Episode, Episode.id == EpisodeShare.episode_id)
            .where(Episode.finding_id == id)
            .order_by(EpisodeShare.episode_id, EpisodeShare.engineer_id)
        )
        for share in session.scalars(of_finding):
            shares.setdefault(share.episode_id, []).append(shown(ShareView, share))
        return FindingDetail(
            finding=shown(FindingView, finding),
            episodes=[
                _episode(
                    episode,
                    shares.get(episode.id, []),
                    decisions.effective(session, "severity", episode, now),
                    decisions.effective(session, "cause", episode, now),
                    decisions.effective(session, "retirement", episode, now) == decisions.RETIRED,
                )
                for episode in episodes
            ],
            transitions=[shown(TransitionView, row) for row in transitions],
            decisions=[shown(DecisionView, row) for row in decided],
        )


@get("/episodes/{id:int}", sync_to_thread=True)
def find_episode(id: FromPath[int], db: GivenDb) -> EpisodePlace:
    """Where an episode is told of; the id of one that was merged away still leads there."""
    with db.read() as session:
        merged = session.scalar(sa.select(EpisodeAlias.episode_id).where(EpisodeAlias.id == id))
        episode = existing(session, Episode, id if merged is None else merged)
        return EpisodePlace(episode.id, episode.finding_id)


def _episode(row: Episode, shares: list[ShareView], severity: str, cause: str, retired: bool) -> EpisodeView:
    return EpisodeView(
        id=row.id,
        state=row.state,
        retired=retired,
        opened_at=row.opened_at,
        opened_run=row.opened_run,
        lapsed_at=row.lapsed_at,
        closed_at=row.closed_at,
        closed_run=row.closed_run,
        close_kind=row.close_kind,
        rule_changed=row.rule_changed,
        recurred=row.recurred,
        reported_severity=row.severity,
        severity=severity,
        cause=cause,
        project_id=row.project_id,
        shares=shares,
        unattributed=max(0.0, round(1 - sum(share.share for share in shares), 9)),
        unattributed_reason=row.reason,
    )


ROUTES = [list_findings, show_finding, find_episode]
