"""The two pictures: where things are drawn, and that nothing from outside escapes into markup."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from reports.charts import Span, interval_bar, timeline

START = datetime(2026, 1, 1, tzinfo=UTC)
shares = st.floats(0, 1)


def attribute(svg: str, kind: str, name: str) -> str:
    found = ElementTree.fromstring(svg).find(f"*[@class='{kind}']")
    assert found is not None
    return found.attrib[name]


def test_the_interval_lies_where_its_ends_say() -> None:
    svg = interval_bar(0.25, 0.75, 0.5, label="half")
    assert attribute(svg, "band", "x") == "25.00%"
    assert attribute(svg, "band", "width") == "50.00%"
    assert attribute(svg, "point", "x1") == "50.00%"


@given(shares, shares, shares)
def test_any_interval_stays_within_the_axis(low: float, high: float, point: float) -> None:
    low, high = min(low, high), max(low, high)
    svg = interval_bar(low, high, point, label="any", bounds=(low, high), greyed=True)
    ElementTree.fromstring(svg)
    assert all(0 <= float(number) <= 100 for number in re.findall(r'"([\d.-]+)%"', svg))


def test_a_timeline_puts_spans_in_proportion_and_keeps_short_ones_visible() -> None:
    day = timedelta(days=1)
    svg = timeline(
        [Span(START, START + 50 * day, "pass", "passing")],
        [Span(START + 99 * day, START + 99 * day, "open", "a moment")],
        start=START,
        end=START + 100 * day,
        label="life",
    )
    assert attribute(svg, "is-pass", "width") == "50.00%"
    assert float(attribute(svg, "is-open", "width").rstrip("%")) > 0


def test_what_lies_outside_is_cut_to_the_stretch_shown() -> None:
    day = timedelta(days=1)
    svg = timeline(
        [],
        [Span(START - 50 * day, START + 500 * day, "closed", "long")],
        start=START,
        end=START + 10 * day,
        label="life",
    )
    assert attribute(svg, "is-closed", "x") == "0.00%"
    assert attribute(svg, "is-closed", "width") == "100.00%"


def test_a_life_of_no_length_is_drawn_all_the_same() -> None:
    root = ElementTree.fromstring(timeline([], [], start=START, end=START, label="now"))
    assert root.findtext("title") == "now"


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=40))
def test_texts_are_escaped_wherever_they_stand(text: str) -> None:
    span = Span(START, START + timedelta(days=1), "fail", text)
    svg = timeline([span], [span], start=START, end=START + timedelta(days=2), label=text)
    root = ElementTree.fromstring(svg)
    assert root.findtext("title") == text
    assert {element.tag for element in root.iter()} <= {"svg", "title", "rect", "line", "text"}
    assert "style" not in {name for element in root.iter() for name in element.attrib}
