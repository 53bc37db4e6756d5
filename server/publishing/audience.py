"""For whom something is published: one site, all sites of a customer, or everybody."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from checks.errors import BadInput
from server.delivery.names import existing
from server.tables import Customer, Publication, Site

Column = str | InstrumentedAttribute[str]


class Audience(NamedTuple):
    """At most one of the two is named; neither means everybody."""

    site: str | None = None
    customer: str | None = None

    def __str__(self) -> str:
        if self.site is not None:
            return f"site {self.site}"
        return f"customer {self.customer}" if self.customer is not None else "everyone"

    @property
    def subject(self) -> str:
        """As the audit trail names it."""
        if self.site is not None:
            return f"site:{self.site}"
        return f"customer:{self.customer}" if self.customer is not None else "everyone:all"

    @property
    def nearness(self) -> int:
        """What is for a site goes before what is for its customer, and that before what is for everybody."""
        return 2 if self.site is not None else 1 if self.customer is not None else 0


def audience_of(
    session: Session, *, site: str | None = None, customer: str | None = None, everyone: bool = False
) -> Audience:
    """The audience that was asked for: exactly one of the three. Raises `BadInput` or `NotFound`."""
    if (site is not None) + (customer is not None) + everyone != 1:
        raise BadInput("say for whom: one site, one customer, or everyone")
    if site is not None:
        existing(session, Site, site)
    if customer is not None:
        existing(session, Customer, customer)
    return Audience(site, customer)


def audience_in(row: Publication) -> Audience:
    return Audience(row.site_id, row.customer_id)


def concerns(site: Column, customer: Column) -> sa.ColumnElement[bool]:
    """The events that are for a site, of this customer; each an id or the column of one."""
    everyone = sa.and_(Publication.site_id.is_(None), Publication.customer_id.is_(None))
    return sa.or_(Publication.site_id == site, Publication.customer_id == customer, everyone)


def sites_of(session: Session, audience: Audience) -> list[tuple[str, str]]:
    """The sites that are concerned, each with its customer."""
    query = sa.select(Site.id, Site.customer_id).order_by(Site.id)
    if audience.site is not None:
        query = query.where(Site.id == audience.site)
    elif audience.customer is not None:
        query = query.where(Site.customer_id == audience.customer)
    return [(row.id, row.customer_id) for row in session.execute(query)]
