"""Episodes as rows: derived anew for the findings a run touched, written only where they differ.

An episode keeps its id for as long as it overlaps what it was: the oldest overlapping id stays, a split
makes a new one, and a merge leaves an alias.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from server.attribution import Charge, Team, attribute, team_of
from server.fold import Change, Shape, Term, derive, drops
from server.plans import terms_of
from server.scopes import last_spoken, next_speakers
from server.sql import Sql, select_in
from server.transitions import Known, changes_of, findings_of


@dataclass(frozen=True, slots=True)
class Stored:
    """An episode's row: its id and the columns that the fold decides, in the order of `_columns`."""

    id: int
    columns: tuple[object, ...]
    shares: dict[str, tuple[float, str]]

    @property
    def opened_at(self) -> int:
        return int(str(self.columns[2]))

    @property
    def closed_at(self) -> int | None:
        closed = self.columns[5]
        return None if closed is None else int(str(closed))


def refold(connection: Connection, target: str, site: str, findings: Sequence[Known]) -> list[int]:
    """Bring the episodes of these findings in line with their transitions; the ids of those that changed.

    The caller holds the target's lock.
    """
    if not findings:
        return []
    terms = terms_of(connection, target)
    changes = changes_of(connection, [finding.id for finding in findings])
    _repeat_after_drops(connection, target, findings, terms, changes)
    stored = _stored(connection, [finding.id for finding in findings])
    teams: dict[str | None, Team] = {}
    touched: list[int] = []
    for finding in findings:
        shapes = derive(changes.get(finding.id, []), terms.get(finding.item, []))
        old = stored.get(finding.id, [])
        if not shapes and not old:
            continue
        for shape in shapes:
            if shape.project not in teams:
                teams[shape.project] = team_of(connection, shape.project)
        charges = [_charge(connection, target, finding, shape, teams[shape.project]) for shape in shapes]
        touched += _replace(connection, finding, site, old, list(zip(shapes, charges, strict=True)))
    return touched


def _repeat_after_drops(
    connection: Connection,
    target: str,
    findings: Sequence[Known],
    terms: Mapping[str, Sequence[Term]],
    changes: dict[int, list[Change]],
) -> None:
    """Say again what was first observed after an item left every accepted plan and came back.

    Transitions are only changes: an observation equal to the one before the gap is none, and yet it is what
    continues or closes an episode that lapsed in between.
    """
    left: dict[int, list[Known]] = defaultdict(list)
    for finding in findings:
        for moment in drops(terms.get(finding.item, [])):
            left[moment].append(finding)
    for moment, gone in left.items():
        for number, place in next_speakers(connection, target, (moment, ""), gone).items():
            own = changes.get(number, [])
            index = bisect_right(own, place, key=lambda change: change.place)
            if index and own[index - 1].place != place:
                own.insert(index, Change(*place, own[index - 1].entry))


def came_back(connection: Connection, target: str, findings: Iterable[Known], at: int) -> list[Known]:
    """Those of the findings whose item had left every accepted plan before a moment: they may have lapsed."""
    terms = terms_of(connection, target)
    return [f for f in findings if any(moment <= at for moment in drops(terms.get(f.item, [])))]


def refold_target(connection: Connection, target: str, items: Iterable[str] | None = None) -> list[int]:
    """Derive a target's episodes again, of these items or all: plans, bindings or people changed."""
    site = str(_SITE(connection, (target,)).scalar_one())
    wanted = None if items is None else set(items)
    findings = [f for f in findings_of(connection, target).values() if wanted is None or f.item in wanted]
    return refold(connection, target, site, findings)


_SITE = Sql("SELECT site_id FROM target WHERE id = ?")


def _charge(connection: Connection, target: str, finding: Known, shape: Shape, team: Team) -> Charge:
    seen_at = 0
    if shape.prior is not None and shape.project is not None:
        seen = last_spoken(connection, target, finding.item, finding.key, shape.prior_until)
        seen_at = max(shape.prior.at, seen if seen is not None else shape.prior.at)
    return attribute(shape, team, seen_at)


def _columns(shape: Shape, charge: Charge) -> tuple[object, ...]:
    return (
        shape.project,
        shape.state,
        shape.opened_at,
        shape.opened_run,
        shape.lapsed_at,
        shape.closed_at,
        shape.closed_run,
        shape.close_kind,
        shape.rule_changed,
        shape.severity,
        shape.recurred,
        charge.reason,
    )


