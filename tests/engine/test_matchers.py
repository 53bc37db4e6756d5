"""Conditions on values: numbers, texts with numbers in them, rows, patterns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.matchers import MATCHED_LENGTH, NAMES, read_matcher
from checks.patterns import compile_pattern


def holds(condition: Any, value: object) -> bool:
    return read_matcher(condition).holds(value)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        (262144, "262144"),
        ({"equals": 262144}, 262144),
        ({"at_least": 262144}, "262144\n"),
        ({"at_least": "256 MiB"}, "512M"),
        ({"at_least": "256 MiB"}, 512 * 1024**2),
        ({"at_most": "30 min"}, "25m"),
        ({"at_most": "15 %"}, 14.9),
        ({"equals": "8 GiB"}, "8192 MiB"),
        ({"equals": 1.1}, "1.10"),
        ({"at_least": 10, "at_most": 20}, "15"),
        ({"at_least": "250 32000 100 128"}, "250\t32000\t100\t128"),
        ({"at_most": [1, 2]}, [1, 2]),
        ({"equals": "4096 87380"}, "4096\t87380"),
        ({"equals": True}, "on"),
        ("on", True),
        ({"one_of": ["local", 2]}, "2"),
        ({"equals": ["a", "b"]}, ["a", "b"]),
        ({"equals": None}, None),
        ({"matches": "^nameserver "}, "nameserver 10.0.0.1"),
        ({"matches": "true"}, True),
        ({"matches": r"^\d+$"}, 12),
    ],
)
def test_a_value_that_meets_the_condition_holds(condition: Any, value: object) -> None:
    assert holds(condition, value)


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ({"equals": "1.10"}, "1.1"),  # a version in quotes is a text
        ({"equals": "on"}, "yes"),
        ({"at_least": 5}, "five"),
        ({"at_least": 5}, None),
        ({"at_least": 0}, True),
        ({"at_least": "1 GiB"}, "30 d"),
        ({"at_least": "1 2 3"}, "1 2"),
        ({"at_least": 1}, float("nan")),
        ({"at_least": 1}, [1, 2]),
        ({"at_least": 10, "at_most": 20}, 21),
        ({"one_of": ["a", "b"]}, "c"),
        ({"equals": ["a"]}, ["a", "b"]),
        ({"equals": ""}, None),
        ({"matches": "a"}, None),
        ({"matches": "a"}, ["a"]),
    ],
)
def test_a_value_that_does_not_meet_it_or_cannot_be_compared_does_not_hold(
    condition: Any, value: object
) -> None:
    assert not holds(condition, value)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({}, "an empty condition"),
        ([1, 2], "write {one_of"),
        ({"at_leats": 1}, "unknown condition 'at_leats'"),
        ({"at_least": "much"}, "expected a number, with a unit"),
        ({"at_least": []}, "expected a number"),
        ({"at_least": True}, "expected a number"),
        ({"one_of": "a"}, "expected a list"),
        ({"one_of": []}, "expected a list"),
        ({"matches": "("}, "is not a regular expression"),
        ({"matches": 5}, "in quotes"),
        ({"matches": "(a+)+$"}, "can take for ever"),
        ({"matches": r"^(\s*\w*)*$"}, "can take for ever"),
        ({"matches": "a" * 1001}, "more than 1000"),
        ({"equals": {"a": 1}}, "not dict"),
        ({"equals": float("inf")}, "cannot be compared"),
        ({"equals": 2**70}, "too large"),
    ],
)
def test_a_wrong_condition_is_refused_with_what_would_be_right(condition: Any, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_matcher(condition)
    assert said in str(refused.value)


def test_a_repeat_with_something_between_is_no_runaway() -> None:
    assert compile_pattern(r"^(\d{1,3}\.){3}\d+$|^([a-z]+-)*[a-z]+$")


def test_a_pattern_sees_a_bounded_part_of_the_value() -> None:
    assert not holds({"matches": "end"}, "x" * MATCHED_LENGTH + "end")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"at_least": "8 GiB"}, {"at_least": "8192 MiB"}),
        ({"at_most": 8}, {"at_most": 8.0}),
        ({"equals": 5}, 5),
        ({"one_of": [1, 2, 2]}, {"one_of": [2, 1]}),
        ({"at_least": 1, "at_most": 2}, {"at_most": 2, "at_least": 1}),
        ({"at_least": "1 2"}, {"at_least": [1, 2]}),
    ],
)
def test_equal_meaning_has_one_canonical_form(one: Any, other: Any) -> None:
    assert read_matcher(one).canonical() == read_matcher(other).canonical()


def test_a_number_and_a_number_with_unit_are_not_the_same_condition() -> None:
    assert read_matcher({"at_least": "1 KiB"}).canonical() != read_matcher({"at_least": 1024}).canonical()
    assert read_matcher("5").canonical() != read_matcher(5).canonical()


def test_a_condition_reads_as_a_sentence() -> None:
    assert (
        str(read_matcher({"at_least": "8 GiB", "at_most": "16 GiB"})) == "at least 8 GiB and at most 16 GiB"
    )
    assert str(read_matcher(5)) == "5"
    assert [str(read_matcher({"equals": bound})) for bound in (" ", [], None)] == [
        "empty",
        "an empty list",
        "nothing",
    ]
    assert str(read_matcher({"one_of": ["b", "a"]})) == "one of a, b"


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
conditions = st.one_of(
    scalars,
    st.dictionaries(st.sampled_from(NAMES), st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3),
)


@given(conditions, st.one_of(scalars, st.lists(scalars, max_size=3)))
def test_any_condition_is_refused_or_decides_and_its_canonical_form_means_the_same(
    condition: Any, value: object
) -> None:
    try:
        matcher = read_matcher(condition)
    except ValueError as problem:
        assert str(problem)
        return
    assert str(matcher)
    again = read_matcher(matcher.canonical())
    assert again.canonical() == matcher.canonical()
    assert again.holds(value) is matcher.holds(value)
