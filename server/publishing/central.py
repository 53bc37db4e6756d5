"""Runs of published profiles: their plan counts by itself, if it is what the published text gives.

What a run claims decides nothing. The plan is worked out here from the text, with the code that agents use;
only a run with exactly these items, rules and severities was made with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from checks.errors import BadInput
from checks.model import Target
from checks.plan import make_plan
from checks.profile import Profile
from checks.profile_source import is_shipped
from checks.published import closure, read_published
from checks.rules import PublishedProfile
from server.plans import Entry, entries_of
from server.publishing.audience import Audience
from server.sql import Sql

MOST_STATES: Final = 50
"""How many states of what is published are looked at, the newest first."""

_ANY: Final = "any"

_EVER: Final = Sql("SELECT 1 FROM publication WHERE kind = 'profile' AND name = ? AND label = ? LIMIT 1")
_EVENTS: Final = Sql(
    "SELECT p.id, p.kind, p.site_id, p.customer_id, p.name, p.label, p.withdraws, p.by"
    " FROM publication p WHERE p.kind IN ('profile', 'withdrawal') AND p.at <= ?"
    " AND (p.site_id = ? OR p.customer_id = (SELECT customer_id FROM site WHERE id = ?)"
    " OR (p.site_id IS NULL AND p.customer_id IS NULL)) ORDER BY p.version"
)
_DOCUMENT: Final = Sql("SELECT document FROM publication WHERE id = ?")

Texts = tuple[tuple[str, str], ...]


class Event(NamedTuple):
    """A row of what was published or withdrawn."""

    id: int
    kind: str
    site: str | None
    customer: str | None
    name: str
    label: str
    withdraws: int | None
    by: str

    @property
    def nearness(self) -> int:
        return Audience(self.site, self.customer).nearness


def published_by(
    connection: Connection, site: str, profile: str, version: str, entries: Sequence[Entry], at: int
) -> str | None:
    """Who published the profile that a plan was made from; None where none gives this plan.

    `entries` are the plan of one target, `at` is the moment (microseconds) that the run speaks of: a version
    counts once it was published for the site and until it is withdrawn. One that another version has replaced
    goes on counting, because a site that has to approve the new one keeps to the one before.
    """
    if is_shipped(profile) or _EVER.row(connection, (profile, version)) is None:
        return None
    events = [Event(*row) for row in _EVENTS.rows(connection, (at, site, site))]
    gone = {event.withdraws for event in events}
    documents: dict[int, PublishedProfile] = {}
    tried: set[Texts] = set()
    for end in range(len(events), max(0, len(events) - MOST_STATES), -1):
        state = _in_force(events[:end])
        chosen = state.get(profile)
        if chosen is None or chosen.label != version or chosen.id in gone:
            continue
        for event in state.values():
            if event.id not in documents:
                document = bytes(_DOCUMENT(connection, (event.id,)).scalar_one())
                documents[event.id] = msgspec.json.decode(document, type=PublishedProfile)
        texts = {name: documents[event.id].text for name, event in state.items()}
        try:
            made_of = tuple(sorted(closure(profile, texts).items()))
        except BadInput:  # what it extends was not there at that time
            continue
        if made_of not in tried and gives(profile, made_of, entries):
            return chosen.by
        tried.add(made_of)
    return None


def _in_force(events: Sequence[Event]) -> dict[str, Event]:
    """The profiles in force after these events, by name."""
    gone = {event.withdraws for event in events}
    best: dict[str, Event] = {}
    for event in events:
        if event.kind == "profile" and event.id not in gone:
            other = best.get(event.name)
            if other is None or event.nearness >= other.nearness:
                best[event.name] = event
    return best


def gives(profile: str, texts: Texts, entries: Sequence[Entry]) -> bool:
    """Whether a published profile, read without variables of a site, gives a target this plan.

    Which roles a target has is known at its site only. They are those of which the plan has every item.
    """
    read = _read(profile, texts)
    if read is None:
        return False
    named = {entry.item for entry in entries}
    roles = tuple(
        role
        for role in dict.fromkeys(role for item in read.items for role in item.roles)
        if all(item.id in named or item.declared.across for item in read.items if role in item.roles)
    )
    return _entries(profile, texts, roles) == tuple(entries)


@lru_cache(maxsize=64)
def _read(profile: str, texts: Texts) -> Profile | None:
    try:
        return read_published(profile, dict(texts))
    except BadInput:  # another version of this program took it
        return None


@lru_cache(maxsize=256)
def _entries(profile: str, texts: Texts, roles: tuple[str, ...]) -> tuple[Entry, ...]:
    read = _read(profile, texts)
    if read is None:
        return ()
    try:
        plan = make_plan(read, [Target(_ANY)], roles={_ANY: roles})
    except BadInput:  # nothing of it is for these roles
        return ()
    return tuple(entries_of(plan.items(), _ANY))
