"""The report for tickets and chats: GitHub's Markdown, which other systems read well enough.

Whatever comes from the run is escaped: it makes no heading, link, picture, cell or HTML.
"""

from __future__ import annotations

import re
from typing import Final

from checks.model import Status
from reports.run.alike import Alike
from reports.run.folding import beneath
from reports.run.plain import cut, one_line
from reports.run.view import (
    RunView,
    advice,
    caveats,
    changed_quietly,
    counts,
    to_do,
    told_once,
    verdict,
    when,
)

SPECIAL: Final = re.compile(r"([\\`*_\[\]#|~!$])")
CELL: Final = 600
"""Characters of a cell; a table with longer ones cannot be read."""

REMEDY: Final = 2000
TARGETS_SHOWN: Final = 3

ROWS: Final = 100
"""Things to do that are told; the body of a ticket is short (65,536 characters at GitHub)."""


def render(view: RunView) -> str:
    """The report, most urgent first, the same finding at several targets once."""
    every = told_once(view, to_do(view))
    groups = every[:ROWS]
    one_target = len({result.target for result in view.results}) < 2
    parts = [f"# {_escaped(verdict(view))}", _about(view)]
    if warned := caveats(view):
        parts.append("\n".join(f"> {_escaped(line)}  " for line in warned))
    if groups:
        parts += ["## What to do", _table(view, groups, one_target)]
    if len(every) > ROWS:
        parts.append(f"and {len(every) - ROWS} more, less urgent")
    if remedies := _remedies(groups, one_target):
        parts += ["## How", remedies]
    if changed := changed_quietly(view):
        lines = [
            f"- {_escaped(each.item)} {_escaped(each.object)}: {_cell(view.changes[each.key])}"
            for each in changed[:20]
        ]
        more = [f"- and {len(changed) - 20} more"] if len(changed) > 20 else []
        parts += ["## Changed since acceptance", "\n".join(lines + more)]
    tally = counts(view.results)
    parts.append(" · ".join(f"{status.value} {count}" for status, count in tally.items()))
    if re.fullmatch(r"https?://[!-;=?-~]+", view.delivery.url):
        parts.append(f"<{view.delivery.url}>")
    return "\n\n".join(parts) + "\n"


def _about(view: RunView) -> str:
    names = [target.name for target in view.targets[:TARGETS_SHOWN]]
    more = len(view.targets) - len(names)
    where = ", ".join(names) + (f" and {more} more" if more > 0 else "")
    profile = f"{view.profile.id} {view.profile.version}".strip()
    parts = [f"**{_escaped(profile)}**", _escaped(view.site), _escaped(where), when(view.captured)]
    if view.baseline:
        parts.append(f"baseline: {_escaped(view.baseline)}")
    return " · ".join(part for part in parts if part)


def _table(view: RunView, groups: list[Alike], one_target: bool) -> str:
    rows = ["| status | severity | item | where | what | owner |", "|---|---|---|---|---|---|"]
    for group in groups:
        result = group.first
        said = [str(result.message)]
        if under := beneath(result.key, view.results, view.roots):
            said.append(under)
        if since := view.changes.get(result.key):
            said.append(f"± {since}")
        status = result.status.value.upper()
        cells = (
            f"**{status}**" if result.status is Status.FAIL else status,
            result.severity.value,
            _cell(result.item),
            _cell(group.place(one_target=one_target)),
            "<br>".join(_cell(each) for each in said),
            _cell(result.owner),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _remedies(groups: list[Alike], one_target: bool) -> str:
    lines = []
    for group in groups:
        if remedy := advice(group.first):
            place = _cell(group.place(one_target=one_target))
            name = f"**{_cell(group.first.item)}** {place}".rstrip()
            lines.append(f"- {name}: {_prose(cut(one_line(remedy), REMEDY))}")
    return "\n".join(lines)


def _prose(text: str) -> str:
    """Escaped text in which a `command` between backticks stays code."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0 or "" in pieces[1::2]:  # a lone backtick is only a backtick
        return _unmarked(text)
    return "".join(f"`{part}`" if index % 2 else _unmarked(part) for index, part in enumerate(pieces))


def _cell(text: str) -> str:
    return _escaped(cut(one_line(text), CELL))


def _escaped(text: str) -> str:
    """One line in which nothing is markup."""
    return _unmarked(one_line(text))


def _unmarked(line: str) -> str:
    """Text without markup, an address included: GitHub links those by itself."""
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = SPECIAL.sub(r"\\\1", line)
    line = line.replace("://", ":&#47;&#47;")
    return re.sub(r"(?i)\bwww\.", lambda found: found[0][:-1] + "&#46;", line)
