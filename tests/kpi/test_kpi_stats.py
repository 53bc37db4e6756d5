"""The arithmetic, against published numbers and closed forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.kpi.intervals import clip, length, merge, reach, subtract
from server.kpi.stats import bounds, effective_size, wilson

PUBLISHED = [
    (18, 20, 0.6990, 0.9721),
    # R. G. Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("k", "n", "low", "high"), PUBLISHED)
def test_the_wilson_interval_is_the_published_one(k: int, n: int, low: float, high: float) -> None:
    assert wilson(k / n, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_rate_and_mirrors(pair: tuple[int, int]) -> None:
    k, n = pair
    low, high = wilson(k / n, n)
    assert 0 <= low <= k / n <= high <= 1
    assert wilson((n - k) / n, n) == pytest.approx((1 - high, 1 - low))


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one unit"):
        wilson(0.5, 0)


def test_equal_parts_are_worth_their_number_and_unequal_ones_less() -> None:
    assert effective_size([0.25] * 8) == pytest.approx(8)
    assert effective_size([1.0, 0.5]) == pytest.approx(1.8)
    assert effective_size([]) == 0


def test_the_bounds_say_what_the_unverifiable_could_make_of_it() -> None:
    assert bounds(18, 20, 5) == (18 / 25, 23 / 25)
    assert bounds(18, 20, 0) == (0.9, 0.9)
    assert bounds(0, 0, 0) is None


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def moments(spans: object) -> set[int]:
    return {moment for start, end in spans for moment in range(start, end)}  # type: ignore[attr-defined]


@given(SPANS, SPANS, st.tuples(st.integers(0, 20), st.integers(20, 40)))
def test_spans_behave_as_sets_of_moments(one: list, other: list, window: tuple[int, int]) -> None:
    a, b = merge(one), merge(other)
    assert moments(a) == moments(one)
    assert length(a) == len(moments(one))
    assert moments(subtract(a, b)) == moments(one) - moments(other)
    assert moments(clip(a, window)) == moments(one) & moments([window])
    assert all(a[i][1] < a[i + 1][0] for i in range(len(a) - 1)), "spans are sorted and apart"


@given(st.lists(st.integers(-20, 60)), st.integers(1, 20))
def test_reach_is_the_union_of_equal_spans(starts: list[int], size: int) -> None:
    assert reach(sorted(starts), size) == merge((start, start + size) for start in starts)
