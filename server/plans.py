"""Which results count: the plans that bindings accepted, and since when each holds its target.

Only a result whose rule belongs to the plan in force at its effective time is eligible to open, close and
count. A plan in force is replaced from the moment a person accepts another, never for the past.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
from sqlalchemy import Connection

from checks.model import PlanItem, Severity, Status
from server.fold import Term
from server.sql import Sql


class Entry(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One item of a target's plan."""

    item: str
    check: str
    rule: str
    severity: str
    opens_on: str


@dataclass(frozen=True, slots=True)
class InForce:
    """The plan a binding holds its target to at some moment, and the acceptance that made it so."""

    accepted: int
    plan: int
    digest: str


SPELT: Final[dict[str, str]] = {word: word.value for word in (*Status, *Severity)}
"""The plain text of a status or severity; asking the member costs ten times as much, 400 times a run."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[Entry])


def entries_of(plan: Iterable[PlanItem], target: str) -> list[Entry]:
    """What a run's plan holds one target to, in a canonical order."""
    return sorted(
        [Entry(i.item, i.check, i.rule, SPELT[i.severity], i.opens_on) for i in plan if i.target == target],
    )


def encode(entries: list[Entry]) -> bytes:
    return _encoder.encode(entries)


@lru_cache(maxsize=512)
def decode(document: bytes) -> dict[str, Entry]:
    """A stored plan's entries by item."""
    return {entry.item: entry for entry in _decoder.decode(document)}


def digest(document: bytes) -> str:
    """SHA-256 over the encoded entries; the server computes it and trusts none it was sent."""
    return hashlib.sha256(document).hexdigest()


_IN_FORCE = Sql(
    "SELECT a.id, p.id, p.digest FROM binding b"
    " JOIN accepted_plan a ON a.binding_id = b.id JOIN plan p ON p.id = a.plan_id"
    " WHERE b.target_id = ? AND b.profile_id = ? AND b.valid_from <= ?"
    " AND (b.valid_until IS NULL OR b.valid_until > ?) AND a.valid_from <= ?"
    " ORDER BY a.valid_from DESC, a.id DESC LIMIT 1"
)


def in_force(connection: Connection, target: str, profile: str, at: int) -> InForce | None:
    """The accepted plan that a run of this profile at this target is judged by, if there is one."""
    row = _IN_FORCE.row(connection, (target, profile, at, at, at))
    return InForce(*row) if row is not None else None


_ENTRIES = Sql("SELECT entries FROM plan WHERE id = ?")


def load(connection: Connection, plan: int) -> dict[str, Entry]:
    """The entries of a stored plan by item."""
    return decode(bytes(_ENTRIES(connection, (plan,)).scalar_one()))


_INTERN = Sql("INSERT INTO plan (digest, entries) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING")
_PLAN_ID = Sql("SELECT id FROM plan WHERE digest = ?")


def intern(connection: Connection, document: bytes) -> int:
    """The id of a plan with these encoded entries, stored if it is new."""
    name = digest(document)
    _INTERN(connection, (name, document))
    return int(_PLAN_ID(connection, (name,)).scalar_one())


_TERMS = Sql(
    "SELECT b.id, b.project_id, b.interval_s, b.valid_from, b.valid_until, a.valid_from, p.entries"
    " FROM binding b JOIN accepted_plan a ON a.binding_id = b.id JOIN plan p ON p.id = a.plan_id"
    " WHERE b.target_id = ? ORDER BY b.id, a.valid_from, a.id"
)


def terms_of(connection: Connection, target: str) -> dict[str, list[Term]]:
    """For each item ever accepted for a target, the terms under which the target was held to it."""
    bindings: dict[int, list[tuple[int, int | None, str | None, int, dict[str, Entry]]]] = defaultdict(list)
    for binding, project, interval, bound, until, accepted, document in _TERMS.rows(connection, (target,)):
        start = max(bound, accepted)
        bindings[binding].append((start, until, project, interval, decode(bytes(document))))
    terms: dict[str, list[Term]] = defaultdict(list)
    for plans in bindings.values():
        for index, (start, until, project, interval, entries) in enumerate(plans):
            ends = [until] if index + 1 == len(plans) else [until, plans[index + 1][0]]
            end = min((each for each in ends if each is not None), default=None)
            if end is not None and end <= start:
                continue
            for item, entry in entries.items():
                terms[item].append(
                    Term(start, end, entry.rule, entry.opens_on, entry.severity, project, interval)
                )
    return dict(terms)
