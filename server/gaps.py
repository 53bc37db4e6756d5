"""Runs that never arrived although later ones did: holes in the numbers of an agent's chain.

An agent numbers its runs from 1 and never gives a number twice, so a number that is missing below one that
arrived is a run that was made and is not here: still on its way, on a stick, lost with a disk, or dropped
under pressure. What was dropped the agent says itself, in runs that it makes later; and in a run that was
made anew, which numbers it stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from server.sql import Sql, select_in

SHOWN = 100
"""How many holes of one agent are listed; their sum covers all that were found."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing numbers, both ends included; of them the agent itself says it dropped `dropped`."""

    first: int
    last: int
    dropped: int = 0

    @property
    def missing(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        """``runs 41–44 missing, 3 of them dropped by the agent under pressure``."""
        text = f"run {self.first} missing" if self.missing == 1 else f"runs {self.first}–{self.last} missing"
        if not self.dropped:
            return text
        whole = "all" if self.dropped == self.missing else str(self.dropped)
        which = "" if self.missing == 1 else f"{whole} of them "
        return f"{text}, {which}dropped by the agent under pressure"


@dataclass(frozen=True, slots=True)
class Missing:
    """The holes of one agent, oldest first, and how many runs and dropped ones are in all of them; `more`
    says that there are holes that are not listed.
    """

    gaps: tuple[Gap, ...] = ()
    runs: int = 0
    dropped: int = 0
    more: bool = False


NOTHING = Missing()

# Answered by ix_receipt_chain alone, without a look at the rows.
_HOLES = (
    "SELECT agent_id, before + 1, sequence - 1 FROM (SELECT agent_id, sequence,"
    " LAG(sequence, 1, 0) OVER (PARTITION BY agent_id ORDER BY sequence) AS before"
    " FROM receipt WHERE agent_id IN ({})) AS chain WHERE sequence > before + 1"
)
# A branch that is held as a fork is not the chain: what only it has is missing all the same.
_ONLY_FORKS = (
    "SELECT DISTINCT f.agent_id, f.sequence FROM receipt f WHERE f.held <> '' AND f.held = 'fork'"
    " AND f.agent_id IN ({}) AND NOT EXISTS (SELECT 1 FROM receipt r WHERE r.agent_id = f.agent_id"
    " AND r.sequence = f.sequence AND r.held <> 'fork')"
)
# A run that was made anew (`firstlight spool redact`) stands for the one before, whose number never comes.
_REPLACED = (
    "SELECT DISTINCT p.agent_id, p.sequence FROM replaced_run p JOIN receipt r ON r.id = p.run_id"
    " WHERE r.held <> 'fork' AND p.agent_id IN ({})"
)
_TIPS = "SELECT id, tip_sequence FROM agent WHERE id IN ({})"
_DROPPED = Sql(
    "SELECT sequence, dropped_runs FROM receipt WHERE agent_id = ? AND sequence > ? AND dropped_runs > 0"
    " AND held <> 'fork' ORDER BY sequence"
)
# Counting costs a tenth of looking at each step, so whoever has as many runs as numbers is not looked at. A
# number that came twice would hide a hole here; where that happened a branch is held.
_SUSPECTS = Sql(
    "SELECT agent_id FROM receipt WHERE agent_id IN (SELECT id FROM agent WHERE site_id = ?)"
    " GROUP BY agent_id HAVING COUNT(*) <> MAX(sequence)"
    " UNION SELECT agent_id FROM receipt WHERE held <> '' AND held = 'fork' AND site_id = ? ORDER BY agent_id"
)


def missing_of(session: Session, agent: str) -> Missing:
    """What is missing of one agent's chain."""
    return missing_of_each(session, [agent]).get(agent, NOTHING)


def missing_at(session: Session, site: str, most: int = 20) -> tuple[dict[str, Missing], int]:
    """What is missing of the agents of a site, by agent; those with whole chains are not in it.

    At most `most` of them are looked at; the number says how many more there are to look at.
    """
    suspects = [str(agent) for (agent,) in _SUSPECTS.rows(session.connection(), (site, site))]
    return missing_of_each(session, suspects[:most]), max(0, len(suspects) - most)


def missing_of_each(session: Session, agents: Sequence[str]) -> dict[str, Missing]:
    """What is missing of these agents' chains, for those that miss something."""
    connection = session.connection()
    holes: dict[str, list[tuple[int, int]]] = {}
    for agent, first, last in select_in(connection, _HOLES, agents):
        holes.setdefault(str(agent), []).append((first, last))
    tips = {str(agent): tip for agent, tip in select_in(connection, _TIPS, agents)}
    for agent, sequence in select_in(connection, _ONLY_FORKS, agents):
        holes.setdefault(str(agent), []).append((sequence, sequence))
    replaced: dict[str, set[int]] = {}
    for agent, sequence in select_in(connection, _REPLACED, sorted(holes)):
        replaced.setdefault(str(agent), set()).add(sequence)
    found = {}
    for agent in sorted(holes):
        # Above the newest run of the chain itself nothing is missing: it has not been told of yet.
        joined = _without(_joined(holes[agent], tips.get(agent, 0)), sorted(replaced.get(agent, ())))
        if joined:
            counts = _DROPPED.rows(connection, (agent, joined[0][0]))
            found[agent] = account(joined, counts)
    return found


def account(holes: Sequence[tuple[int, int]], dropped: Iterable[Sequence[int]]) -> Missing:
    """Holes in order, and what the agent said it dropped: pairs of the number of the run that said so and a
    count. A count belongs to the oldest holes before that run that are not accounted for, because the oldest
    runs are dropped first.
    """
    said = [0] * len(holes)
    place = 0
    for sequence, count in dropped:
        while count > 0 and place < len(holes) and holes[place][1] < sequence:
            first, last = holes[place]
            takes = min(count, last - first + 1 - said[place])
            said[place] += takes
            count -= takes
            if said[place] == last - first + 1:
                place += 1
    gaps = tuple(Gap(first, last, count) for (first, last), count in zip(holes, said, strict=True))
    return Missing(
        gaps[:SHOWN], sum(gap.missing for gap in gaps), sum(gap.dropped for gap in gaps), len(gaps) > SHOWN
    )


def _joined(holes: Iterable[tuple[int, int]], tip: int) -> list[tuple[int, int]]:
    """Holes in order, those that touch as one, and none above `tip`."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(holes):
        last = min(last, tip)
        if first > last:
            continue
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined


def _without(holes: Sequence[tuple[int, int]], numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Holes without some numbers; both are in order."""
    left: list[tuple[int, int]] = []
    place = 0
    for first, last in holes:
        while place < len(numbers) and numbers[place] <= last:
            if numbers[place] >= first:
                if first < numbers[place]:
                    left.append((first, numbers[place] - 1))
                first = numbers[place] + 1
            place += 1
        if first <= last:
            left.append((first, last))
    return left
