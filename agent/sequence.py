"""The numbers and the chain of an agent's runs.

A number is on the disk before the run that bears it, so a crash can leave a gap but never two runs of one
number; and one process at a time numbers and spools, so the chain has no branches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from agent.durable import read_bounded, write_durably
from agent.lock import exclusive
from agent.paths import State

FIRST_PREVIOUS = "0" * 64
LARGEST = 64 * 1024


class Last(msgspec.Struct, frozen=True):
    """The last number that was given away under an agent's id, and the hash of the body that got it."""

    agent: str
    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Number:
    """The next number and the hash of the body before; given away by `take`, and not before."""

    state: State
    agent: str
    sequence: int
    previous: str

    def take(self, hash: str) -> None:
        """Make the number that body's for ever. Raises `OSError` where it cannot be written down."""
        write_durably(self.state.sequence, msgspec.json.encode(Last(self.agent, self.sequence, hash)))


@contextmanager
def next_number(state: State, agent: str, newest: Callable[[], Last | None]) -> Iterator[Number]:
    """The number after the last, while other processes wait. Raises `OSError`.

    `newest` finds the newest run of this agent that is known; it stands in where the counter's file was lost
    or is damaged.
    """
    with exclusive(state.sequence_lock):
        last = _last(state)
        if last is None or last.agent != agent:
            last = newest() or Last(agent, 0, FIRST_PREVIOUS)
        yield Number(state, agent, last.sequence + 1, last.hash)


def last_given(state: State, agent: str = "") -> Last | None:
    """The last number that was given away, under `agent` where one is named; None where none is known.

    The caller holds the sequence lock.
    """
    last = _last(state)
    return last if last is not None and agent in ("", last.agent) else None


def _last(state: State) -> Last | None:
    """The counter; a damaged one is kept beside, and numbering goes on without it: nobody may be there to
    mend it, and every number that was used is in the spool or was acknowledged.
    """
    try:
        return msgspec.json.decode(read_bounded(state.sequence, LARGEST), type=Last)
    except FileNotFoundError:
        return None
    except (IsADirectoryError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        state.sequence.replace(state.sequence.with_suffix(".damaged"))
        return None
