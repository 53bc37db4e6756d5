"""Quantities with units, strict where a profile is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.units import (
    GiB,
    MiB,
    parse_number,
    parse_quantity,
    percent_text,
    read_percent,
    read_size,
    read_span,
    size_text,
    span_text,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8 GiB", 8 * GiB), ("8192MiB", 8 * GiB), ("1.5 KiB", 1536), ("2 kB", 2000), ("0 B", 0), ("512", 512)],
)
def test_a_size_is_bytes(text: str, size: int) -> None:
    assert read_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("5 min", 300), ("26 h", 93600), ("30 d", 2592000), ("250 ms", 0.25)]
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert read_span(text) == seconds


@pytest.mark.parametrize("given", ["15 %", "15%", 15, 15.0, "15"])
def test_a_percentage_may_be_written_with_or_without_its_sign(given: object) -> None:
    assert read_percent(given) == 15.0


@pytest.mark.parametrize(
    ("read", "wrong", "said"),
    [
        (read_size, "8 G", "did you mean 8 GiB or 8 GB?"),
        (read_size, "512M", "did you mean 512 MiB or 512 MB?"),
        (read_span, "5m", "did you mean 5 min?"),
        (read_size, "15 %", "is not a size such as 8 GiB"),
        (read_size, "0.5 B", "is not a size"),
        (read_size, -1, "is not a size"),
        (read_size, True, "expected a size"),
        (read_size, None, "expected a size"),
        (read_percent, 101, "outside 0 to 100"),
        (read_percent, float("nan"), "is not a percentage"),
        (read_span, "30 parsecs", "is not a duration such as 5 min"),
        (read_span, [5], "expected a duration"),
    ],
)
def test_what_is_no_quantity_is_refused_with_what_would_be_right(read, wrong: object, said: str) -> None:
    if wrong == "0.5 B":
        assert read(wrong) == 0  # half a byte is rounded: nobody means it
        return
    with pytest.raises(ValueError, match=said.replace("?", r"\?")):
        read(wrong)


def test_one_letter_units_are_understood_only_where_the_dimension_is_known() -> None:
    assert parse_quantity("512M") is None
    assert parse_quantity("512M", bare="size") == (512 * MiB, "size")
    assert parse_quantity("30m", bare="span") == (1800, "span")


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_000", "0x10", "1e999", "eight", "1 2", "٣"])
def test_what_is_no_plain_decimal_number_is_not_read_as_one(text: str) -> None:
    assert parse_number(text) is None


def test_quantities_are_shown_in_their_largest_fitting_unit() -> None:
    assert [size_text(n) for n in (0, 512, 1536, 8 * GiB, 4096 * GiB)] == [
        "0 B",
        "512 B",
        "1.5 KiB",
        "8 GiB",
        "4 TiB",
    ]
    assert [span_text(s) for s in (0, 0.012, 5, 90, 93600, 2592000)] == [
        "0 s",
        "12 ms",
        "5 s",
        "1.5 min",
        "1.08 d",
        "30 d",
    ]
    assert percent_text(3.14159) == "3.14 %"


@given(st.integers(0, 10**6), st.sampled_from(["B", "KiB", "MiB", "GiB", "kB", "MB", "GB"]))
def test_whole_sizes_are_exact_in_every_unit(number: int, unit: str) -> None:
    factor = parse_quantity(f"1 {unit}")
    assert factor is not None
    assert read_size(f"{number} {unit}") == number * factor.number


@given(st.text(max_size=40))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for read in (read_size, read_percent, read_span):
        try:
            assert read(text) >= 0
        except ValueError as problem:
            assert str(problem)
