"""A target's history: which runs were folded, and the change-points of each finding between them.

Only eligible results enter. For a finding, the runs that *speak for it* are those whose scope holds its
item as complete, or its key. Its value at such a run is its newest transition at or before the run, so an
unchanged run writes no transition. A run that arrives late, or is taken out again, touches the transition
at its own place and at the next run that speaks for the finding, and nothing else: any order of arrival
ends in the same rows.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from sqlalchemy import Connection

from server.fold import GONE, Change, Entry
from server.sql import Sql
from server.transitions import (
    Known,
    Observed,
    Place,
    apply,
    changes_of,
    create,
    describe,
    findings_of,
    set_present,
    write,
)


class Scope(msgspec.Struct, frozen=True):
    """What a run spoke for at a target: whole items, and single keys of items it could not enumerate."""

    complete: frozenset[str]
    keys: frozenset[str] = frozenset()

    def speaks_for(self, item: str, key: str) -> bool:
        return item in self.complete or key in self.keys


@lru_cache(maxsize=1024)
def _decode_scope(document: bytes) -> Scope:
    return msgspec.json.decode(document, type=Scope)


def _encode_scope(scope: Scope) -> bytes:
    return msgspec.json.encode({"complete": sorted(scope.complete), "keys": sorted(scope.keys)})


_SCOPE_INTERN = Sql("INSERT INTO scope (digest, items) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING")
_SCOPE_ID = Sql("SELECT id FROM scope WHERE digest = ?")


def _intern_scope(connection: Connection, document: bytes, name: str) -> int:
    found = _SCOPE_ID(connection, (name,)).scalar()
    if found is None:
        _SCOPE_INTERN(connection, (name, document))
        found = _SCOPE_ID(connection, (name,)).scalar_one()
    return int(found)


def vector_digest(entries: Mapping[str, Observed], scope: bytes, accepted: int) -> str:
    """SHA-256 over a run's state vector at a target: every entry by key, what it spoke for, under what."""
    digest = hashlib.sha256(b"%d %b\n" % (accepted, scope))
    lines = ["\0".join((key, *seen.entry)) for key, seen in entries.items()]
    lines.sort()
    digest.update("\n".join(lines).encode())
    return digest.hexdigest()


_STATE = "SELECT effective_at, run_id, vector, scope_id FROM target_state WHERE target_id = ?"
_STATE_SQLITE, _STATE_LOCKED = Sql(_STATE), Sql(_STATE + " FOR UPDATE")
_STATE_NEW = Sql(
    "INSERT INTO target_state (target_id, effective_at, run_id, vector, scope_id)"
    " VALUES (?, ?, '', '', 0) ON CONFLICT (target_id) DO NOTHING"
)
_STATE_SET = Sql(
    "UPDATE target_state SET effective_at = ?, run_id = ?, vector = ?, scope_id = ? WHERE target_id = ?"
)
_BEFORE_ALL_TIME = -(2**62)


def lock(connection: Connection, target: str) -> tuple[Place, str, int]:
    """Lock a target's state row (made if missing): the place, vector and scope of its newest folded run.

    SQLite's write transaction is the lock; on PostgreSQL it is the row. Lock several in id order.
    """
    query = _STATE_SQLITE if connection.dialect.name == "sqlite" else _STATE_LOCKED
    row = query.row(connection, (target,))
    if row is None:
        _STATE_NEW(connection, (target, _BEFORE_ALL_TIME))
        row = query.row(connection, (target,))
        assert row is not None
    return (row[0], row[1]), row[2], row[3]


_RUN_ADD = Sql("INSERT INTO target_run (target_id, effective_at, run_id, scope_id) VALUES (?, ?, ?, ?)")


@dataclass(frozen=True, slots=True)
class Inserted:
    """The findings whose entries a run changed, and all that it spoke for: none if all was as before."""

    changed: list[Known]
    spoken: list[Known]


UNCHANGED = Inserted([], [])


def insert_run(
    connection: Connection,
    target: str,
    site: str,
    place: Place,
    scope: Scope,
    entries: Mapping[str, Observed],
    accepted: int,
) -> Inserted:
    """Put a run into the target's history.

    `accepted` names the acceptance of the plan it was judged by: under another one even an equal run is
    looked at in full. An unchanged newest run costs three statements. The caller commits.
    """
    newest, vector, scope_id = lock(connection, target)
    document = _encode_scope(scope)
    own_vector = vector_digest(entries, document, accepted)
    latest = place > newest
    if latest and own_vector == vector:
        _RUN_ADD(connection, (target, *place, scope_id))
        _STATE_SET(connection, (*place, vector, scope_id, target))
        return UNCHANGED
    own_scope = _intern_scope(connection, document, hashlib.sha256(document).hexdigest())
    _RUN_ADD(connection, (target, *place, own_scope))
    if latest:
        _STATE_SET(connection, (*place, own_vector, own_scope, target))
    known = findings_of(connection, target)
    create(connection, target, site, place, entries, known)
    spoken = [finding for finding in known.values() if scope.speaks_for(finding.item, finding.key)]
    if latest:
        changed = _append(connection, place, spoken, entries)
        describe(connection, [(known[key].id, seen) for key, seen in entries.items()])
        return Inserted(changed, spoken)
    return Inserted(_splice(connection, target, place, spoken, entries), spoken)


