"""What a fact may recall: numbers of earlier runs, answers to manual items, the accepted state.

The agent keeps them (`agent.history`, `agent.answers`, `agent.baselines`); without one nothing is recalled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import msgspec


class Sample(msgspec.Struct, frozen=True):
    """The numbers of one fact (`Fact.series`) in one earlier run, and when they were read (aware UTC)."""

    at: datetime
    values: dict[str, float]


class Answer(msgspec.Struct, frozen=True):
    """An answer to a manual item: whether it holds (None: it does not apply), who said so and when.

    `evidence` is the SHA-256 of the file that shows it (64 hex digits) and `evidence_name` its name; `until`
    ends its validity where the one who answered set an end.
    """

    holds: bool | None
    by: str
    at: datetime
    note: str = ""
    evidence: str = ""
    evidence_name: str = ""
    until: datetime | None = None


class Accepted(msgspec.Struct, frozen=True):
    """What a fact was in the run that people accepted (`firstlight baseline`), as plain JSON shapes."""

    value: Any
    by: tuple[str, ...]
    at: datetime


class Memory(Protocol):
    """What is remembered of one target."""

    def series(self, fact: str) -> tuple[Sample, ...]: ...

    def answer(self, item: str) -> Answer | None: ...

    def accepted(self, fact: str) -> Accepted | None: ...


class NoMemory:
    """The memory of who remembers nothing."""

    def series(self, fact: str) -> tuple[Sample, ...]:
        del fact
        return ()

    def answer(self, item: str) -> Answer | None:
        del item
        return None

    def accepted(self, fact: str) -> Accepted | None:
        del fact
        return None
