"""Two small pictures as inline SVG: an interval on a percentage axis, and what a finding was over time.

They carry classes instead of colours, so that the page's stylesheet gives light, dark and paper, and they
need neither script nor inline style. Positions are percentages: text keeps its size at any width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

_MONTH = timedelta(days=30)
_LEAST_WIDTH = 0.4
"""In percent of the width: what lasted minutes within two years is still to be seen."""


@dataclass(frozen=True)
class Span:
    """A stretch of time; `kind` becomes the class, `title` what a pointer resting on it shows."""

    start: datetime
    end: datetime
    kind: str
    title: str


def interval_bar(
    low: float,
    high: float,
    point: float,
    *,
    label: str,
    bounds: tuple[float, float] | None = None,
    greyed: bool = False,
) -> str:
    """A rate (`point`) and its interval, all between 0 and 1, on an axis from 0 to 100 %.

    `bounds` adds the thin line between which the rate would lie once everything unknown were known.
    """
    parts = [f'<svg class="interval{" greyed" if greyed else ""}" role="img" height="40" width="100%">']
    parts.append(f"<title>{escape(label)}</title>")
    parts.append('<rect class="axis" x="0%" y="9" width="100%" height="6" rx="3"/>')
    parts.append(f'<rect class="band" x="{_p(low)}" y="6" width="{_p(high - low)}" height="12" rx="3"/>')
    if bounds is not None:
        parts.append(f'<line class="bounds" x1="{_p(bounds[0])}" x2="{_p(bounds[1])}" y1="21" y2="21"/>')
    parts.append(f'<line class="point" x1="{_p(point)}" x2="{_p(point)}" y1="3" y2="21"/>')
    for at, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        parts.append(f'<text x="{_p(at)}" y="36" text-anchor="{anchor}">{at * 100:.0f} %</text>')
    parts.append("</svg>")
    return "".join(parts)


def timeline(
    states: Sequence[Span], episodes: Sequence[Span], *, start: datetime, end: datetime, label: str
) -> str:
    """What was observed (lower band) and the episodes made of it (upper band) between two moments."""
    if end <= start:
        end = start + timedelta(hours=1)
    parts = ['<svg class="timeline" role="img" height="58" width="100%">', f"<title>{escape(label)}</title>"]
    parts.append('<rect class="axis" x="0%" y="26" width="100%" height="8"/>')
    parts.extend(_bar(span, start, end, y=26, height=8) for span in states)
    parts.extend(_bar(span, start, end, y=8, height=12) for span in episodes)
    for tick, name, anchor in _ticks(start, end):
        x = _p((tick - start) / (end - start))
        parts.append(f'<line class="tick" x1="{x}" x2="{x}" y1="34" y2="39"/>')
        parts.append(f'<text x="{x}" y="52" text-anchor="{anchor}">{name}</text>')
    parts.append("</svg>")
    return "".join(parts)


def _bar(span: Span, start: datetime, end: datetime, *, y: int, height: int) -> str:
    whole = end - start
    left = min(max((span.start - start) / whole, 0.0), 1.0)
    width = max(min((span.end - start) / whole, 1.0) - left, _LEAST_WIDTH / 100)
    left = min(left, 1.0 - width)
    return (
        f'<rect class="is-{escape(span.kind)}" x="{_p(left)}" y="{y}" width="{_p(width)}" height="{height}">'
        f"<title>{escape(span.title)}</title></rect>"
    )


def _ticks(start: datetime, end: datetime) -> list[tuple[datetime, str, str]]:
    """Both ends and the middle; the shorter the stretch, the finer their names."""
    whole = end - start
    form = "%Y-%m-%d" if whole > 2 * _MONTH else "%m-%d %H:%M"
    places = ((start, "start"), (start + whole / 2, "middle"), (end, "end"))
    return [(moment, moment.strftime(form), anchor) for moment, anchor in places]


def _p(share: float) -> str:
    return f"{min(max(share, 0.0), 1.0) * 100:.2f}%"
