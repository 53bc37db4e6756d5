"""What is published for sites: admins publish and withdraw, agents fetch with a signed request."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from litestar import Request, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from msgspec import Meta
from sqlalchemy.orm import Session

from checks.envelope import HEADER_AGENT, HEADER_SIGNATURE
from checks.model import Moment
from checks.rules import TEXT_LIMIT, PublishedProfile, ScheduleEntry, Waiver
from checks.signed import key_name, verify_request
from server.api.given import GivenClock, GivenDb, GivenUser
from server.api.listing import DEFAULT, After, Limit, Listing, by_id
from server.auth.web import admin
from server.delivery.names import existing
from server.errors import Forbidden
from server.publishing.audience import Audience, audience_of
from server.publishing.events import publish_profile, publish_schedule, publish_waiver, withdraw
from server.publishing.outgoing import note_fetched, outgoing
from server.publishing.signing import rotate_signing_key
from server.tables import AgentKey, AgentRow, Publication

UNSIGNED = "the request is not signed by an agent that is enrolled here; enrol again"
"""One sentence for all that is wrong: who is enrolled here is nobody's business."""


class ForWhom(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Exactly one of the three."""

    site: str | None = None
    customer: str | None = None
    everyone: bool = False

    def audience(self, session: Session) -> Audience:
        return audience_of(session, site=self.site, customer=self.customer, everyone=self.everyone)


class NewProfile(ForWhom, frozen=True, forbid_unknown_fields=True):
    """`text` is YAML; its id and version are what it says itself."""

    text: Annotated[str, Meta(max_length=TEXT_LIMIT)]


class NewSchedule(ForWhom, frozen=True, forbid_unknown_fields=True):
    """`schedule` as in an agent's configuration, without a site file."""

    schedule: ScheduleEntry


class NewWaiver(ForWhom, frozen=True, forbid_unknown_fields=True):
    """`expires` is within a year. Without `target` or `object` it is for every one."""

    item: Annotated[str, Meta(max_length=200)]
    reason: Annotated[str, Meta(max_length=4000)]
    approved_by: Annotated[str, Meta(max_length=200)]
    expires: Moment
    target: Annotated[str, Meta(max_length=200)] = ""
    object: Annotated[str, Meta(max_length=500)] = ""


class PublicationView(msgspec.Struct, frozen=True):
    """`version` rises with every event; `withdrawn_at` says when it was taken back, if it was."""

    id: int
    version: int
    kind: str
    site_id: str | None
    customer_id: str | None
    name: str
    label: str
    by: str
    at: datetime
    withdrawn_at: datetime | None


class PublishedView(msgspec.Struct, frozen=True):
    """A publication with what was published, as it travels: one of the three."""

    publication: PublicationView
    profile: PublishedProfile | None = None
    schedule: ScheduleEntry | None = None
    waiver: Waiver | None = None


class SigningKeyView(msgspec.Struct, frozen=True):
    """The key that the collector signs with from now on, by its short name."""

    name: str
    created_at: datetime


@post("/publications/profiles", guards=[admin], sync_to_thread=True)
def add_profile(
    data: JSONBody[NewProfile], db: GivenDb, user: GivenUser, clock: GivenClock
) -> PublicationView:
    with db.write() as session:
        row = publish_profile(session, data.text, data.audience(session), by=user.login, now=clock())
        return _view(row, None)


@post("/publications/schedules", guards=[admin], sync_to_thread=True)
def add_schedule(
    data: JSONBody[NewSchedule], db: GivenDb, user: GivenUser, clock: GivenClock
) -> PublicationView:
    with db.write() as session:
        row = publish_schedule(session, data.schedule, data.audience(session), by=user.login, now=clock())
        return _view(row, None)


@post("/publications/waivers", guards=[admin], sync_to_thread=True)
def add_waiver(data: JSONBody[NewWaiver], db: GivenDb, user: GivenUser, clock: GivenClock) -> PublicationView:
    with db.write() as session:
        row = publish_waiver(
            session,
            data.audience(session),
            item=data.item,
            target=data.target,
            object=data.object,
            reason=data.reason,
            approved_by=data.approved_by,
            expires=data.expires,
            by=user.login,
            now=clock(),
        )
        return _view(row, None)


@post("/publications/signing-key", guards=[admin], sync_to_thread=True)
def rotate_key(db: GivenDb, user: GivenUser, clock: GivenClock) -> SigningKeyView:
    """Sign with a new key; agents learn of it by what the key before it signs for them."""
    with db.write() as session:
        key = rotate_signing_key(session, by=user.login, now=clock())
        return SigningKeyView(key_name(key.public), key.created_at)


@get("/publications", sync_to_thread=True)
def list_publications(
    db: GivenDb, kind: FromQuery[str] = "", after: After = "", limit: Limit = DEFAULT
) -> Listing[PublicationView]:
    """Newest first; `kind` such as ``profile`` narrows it."""
    query = sa.select(Publication).where(Publication.kind.in_(("profile", "schedule", "waiver")))
    if kind:
        query = query.where(Publication.kind == kind)
    with db.read() as session:
        gone = _withdrawn(session)
        rows = by_id(session, Row, query, Publication.id, after=after, limit=limit, newest_first=True)
        return Listing([_view(row, gone.get(row.id)) for row in rows.items], rows.next)


@get("/publications/{id:int}", sync_to_thread=True)
def show_publication(id: FromPath[int], db: GivenDb) -> PublishedView:
    with db.read() as session:
        row = existing(session, Publication, id)
        view = PublishedView(_view(row, _withdrawn(session).get(id)))
        kind = {"profile": PublishedProfile, "schedule": ScheduleEntry, "waiver": Waiver}.get(row.kind)
        if kind is None:
            return view
        return msgspec.structs.replace(view, **{row.kind: msgspec.json.decode(row.document, type=kind)})


@post("/publications/{id:int}/withdraw", status_code=200, guards=[admin], sync_to_thread=True)
def withdraw_publication(
    id: FromPath[int], db: GivenDb, user: GivenUser, clock: GivenClock
) -> PublicationView:
    now = clock()
    with db.write() as session:
        withdraw(session, id, by=user.login, now=now)
        return _view(existing(session, Publication, id), now)


@get("/rules", opt={"public": True}, sync_to_thread=True)
def fetch_rules(
    request: Request[Any, Any, Any], db: GivenDb, clock: GivenClock, key: FromQuery[str] = ""
) -> Response[bytes]:
    """The signed file of what is published for the site of the agent that signed this request.

    `key` names the signing key that the agent goes by. 204 where nothing was ever published, 304 where
    `If-None-Match` names what the agent has.
    """
    query = request.scope["query_string"].decode("latin-1")
    path = request.scope["path"] + (f"?{query}" if query else "")
    with db.read() as session:
        agent = _agent_of(session, request, path)
        id, found = agent.id, outgoing(session, agent, key)
    if found is None:
        return Response(b"", status_code=204)
    headers = {"ETag": found.etag}
    if request.headers.get("if-none-match") == found.etag:
        return Response(b"", status_code=304, headers=headers)
    with db.write() as session:
        note_fetched(session, id, found, clock())
    return Response(found.file, media_type="application/octet-stream", headers=headers)


def _agent_of(session: Session, request: Request[Any, Any, Any], path: str) -> AgentRow:
    """Whose key signed the request; raises `Forbidden`."""
    agent = session.get(AgentRow, request.headers.get(HEADER_AGENT, ""))
    signature = request.headers.get(HEADER_SIGNATURE, "")
    if agent is None or not signature:
        raise Forbidden(UNSIGNED)
    keys = sa.select(AgentKey).where(AgentKey.agent_id == agent.id).order_by(AgentKey.id.desc())
    for key in session.scalars(keys):
        if verify_request(key.public_key, agent.id, "GET", path, b"", signature):
            if key.revoked_at is not None:
                raise Forbidden("the key that signed this request was revoked; enrol again")
            if key.last_sequence is not None:
                raise Forbidden("the key that signed this request was replaced by a newer one; enrol again")
            return agent
    raise Forbidden(UNSIGNED)


class Row(msgspec.Struct, frozen=True):
    """The columns of a publication that lists show."""

    id: int
    version: int
    kind: str
    site_id: str | None
    customer_id: str | None
    name: str
    label: str
    by: str
    at: datetime


def _view(row: Publication | Row, withdrawn_at: datetime | None) -> PublicationView:
    return PublicationView(
        row.id,
        row.version,
        row.kind,
        row.site_id,
        row.customer_id,
        row.name,
        row.label,
        row.by,
        row.at,
        withdrawn_at,
    )


def _withdrawn(session: Session) -> dict[int, datetime]:
    """When each withdrawn publication was taken back."""
    query = sa.select(Publication.withdraws, Publication.at).where(Publication.withdraws.is_not(None))
    return {row[0]: row[1] for row in session.execute(query) if row[0] is not None}


ROUTES = [
    add_profile,
    add_schedule,
    add_waiver,
    rotate_key,
    list_publications,
    show_publication,
    withdraw_publication,
    fetch_rules,
]
