"""Forks in an agent's chain: two bodies that claim one place (a cloned machine, a restored disk).

Of two branches the one whose fingerprint matches the enrolment folds on; the other is stored, held and
flagged. Where both match, or neither does, the one that came first stays and the other waits for an admin.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from checks.model import RunReport
from server.episodes import refold
from server.history import remove_run
from server.ingest.examine import Sender
from server.sql import Sql

_RIVALS = Sql(
    "SELECT id, hash, fingerprint, held FROM receipt WHERE agent_id = ? AND id <> ? AND hash <> ?"
    " AND (sequence = ? OR previous = ?)"
)
_PARENT_HELD = Sql("SELECT 1 FROM receipt WHERE agent_id = ? AND sequence = ? AND hash = ? AND held = 'fork'")
_CHILDREN = Sql("SELECT id, hash FROM receipt WHERE agent_id = ? AND previous = ? AND held <> 'fork'")
_RECEIPT = Sql("SELECT agent_id, hash, site_id, effective_at, flags FROM receipt WHERE id = ?")
_HOLD = Sql("UPDATE receipt SET held = 'fork', flags = ? WHERE id = ?")
_TARGETS = Sql("SELECT target_id FROM target_run WHERE run_id = ? ORDER BY target_id")
_TIP = Sql(
    "SELECT sequence, hash FROM receipt WHERE agent_id = ? AND held <> 'fork' ORDER BY sequence DESC LIMIT 1"
)


def tip(connection: Connection, agent: str) -> tuple[int, str]:
    """The newest body of an agent's chain that is not held as a fork: its number and hash."""
    row = _TIP.row(connection, (agent,))
    return (row[0], row[1]) if row is not None else (0, "0" * 64)


@dataclass(frozen=True, slots=True)
class Fork:
    """What a new body means for its chain; `hold_others` are the ids of the rivals that must step back."""

    found: bool = False
    hold_this: bool = False
    hold_others: tuple[str, ...] = ()


def find_fork(connection: Connection, report: RunReport, body_hash: str, sender: Sender) -> Fork:
    """Whether another body claims this one's sequence number or predecessor, and who steps back."""
    if _PARENT_HELD(connection, (report.agent, report.sequence - 1, report.previous)).first() is not None:
        return Fork(found=True, hold_this=True)
    place = (report.agent, report.run, body_hash, report.sequence, report.previous)
    rivals = _RIVALS.rows(connection, place)
    if not rivals:
        return Fork()
    folding = [(run, fingerprint) for run, _, fingerprint, held in rivals if held != "fork"]
    if report.fingerprint != sender.fingerprint:
        return Fork(found=True, hold_this=True)
    strangers = tuple(run for run, fingerprint in folding if fingerprint != sender.fingerprint)
    return Fork(found=True, hold_this=len(strangers) < len(folding), hold_others=strangers)


def hold_branch(connection: Connection, runs: tuple[str, ...]) -> None:
    """Hold runs and all that follow them in their branch, and take them out of the history."""
    waiting = list(runs)
    while waiting:
        run = waiting.pop()
        row = _RECEIPT.row(connection, (run,))
        assert row is not None
        agent, body_hash, site, at, flags = row
        _HOLD(connection, (",".join(filter(None, [*flags.split(","), "fork"])), run))
        for (target,) in _TARGETS.rows(connection, (run,)):
            refold(connection, target, site, remove_run(connection, target, (at, run)))
        waiting += [child for child, _ in _CHILDREN.rows(connection, (agent, body_hash))]
