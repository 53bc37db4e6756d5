"""What changed from one run to another, put together for people and programs."""

from __future__ import annotations

import msgspec

from agent.sides import Side
from checks.compare import Change, ResultChange, compare, compare_results, incomparable_secrets, renamed
from checks.model import Status

FORMAT = "firstlight-diff"
VERSION = 1


class SidePage(msgspec.Struct, frozen=True):
    """One of the two runs: what was named on the command line, and what that is."""

    name: str
    what: str
    captured: str
    site: str
    profile: str
    profile_version: str
    targets: tuple[str, ...]


class DiffPage(msgspec.Struct, frozen=True):
    """`firstlight diff --format json`. `notes` say what could not be compared."""

    format: str
    version: int
    changed: bool
    a: SidePage
    b: SidePage
    results: tuple[ResultChange, ...]
    readings: tuple[Change, ...]
    notes: tuple[str, ...]


def page_of(before: Side, after: Side) -> DiffPage:
    """All that changed; what one side never looked at is left out and named in the notes."""
    results = compare_results(before.results, after.results, renamed(before.targets, after.targets))
    readings: list[Change] = []
    if before.snapshot is not None and after.snapshot is not None:
        readings = compare(before.snapshot, after.snapshot)
    results = [each for each in results if not _lost(each, before, after)]
    if before.incomplete:
        results = [each for each in results if each.kind != "new"]
        readings = [each for each in readings if each.kind != "added"]
    if after.incomplete:
        results = [each for each in results if each.kind != "gone"]
        readings = [each for each in readings if each.kind != "removed"]
    return DiffPage(
        format=FORMAT,
        version=VERSION,
        changed=bool(results or readings),
        a=_side(before),
        b=_side(after),
        results=tuple(results),
        readings=tuple(readings),
        notes=tuple(_notes(before, after)),
    )


def _lost(change: ResultChange, before: Side, after: Side) -> bool:
    """Whether it says no more than that its target was lost, or is well now that it can be had again."""
    if change.before is Status.ERROR and change.target in before.lost:
        return change.after in (Status.ERROR, Status.PASS, Status.SKIP)
    return change.after is Status.ERROR and change.target in after.lost


def _side(side: Side) -> SidePage:
    return SidePage(
        name=side.name,
        what=side.what,
        captured=side.captured.isoformat(),
        site=side.site,
        profile=side.profile,
        profile_version=side.profile_version,
        targets=side.targets,
    )


def _notes(before: Side, after: Side) -> list[str]:
    notes = []
    for new, old in renamed(before.targets, after.targets).items():
        notes.append(f"A is of {old} and B of {new}: these two are compared")
    if before.profile != after.profile:
        notes.append(f"A is a run of profile {before.profile}, B of {after.profile}")
    for label, side in (("A", before), ("B", after)):
        if side.incomplete:
            notes.append(f"{label} {side.incomplete}: what is missing there is not shown")
        for target, reason in side.lost.items():
            notes.append(f"{label} lost {target}: what could not be told of it is not shown ({reason})")
        if side.snapshot is None:
            notes.append(f"{label} is a run in the spool, which holds no readings: only results are compared")
    if before.snapshot and after.snapshot and incomparable_secrets(before.snapshot, after.snapshot):
        notes.append("redacted values were not compared: their tokens are those of different sites")
    return notes
