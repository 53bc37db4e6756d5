"""A target's findings and their transitions as rows: read, created, described, written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from server.fold import Change, Entry
from server.sql import Sql, select_in

Place = tuple[int, str]
"""A run's place in fold order: effective time in microseconds, then run id."""


class Observed(NamedTuple):
    """An eligible result: its entry and what people read of the finding."""

    entry: Entry
    item: str
    check: str
    object: str
    title: str
    owner: str

    @property
    def described(self) -> tuple[str, str, str, str]:
        return self.object, self.title, self.owner, self.check


@dataclass(slots=True)
class Known:
    """A finding as stored: its present entry is that of its newest transition.

    `described` is what people read of it: object, title, owner and check.
    """

    id: int
    key: str
    item: str
    entry: Entry | None
    described: tuple[str, str, str, str]


_FINDINGS = Sql(
    "SELECT id, key, item, status, severity, cause, rule, object, title, owner, check_id"
    " FROM finding WHERE target_id = ?"
)


def findings_of(connection: Connection, target: str) -> dict[str, Known]:
    """The findings of a target by key."""
    found = {}
    for number, key, item, *rest in _FINDINGS.rows(connection, (target,)):
        entry = Entry(*rest[:4]) if rest[0] else None
        found[key] = Known(number, key, item, entry, (rest[4], rest[5], rest[6], rest[7]))
    return found


_FINDING_ADD = Sql(
    "INSERT INTO finding (target_id, key, site_id, item, check_id, object, title, owner,"
    " status, severity, cause, rule, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '', '', '', ?)"
)


def create(
    connection: Connection,
    target: str,
    site: str,
    place: Place,
    entries: Mapping[str, Observed],
    known: dict[str, Known],
) -> None:
    fresh = {key: seen for key, seen in entries.items() if key not in known}
    if not fresh:
        return
    _FINDING_ADD(
        connection,
        [
            (target, key, site, seen.item, seen.check, seen.object, seen.title, seen.owner, place[0])
            for key, seen in fresh.items()
        ],
    )
    for key, finding in findings_of(connection, target).items():
        known.setdefault(key, finding)


_DESCRIBE = Sql("UPDATE finding SET object = ?, title = ?, owner = ?, check_id = ? WHERE id = ?")


def describe(connection: Connection, known: Mapping[str, Known], entries: Mapping[str, Observed]) -> None:
    """Let the newest run say what people read of its findings."""
    rows = [
        (*seen.described, known[key].id)
        for key, seen in entries.items()
        if seen.described != known[key].described
    ]
    if rows:
        _DESCRIBE(connection, rows)


_CHANGES = (
    "SELECT finding_id, effective_at, run_id, status, severity, cause, rule FROM transition"
    " WHERE finding_id IN ({}) ORDER BY finding_id, effective_at, run_id"
)


def changes_of(connection: Connection, findings: list[int]) -> dict[int, list[Change]]:
    """The transitions of findings, each list in fold order."""
    changes: dict[int, list[Change]] = defaultdict(list)
    for number, at, run, *entry in select_in(connection, _CHANGES, findings):
        changes[number].append(Change(at, run, Entry(*entry)))
    return changes


_CHANGE_ADD = Sql(
    "INSERT INTO transition (finding_id, effective_at, run_id, status, severity, cause, rule)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_CHANGE_DROP = Sql("DELETE FROM transition WHERE finding_id = ? AND effective_at = ? AND run_id = ?")
_PRESENT = Sql("UPDATE finding SET status = ?, severity = ?, cause = ?, rule = ?, since = ? WHERE id = ?")


def write(connection: Connection, added: list[tuple[int, Change]]) -> None:
    if added:
        _CHANGE_ADD(connection, [(number, c.at, c.run, *c.entry) for number, c in added])


def set_present(connection: Connection, newest: list[tuple[int, Change]]) -> None:
    if newest:
        _PRESENT(connection, [(*change.entry, change.at, number) for number, change in newest])


def apply(connection: Connection, added: list[tuple[int, Change]], removed: list[tuple[int, Place]]) -> None:
    """Write a splice and let the findings it touched repeat their newest transition."""
    if removed:
        _CHANGE_DROP(connection, [(number, *place) for number, place in removed])
    write(connection, added)
    touched = sorted({number for number, _ in added} | {number for number, _ in removed})
    changes = changes_of(connection, touched)
    set_present(connection, [(number, changes[number][-1]) for number in touched if changes.get(number)])
    empty = [(number,) for number in touched if not changes.get(number)]
    if empty:
        _ABSENT(connection, empty)


_ABSENT = Sql("UPDATE finding SET status = '', severity = '', cause = '', rule = '' WHERE id = ?")
