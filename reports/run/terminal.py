"""The report for the engineer at the console: what to do first, why, and how.

Wide terminals get columns, narrow ones a stack of short blocks. Colour follows the terminal and NO_COLOR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from checks.model import Result, Status
from reports.run.alike import Alike
from reports.run.folding import beneath
from reports.run.view import (
    RunView,
    advice,
    by_urgency,
    caveats,
    changed_quietly,
    quiet_part,
    readable,
    to_do,
    told_once,
    verdict,
    when,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

NARROW = 92
"""Columns below which the layout stacks."""

STYLES = {
    Status.FAIL: "bold red",
    Status.WARN: "yellow",
    Status.ERROR: "magenta",
    Status.MANUAL: "cyan",
    Status.SKIP: "dim",
    Status.PASS: "green",
}
SINCE = "cyan"

CHANGED_SHOWN = 20
"""Results that pass, yet changed since acceptance, listed without `--all`."""


def render(view: RunView, console: Console, *, everything: bool = False) -> None:
    """Print the report; `everything` lists passes and skips too, which are only counted otherwise."""
    with console.capture() as capture:
        _print(view, console, everything)
    for line in capture.get().splitlines():
        console.file.write(line.rstrip() + "\n")  # columns are padded, which a pipe need not carry


def _print(view: RunView, console: Console, everything: bool) -> None:
    shown = by_urgency(view.results) if everything else to_do(view)
    console.print(_heading(view))
    if view.baseline:
        console.print(_text(f"Baseline: {view.baseline}", "dim"))
    for caveat in caveats(view):
        console.print(_text(caveat, "yellow"))
    console.print()
    _list(view, console, shown)
    if not everything and (changed := changed_quietly(view)):
        console.print(_text("Changed since acceptance", "bold"))
        _list(view, console, changed[:CHANGED_SHOWN])
        if len(changed) > CHANGED_SHOWN:
            console.print(_text(f"and {len(changed) - CHANGED_SHOWN} more (--all lists them)\n", "dim"))
    console.print(_text(verdict(view), "bold"))
    if quiet := quiet_part(view):
        console.print(_text(quiet if everything else quiet + " (--all lists them)", "dim"))


def _heading(view: RunView) -> Text:
    where = " · ".join(part for part in (view.site, *(target.name for target in view.targets[:3])) if part)
    more = f" and {len(view.targets) - 3} more" if len(view.targets) > 3 else ""
    line = _text("").append(readable(f"{view.profile.id} {view.profile.version}".strip()), "bold")
    return line.append(f" · {readable(where)}{more} · {when(view.captured)}", "dim")


def _list(view: RunView, console: Console, results: list[Result]) -> None:
    if not results:
        return
    one_target = len({result.target for result in view.results}) < 2
    laid_out = _columns if console.width >= NARROW else _stack
    console.print(laid_out(view, told_once(view, results), one_target))
    console.print()


def _columns(view: RunView, groups: list[Alike], one_target: bool) -> RenderableType:
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(max_width=34, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    table.add_column(no_wrap=True, style="dim")
    for index, group in enumerate(groups):
        result = group.first
        if index and _asks(groups[index - 1].first):
            table.add_row()
        name = _text("").append(readable(result.item), "bold")
        if place := group.place(one_target=one_target):
            name.append("\n" + readable(place))
        what = _what(view, result)
        severity = result.severity.value if _asks(result) else ""
        owner = readable(result.owner) if _asks(result) else ""
        table.add_row(_status(result), _text(severity, STYLES[result.status]), name, what, owner)
    return table


def _stack(view: RunView, groups: list[Alike], one_target: bool) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding

    parts: list[RenderableType] = []
    for index, group in enumerate(groups):
        result = group.first
        if index and _asks(groups[index - 1].first):
            parts.append("")
        line = _text("").append(_status(result))
        if _asks(result):
            line.append(f" {result.severity}", STYLES[result.status])
        line.append(" " + readable(result.item), "bold")
        if place := group.place(one_target=one_target):
            line.append(" " + readable(place))
        body = _what(view, result)
        if _asks(result) and result.owner:
            body.append("\nowner: " + readable(result.owner), "dim")
        parts += [line, Padding(body, (0, 0, 0, 2))]
    return Group(*parts)


def _what(view: RunView, result: Result) -> Text:
    text = _text(str(result.message))
    if under := beneath(result.key, view.results, view.roots):
        text.append("\n" + readable(under), "dim")
    if borne := view.waivers.get(result.key):
        text.append("\n" + readable(borne), SINCE)
    if since := view.changes.get(result.key):
        text.append("\n± " + readable(since), SINCE)
    if remedy := advice(result):
        text.append("\n→ ", STYLES[result.status]).append(readable(remedy), "italic")
    return text


def _asks(result: Result) -> bool:
    return result.status not in (Status.PASS, Status.SKIP)


def _status(result: Result) -> Text:
    return _text(f"{result.status.value.upper():6}", STYLES[result.status])


def _text(text: str, style: str = "") -> Text:
    """Never markup: a message may quote a file that holds square brackets."""
    from rich.text import Text

    return Text(readable(text), style)
