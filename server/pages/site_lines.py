"""One line a site: what is open there, when it last reported, and what that amounts to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server.pages.due import Bound
from server.pages.open_findings import Unsettled
from server.tables import Customer, Receipt, Site

SEVERITIES = ("P0", "P1", "P2", "P3")
_ORDER = ("red", "amber", "grey", "green")


@dataclass(frozen=True)
class SiteLine:
    """A site as lists show it.

    `state` is ``red`` with an open P0 or P1, ``amber`` with another open episode or a target that is overdue,
    ``grey`` if nothing ever arrived, else ``green``.
    """

    id: str
    name: str
    customer: str
    industry: str
    open: dict[str, int]
    oldest: datetime | None
    last_at: datetime | None
    last_run: str | None
    overdue: int
    proposed: int
    state: str


def site_lines(session: Session, opened: Sequence[Unsettled], bound: Sequence[Bound]) -> list[SiteLine]:
    """All sites, the worst first, then by name."""
    by_site: dict[str, list[Unsettled]] = defaultdict(list)
    for episode in opened:
        by_site[episode.site_id].append(episode)
    overdue = Counter(binding.site_id for binding in bound if binding.overdue)
    proposed = Counter(binding.site_id for binding in bound if binding.proposed_run)
    newest = (
        sa.select(Receipt.id)
        .where(Receipt.site_id == Site.id)
        .order_by(Receipt.effective_at.desc(), Receipt.id.desc())
        .limit(1)
        .correlate(Site)
        .scalar_subquery()
    )
    query = (
        sa.select(Site.id, Site.name, Customer.name, Customer.industry, Receipt.effective_at, Receipt.id)
        .join(Customer, Customer.id == Site.customer_id)
        .outerjoin(Receipt, Receipt.id == newest)
    )
    lines = []
    for site, name, customer, industry, last_at, last_run in session.execute(query):
        episodes = by_site[site]
        counts = Counter(episode.severity for episode in episodes)
        lines.append(
            SiteLine(
                id=site,
                name=name,
                customer=customer,
                industry=industry,
                open={severity: counts[severity] for severity in SEVERITIES},
                oldest=min((episode.opened_at for episode in episodes), default=None),
                last_at=last_at,
                last_run=last_run,
                overdue=overdue[site],
                proposed=proposed[site],
                state=state_of(counts, overdue[site], reported=last_at is not None),
            )
        )
    return sorted(lines, key=lambda line: (_ORDER.index(line.state), line.name.lower(), line.id))


def state_of(opened: Counter[str], overdue: int, *, reported: bool) -> str:
    """What a site's open episodes (by severity) and overdue targets amount to."""
    if opened["P0"] or opened["P1"]:
        return "red"
    if opened.total() or overdue:
        return "amber"
    return "green" if reported else "grey"
