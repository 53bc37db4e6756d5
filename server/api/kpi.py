"""Key figures: which there are, each as of a moment, by engineer, and down to a single unit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.params import FromPath, FromQuery, QueryParameter

from checks.errors import BadInput
from server.api.given import GivenClock, GivenDb
from server.kpi import figures
from server.kpi.figures import Figure
from server.kpi.registry import Kpi
from server.kpi.unit import Unit

AsOf = Annotated[datetime | None, QueryParameter(description="With its zone, not in the future; default now")]


@get("/kpis", sync_to_thread=False)
def list_kpis() -> list[Kpi]:
    """What each figure is, in plain words, with the version of its definition."""
    return figures.list_kpis()


@get("/kpis/{id:str}", sync_to_thread=True)
def show_figure(
    id: FromPath[str],
    db: GivenDb,
    clock: GivenClock,
    as_of: AsOf = None,
    engineer: FromQuery[str | None] = None,
    industry: FromQuery[str | None] = None,
    customer: FromQuery[str | None] = None,
    product: FromQuery[str | None] = None,
    site: FromQuery[str | None] = None,
) -> Figure:
    """The figure of the whole team, or of one engineer weighed by share, with its units."""
    with db.read() as session:
        return figures.figure(
            session,
            id,
            as_of=_moment(as_of, clock),
            engineer=engineer,
            industry=industry,
            customer=customer,
            product=product,
            site=site,
        )


@get("/kpis/{id:str}/engineers", sync_to_thread=True)
def list_by_engineer(id: FromPath[str], db: GivenDb, clock: GivenClock, as_of: AsOf = None) -> list[Figure]:
    """A figure for every engineer, and what is unattributed last; without units."""
    with db.read() as session:
        return figures.by_engineer(session, id, as_of=_moment(as_of, clock))


@get("/kpis/{id:str}/units/{unit:path}", sync_to_thread=True)
def show_unit(
    id: FromPath[str], unit: FromPath[str], db: GivenDb, clock: GivenClock, as_of: AsOf = None
) -> Unit:
    with db.read() as session:
        return figures.unit(session, id, unit.lstrip("/"), as_of=_moment(as_of, clock))


def _moment(as_of: datetime | None, clock: GivenClock) -> datetime:
    now = clock()
    if as_of is None:
        return now
    if as_of.tzinfo is None:
        raise BadInput("as_of needs its zone, such as 2026-05-01T00:00:00Z")
    if as_of > now:
        raise BadInput("as_of has not come yet; what will be known then cannot be told")
    return as_of


ROUTES = [list_kpis, show_figure, list_by_engineer, show_unit]
