"""Customers, sites, products, projects and engineers: added once, named by an id for good."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from sqlalchemy.orm import Session

from checks.errors import BadInput
from server import audit
from server.delivery.names import existing, fresh_id
from server.tables import Customer, Engineer, Product, Project, Site

SHORTEST_WINDOW, LONGEST_WINDOW = 14, 90

Row = TypeVar("Row", Customer, Site, Product, Project, Engineer)


def add_customer(
    session: Session, name: str, *, by: str, now: datetime, id: str = "", industry: str = ""
) -> Customer:
    """A customer; `industry` is a free word that figures are grouped by."""
    row = Customer(id=fresh_id(session, Customer, id, name), name=name, industry=industry)
    return _added(session, row, by, now, name)


def add_site(session: Session, customer_id: str, name: str, *, by: str, now: datetime, id: str = "") -> Site:
    """A place of a customer; agents report for its id."""
    existing(session, Customer, customer_id)
    row = Site(id=fresh_id(session, Site, id, name), customer_id=customer_id, name=name)
    return _added(session, row, by, now, name)


def add_product(session: Session, name: str, *, by: str, now: datetime, id: str = "") -> Product:
    row = Product(id=fresh_id(session, Product, id, name), name=name)
    return _added(session, row, by, now, name)


def add_project(
    session: Session,
    site_id: str,
    product_id: str,
    name: str,
    *,
    by: str,
    now: datetime,
    id: str = "",
    started_at: datetime | None = None,
    window_days: int = 30,
) -> Project:
    """The delivery of a product at a site.

    `window_days` (14 to 90) is how long a first go-live is watched; it cannot be changed afterwards.
    """
    existing(session, Site, site_id)
    existing(session, Product, product_id)
    if not SHORTEST_WINDOW <= window_days <= LONGEST_WINDOW:
        raise BadInput(f"window_days is {window_days}; right is {SHORTEST_WINDOW} to {LONGEST_WINDOW}")
    row = Project(
        id=fresh_id(session, Project, id, name),
        site_id=site_id,
        product_id=product_id,
        name=name,
        started_at=started_at or now,
        window_days=window_days,
    )
    return _added(session, row, by, now, f"{product_id} at {site_id}, window {window_days} d")


def add_engineer(
    session: Session, name: str, *, by: str, now: datetime, id: str = "", email: str = ""
) -> Engineer:
    row = Engineer(id=fresh_id(session, Engineer, id, name), name=name, email=email)
    return _added(session, row, by, now, name)


def _added(session: Session, row: Row, by: str, now: datetime, detail: str) -> Row:
    session.add(row)
    session.flush()
    kind = row.__tablename__
    audit.record(session, now, by, f"add-{kind}", f"{kind}:{row.id}", detail)
    return row
