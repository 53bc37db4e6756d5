"""The unit of every key figure: one go-live, one family, … with who holds it, how it ended and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

UNATTRIBUTED = "unattributed"
"""The pseudo-engineer that holds whatever nobody does; it is shown like everyone else."""


class Maturity(StrEnum):
    """Whether a unit's outcome may count yet, and whether enough was seen to tell."""

    MATURE = "mature"
    PENDING = "pending"
    UNVERIFIABLE = "unverifiable"


class Exclusion(msgspec.Struct, frozen=True):
    """Why a unit is left out of the figure; `reason` is one of a fixed list, two people stand for it."""

    reason: str
    proposed_by: str
    approved_by: str
    approved_at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """What a unit is made of, down to the signed runs."""

    go_lives: tuple[int, ...] = ()
    episodes: tuple[int, ...] = ()
    runs: tuple[str, ...] = ()


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a key figure counts.

    `id` is a natural key that survives recomputation. `shares` says which engineer holds how much of it;
    what is missing to 1 is unattributed. `outcome` is 1 or 0 for the event that the figure counts, None
    while it is not known; before `matures_at` a 0 or 1 is what was seen so far and does not count yet.
    `coverage` is the share of the window that was observed, from 0 to 1. `left_out` counts the episodes
    that did not enter because a rule changed.
    """

    kpi: str
    id: str
    site: str
    customer: str
    project: str
    product: str
    industry: str
    shares: dict[str, float]
    outcome: int | None
    reason: str
    matures_at: datetime | None
    maturity: Maturity
    coverage: float
    exclusion: Exclusion | None = None
    evidence: Evidence = Evidence()
    note: str = ""
    left_out: int = 0

    @property
    def unattributed(self) -> float:
        """The part that nobody holds, from 0 to 1."""
        return rest(self.shares)

    def weight(self, engineer: str | None) -> float:
        """How much of the unit counts for `engineer`: all of it for the team (None)."""
        if engineer is None:
            return 1.0
        if engineer == UNATTRIBUTED:
            return self.unattributed
        return self.shares.get(engineer, 0.0)


def rest(shares: Mapping[str, float]) -> float:
    """What is missing to 1, free of the dust that adding shares such as 0.1 leaves behind."""
    return max(0.0, round(1.0 - sum(shares.values()), 9))
