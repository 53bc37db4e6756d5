"""Forks in an agent's chain: two bodies that claim one place (a cloned machine, a restored disk).

Of two branches the one whose fingerprint matches the enrolment folds on; the other is stored, held and
flagged. Where both match, or neither does, the one that came first stays and the other waits for an admin
(`server.ingest.branches`). What a fork means is decided from what is stored, so that the runs of the
branches may arrive in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from checks.machines import same_machine
from checks.model import RunReport
from server.episodes import refold
from server.history import remove_run
from server.ingest.examine import Sender
from server.sql import Sql, select_in

FORK: Final = "fork"
STRANGER: Final = "other-machine"
"""The flag of a run whose fingerprint did not match the enrolment when it arrived."""
LEFT: Final = "left"
"""The flag of a run that counts, on a branch that an admin has left for another: what follows it waits."""

_RIVALS = Sql(
    "SELECT sequence, held, flags FROM receipt WHERE agent_id = ? AND id <> ? AND hash <> ?"
    " AND (sequence = ? OR previous = ?)"
)
_PARENT = Sql("SELECT held, flags FROM receipt WHERE agent_id = ? AND sequence = ? AND hash = ?")
_CHILD = Sql("SELECT 1 FROM receipt WHERE agent_id = ? AND previous = ?")
_NODES = Sql(
    "SELECT id, sequence, previous, hash, received_at, held, flags, released_by FROM receipt"
    " WHERE agent_id = ? AND sequence >= ?"
)
_STOPPED = Sql(
    "SELECT hash FROM receipt WHERE agent_id = ? AND sequence = ? AND (held = 'fork' OR flags LIKE '%left%')"
)
_RECEIPT = Sql("SELECT site_id, effective_at, flags FROM receipt WHERE id = ?")
_HOLD = Sql("UPDATE receipt SET held = 'fork', flags = ? WHERE id = ?")
_TARGETS = Sql("SELECT target_id FROM target_run WHERE run_id = ?")
_TIPS = "SELECT id, tip_sequence, tip_hash FROM agent WHERE id IN ({}) ORDER BY id"
_TIP = Sql(
    "SELECT sequence, hash FROM receipt WHERE agent_id = ? AND held <> 'fork' AND flags NOT LIKE '%left%'"
    " ORDER BY sequence DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Node:
    """One body of a chain. `order` is when it came, `released` whether a person let it count."""

    run: str
    sequence: int
    previous: str
    hash: str
    order: tuple[int, str]
    held: bool = False
    stranger: bool = False
    left: bool = False
    released: bool = False


@dataclass(frozen=True, slots=True)
class Fork:
    """What a new body means for its chain: which stored runs must step back, and which no longer have to."""

    found: bool = False
    hold_this: bool = False
    hold_others: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


def lock_tips(connection: Connection, senders: Iterable[Sender]) -> None:
    """Give senders the tips of their chains as they are now: they were read before this transaction. Other
    server processes wait with runs of these agents until it ends; everybody locks in the order of the ids.
    """
    of_agent = {sender.agent: sender for sender in senders}
    query = _TIPS if connection.dialect.name == "sqlite" else _TIPS + " FOR NO KEY UPDATE"
    for agent, sequence, body_hash in select_in(connection, query, sorted(of_agent)):
        of_agent[agent].tip_sequence, of_agent[agent].tip_hash = sequence, body_hash


def tip(connection: Connection, agent: str) -> tuple[int, str]:
    """The newest body of the branch that folds: its number and hash."""
    row = _TIP.row(connection, (agent,))
    return (row[0], row[1]) if row is not None else (0, "0" * 64)


def is_stranger(report: RunReport, sender: Sender) -> bool:
    """Whether a run was made on another machine than the enrolled one."""
    return not same_machine(sender.fingerprint, report.fingerprint)


def find_fork(
    connection: Connection, report: RunReport, body_hash: str, sender: Sender, received: int
) -> Fork:
    """Whether another body claims this one's number or predecessor, and what that changes."""
    rivals = _RIVALS.rows(connection, (report.agent, report.run, body_hash, report.sequence, report.previous))
    parent = _PARENT.row(connection, (report.agent, report.sequence - 1, report.previous))
    stopped = parent is not None and (parent[0] == FORK or LEFT in parent[1])
    standing = any(held != FORK and LEFT not in flags for _, held, flags in rivals)
    if not stopped and not standing:
        return Fork(found=bool(rivals))
    if stopped and _CHILD.row(connection, (report.agent, body_hash)) is None:
        return Fork(found=True, hold_this=True)
    lowest = min([report.sequence, *(row[0] for row in rivals)])
    own = Node(
        report.run,
        report.sequence,
        report.previous,
        body_hash,
        (received, report.run),
        stranger=is_stranger(report, sender),
    )
    nodes = [node for node in nodes_of(connection, report.agent, lowest) if node.run != own.run]
    below = {row[0] for row in _STOPPED.rows(connection, (report.agent, lowest - 1))}
    held = decide([*nodes, own], below)
    return Fork(
        found=True,
        hold_this=own.run in held,
        hold_others=tuple(node.run for node in nodes if node.run in held and not node.held),
        free=tuple(node.run for node in nodes if node.run not in held and node.held),
    )


def nodes_of(connection: Connection, agent: str, lowest: int = 0) -> list[Node]:
    """What is stored of an agent's chain from a number on."""
    return [
        Node(
            run,
            sequence,
            previous,
            body_hash,
            (received, run),
            held=held == FORK,
            stranger=STRANGER in flags,
            left=LEFT in flags,
            released=released_by is not None,
        )
        for run, sequence, previous, body_hash, received, held, flags, released_by in _NODES.rows(
            connection, (agent, lowest)
        )
    ]


def decide(nodes: Sequence[Node], stopped: Collection[str] = ()) -> set[str]:
    """The ids of the runs that have to wait.

    Of the bodies that claim one number or one predecessor a single one stands: that of the enrolled machine
    before a stranger's, then the one that came first. What follows a body that waits, waits too; `stopped`
    are the hashes of such bodies below the nodes given. A run that a person released stands whatever the
    others do.
    """
    doomed, waiting = set(stopped), set()
    numbers: set[int] = set()
    places: set[str] = set()
    for node in sorted(nodes, key=lambda n: (n.sequence, n.stranger and not n.released, n.order)):
        if node.left:
            doomed.add(node.hash)
            continue
        free = node.sequence not in numbers and node.previous not in places
        if not node.released and (node.previous in doomed or not free):
            waiting.add(node.run)
            doomed.add(node.hash)
            continue
        if free:
            numbers.add(node.sequence)
            places.add(node.previous)
    return waiting


def hold(connection: Connection, runs: Collection[str]) -> None:
    """Hold stored runs as a fork's, and take them out of the history."""
    folded: list[tuple[str, str, int, str]] = []
    for run in runs:
        row = _RECEIPT.row(connection, (run,))
        assert row is not None
        site, at, flags = row
        _HOLD(connection, (with_flag(flags, FORK), run))
        folded += [(target, run, at, site) for (target,) in _TARGETS.rows(connection, (run,))]
    for target, run, at, site in sorted(folded):  # targets are locked in one order
        refold(connection, target, site, remove_run(connection, target, (at, run)))


def with_flag(flags: str, flag: str) -> str:
    """A receipt's flags and one more."""
    return ",".join(dict.fromkeys(filter(None, [*flags.split(","), flag])))
