"""Every agent as an administrator wants to see it: is it there, is it on time, is there only one of it?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.orm import Session
from zstandard import ZstdDecompressor, ZstdError

from server.ingest.branches import count_held
from server.ingest.examine import SKEW_FLAGGED
from server.tables import AgentKey, AgentRow, Binding, Document, EnrolmentToken, Receipt, Site, TargetRow

GRACE: Final = 0.25
"""An agent is late once its interval and this part of it have passed: timers wait and machines reboot."""
FORK_IS_ALIVE_FOR: Final = timedelta(days=7)
"""So long after its last run (or three intervals, if that is longer) a held branch is somebody's problem."""
STATES: Final = ("forked", "late", "revoked", "new", "fine")
"""Those that need somebody first."""


@dataclass(frozen=True)
class AgentLine:
    """An agent now.

    `state` is ``revoked`` (no key is trusted), ``forked`` (a branch of its chain is held and goes on),
    ``late``, ``new`` (enrolled, has time yet for its first run) or ``fine``. `interval_s` are the seconds
    between two runs that are expected, `held` the runs held as a fork's. `shared` says that another agent
    reports as the same target, too. `version` is the program's, from its newest run; empty where unknown.
    """

    id: str
    site_id: str
    site_name: str
    target: str
    target_id: str
    enrolled_at: datetime
    last_seen_at: datetime | None
    interval_s: int
    due_at: datetime
    clock_offset_ms: int
    keys: int
    revoked_keys: int
    held: int
    state: str
    shared: bool = False
    version: str = ""

    @property
    def clock_off(self) -> bool:
        """Whether the clocks differ by more than is corrected silently."""
        return timedelta(milliseconds=abs(self.clock_offset_ms)) > SKEW_FLAGGED


def agent_lines(session: Session, now: datetime, *, site_id: str = "", agent_id: str = "") -> list[AgentLine]:
    """The agents (of a site, or one), those that need somebody first, then by site and target."""
    keys = {agent: (number, revoked or 0) for agent, number, revoked in session.execute(_KEYS)}
    held = count_held(session)
    intervals = _intervals(session, now)
    query = (
        sa.select(AgentRow, Site.name, TargetRow.name, EnrolmentToken.interval_s)
        .join(Site, Site.id == AgentRow.site_id)
        .outerjoin(TargetRow, TargetRow.id == AgentRow.target_id)
        .outerjoin(EnrolmentToken, EnrolmentToken.token_hash == AgentRow.token_hash)
    )
    if site_id:
        query = query.where(AgentRow.site_id == site_id)
    if agent_id:
        # Its neighbours at the target are needed, too: they say whether it is alone there.
        same = sa.select(AgentRow.target_id).where(AgentRow.id == agent_id)
        query = query.where(AgentRow.target_id.in_(same))
    lines = []
    for agent, site, target, asked in session.execute(query):
        number, revoked = keys.get(agent.id, (0, 0))
        runs, newest = held.get(agent.id, (0, None))
        interval = intervals.get(agent.target_id) or asked or 86_400
        due = (agent.last_seen_at or agent.enrolled_at) + timedelta(seconds=interval) * (1 + GRACE)
        lines.append(
            AgentLine(
                id=agent.id,
                site_id=agent.site_id,
                site_name=site,
                target=target or agent.target_id,
                target_id=agent.target_id,
                enrolled_at=agent.enrolled_at,
                last_seen_at=agent.last_seen_at,
                interval_s=interval,
                due_at=due,
                clock_offset_ms=agent.clock_offset_ms,
                keys=number,
                revoked_keys=revoked,
                held=runs,
                state=_state(agent, number > revoked, newest, interval, due, now),
            )
        )
    lines = [line for line in _marked(lines) if agent_id in ("", line.id)]
    return sorted(lines, key=lambda line: (STATES.index(line.state), line.site_name, line.target, line.id))


def with_versions(session: Session, lines: Sequence[AgentLine]) -> list[AgentLine]:
    """The same lines with the version that each agent's newest run was made with."""
    return [replace(line, version=_version(session, line.id)) for line in lines]


_KEYS = sa.select(
    AgentKey.agent_id, sa.func.count(), sa.func.sum(sa.case((AgentKey.revoked_at.is_not(None), 1), else_=0))
).group_by(AgentKey.agent_id)


class _Versioned(msgspec.Struct):
    """The one field of a run that is asked for here."""

    agent_version: str


def _version(session: Session, agent_id: str) -> str:
    newest = (
        sa.select(Document.body, Document.size)
        .join(Receipt, Receipt.id == Document.run_id)
        .where(Receipt.agent_id == agent_id)
        .order_by(Receipt.sequence.desc())
        .limit(1)
    )
    row = session.execute(newest).first()
    if row is None:
        return ""
    try:
        body = ZstdDecompressor().decompress(row.body, max_output_size=row.size)
        return msgspec.json.decode(body, type=_Versioned).agent_version
    except (ZstdError, msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _intervals(session: Session, now: datetime) -> dict[str, int]:
    """By target, the shortest interval that a binding in force expects."""
    query = (
        sa.select(Binding.target_id, sa.func.min(Binding.interval_s))
        .where(Binding.valid_from <= now, sa.or_(Binding.valid_until.is_(None), Binding.valid_until > now))
        .group_by(Binding.target_id)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _state(
    agent: AgentRow, trusted: bool, forked_at: datetime | None, interval: int, due: datetime, now: datetime
) -> str:
    if not trusted:
        return "revoked"
    alive = max(FORK_IS_ALIVE_FOR, 3 * timedelta(seconds=interval))
    if forked_at is not None and now - forked_at < alive:
        return "forked"
    if due < now:
        return "late"
    return "fine" if agent.last_seen_at is not None else "new"


def _marked(lines: Iterable[AgentLine]) -> list[AgentLine]:
    """Mark agents that report as one target beside each other.

    A machine whose state was lost enrols as a new agent of its old target, and the old one falls silent.
    Where it does not, two machines have one fingerprint: a template with a machine id of its own.
    """
    by_target: dict[str, list[AgentLine]] = defaultdict(list)
    for line in lines:
        by_target[line.target_id].append(line)
    marked = []
    for group in by_target.values():
        trusted = [line for line in group if line.state != "revoked"]
        newest = max((line.enrolled_at for line in trusted), default=None)
        speaking = [
            line.id for line in trusted if newest and line.last_seen_at and line.last_seen_at > newest
        ]
        marked += [replace(line, shared=len(speaking) > 1 and line.id in speaking) for line in group]
    return marked
