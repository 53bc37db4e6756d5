"""Customers, sites, products, projects and engineers over the API: everyone reads, admins add."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody

from checks.model import Moment
from server import delivery
from server.api.given import GivenClock, GivenDb, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.auth.web import admin
from server.delivery.names import existing
from server.tables import Customer, Engineer, Product, Project, Site, TargetRow


class NewCustomer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    id: str = ""
    industry: str = ""


class CustomerView(msgspec.Struct, frozen=True):
    id: str
    name: str
    industry: str


class NewSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    customer: str
    name: str
    id: str = ""


class SiteView(msgspec.Struct, frozen=True):
    id: str
    customer_id: str
    name: str


class NewProduct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    id: str = ""


class ProductView(msgspec.Struct, frozen=True):
    id: str
    name: str


class NewProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`window_days` is how long the first go-live is watched, fixed from here on."""

    site: str
    product: str
    name: str
    id: str = ""
    started_at: Moment | None = None
    window_days: int = 30


class ProjectView(msgspec.Struct, frozen=True):
    id: str
    site_id: str
    product_id: str
    name: str
    started_at: datetime
    window_days: int


class NewEngineer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    id: str = ""
    email: str = ""


class EngineerView(msgspec.Struct, frozen=True):
    id: str
    name: str
    email: str


class TargetView(msgspec.Struct, frozen=True):
    id: str
    site_id: str
    name: str
    created_at: datetime


@post("/customers", guards=[admin], sync_to_thread=True)
def add_customer(
    data: JSONBody[NewCustomer], db: GivenDb, user: GivenUser, clock: GivenClock
) -> CustomerView:
    with db.write() as session:
        row = delivery.add_customer(
            session, data.name, id=data.id, industry=data.industry, by=user.login, now=clock()
        )
        return shown(CustomerView, row)


@get("/customers", sync_to_thread=True)
def list_customers(db: GivenDb, after: After = "", limit: Limit = DEFAULT) -> Listing[CustomerView]:
    with db.read() as session:
        return by_id(session, CustomerView, sa.select(Customer), Customer.id, after=after, limit=limit)


@get("/customers/{id:str}", sync_to_thread=True)
def show_customer(id: FromPath[str], db: GivenDb) -> CustomerView:
    with db.read() as session:
        return shown(CustomerView, existing(session, Customer, id))


@post("/sites", guards=[admin], sync_to_thread=True)
def add_site(data: JSONBody[NewSite], db: GivenDb, user: GivenUser, clock: GivenClock) -> SiteView:
    with db.write() as session:
        row = delivery.add_site(session, data.customer, data.name, id=data.id, by=user.login, now=clock())
        return shown(SiteView, row)


@get("/sites", sync_to_thread=True)
def list_sites(
    db: GivenDb, customer: FromQuery[str] = "", after: After = "", limit: Limit = DEFAULT
) -> Listing[SiteView]:
    query = sa.select(Site)
    if customer:
        query = query.where(Site.customer_id == customer)
    with db.read() as session:
        return by_id(session, SiteView, query, Site.id, after=after, limit=limit)


@get("/sites/{id:str}", sync_to_thread=True)
def show_site(id: FromPath[str], db: GivenDb) -> SiteView:
    with db.read() as session:
        return shown(SiteView, existing(session, Site, id))


@get("/sites/{id:str}/targets", sync_to_thread=True)
def list_targets(
    id: FromPath[str], db: GivenDb, after: After = "", limit: Limit = DEFAULT
) -> Listing[TargetView]:
    with db.read() as session:
        existing(session, Site, id)
        query = sa.select(TargetRow).where(TargetRow.site_id == id)
        return by_id(session, TargetView, query, TargetRow.id, after=after, limit=limit)


@post("/products", guards=[admin], sync_to_thread=True)
def add_product(data: JSONBody[NewProduct], db: GivenDb, user: GivenUser, clock: GivenClock) -> ProductView:
    with db.write() as session:
        row = delivery.add_product(session, data.name, id=data.id, by=user.login, now=clock())
        return shown(ProductView, row)


@get("/products", sync_to_thread=True)
def list_products(db: GivenDb, after: After = "", limit: Limit = DEFAULT) -> Listing[ProductView]:
    with db.read() as session:
        return by_id(session, ProductView, sa.select(Product), Product.id, after=after, limit=limit)


@get("/products/{id:str}", sync_to_thread=True)
def show_product(id: FromPath[str], db: GivenDb) -> ProductView:
    with db.read() as session:
        return shown(ProductView, existing(session, Product, id))


@post("/projects", guards=[admin], sync_to_thread=True)
def add_project(data: JSONBody[NewProject], db: GivenDb, user: GivenUser, clock: GivenClock) -> ProjectView:
    with db.write() as session:
        row = delivery.add_project(
            session,
            data.site,
            data.product,
            data.name,
            id=data.id,
            started_at=data.started_at,
            window_days=data.window_days,
            by=user.login,
            now=clock(),
        )
        return shown(ProjectView, row)


@get("/projects", sync_to_thread=True)
def list_projects(
    db: GivenDb, site: FromQuery[str] = "", after: After = "", limit: Limit = DEFAULT
) -> Listing[ProjectView]:
    query = sa.select(Project)
    if site:
        query = query.where(Project.site_id == site)
    with db.read() as session:
        return by_id(session, ProjectView, query, Project.id, after=after, limit=limit)


@get("/projects/{id:str}", sync_to_thread=True)
def show_project(id: FromPath[str], db: GivenDb) -> ProjectView:
    with db.read() as session:
        return shown(ProjectView, existing(session, Project, id))


@post("/engineers", guards=[admin], sync_to_thread=True)
def add_engineer(
    data: JSONBody[NewEngineer], db: GivenDb, user: GivenUser, clock: GivenClock
) -> EngineerView:
    with db.write() as session:
        row = delivery.add_engineer(
            session, data.name, id=data.id, email=data.email, by=user.login, now=clock()
        )
        return shown(EngineerView, row)


@get("/engineers", sync_to_thread=True)
def list_engineers(db: GivenDb, after: After = "", limit: Limit = DEFAULT) -> Listing[EngineerView]:
    with db.read() as session:
        return by_id(session, EngineerView, sa.select(Engineer), Engineer.id, after=after, limit=limit)


@get("/engineers/{id:str}", sync_to_thread=True)
def show_engineer(id: FromPath[str], db: GivenDb) -> EngineerView:
    with db.read() as session:
        return shown(EngineerView, existing(session, Engineer, id))


ROUTES = [
    add_customer,
    list_customers,
    show_customer,
    add_site,
    list_sites,
    show_site,
    list_targets,
    add_product,
    list_products,
    show_product,
    add_project,
    list_projects,
    show_project,
    add_engineer,
    list_engineers,
    show_engineer,
]
