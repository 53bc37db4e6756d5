"""What is in force for a site: of each name the nearest and newest publication that was not withdrawn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session, defer

from checks.rules import PublishedProfile, Rules, ScheduleEntry, Waiver
from server.delivery.names import existing
from server.publishing.audience import audience_in, concerns
from server.tables import Publication, Site


@dataclass(frozen=True)
class Standing:
    """The publications in force for a site. `version` is 0, and `issued` None, where nothing ever was."""

    site: str
    version: int
    issued: datetime | None
    profiles: tuple[Publication, ...]
    schedules: tuple[Publication, ...]
    waivers: tuple[Publication, ...]

    def rules(self) -> Rules | None:
        """As they travel: for one version always the same."""
        if self.issued is None:
            return None
        waivers = (msgspec.json.decode(row.document, type=Waiver) for row in self.waivers)
        return Rules(
            self.version,
            self.site,
            self.issued,
            tuple(msgspec.json.decode(row.document, type=PublishedProfile) for row in self.profiles),
            tuple(msgspec.json.decode(row.document, type=ScheduleEntry) for row in self.schedules),
            # What has run out since is left to the agent's clock, so that a version keeps its bytes.
            tuple(each for each in waivers if each.expires > self.issued),
        )


def standing(session: Session, site_id: str, *, until: int | None = None) -> Standing:
    """What is in force for a site now, or was after the event with the version `until`. Raises `NotFound`."""
    site = existing(session, Site, site_id)
    query = sa.select(Publication).where(concerns(site.id, site.customer_id)).order_by(Publication.version)
    if until is not None:
        query = query.where(Publication.version <= until)
    rows = session.scalars(query.options(defer(Publication.document))).all()
    return standing_of(site_id, rows)


def standing_of(site: str, rows: Sequence[Publication]) -> Standing:
    """The same from the events that concern the site, the oldest first."""
    gone = {row.withdraws for row in rows if row.kind == "withdrawal"}
    best: dict[tuple[str, str], Publication] = {}
    for row in rows:
        if row.kind not in ("profile", "schedule", "waiver") or row.id in gone:
            continue
        other = best.get((row.kind, row.name))
        if other is None or audience_in(row).nearness >= audience_in(other).nearness:
            best[row.kind, row.name] = row
    kinds = {
        kind: tuple(row for (of, _), row in sorted(best.items()) if of == kind)
        for kind in ("profile", "schedule", "waiver")
    }
    newest = rows[-1] if rows else None
    return Standing(
        site,
        newest.version if newest is not None else 0,
        newest.at if newest is not None else None,
        kinds["profile"],
        kinds["schedule"],
        kinds["waiver"],
    )


def newest_of_each(rows: Sequence[Publication], withdrawn: Collection[int]) -> set[int]:
    """The ids of those that no newer one of the same name, for the same people, has replaced; `rows` are the
    oldest first.
    """
    newest = {(row.kind, row.name, audience_in(row)): row.id for row in rows if row.id not in withdrawn}
    return set(newest.values())


def withdrawn_ids(session: Session) -> dict[int, Publication]:
    """The events that were withdrawn, each with what withdrew it."""
    rows = session.scalars(sa.select(Publication).where(Publication.withdraws.is_not(None)))
    return {row.withdraws: row for row in rows if row.withdraws is not None}