def _append(
    connection: Connection, place: Place, spoken: Iterable[Known], entries: Mapping[str, Observed]
) -> list[Known]:
    """Write what differs from the present; the run is the newest of its target."""
    changed = []
    for finding in spoken:
        seen = entries.get(finding.key)
        value = seen.entry if seen is not None else GONE
        if value == finding.entry or (seen is None and finding.entry is None):
            continue
        finding.entry = value
        changed.append(finding)
    write(connection, [(finding.id, Change(*place, _known(finding))) for finding in changed])
    set_present(connection, [(finding.id, Change(*place, _known(finding))) for finding in changed])
    return changed


def _splice(
    connection: Connection, target: str, place: Place, spoken: list[Known], entries: Mapping[str, Observed]
) -> list[Known]:
    """Insert a run before others: its own transition, and that of the finding's next speaker."""
    changes = changes_of(connection, [finding.id for finding in spoken])
    following = next_speakers(connection, target, place, spoken)
    added: list[tuple[int, Change]] = []
    removed: list[tuple[int, Place]] = []
    touched = []
    for finding in spoken:
        own = changes.get(finding.id, [])
        before, after = _around(own, place)
        seen = entries.get(finding.key)
        if seen is None and before is None:
            continue
        touched.append(finding)
        value = seen.entry if seen is not None else GONE
        if before is None or value != before.entry:
            added.append((finding.id, Change(*place, value)))
        then = following.get(finding.id)
        if then is None:
            continue
        at_then = after if after is not None and after.place == then else None
        if at_then is not None and at_then.entry == value:
            removed.append((finding.id, then))
        elif at_then is None:
            meant = before.entry if before is not None else GONE
            if meant != value:
                added.append((finding.id, Change(*then, meant)))
    apply(connection, added, removed)
    return touched


def remove_run(connection: Connection, target: str, place: Place) -> list[Known]:
    """Take a folded run out of the history again (it turned out to be a fork's); the findings it touched."""
    lock(connection, target)
    row = _RUN_SCOPE.row(connection, (target, *place))
    if row is None:
        return []
    scope = _decode_scope(bytes(row[0]))
    spoken = [f for f in findings_of(connection, target).values() if scope.speaks_for(f.item, f.key)]
    changes = changes_of(connection, [finding.id for finding in spoken])
    following = next_speakers(connection, target, place, spoken)
    added: list[tuple[int, Change]] = []
    removed: list[tuple[int, Place]] = []
    touched = []
    for finding in spoken:
        own = changes.get(finding.id, [])
        before, _ = _around(own, place)
        here = next((change for change in own if change.place == place), None)
        value = here.entry if here is not None else before.entry if before is not None else None
        if value is None:
            continue
        touched.append(finding)
        if here is not None:
            removed.append((finding.id, place))
        then = following.get(finding.id)
        if then is None:
            continue
        at_then = next((change for change in own if change.place == then), None)
        meant = at_then.entry if at_then is not None else value
        redundant = meant == (before.entry if before is not None else GONE)
        if at_then is not None and redundant:
            removed.append((finding.id, then))
        elif at_then is None and not redundant:
            added.append((finding.id, Change(*then, meant)))
    _RUN_DROP(connection, (target, *place))
    apply(connection, added, removed)
    _refresh_state(connection, target)
    return touched


def _around(own: list[Change], place: Place) -> tuple[Change | None, Change | None]:
    """The newest change before a place and the first at or after it."""
    index = bisect_left(own, place, key=lambda change: change.place)
    before = own[index - 1] if index else None
    while index < len(own) and own[index].place == place:
        index += 1
    return before, own[index] if index < len(own) else None


def _known(finding: Known) -> Entry:
    assert finding.entry is not None
    return finding.entry


_RUN_SCOPE = Sql(
    "SELECT s.items FROM target_run r JOIN scope s ON s.id = r.scope_id"
    " WHERE r.target_id = ? AND r.effective_at = ? AND r.run_id = ?"
)
_RUN_DROP = Sql("DELETE FROM target_run WHERE target_id = ? AND effective_at = ? AND run_id = ?")
_RUNS_AFTER = Sql(
    "SELECT r.effective_at, r.run_id, s.items FROM target_run r JOIN scope s ON s.id = r.scope_id"
    " WHERE r.target_id = ? AND (r.effective_at, r.run_id) > (?, ?) ORDER BY r.effective_at, r.run_id"
)
_RUNS_BEFORE = Sql(
    "SELECT r.effective_at, r.run_id, s.items FROM target_run r JOIN scope s ON s.id = r.scope_id"
    " WHERE r.target_id = ? AND (r.effective_at, r.run_id) < (?, ?)"
    " ORDER BY r.effective_at DESC, r.run_id DESC"
)


def _runs(connection: Connection, query: Sql, target: str, place: Place) -> Iterator[tuple[Place, Scope]]:
    result = query(connection, (target, *place))
    while rows := result.fetchmany(32):
        for row in rows:
            yield (row[0], row[1]), _decode_scope(bytes(row[2]))
    result.close()


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


_NEWEST_RUN = Sql(
    "SELECT effective_at, run_id, scope_id FROM target_run WHERE target_id = ?"
    " ORDER BY effective_at DESC, run_id DESC LIMIT 1"
)


def _refresh_state(connection: Connection, target: str) -> None:
    """Name the newest folded run again, without its vector: the next run will be compared in full."""
    row = _NEWEST_RUN.row(connection, (target,))
    at, run, scope = row if row is not None else (_BEFORE_ALL_TIME, "", 0)
    _STATE_SET(connection, (at, run, "", scope, target))
