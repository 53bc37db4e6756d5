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
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from server.fold import GONE, Change, Entry
from server.scopes import Scope, decode_scope, encode_scope, intern_scope, next_speakers
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
    document = encode_scope(scope)
    own_vector = vector_digest(entries, document, accepted)
    latest = place > newest
    if latest and own_vector == vector:
        _RUN_ADD(connection, (target, *place, scope_id))
        _STATE_SET(connection, (*place, vector, scope_id, target))
        return UNCHANGED
    own_scope = intern_scope(connection, document, hashlib.sha256(document).hexdigest())
    _RUN_ADD(connection, (target, *place, own_scope))
    if latest:
        _STATE_SET(connection, (*place, own_vector, own_scope, target))
    known = findings_of(connection, target)
    create(connection, target, site, place, entries, known)
    spoken = [finding for finding in known.values() if scope.speaks_for(finding.item, finding.key)]
    if latest:
        changed = _append(connection, place, spoken, entries)
        describe(connection, known, entries)
        return Inserted(changed, spoken)
    changed, last_words = _splice(connection, target, place, spoken, entries)
    describe(connection, known, last_words)
    return Inserted(changed, spoken)


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
) -> tuple[list[Known], dict[str, Observed]]:
    """Insert a run before others: its own transition, and that of the finding's next speaker.

    The findings it touched, and what it says of those that no later run says anything of: the words that
    people read come from the newest run that has any, whatever the order of arrival.
    """
    changes = changes_of(connection, [finding.id for finding in spoken])
    following = next_speakers(connection, target, place, spoken)
    added: list[tuple[int, Change]] = []
    removed: list[tuple[int, Place]] = []
    touched = []
    last_words: dict[str, Observed] = {}
    for finding in spoken:
        own = changes.get(finding.id, [])
        before, after = _around(own, place)
        seen = entries.get(finding.key)
        if seen is None and before is None:
            continue
        touched.append(finding)
        if seen is not None and all(change.entry == GONE for change in own if change.place > place):
            last_words[finding.key] = seen
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
    return touched, last_words


def remove_run(connection: Connection, target: str, place: Place) -> list[Known]:
    """Take a folded run out of the history again (it turned out to be a fork's); the findings it touched."""
    lock(connection, target)
    row = _RUN_SCOPE.row(connection, (target, *place))
    if row is None:
        return []
    scope = decode_scope(bytes(row[0]))
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
_NEWEST_RUN = Sql(
    "SELECT effective_at, run_id, scope_id FROM target_run WHERE target_id = ?"
    " ORDER BY effective_at DESC, run_id DESC LIMIT 1"
)


def _refresh_state(connection: Connection, target: str) -> None:
    """Name the newest folded run again, without its vector: the next run will be compared in full."""
    row = _NEWEST_RUN.row(connection, (target,))
    at, run, scope = row if row is not None else (_BEFORE_ALL_TIME, "", 0)
    _STATE_SET(connection, (at, run, "", scope, target))
