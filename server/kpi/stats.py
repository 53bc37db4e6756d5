"""The arithmetic of small samples: rates with an interval, effective sizes, bounds for what was not seen."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

Z95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

TOO_FEW = 5
"""Below this (effective) number of units there is no percentage and no rank."""

GREYED = 20
"""Below this (effective) number of units a rate is shown, greyed."""

UNVERIFIABLE_LIMIT = 0.20
"""Above this share of unverifiable units there is no rank."""


def wilson(rate: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The score interval of a proportion `rate` seen on `n` units, both ends within 0 and 1.

    `n` may be an effective size. Raises `ValueError` where nothing was seen.
    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22 (1927), 209-212.
    """
    if n <= 0:
        raise ValueError("an interval needs at least one unit")
    square = z * z
    centre = rate + square / (2 * n)
    half = z * sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    scale = 1 + square / n
    low = 0.0 if rate <= 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if rate >= 1 else min(1.0, (centre + half) / scale)
    return low, high


def effective_size(weights: Iterable[float]) -> float:
    """(Σw)² / Σw²: how many whole units these parts of units are worth; 0 for none.

    Source: L. Kish, Survey Sampling (1965), §11.7.
    """
    total = squares = 0.0
    for weight in weights:
        total += weight
        squares += weight * weight
    return total * total / squares if squares else 0.0


def bounds(k: float, n: float, u: float) -> tuple[float, float] | None:
    """The rate if none, and if all, of `u` unverifiable units had the outcome; None without any unit."""
    if n + u <= 0:
        return None
    return k / (n + u), (k + u) / (n + u)
