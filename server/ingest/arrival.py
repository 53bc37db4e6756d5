"""A sealed run at the door, and what the sender is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from checks.envelope import Ack, Problem, Seal


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run as it came: its seal, the uncompressed body, and the two clocks at delivery.

    `sent_at` is the agent's clock when it sent, None where no clock travelled with it (a carried file).
    """

    seal: Seal
    body: bytes
    received_at: datetime
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """201 stored, 200 the same run was stored before, otherwise a refusal with its problem."""

    status: int
    ack: Ack | None = None
    problem: Problem | None = None


def refuse(status: int, title: str, detail: str = "", *, path: str = "", hold: bool = False) -> Answer:
    """A refusal; `hold` tells the agent to keep the run until it was enrolled again or upgraded."""
    return Answer(status, problem=Problem(title, status, detail, path=path, hold=hold))
