"""The branches of an agent's chain that are held, and an admin's word for one of them.

A disk that was restored from a snapshot goes on from an older number, and so does a machine that was moved
in two steps: its runs claim places that are taken. Nobody but a person can tell which of two machines with
one fingerprint is the right one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from server import audit
from server.delivery.names import existing
from server.errors import NotFound, Refused
from server.ingest.chain import FORK, Node, nodes_of, tip
from server.ingest.record import fold_stored
from server.sql import Sql
from server.tables import AgentRow, Receipt
from server.tables.base import from_micros

_LEAVE = Sql(
    "UPDATE receipt SET flags = CASE WHEN flags = '' THEN 'left' ELSE flags || ',left' END"
    " WHERE agent_id = ? AND sequence >= ? AND held <> 'fork' AND flags NOT LIKE '%left%'"
)
_RELEASE = Sql("UPDATE receipt SET held = '', released_by = ? WHERE id = ?")


@dataclass(frozen=True)
class Branch:
    """Runs that follow each other and are held. `first` and `last` are numbers, `newest` the id of a run;
    `stranger` says that another machine made them than the enrolled one.
    """

    newest: str
    first: int
    last: int
    runs: int
    last_received: datetime
    stranger: bool


def branches_of(session: Session, agent_id: str) -> list[Branch]:
    """The held branches of an agent's chain, the newest first."""
    lowest = session.scalar(
        sa.select(sa.func.min(Receipt.sequence)).where(Receipt.agent_id == agent_id, Receipt.held == FORK)
    )
    if lowest is None:
        return []
    nodes = nodes_of(session.connection(), agent_id, lowest)
    followers = _followers(nodes)
    by_hash = {node.hash: node for node in nodes}
    found = []
    for node in nodes:
        parent = by_hash.get(node.previous)
        if node.held and (parent is None or not parent.held):
            part = _onwards(node, followers)
            newest = max(part, key=lambda n: n.order)
            found.append(
                Branch(
                    newest.run,
                    node.sequence,
                    max(n.sequence for n in part),
                    len(part),
                    from_micros(newest.order[0]),
                    node.stranger,
                )
            )
    return sorted(found, key=lambda branch: branch.last_received, reverse=True)


def accept_branch(session: Session, run_id: str, *, by: str, now: datetime) -> int:
    """Let the branch that a held run stands on count from now on; says how many of its runs count now.

    What counted so far stays counted, but the branch it is on is left: what follows it is held. The machine
    that made the accepted branch is from now on the enrolled one. Raises `NotFound`, and `Refused` where
    the run is not held as a fork.
    """
    receipt = session.get(Receipt, run_id)
    if receipt is None:
        raise NotFound(f"there is no run {run_id}")
    agent = existing(session, AgentRow, receipt.agent_id, lock=True)
    session.refresh(receipt)  # somebody else may have ruled while this waited
    if receipt.held != FORK:
        raise Refused(f"run {run_id} is not held as a fork")
    connection = session.connection()
    branch = _branch_through(nodes_of(connection, agent.id), run_id)
    _LEAVE(connection, (agent.id, branch[0].sequence))
    for node in branch:
        _RELEASE(connection, (by, node.run))
    for node in branch:
        fold_stored(connection, node.run)
    session.expire_all()
    agent.fingerprint = existing(session, Receipt, branch[-1].run).fingerprint
    agent.tip_sequence, agent.tip_hash = tip(connection, agent.id)
    session.flush()
    detail = f"runs {branch[0].sequence} to {branch[-1].sequence}"
    audit.record(session, now, by, "accept-branch", f"agent:{agent.id}", detail)
    return len(branch)


def count_held(session: Session) -> dict[str, tuple[int, datetime]]:
    """By agent, how many of its runs are held as a fork's, and when the newest of them arrived."""
    query = (
        sa.select(Receipt.agent_id, sa.func.count(), sa.func.max(Receipt.received_at))
        .where(Receipt.held != "", Receipt.held == FORK)  # the first condition is the partial index's
        .group_by(Receipt.agent_id)
    )
    return {agent: (number, newest) for agent, number, newest in session.execute(query)}


def _branch_through(nodes: Sequence[Node], run_id: str) -> list[Node]:
    """The held runs before a run and after it, oldest first; where they part again, as the fold decides."""
    by_hash = {node.hash: node for node in nodes}
    followers = _followers(nodes)
    here = next(node for node in nodes if node.run == run_id)
    branch = [here]
    while (parent := by_hash.get(branch[0].previous)) is not None and parent.held:
        branch.insert(0, parent)
    while following := followers[branch[-1].hash]:
        branch.append(min(following, key=lambda node: (node.stranger, node.order)))
    return branch


def _onwards(first: Node, followers: dict[str, list[Node]]) -> list[Node]:
    """A held run and all held runs that follow it."""
    found, waiting = [], [first]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting += followers[node.hash]
    return found


def _followers(nodes: Sequence[Node]) -> dict[str, list[Node]]:
    """The held runs by the hash of the body they follow."""
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        if node.held:
            found[node.previous].append(node)
    return found
