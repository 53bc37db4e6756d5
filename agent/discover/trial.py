"""A draft judged on the machines that it was made of: what does not pass there is taken out, and said.

So a profile that was just written passes, whatever its items and those of its bases rest on. The text names
status and cause only: values may change from one minute to the next, and the text may not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from agent.discover.draft import Draft, Placed, Removed
from agent.discover.profile_text import profile_text
from agent.discover.seen import Note
from checks.model import Result, Status
from checks.plan import Plan

GOOD: Final = frozenset({Status.PASS, Status.SKIP})
ROUNDS: Final = 5
"""Taking an item out can change no other but those that need it; more rounds than two are not expected."""

Judge = Callable[[Path], tuple[Plan, Sequence[Result]]]
"""From a profile's file to its plan and results at all targets."""


class Tried(msgspec.Struct, frozen=True):
    """A draft that passes, and the results that had to go, for people at a terminal."""

    draft: Draft
    lost: tuple[Result, ...] = ()


def tried(draft: Draft, judge: Judge) -> Tried:
    """The draft without what does not pass."""
    lost: list[Result] = []
    for _ in range(ROUNDS):
        with TemporaryDirectory(prefix="firstlight-discover-") as folder:
            path = Path(folder) / "draft.yaml"
            path.write_text(profile_text(draft), encoding="utf-8")
            plan, results = judge(path)
        bad = [result for result in results if result.status not in GOOD]
        if not bad:
            break
        lost += bad
        draft = without(draft, plan, bad)
    return Tried(draft, tuple(lost))


def without(draft: Draft, plan: Plan, bad: Sequence[Result]) -> Draft:
    """The draft without the items that gave these results, or without their objects where they name many."""
    own = {placed.entry.id: placed for placed in draft.items}
    notes, kept = list(draft.notes), dict(own)
    removed = {each.id: each for each in draft.removed}
    for result in bad:
        placed = kept.get(result.item)
        said = _said(result, len(draft.targets) > 1)
        if placed is not None:
            names = placed.entry.parameters.get(placed.entry.listed) or ()
            if result.object in names and len(names) > 1:
                kept[result.item] = _less(placed, result.object)
                said = f"{result.object}: {said}"
            else:
                del kept[result.item]
            about = f"left out, since it does not pass: {result.item} ({placed.entry.check}, {said})"
            notes.append(Note(placed.entry.area, about))
        elif result.item not in own and result.item not in removed:
            removed[result.item] = Removed(result.item, said)
    gone = {*removed, *(own.keys() - kept.keys())}
    needing = {
        item.id
        for item in plan.profile.items
        if {*item.needs} & gone and item.id not in gone and item.id not in own
    }
    return msgspec.structs.replace(
        draft,
        items=tuple(kept[id] for id in own if id in kept),
        notes=tuple(dict.fromkeys(notes)),
        removed=tuple(removed[id] for id in sorted(removed)),
        unneeded=tuple(sorted({*draft.unneeded, *needing} - gone)),
    )


def _less(placed: Placed, name: str) -> Placed:
    entry = placed.entry
    names = [each for each in entry.parameters[entry.listed] if each != name]
    parameters = entry.parameters | {entry.listed: names}
    return msgspec.structs.replace(placed, entry=msgspec.structs.replace(entry, parameters=parameters))


def _said(result: Result, named: bool) -> str:
    where = f" at {result.target}" if named else ""
    return f"{result.status}{f': {result.cause}' if result.cause else ''}{where}"
