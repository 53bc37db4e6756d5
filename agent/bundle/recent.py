"""The recent runs of this agent, from its spool, and what changed between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from agent.bundle.parts import Part
from agent.difference import DiffPage, page_of
from agent.sides import Side, of_report
from agent.spool import Spool, Spooled
from checks.errors import BadInput
from checks.model import RunReport, decode_report

if TYPE_CHECKING:
    from agent.redact import Redactor

MOST_RUNS: Final = 20
MOST_PAIRS: Final = 5


class Recent(msgspec.Struct, frozen=True):
    """A run in the spool: where it stands (`place`, and `note` where it is held or refused), and its report
    as it may leave. Without a report `note` says why there is none.
    """

    sequence: int
    place: str
    note: str
    report: RunReport | None = None


def recent_runs(spool: Spool, redactor: Redactor, most: int = MOST_RUNS) -> list[Recent]:
    """The newest runs, the newest first."""
    try:
        every = sorted(spool.pending() + spool.kept() + spool.quarantined(), reverse=True)[:most]
    except BadInput as error:
        return [Recent(0, "unreadable", redactor.text(str(error)))]
    return [_recent(spool, entry, redactor) for entry in every]


def _recent(spool: Spool, entry: Spooled, redactor: Redactor) -> Recent:
    note = redactor.text(entry.note())
    try:
        report = decode_report(spool.read(entry).body)
    except (BadInput, OSError, msgspec.MsgspecError, RecursionError) as error:
        return Recent(entry.sequence, entry.place, redactor.text(f"{note} {error}".strip()))
    return Recent(entry.sequence, entry.place, note, redactor.report(report))


def parts_of(runs: Sequence[Recent]) -> list[Part]:
    """A part for each run that can be read."""
    return [
        Part(
            f"runs/{run.sequence:012d}.json",
            f"run {run.sequence} ({run.place})",
            msgspec.json.format(msgspec.json.encode(run.report), indent=1) + b"\n",
            weight=2,
        )
        for run in runs
        if run.report is not None
    ]


def tally(report: RunReport) -> str:
    """``2 fail, 1 warn, 27 pass``."""
    counts = Counter(result.status.value for result in report.results)
    order = ("fail", "warn", "error", "manual", "pass", "skip")
    return ", ".join(f"{counts[status]} {status}" for status in order if counts[status]) or "no results"


def differences(runs: Sequence[Recent], most: int = MOST_PAIRS) -> list[DiffPage]:
    """What changed from each run to the next of the same profile and site, the newest first."""
    found: list[DiffPage] = []
    later: dict[tuple[str, str], Side] = {}
    for run in runs:
        if run.report is None or len(found) >= most:
            continue
        side = of_report(str(run.sequence), run.report)
        key = (side.site, side.profile)
        if key in later:
            found.append(page_of(side, later[key]))
        later[key] = side
    return found


def in_words(page: DiffPage) -> list[str]:
    """What changed, a line each; one line that says so where nothing did."""
    lines = [f"note: {note}" for note in page.notes]
    lines += [f"{each.target} · {each.item} · {each.object}: {each.text}" for each in page.results]
    lines += [f"{each.target} · {each.fact}: {each.text}" for each in page.readings]
    return lines if page.changed else [*lines, "nothing changed"]
