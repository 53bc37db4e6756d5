"""Episodes as the figures see them: as of a date, with the severity and cause that two people agreed on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from server.decisions import BASE_CAUSE
from server.kpi.projects import Asked
from server.sql import Sql
from server.tables.base import from_micros, to_micros


@dataclass(slots=True)
class Seen:
    """One episode of a project; `closed_at` is None while it is open or lapsed at the as-of date.

    `severity` and `cause` are those in effect, the `reported_` ones what they were before any decision.
    """

    id: int
    finding: int
    key: str
    project: str
    item: str
    object: str
    opened_at: datetime
    opened_run: str
    closed_at: datetime | None
    closed_run: str | None
    lapsed: bool
    left_out: bool
    reported_severity: str
    reported_cause: str
    severity: str = ""
    cause: str = ""
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[str, ...]:
        """The signed runs that opened and closed it."""
        return (self.opened_run,) if self.closed_run is None else (self.opened_run, self.closed_run)


_EPISODES = Asked(
    "SELECT b.id, b.finding_id, f.key, b.project_id, b.item, f.object, b.opened_at, b.opened_run,"
    " b.closed_at, b.closed_run, b.state, b.close_kind, b.rule_changed, b.severity, f.owner"
    " FROM episode b JOIN finding f ON f.id = b.finding_id"
    " WHERE b.project_id IS NOT NULL AND b.opened_at <= ? AND {one}"
    # The order of arrival gives the ids, so ids decide nothing here.
    " ORDER BY b.project_id, b.item, b.opened_at, f.key, f.target_id, b.opened_run"
)
_SHARES = Asked(
    "SELECT s.episode_id, s.engineer_id, s.share FROM episode_share s JOIN episode b ON b.id = s.episode_id"
    " WHERE b.project_id IS NOT NULL AND b.opened_at <= ? AND {one} ORDER BY s.episode_id, s.engineer_id"
)
_DECISIONS = Sql(
    "SELECT kind, finding_id, at, new_value FROM decision WHERE kind IN ('severity', 'cause')"
    " AND approved_by IS NOT NULL AND approved_at <= ? AND rejected_at IS NULL ORDER BY approved_at, id"
)


def load_episodes(connection: Connection, as_of: datetime, project: str | None = None) -> list[Seen]:
    """The episodes of projects that were open by `as_of`, by project, item and opening."""
    now = to_micros(as_of)
    decisions: dict[int, list[tuple[str, datetime, str]]] = defaultdict(list)
    for kind, finding, at, value in _DECISIONS.rows(connection, (now,)):
        decisions[finding].append((kind, from_micros(at), value))
    found: list[Seen] = []
    for row in _EPISODES.rows(connection, project, (now,)):
        number, finding, key, owning, item, label, opened, run, closed, closing, state = row[:11]
        close_kind, rule_changed, severity, owner = row[11:]
        if closed is not None and closed > now:
            closed, closing, state, close_kind = None, None, "open", ""
        seen = Seen(
            id=number,
            finding=finding,
            key=key,
            project=owning,
            item=item,
            object=label,
            opened_at=from_micros(opened),
            opened_run=run,
            closed_at=None if closed is None else from_micros(closed),
            closed_run=closing,
            lapsed=state == "lapsed",
            left_out=bool(rule_changed) or close_kind == "rule-changed",
            reported_severity=severity,
            reported_cause=BASE_CAUSE.get(owner, "unknown"),
        )
        decide(seen, decisions.get(finding, ()))
        found.append(seen)
    by_id = {seen.id: seen for seen in found}
    for episode, engineer, share in _SHARES.rows(connection, project, (now,)):
        by_id[episode].shares[engineer] = share
    return found


def decide(seen: Seen, decisions: list[tuple[str, datetime, str]] | tuple[()]) -> None:
    """Put the latest approved decision of each kind into effect, where its moment lies in the episode."""
    seen.severity, seen.cause = seen.reported_severity, seen.reported_cause
    for kind, at, value in decisions:
        if at < seen.opened_at or (seen.closed_at is not None and at > seen.closed_at):
            continue
        if kind == "severity":
            seen.severity = value
        else:
            seen.cause = value
