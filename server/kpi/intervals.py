"""Sets of moments as sorted, disjoint half-open spans of whole microseconds: exact, no rounding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]
Spans = tuple[Span, ...]


def merge(spans: Iterable[Span]) -> Spans:
    """The union of any spans; touching ones become one, empty ones vanish."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            if end > merged[-1][1]:
                merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return tuple(merged)


def reach(moments: Sequence[int], length: int) -> Spans:
    """The union of [moment, moment + length) over sorted moments."""
    spans: list[Span] = []
    if not moments:
        return ()
    start = last = moments[0]
    for moment in moments:
        if moment - last > length:
            spans.append((start, last + length))
            start = moment
        last = moment
    spans.append((start, last + length))
    return tuple(spans)


def subtract(spans: Spans, holes: Spans) -> Spans:
    """What of `spans` lies outside `holes`; both sorted and disjoint."""
    left: list[Span] = []
    index = 0
    for start, end in spans:
        while index < len(holes) and holes[index][1] <= start:
            index += 1
        at = index
        while at < len(holes) and holes[at][0] < end:
            if holes[at][0] > start:
                left.append((start, holes[at][0]))
            start = max(start, holes[at][1])
            at += 1
        if start < end:
            left.append((start, end))
    return tuple(left)


def clip(spans: Spans, window: Span) -> Spans:
    """What of `spans` lies inside one window."""
    low, high = window
    return tuple((max(a, low), min(b, high)) for a, b in spans if a < high and b > low)


def length(spans: Spans) -> int:
    """Microseconds in all."""
    return sum(end - start for start, end in spans)
