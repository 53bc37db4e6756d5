"""What targets are held to: bindings, the plans that runs reported, and the one a person accepted."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from litestar import get, patch, post
from litestar.params import FromPath, JSONBody

from checks.model import Moment
from server import delivery
from server.api.given import GivenClock, GivenDb, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id, shown
from server.auth.web import admin
from server.delivery.bindings import Proposal
from server.delivery.names import existing
from server.plans import Entry
from server.tables import Binding, Site, TargetRow


class NewBinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`interval_s` is the expected seconds between runs. Without `project` the target counts for its site.

    With `accepts_first` the first plan that a run reports is accepted with the binding.
    """

    target: str
    profile: str
    project: str | None = None
    interval_s: int = 86_400
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    accepts_first: bool = True


class BindingView(msgspec.Struct, frozen=True):
    id: int
    target_id: str
    profile_id: str
    project_id: str | None
    interval_s: int
    valid_from: datetime
    valid_until: datetime | None
    accepts_first: bool


class EndBinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`valid_until` is now or later, by default now."""

    valid_until: Moment | None = None


class PlanItemView(msgspec.Struct, frozen=True):
    item: str
    check: str
    rule: str
    severity: str
    opens_on: str


class ChangedItem(msgspec.Struct, frozen=True):
    was: PlanItemView
    becomes: PlanItemView


class ProposalView(msgspec.Struct, frozen=True):
    """A plan that was reported or accepted; `added`, `removed`, `changed` compare it to the one in force."""

    digest: str
    in_force: bool
    first_run: str | None
    first_seen: datetime | None
    accepted_at: datetime | None
    added: list[PlanItemView]
    removed: list[PlanItemView]
    changed: list[ChangedItem]


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`instead_of` is the digest seen in force ("" for none); another one by now is a conflict (409)."""

    digest: str
    instead_of: str


class Accepted(msgspec.Struct, frozen=True):
    binding: int
    digest: str
    valid_from: datetime
    accepted_by: str


@post("/bindings", guards=[admin], sync_to_thread=True)
def add_binding(data: JSONBody[NewBinding], db: GivenDb, user: GivenUser, clock: GivenClock) -> BindingView:
    with db.write() as session:
        row = delivery.bind(
            session,
            data.target,
            data.profile,
            project_id=data.project,
            interval_s=data.interval_s,
            valid_from=data.valid_from,
            valid_until=data.valid_until,
            accepts_first=data.accepts_first,
            by=user.login,
            now=clock(),
        )
        return shown(BindingView, row)


@get("/sites/{id:str}/bindings", sync_to_thread=True)
def list_bindings(
    id: FromPath[str], db: GivenDb, after: After = "", limit: Limit = DEFAULT
) -> Listing[BindingView]:
    with db.read() as session:
        existing(session, Site, id)
        query = sa.select(Binding).join(TargetRow, TargetRow.id == Binding.target_id)
        query = query.where(TargetRow.site_id == id)
        return by_id(session, BindingView, query, Binding.id, after=after, limit=limit)


@get("/bindings/{id:int}", sync_to_thread=True)
def show_binding(id: FromPath[int], db: GivenDb) -> BindingView:
    with db.read() as session:
        return shown(BindingView, existing(session, Binding, id))


@patch("/bindings/{id:int}", guards=[admin], sync_to_thread=True)
def end_binding(
    id: FromPath[int], data: JSONBody[EndBinding], db: GivenDb, user: GivenUser, clock: GivenClock
) -> BindingView:
    with db.write() as session:
        row = delivery.end_binding(session, id, valid_until=data.valid_until, by=user.login, now=clock())
        return shown(BindingView, row)


@get("/bindings/{id:int}/plans", sync_to_thread=True)
def list_plans(id: FromPath[int], db: GivenDb, clock: GivenClock) -> list[ProposalView]:
    with db.read() as session:
        return [_proposal(proposal) for proposal in delivery.proposals(session, id, clock())]


@post("/bindings/{id:int}/plans", guards=[admin], sync_to_thread=True)
def accept_plan(
    id: FromPath[int], data: JSONBody[Acceptance], db: GivenDb, user: GivenUser, clock: GivenClock
) -> Accepted:
    with db.write() as session:
        row = delivery.accept_plan(
            session, id, data.digest, instead_of=data.instead_of, by=user.login, now=clock()
        )
        return Accepted(id, data.digest, row.valid_from, row.accepted_by)


def _proposal(proposal: Proposal) -> ProposalView:
    difference = proposal.difference
    return ProposalView(
        digest=proposal.digest,
        in_force=proposal.in_force,
        first_run=proposal.first_run,
        first_seen=proposal.first_seen,
        accepted_at=proposal.accepted_at,
        added=[_item(entry) for entry in difference.added],
        removed=[_item(entry) for entry in difference.removed],
        changed=[ChangedItem(_item(was), _item(becomes)) for was, becomes in difference.changed],
    )


def _item(entry: Entry) -> PlanItemView:
    return shown(PlanItemView, entry)


ROUTES = [add_binding, list_bindings, show_binding, end_binding, list_plans, accept_plan]
