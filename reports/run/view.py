"""One run as the reports show it: its results in the order in which someone should act on them.

The three renderers take a `RunView` and nothing else, so that whoever has results can have any report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from checks.causes import Root
from checks.model import Narrowing, ProfileRef, Resources, Result, Severity, Status, Target, Trigger
from reports.run.folding import beneath, explained, shown, standing

if TYPE_CHECKING:
    from reports.run.alike import Alike

URGENCY = (Status.FAIL, Status.WARN, Status.ERROR, Status.MANUAL, Status.SKIP, Status.PASS)
"""What to look at first. An `error` stands below a warning: nothing is known to be wrong yet."""

TO_DO = frozenset({Status.FAIL, Status.WARN, Status.ERROR, Status.MANUAL})
"""The statuses that ask something of the reader."""

NAMED_OF_A_ROLE = 3
"""Items for a role that nobody has, each by its name; of more it says how many."""

CONFLICTS_SHOWN = 5
"""Contradicting demands that a report lists; of more it says how many."""

_RANK = {status: rank for rank, status in enumerate(URGENCY)}


class Delivery(msgspec.Struct, frozen=True):
    """What became of the run after its evaluation: one line for people, and where it can be seen."""

    outcome: str = ""
    line: str = ""
    url: str = ""


class RunView(msgspec.Struct, frozen=True):
    """Everything a report of one run shows. `results` may come in any order.

    `site` and `run` are empty where the run was not made for a collector; `captured` is when the readings
    were made, which differs from `started` only for a saved snapshot. `adhoc` says that the profile was
    changed on the command line or is a file of the user's, `unplaced` names the items for roles that no
    target has, `conflicts` says which demands of the profile contradict each other. `baseline` says in one
    line which run was accepted, `changes` by result key what changed since. `roots` are the causes that
    other results stand under. `waivers` says by result key until when a failure is borne and by whose word,
    `notes` what else a reader must know.
    """

    profile: ProfileRef
    title: str
    plan_digest: str
    started: datetime
    ended: datetime
    captured: datetime
    targets: tuple[Target, ...]
    results: tuple[Result, ...]
    version: str
    site: str = ""
    run: str = ""
    operator: str = ""
    stage: str = ""
    trigger: Trigger = Trigger.MANUAL
    narrowing: Narrowing = Narrowing()
    partial: bool = False
    adhoc: bool = False
    unplaced: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    resources: Resources = Resources()
    delivery: Delivery = Delivery()
    changes: dict[str, str] = {}
    baseline: str = ""
    roots: tuple[Root, ...] = ()
    waivers: dict[str, str] = {}
    notes: tuple[str, ...] = ()


def by_urgency(results: Iterable[Result]) -> list[Result]:
    """Fails from P0 to P3, then warnings, then what could not be told, then manual work, skips, passes."""
    return sorted(results, key=lambda r: (_RANK[r.status], r.severity, r.item, r.target, r.object))


def to_do(view: RunView) -> list[Result]:
    """What asks something of the reader, most urgent first; what a cause explains is counted there."""
    return by_urgency(result for result in shown(view.results, view.roots) if result.status in TO_DO)


def told_once(view: RunView, results: Iterable[Result]) -> list[Alike]:
    """These results, those that say the same of several targets as one."""
    from reports.run.alike import alike

    listed = list(results)
    notes = {
        each.key: "\n".join(
            (
                view.changes.get(each.key, ""),
                view.waivers.get(each.key, ""),
                beneath(each.key, view.results, view.roots),
            )
        )
        for each in listed
    }
    return alike(listed, notes)


def of_status(view: RunView, *statuses: Status) -> list[Result]:
    """The results of these statuses, most urgent first."""
    return by_urgency(result for result in view.results if result.status in statuses)


def changed_quietly(view: RunView) -> list[Result]:
    """What asks for nothing but is not what was accepted."""
    return [each for each in of_status(view, Status.SKIP, Status.PASS) if view.changes.get(each.key)]


def counts(results: Iterable[Result]) -> dict[Status, int]:
    """How many results have each status, every status named, most urgent first."""
    found = Counter(result.status for result in results)
    return {status: found[status] for status in URGENCY}


def worst_severity(results: Iterable[Result]) -> Severity | None:
    """The worst severity among failing results; None where nothing fails."""
    return min((result.severity for result in results if result.status is Status.FAIL), default=None)


def verdict(view: RunView) -> str:
    """The run in one short sentence."""
    if not view.results:
        return "Nothing was checked."
    own = standing(view.results, view.roots)
    tally = counts(own)
    fails, worst = tally[Status.FAIL], worst_severity(own)
    parts = []
    if lost := sum(not root.key for root in view.roots):
        parts.append(f"{lost} {_plural(lost, 'target', 'targets')} could not be read")
    if fails:
        parts.append(f"1 check fails ({worst})" if fails == 1 else f"{fails} checks fail, the worst {worst}")
    if tally[Status.WARN]:
        parts.append(f"{tally[Status.WARN]} {_plural(tally[Status.WARN], 'warning', 'warnings')}")
    if tally[Status.ERROR]:
        parts.append(f"{tally[Status.ERROR]} could not be told")
    if tally[Status.MANUAL]:
        parts.append(f"{tally[Status.MANUAL]} to look at by hand")
    if borne := sum(each.key in view.waivers for each in own):
        parts.append(f"{borne} of these waived")
    if under := len(explained(view.roots)):
        parts.append(f"{under} more {_plural(under, 'stands', 'stand')} under these")
    if not parts and not tally[Status.PASS]:
        return "Nothing here applies to this machine."
    if not parts:
        less = view.unplaced or view.conflicts or narrowed(view)
        return "All that was checked is well." if less else "All is well."
    return " · ".join(parts) + "."


def quiet_part(view: RunView) -> str:
    """The results that ask for nothing, as counts: ``12 passed · 3 do not apply``."""
    tally = counts(view.results)
    parts = []
    if tally[Status.PASS]:
        parts.append(f"{tally[Status.PASS]} passed")
    if tally[Status.SKIP]:
        parts.append(f"{tally[Status.SKIP]} {_plural(tally[Status.SKIP], 'does', 'do')} not apply")
    return " · ".join(parts)


def advice(result: Result) -> str:
    """The remedy where it applies. What could not be told is not known to need the one for a failure."""
    return result.remedy if result.status in (Status.FAIL, Status.WARN, Status.MANUAL) else ""


def narrowed(view: RunView) -> str:
    """The options that left parts of the profile out, as they were typed; empty where none did."""
    parts = [f"--only {name}" for name in view.narrowing.only]
    if view.narrowing.stage:
        parts.append(f"--stage {view.narrowing.stage}")
    parts += [f"--target {name}" for name in view.narrowing.target]
    return " ".join(parts)


def by_role(unplaced: Sequence[str]) -> list[str]:
    """The items for roles that nobody has, ``item (role)`` each; many of one role as ``16 items (role)``."""
    found: dict[str, list[str]] = {}
    for each in unplaced:
        found.setdefault(each.partition(" ")[2], []).append(each)
    return [
        said
        for role, items in found.items()
        for said in (items if len(items) <= NAMED_OF_A_ROLE else [f"{len(items)} items {role}"])
    ]


def caveats(view: RunView) -> list[str]:
    """What a reader must know before leaning on this report."""
    found = []
    if view.partial:
        found.append("This run was interrupted: what it had not read by then could not be told.")
    if view.trigger is Trigger.SNAPSHOT:
        found.append(
            f"Evaluated from a snapshot of {when(view.captured)}: nothing was read from a machine now."
        )
    if view.adhoc:
        found.append("Ad hoc: the profile is a file of the user's or was changed with --set.")
    found += [note[:1].upper() + note[1:] for note in view.notes]
    if view.unplaced:
        found.append(f"Not checked, for no target here has the role: {', '.join(by_role(view.unplaced))}")
    found += [f"Demands that contradict each other: {each}" for each in view.conflicts[:CONFLICTS_SHOWN]]
    if len(view.conflicts) > CONFLICTS_SHOWN:
        more = len(view.conflicts) - CONFLICTS_SHOWN
        found.append(
            f"{more} more {_plural(more, 'thing', 'things')} with demands that contradict each other."
        )
    if options := narrowed(view):
        found.append(f"A part of the profile only: {options}")
    return found


def when(moment: datetime) -> str:
    """A moment for people, in UTC, to the minute."""
    from datetime import UTC

    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def readable(text: str) -> str:
    """Text without what could drive a terminal or turn the reading direction; line ends are kept.

    Messages quote files and programs of the machine under check, so what they hold is not trusted.
    """
    return "".join("\ufffd" if _drives(char) else char for char in text) if _suspicious(text) else text


def _suspicious(text: str) -> bool:
    return not text.isprintable()


def _drives(char: str) -> bool:
    code = ord(char)
    control = (code < 0x20 and char not in "\n\t") or 0x7F <= code < 0xA0
    direction = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069 or code in (0x200E, 0x200F, 0x061C)
    return control or direction


def _plural(count: int, one: str, many: str) -> str:
    return one if count == 1 else many
