"""Key figures as pages show them: the chart beside the numbers, and the plain sentence for it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from reports.charts import interval_bar
from server.kpi.figures import Figure
from server.pages.words import count, day, percent


@dataclass(frozen=True)
class FigureView:
    """A figure, its chart (empty where it is too early to say) and what it says in one sentence."""

    figure: Figure
    chart: Markup
    sentence: str


def shown(figure: Figure) -> FigureView:
    """The view of a figure; the chart's markup is our own, with every text in it escaped."""
    sentence = _sentence(figure)
    if figure.rate is None or figure.interval is None:
        return FigureView(figure, Markup(""), sentence)
    low, high = figure.interval
    drawn = interval_bar(
        low,
        high,
        figure.rate,
        label=sentence,
        bounds=figure.bounds if figure.unverifiable else None,
        greyed=figure.greyed,
    )
    return FigureView(figure, Markup(drawn), sentence)  # noqa: S704  # escaped where it is drawn


def _sentence(figure: Figure) -> str:
    if figure.rate is None or figure.interval is None:
        if figure.next_known_at is not None:
            return f"Too early to say; the next unit is known on {day(figure.next_known_at)}."
        return "Too few units for a percentage." if figure.n else "Nothing to count yet."
    low, high = figure.interval
    return (
        f"{percent(figure.rate)} ({count(figure.k)} of {count(figure.n)}); with 95 % confidence between"
        f" {percent(low)} and {percent(high)}."
    )
