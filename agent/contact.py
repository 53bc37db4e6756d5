"""What the last contact with the collector told: what it held by then, and how far the clocks are apart.

Both are for people and for the next contact; losing them costs nothing but a question asked again.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from agent.durable import read_bounded, write_quickly
from agent.paths import State
from checks.model import Digest, Moment, Name

T = TypeVar("T")
LARGEST = 64 * 1024


class Delivered(msgspec.Struct, frozen=True):
    """The last acknowledgement: `at` by this machine's clock, and the highest number that the collector held
    then. `sequence` and `hash` are those of our newest run among what it acknowledged.
    """

    agent: Name
    epoch: str
    highest: int
    sequence: int
    hash: Digest
    at: Moment


class ClockOffset(msgspec.Struct, frozen=True):
    """By how many whole seconds the collector's clock was ahead of ours (negative: behind) at a moment."""

    offset_s: int
    at: Moment


def last_delivered(state: State) -> Delivered | None:
    """What was acknowledged last; None where nothing was yet, or it cannot be read."""
    try:
        data = read_bounded(state.delivered, LARGEST)
    except OSError:
        return None
    return _decoded(data, Delivered)


def last_hash(state: State, agent: str) -> str:
    """The hash of this agent's newest run that was acknowledged, empty where none was.

    It says on which branch of its chain the machine stands.
    """
    delivered = last_delivered(state)
    return delivered.hash if delivered is not None and agent and delivered.agent == agent else ""


def note_delivered(state: State, delivered: Delivered) -> None:
    with suppress(OSError):
        write_quickly(state.delivered, msgspec.json.encode(delivered))


def clock_offset(state: State) -> ClockOffset | None:
    """How far the clocks were apart at the last contact; None where that was never measured."""
    try:
        data = read_bounded(state.clock, LARGEST)
    except OSError:
        return None
    return _decoded(data, ClockOffset)


def note_clock(state: State, offset_s: float) -> None:
    """Keep the offset, if it is one that a calendar can hold."""
    with suppress(OSError, OverflowError, ValueError):
        now = datetime.now(UTC)
        _ = now + timedelta(seconds=offset_s)
        write_quickly(state.clock, msgspec.json.encode(ClockOffset(round(offset_s), now)))


def _decoded(data: bytes, kind: type[T]) -> T | None:
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(data, type=kind)
    return None
