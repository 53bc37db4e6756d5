"""The page that a diagnostic bundle is opened with: what is wrong, what changed, and where the rest is.

It looks like the report of a run and keeps to the same rules: no script, no other file but by a link, no
other host.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from checks.units import size_text
from reports.run.html import environment, tone
from reports.run.view import RunView, caveats, counts, quiet_part, to_do, told_once, verdict


class PartLine(msgspec.Struct, frozen=True):
    """A file of the bundle; `cut` says what was left out of it, and without `size` it is not there."""

    name: str
    what: str
    size: int
    cut: str = ""


class SymptomLine(msgspec.Struct, frozen=True):
    """A line of `firstlight doctor`; `level` is ``ok``, ``note``, ``warn`` or ``fail``."""

    level: str
    about: str
    found: str
    remedy: str = ""


class RunLine(msgspec.Struct, frozen=True):
    """A run of the agent: where it stands, and the file with its report, empty where there is none."""

    sequence: int
    place: str
    note: str
    profile: str = ""
    ended: datetime | None = None
    tally: str = ""
    file: str = ""


class Changes(msgspec.Struct, frozen=True):
    """What changed between two runs, a line each."""

    title: str
    lines: tuple[str, ...]
    changed: bool


class LogLine(msgspec.Struct, frozen=True):
    """A log in the bundle and its last lines."""

    file: str
    what: str
    cut: str
    last: tuple[str, ...]


class Index(msgspec.Struct, frozen=True):
    """Everything that the page shows. `missing` are logs that there is nothing of, each with why."""

    view: RunView
    version: str
    made: datetime
    parts: tuple[PartLine, ...]
    symptoms: tuple[SymptomLine, ...]
    runs: tuple[RunLine, ...]
    changes: tuple[Changes, ...]
    logs: tuple[LogLine, ...]
    missing: tuple[tuple[str, str], ...] = ()


MOST_CHANGES = 40
"""Lines of one comparison on the page; the rest stands in the file."""


def render(index: Index) -> str:
    """The whole page. Everything that it quotes is escaped."""
    template = environment()
    template.filters["size"] = size_text
    view = index.view
    return template.get_template("bundle.html").render(
        index=index,
        view=view,
        headline=verdict(view).partition(" · ")[0].removesuffix(".") + ".",
        caveats=caveats(view),
        tally={status.value: count for status, count in counts(view.results).items()},
        groups=told_once(view, to_do(view)),
        quiet=quiet_part(view),
        many_targets=len({result.target for result in view.results}) > 1,
        tone=tone(view.results),
        most_changes=MOST_CHANGES,
        total=sum(part.size for part in index.parts),
    )
