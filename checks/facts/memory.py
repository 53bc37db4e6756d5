"""What a fact may recall: numbers of earlier runs, answers to manual items, the accepted state, deliveries.

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


class Deliveries(msgspec.Struct, frozen=True):
    """What the agent on this machine sent to its collector.

    `since` is when it was enrolled and `newest` the newest acknowledgement (aware UTC; None: not known, none
    yet). `interval_s` are the seconds between two runs that the collector expects, 0 where it expects none.
    Of the runs here `waiting` are to be sent, `held` of these were refused for now and `refused` for good;
    `reason` is why the last of them was not taken, in one line.
    """

    enrolled: bool
    since: datetime | None = None
    newest: datetime | None = None
    interval_s: int = 0
    waiting: int = 0
    held: int = 0
    refused: int = 0
    reason: str = ""


class Memory(Protocol):
    """What is remembered of one target."""

    def series(self, fact: str) -> tuple[Sample, ...]: ...

    def answer(self, item: str) -> Answer | None: ...

    def accepted(self, fact: str) -> Accepted | None: ...

    def deliveries(self) -> Deliveries: ...


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

    def deliveries(self) -> Deliveries:
        return Deliveries(False)