_STORED = (
    "SELECT finding_id, id, project_id, state, opened_at, opened_run, lapsed_at, closed_at, closed_run,"
    " close_kind, rule_changed, severity, recurred, reason FROM episode"
    " WHERE finding_id IN ({}) ORDER BY finding_id, id"
)
_SHARES = "SELECT episode_id, engineer_id, share, reason FROM episode_share WHERE episode_id IN ({})"


def _stored(connection: Connection, findings: list[int]) -> dict[int, list[Stored]]:
    rows = select_in(connection, _STORED, findings)
    shares: dict[int, dict[str, tuple[float, str]]] = defaultdict(dict)
    for episode, engineer, share, reason in select_in(connection, _SHARES, [row[1] for row in rows]):
        shares[episode][engineer] = (share, reason)
    stored: dict[int, list[Stored]] = defaultdict(list)
    for finding, number, *columns in rows:
        columns[8], columns[10] = bool(columns[8]), bool(columns[10])
        stored[finding].append(Stored(number, tuple(columns), shares[number]))
    return stored


def _overlap(old: Stored, shape: Shape) -> bool:
    old_ends_first = old.closed_at is not None and old.closed_at <= shape.opened_at
    new_ends_first = shape.closed_at is not None and shape.closed_at <= old.opened_at
    return not old_ends_first and not new_ends_first


_CLEAR = Sql("DELETE FROM episode_share WHERE episode_id = ?")
_DROP = Sql("DELETE FROM episode WHERE id = ?")
_ALIAS = Sql("INSERT INTO episode_alias (id, episode_id) VALUES (?, ?)")
_REALIAS = Sql("UPDATE episode_alias SET episode_id = ? WHERE episode_id = ?")
_UNALIAS = Sql("DELETE FROM episode_alias WHERE episode_id = ?")
_PARK = Sql("UPDATE episode SET opened_at = ? WHERE id = ?")
_UPDATE = Sql(
    "UPDATE episode SET project_id = ?, state = ?, opened_at = ?, opened_run = ?, lapsed_at = ?,"
    " closed_at = ?, closed_run = ?, close_kind = ?, rule_changed = ?, severity = ?, recurred = ?,"
    " reason = ? WHERE id = ?"
)
_INSERT = Sql(
    "INSERT INTO episode (finding_id, site_id, item, project_id, state, opened_at, opened_run, lapsed_at,"
    " closed_at, closed_run, close_kind, rule_changed, severity, recurred, reason)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
_SHARE = Sql("INSERT INTO episode_share (episode_id, engineer_id, share, reason) VALUES (?, ?, ?, ?)")


def _replace(
    connection: Connection,
    finding: Known,
    site: str,
    old: list[Stored],
    new: list[tuple[Shape, Charge]],
) -> list[int]:
    """Write the difference between stored and derived episodes of one finding."""
    heirs: dict[int, Stored] = {}
    merged: dict[int, int] = {}
    free = list(old)
    for index, (shape, _) in enumerate(new):
        overlapping = [stored for stored in free if _overlap(stored, shape)]
        if overlapping:
            heirs[index] = overlapping[0]
            free.remove(overlapping[0])
    for stored in free:
        for index, (shape, _) in enumerate(new):
            if _overlap(stored, shape):
                merged[stored.id] = index
        _CLEAR(connection, (stored.id,))
        _DROP(connection, (stored.id,))
    moving = [
        (i, s) for i, s in heirs.items() if s.columns[2:4] != (new[i][0].opened_at, new[i][0].opened_run)
    ]
    if len(moving) > 1:
        # Two episodes may trade places; no two may open at one moment while they do.
        _PARK(connection, [(-stored.id, stored.id) for _, stored in moving])
    numbers: dict[int, int] = {}
    touched: list[int] = []
    for index, (shape, charge) in enumerate(new):
        columns = _columns(shape, charge)
        heir = heirs.get(index)
        if heir is None:
            row = _INSERT.row(connection, (finding.id, site, finding.item, *columns))
            assert row is not None
            number = int(row[0])
        else:
            number = heir.id
            if heir.columns != columns:
                _UPDATE(connection, (*columns, number))
        numbers[index] = number
        changed = heir is None or heir.columns != columns
        if heir is None or heir.shares != charge.shares:
            changed = True
            _CLEAR(connection, (number,))
            if charge.shares:
                rows = [(number, who, share, why) for who, (share, why) in sorted(charge.shares.items())]
                _SHARE(connection, rows)
        if changed:
            touched.append(number)
    for stored in free:
        if stored.id in merged:
            survivor = numbers[merged[stored.id]]
            _REALIAS(connection, (survivor, stored.id))
            _ALIAS(connection, (stored.id, survivor))
        else:
            _UNALIAS(connection, (stored.id,))
    return touched
