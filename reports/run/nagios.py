"""The run as the output of a monitoring plugin: a line with the state, performance data, then details.

After the Monitoring Plugins development guidelines. What the state is decides `agent.outcome`; this writes it
down, in no more bytes than NRPE and Nagios read.
"""

from __future__ import annotations

from enum import IntEnum
from math import isfinite
from typing import Final

from checks.model import Result
from reports.run.plain import cut, one_line
from reports.run.view import RunView, by_urgency, caveats, to_do, told_once, verdict

MOST_BYTES: Final = 4096
"""Nagios reads no more of a plugin's output."""

FIRST_BYTES: Final = 700
PERFDATA_BYTES: Final = 1600
PERFDATA: Final = 60
LABEL: Final = 120

UNITS: Final = (("_percent", "%"), ("_ms", "ms"), ("_seconds", "s"), ("_s", "s"), ("_bytes", "B"))
"""Unit of measurement by the end of the evidence's name."""


class State(IntEnum):
    """What a monitoring plugin says with its exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


def render(view: RunView, state: State) -> bytes:
    """The output: at most `MOST_BYTES`, the details cut with their number."""
    many = len({result.target for result in view.results}) > 1
    groups = told_once(view, to_do(view))
    first = verdict(view)
    if groups:
        first += f" {_what(groups[0].first)}"
    lines = [f"{state.name} - {_fit(_text(first), FIRST_BYTES)}"]
    if perfdata := _perfdata(view, many):
        lines[0] += f" | {perfdata}"
    details = [_text(each) for each in caveats(view)]
    for group in groups:
        result = group.first
        place = " ".join(filter(None, (result.item, group.place(one_target=not many))))
        status = result.status.value.upper()
        details.append(_text(f"{status} {result.severity} {place}: {result.message}"))
    return _within(lines, details)


def unknown(why: str) -> bytes:
    """The output where there was no run to report of."""
    return f"{State.UNKNOWN.name} - {_fit(_text(why), FIRST_BYTES)}\n".encode()


def _within(lines: list[str], details: list[str]) -> bytes:
    room = MOST_BYTES - len(lines[0].encode()) - 1
    left = len(details)
    for detail in details:
        line = _fit(detail, FIRST_BYTES)
        size = len(line.encode()) + 1
        if size > room - len(f"and {left} more\n"):
            lines.append(f"and {left} more")
            break
        lines.append(line)
        room -= size
        left -= 1
    return ("\n".join(lines) + "\n").encode()


def _what(result: Result) -> str:
    return f"{result.severity} {result.item} {result.object}".rstrip() + f": {result.message}"


def _perfdata(view: RunView, many: bool) -> str:
    """Numbers of the evidence, the most urgent first; a name that comes twice is told once."""
    found: dict[str, str] = {}
    room = PERFDATA_BYTES
    for result in by_urgency(view.results):
        for name, value in result.evidence.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                continue
            parts = (result.target if many else "", result.item, result.object)
            label = _label(" ".join(part for part in parts if part), name)
            told = f"'{label}'={_number(value)}{_unit(name)}"
            size = len(told.encode()) + 1
            if label in found or len(found) == PERFDATA or size > room:
                continue
            found[label] = told
            room -= size
    return " ".join(found.values())


def _label(place: str, name: str) -> str:
    """Place and name; of a long one the place is cut, as the name tells the numbers of a result apart."""
    # The guidelines forbid = and want quotes doubled, which not every reader undoes.
    place, name = (_text(part).replace("=", "_").replace("'", "_") for part in (place, name))
    name = cut(name, LABEL // 2)
    return f"{cut(place, LABEL - len(name) - 1)} {name}".strip()


def _number(value: float) -> str:
    """Digits, sign and point only, as the guidelines want it."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _unit(name: str) -> str:
    return next((unit for end, unit in UNITS if name.endswith(end)), "")


def _text(text: str) -> str:
    """One line without the sign that begins performance data."""
    return one_line(text).replace("|", "/")


def _fit(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8, no character torn."""
    data = text.encode()
    if len(data) <= size:
        return text
    return data[: size - 4].decode(errors="ignore") + " …"
