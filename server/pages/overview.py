"""The first page: which sites need somebody, what is open and for how long, and the headline figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from litestar import get
from litestar.response import Template
from sqlalchemy.orm import Session

from server.api.given import GivenClock, GivenDb, GivenUser
from server.kpi import figures
from server.pages.due import bound_targets
from server.pages.figure_views import shown
from server.pages.frame import frame, look, page
from server.pages.open_findings import Unsettled, unsettled
from server.pages.site_lines import SEVERITIES, site_lines
from server.tables import Receipt

AGES: tuple[tuple[str, str, timedelta | None], ...] = (
    ("day", "under a day", timedelta(days=1)),
    ("week", "1 to 7 days", timedelta(days=7)),
    ("month", "7 to 30 days", timedelta(days=30)),
    ("older", "over 30 days", None),
)
"""Stretches of age: the word in addresses, the words on the page, and where each ends."""

MOST_SITES = 12
MOST_LINES = 12


@dataclass(frozen=True)
class AgeRow:
    """Open episodes of one severity, one count for each stretch of age."""

    severity: str
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


def stretch_of(opened_at: datetime, now: datetime) -> str:
    """The word for how old an episode is."""
    return next(word for word, _, ends in AGES if ends is None or now - opened_at < ends)


def ages(opened: Sequence[Unsettled], now: datetime) -> list[AgeRow]:
    """Open episodes by severity and age, a row for every severity."""
    words = [word for word, _, _ in AGES]
    counts = {severity: dict.fromkeys(words, 0) for severity in SEVERITIES}
    for episode in opened:
        counts[episode.severity][stretch_of(episode.opened_at, now)] += 1
    return [AgeRow(severity, tuple(row.values())) for severity, row in counts.items()]


def count_held(session: Session) -> int:
    """How many runs are stored but wait for an admin (a partial index serves it)."""
    return session.scalar(sa.select(sa.func.count()).select_from(Receipt).where(Receipt.held != "")) or 0


@get("/", sync_to_thread=True)
def show_overview(db: GivenDb, user: GivenUser, clock: GivenClock) -> Template:
    now = clock()
    with look(db) as session:
        opened = unsettled(session, ["open"])
        bound = bound_targets(session, now)
        lines = site_lines(session, opened, bound)
        late = sorted((b for b in bound if b.overdue), key=lambda b: b.overdue_from)
        return page(
            "overview.html",
            frame(session, user, now, "overview"),
            sites=[line for line in lines if line.state != "green"][:MOST_SITES],
            total_sites=len(lines),
            attention=sum(line.state in ("red", "amber") for line in lines),
            ages=ages(opened, now),
            stretches=AGES,
            opened=len(opened),
            overdue=late[:MOST_LINES],
            total_overdue=len(late),
            proposed=[binding for binding in bound if binding.proposed_run][:MOST_LINES],
            held=count_held(session),
            figures=[shown(figure) for figure in figures.headlines(session, as_of=now)],
        )
