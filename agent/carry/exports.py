"""What was exported when and into which file. An exported run stays pending, because a stick can be lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime

import msgspec

from agent.durable import write_durably
from agent.paths import State
from agent.spool import Spooled

KEPT = 50
"""How many of the last exports are remembered."""


class Past(msgspec.Struct, frozen=True):
    """One export. `runs` are ranges of numbers, both ends included."""

    at: datetime
    file: str
    agent: str
    runs: tuple[tuple[int, int], ...]
    sealed: bool = False

    def holds(self, sequence: int) -> bool:
        return any(first <= sequence <= last for first, last in self.runs)


class Carried(msgspec.Struct, frozen=True):
    """The last exports, oldest first, and every life (epoch) of the collector's store that files belonged to.

    A receipts file of a life that is over must not be believed: what it says is stored was lost since.
    """

    exports: tuple[Past, ...] = ()
    epochs: tuple[str, ...] = ()


def load(state: State) -> Carried:
    """What is remembered; nothing where the file is gone or damaged."""
    with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(state.exports.read_bytes(), type=Carried)
    return Carried()


def remember(state: State, past: Past | None, epoch: str) -> None:
    """Add an export, and the store's life it was made in. Raises `OSError`."""
    before = load(state)
    exports = (*before.exports, past)[-KEPT:] if past else before.exports
    epochs = before.epochs if not epoch or epoch in before.epochs else (*before.epochs, epoch)[-1000:]
    after = Carried(exports, epochs)
    if after != before:
        write_durably(state.exports, msgspec.json.encode(after))


def ranges(numbers: Iterable[int]) -> tuple[tuple[int, int], ...]:
    """Ascending numbers as ranges, both ends included."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(number, found[-1][1]))
        else:
            found.append((number, number))
    return tuple(found)


def told(state: State) -> Callable[[Spooled], str]:
    """Says of a run into which file it was exported last, and when; empty where it was not."""
    newest_first = load(state).exports[::-1]

    def of(entry: Spooled) -> str:
        past = next((each for each in newest_first if each.holds(entry.sequence)), None)
        return f"exported {past.at:%Y-%m-%d %H:%M} UTC into {past.file}" if past else ""

    return of
