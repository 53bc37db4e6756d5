"""When a number that was recorded run by run will reach a bound: a slope that outliers cannot turn.

Pure. Moments are seconds since 1970, levels any unit; what is forecast and what may be said of it is the
check's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

HOUR: Final = 3600.0
DAY: Final = 86400.0

WINDOWS: Final = (6 * HOUR, 3 * DAY, 30 * DAY)
"""How far back is looked, the shortest first: the first that holds enough decides."""

LEAST_POINTS: Final = 5
COVERED: Final = 1 / 6
"""What of a window its points have to cover, so that a few runs in a row do not stand for it."""

MOST_POINTS: Final = 150
"""Points that a slope is made of; all pairs of them are looked at."""

FALL: Final = 0.01
"""A fall of at least this share of the whole between two runs is a clearing: a rotation, a deletion."""

LEAST_TOPS: Final = 2
FASTER: Final = 3.0
"""What was cleared so often will be again, unless it rises so many times as fast as it did before."""


class Point(msgspec.Struct, frozen=True, array_like=True):
    """A level at a moment."""

    at: float
    level: float


class Trend(msgspec.Struct, frozen=True):
    """How fast a level rises (units a second; negative: it falls), where it stands now, what that rests on.

    `clearings` tells how often it fell at once in the seconds `span`. `periodic`: it has done so from no
    lower than it stands now and rises no faster than before; `slope` and `level` are then those of the tops
    that it is cleared at.
    """

    slope: float
    level: float
    points: int
    span: float
    clearings: int = 0
    periodic: bool = False


def trend(points: Sequence[Point], now: float, whole: float) -> Trend | None:
    """The trend in the shortest window that holds enough points, or None. `whole` is the size of it all."""
    for window in WINDOWS:
        inside = [point for point in points if now - window <= point.at <= now]
        if len(inside) >= LEAST_POINTS and inside[-1].at - inside[0].at >= window * COVERED:
            return _trend(points, inside, now, whole)
    return None


def _trend(points: Sequence[Point], inside: Sequence[Point], now: float, whole: float) -> Trend:
    span = inside[-1].at - inside[0].at
    pieces, level = _pieces(inside, whole), inside[-1].level
    since = min(inside[0].at, now - WINDOWS[1])
    wide = [point for point in points if since <= point.at <= now]
    *before, _ = _pieces(wide, whole)
    tops = [max(piece, key=lambda point: point.level) for piece in before]
    usual = theil_sen(before)
    if (
        len(tops) >= LEAST_TOPS
        and level <= max(top.level for top in tops) + FALL * whole
        and not 0 < usual * FASTER < theil_sen(pieces[-1:])
    ):
        return Trend(theil_sen([tops]), tops[-1].level, len(wide), wide[-1].at - wide[0].at, len(tops), True)
    return Trend(theil_sen(pieces), level, len(inside), span, len(pieces) - 1)


def _pieces(points: Sequence[Point], whole: float) -> list[list[Point]]:
    """The points between clearings, in order."""
    pieces: list[list[Point]] = [[points[0]]]
    for before, point in pairwise(points):
        if before.level - point.level >= FALL * whole:
            pieces.append([])
        pieces[-1].append(point)
    return pieces


def theil_sen(pieces: Sequence[Sequence[Point]]) -> float:
    """The median of the slopes between all pairs of points of the same piece; 0 without a pair.

    Up to 29 % of the points may lie anywhere without turning it. Source: P. K. Sen, Estimates of the
    regression coefficient based on Kendall's tau, J. Am. Stat. Assoc. 63 (1968), 1379-1389; H. Theil (1950).
    """
    slopes = []
    count = sum(len(piece) for piece in pieces)
    step = -(-count // MOST_POINTS)
    for piece in pieces:
        kept = [*piece[:-1:step], piece[-1]] if step > 1 else piece
        for number, first in enumerate(kept):
            for second in kept[number + 1 :]:
                if second.at > first.at:
                    slopes.append((second.level - first.level) / (second.at - first.at))
    return _median(slopes) if slopes else 0.0


def _median(numbers: list[float]) -> float:
    """As `statistics.median`, whose module costs more to import than a run's forecasts."""
    numbers.sort()
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else (numbers[middle - 1] + numbers[middle]) / 2


def thinned(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points worth keeping, seen from the last of them: of each step of time the highest.

    Steps are 5 minutes within 6 hours, an hour within 3 days and a day within 30 days.
    """
    if not points:
        return ()
    last = max(point.at for point in points)
    kept: dict[tuple[float, int], Point] = {}
    for point in sorted(points, key=lambda point: point.at):
        age = last - point.at
        step = next((step for window, step in zip(WINDOWS, _STEPS, strict=True) if age <= window), 0.0)
        if not step:
            continue
        slot = (step, int(point.at // step))
        if slot not in kept or point.level >= kept[slot].level:
            kept[slot] = point
    return tuple(sorted(kept.values(), key=lambda point: point.at))


_STEPS: Final = (300.0, HOUR, DAY)
