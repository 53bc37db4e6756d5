"""What runs spoke for at a target: scopes, and the runs around a place that speak for a finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

import msgspec
from sqlalchemy import Connection

from server.sql import Sql
from server.transitions import Known, Place


class Scope(msgspec.Struct, frozen=True):
    """What a run spoke for at a target: whole items, and single keys of items it could not enumerate."""

    complete: frozenset[str]
    keys: frozenset[str] = frozenset()

    def speaks_for(self, item: str, key: str) -> bool:
        return item in self.complete or key in self.keys


@lru_cache(maxsize=1024)
def decode_scope(document: bytes) -> Scope:
    return msgspec.json.decode(document, type=Scope)


def encode_scope(scope: Scope) -> bytes:
    return msgspec.json.encode({"complete": sorted(scope.complete), "keys": sorted(scope.keys)})


_SCOPE_INTERN = Sql("INSERT INTO scope (digest, items) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING")
_SCOPE_ID = Sql("SELECT id FROM scope WHERE digest = ?")


def intern_scope(connection: Connection, document: bytes, name: str) -> int:
    found = _SCOPE_ID(connection, (name,)).scalar()
    if found is None:
        _SCOPE_INTERN(connection, (name, document))
        found = _SCOPE_ID(connection, (name,)).scalar_one()
    return int(found)


_AT_ONCE = 32
"""Runs asked for at a time; nearly always the first one answers."""

_RUNS_AFTER = Sql(
    "SELECT r.effective_at, r.run_id, s.items FROM target_run r JOIN scope s ON s.id = r.scope_id"
    " WHERE r.target_id = ? AND (r.effective_at, r.run_id) > (?, ?)"
    " ORDER BY r.effective_at, r.run_id LIMIT ?"
)
_RUNS_BEFORE = Sql(
    "SELECT r.effective_at, r.run_id, s.items FROM target_run r JOIN scope s ON s.id = r.scope_id"
    " WHERE r.target_id = ? AND (r.effective_at, r.run_id) < (?, ?)"
    " ORDER BY r.effective_at DESC, r.run_id DESC LIMIT ?"
)


def _runs(connection: Connection, query: Sql, target: str, place: Place) -> Iterator[tuple[Place, Scope]]:
    """The runs beyond a place with their scopes, nearest first, asked for as they are used."""
    while rows := query.rows(connection, (target, *place, _AT_ONCE)):
        for at, run, document in rows:
            place = (at, run)
            yield place, decode_scope(bytes(document))
        if len(rows) < _AT_ONCE:
            return


def next_speakers(
    connection: Connection, target: str, place: Place, findings: Iterable[Known]
) -> dict[int, Place]:
    """For each finding, the place of the next folded run that speaks for it, if there is one."""
    waiting = {finding.id: finding for finding in findings}
    found: dict[int, Place] = {}
    for then, scope in _runs(connection, _RUNS_AFTER, target, place):
        for number in [n for n, f in waiting.items() if scope.speaks_for(f.item, f.key)]:
            found[number] = then
            del waiting[number]
        if not waiting:
            break
    return found


def last_spoken(connection: Connection, target: str, item: str, key: str, before: Place) -> int | None:
    """When the newest run before a place spoke for a finding, in microseconds."""
    for (at, _), scope in _runs(connection, _RUNS_BEFORE, target, before):
        if scope.speaks_for(item, key):
            return at
    return None
