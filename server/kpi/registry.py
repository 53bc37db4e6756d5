"""The key figures there are. A figure is a function that yields units; all else is generic over them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec
from sqlalchemy.orm import Session

from server.errors import NotFound
from server.kpi import go_live, recurrence
from server.kpi.unit import Unit


class Yields(Protocol):
    """All units of a key figure as of a moment, or those of one project."""

    def __call__(self, session: Session, as_of: datetime, project: str | None = None) -> list[Unit]: ...


class Kpi(msgspec.Struct, frozen=True):
    """What a figure is, in plain words; `version` changes with the definition and restates history."""

    id: str
    version: int
    title: str
    title_zh: str
    higher_is_better: bool
    unit: str
    definition: str
    window: str
    attribution: str


GO_LIVE = Kpi(
    id=go_live.ID,
    version=1,
    title="First-go-live success",
    title_zh="首次上线成功率",
    higher_is_better=True,
    unit="first cutover of a project",
    definition=(
        "First cutovers with no rollback, no second cutover and no P0 or P1 episode caused by the"
        " implementation open at any moment of the window, of all first cutovers. The first started attempt"
        " is the first cutover; an aborted one failed. Episodes open at the cutover are included. A cause"
        " still unknown at the end counts as the implementation's. Episodes that a changed rule opened or"
        " closed are left out and counted apart."
    ),
    window=(
        "30 days from the cutover (14 to 90, fixed when the project starts); failures too count only at its"
        " end. A success needs 90 % of the window observed, else it is unverifiable."
    ),
    attribution="Who was assigned to the project at the cutover, by share.",
)
RECURRENCE = Kpi(
    id=recurrence.ID,
    version=1,
    title="Recurrence",
    title_zh="问题复现率",
    higher_is_better=False,
    unit="family: one item of the profile at a project's site",
    definition=(
        "Families with two or more spells, of all families with at least one. A spell is a stretch in which"
        " any episode of the family is open, whatever the object. The next opening is another spell once 24"
        " hours have passed since everything was verified closed; a shorter gap joins. An episode that"
        " lapsed, or is still open, ends no spell. Episodes that a changed rule opened or closed are left"
        " out and counted apart."
    ),
    window=(
        "Spells that open within 90 days of the project's first cutover, and one already open at it; known"
        " at 90 days. No recurrence needs 90 % of the window observed, else it is unverifiable."
    ),
    attribution=(
        "Whatever the outcome, who was assigned when the first spell was verified closed, by share. Never"
        " closed: no recurrence, to whom the first episode is charged, and shown as never closed."
    ),
)

KPIS: dict[str, tuple[Kpi, Yields]] = {
    GO_LIVE.id: (GO_LIVE, go_live.units),
    RECURRENCE.id: (RECURRENCE, recurrence.units),
}


def list_kpis() -> list[Kpi]:
    """All key figures, in the order in which pages show them."""
    return [kpi for kpi, _ in KPIS.values()]


def find(kpi: str) -> tuple[Kpi, Yields]:
    """A key figure and what yields its units; raises `NotFound` with the right names."""
    if kpi not in KPIS:
        raise NotFound(f"there is no key figure {kpi!r}; there are {', '.join(KPIS)}")
    return KPIS[kpi]
