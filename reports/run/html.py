"""The report as one HTML file that needs nothing else: no script, no other file, no other host.

It mails, prints and opens on a machine without a network; a content policy inside it refuses the rest.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from checks.model import Result, Status
from reports.run.folding import beneath
from reports.run.view import (
    RunView,
    advice,
    caveats,
    changed_quietly,
    counts,
    of_status,
    quiet_part,
    readable,
    to_do,
    told_once,
    verdict,
    when,
)

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent.parent / "templates"

HEADINGS = {
    Status.FAIL: "To fix",
    Status.WARN: "To look at",
    Status.ERROR: "Could not be told",
    Status.MANUAL: "To check by hand",
}


def environment() -> Environment:
    """The templates, with what they need to set texts of a run."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["readable"] = readable
    made.filters["advice"] = advice
    made.filters["prose"] = prose
    made.filters["when"] = when
    made.filters["shown"] = shown
    return made


def render(view: RunView) -> str:
    """The whole page. Everything from the run is escaped."""
    groups = [
        (status, HEADINGS[status], told_once(view, results))
        for status, results in groupby(to_do(view), key=lambda result: result.status)
    ]
    template = environment().get_template("run.html")
    return template.render(
        view=view,
        headline=verdict(view).partition(" · ")[0].removesuffix(".") + ".",
        caveats=caveats(view),
        tally={status.value: count for status, count in counts(view.results).items()},
        groups=groups,
        quiet=quiet_part(view),
        passed=of_status(view, Status.PASS),
        skipped=of_status(view, Status.SKIP),
        changed=changed_quietly(view),
        beneath={result.key: beneath(result.key, view.results, view.roots) for result in to_do(view)},
        many_targets=len({result.target for result in view.results}) > 1,
        tone=tone(view.results),
        seconds=(view.ended - view.started).total_seconds(),
    )


def prose(text: str) -> Markup:
    """Escaped text in which a `command` between backticks is set as code."""
    from markupsafe import Markup, escape

    pieces = readable(text).split("`")
    if len(pieces) % 2 == 0:  # a lone backtick is only a backtick
        return escape(readable(text))
    code = Markup("<code>{}</code>")
    return Markup("").join(
        code.format(part) if index % 2 else escape(part) for index, part in enumerate(pieces)
    )


def shown(value: object) -> str:
    """A value of the evidence for people: short floats, yes and no, a dash for nothing."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    return readable(str(value))


def tone(results: tuple[Result, ...]) -> str:
    """The colour of the page's first line."""
    tally = counts(results)
    for status in (Status.FAIL, Status.WARN, Status.ERROR, Status.MANUAL):
        if tally[status]:
            return status.value
    return "pass" if tally[Status.PASS] else "skip"
