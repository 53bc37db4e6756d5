"""Conditions on values: numbers, texts with numbers in them, rows, patterns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadProfile
from checks.matchers import MATCHED_LENGTH, NAMES, Matcher, read_matcher
from checks.parameters import read_value
from checks.patterns import compile_pattern
from checks.yamlfile import load_text

DEEP: Any = {"equals": 1}
for _ in range(11):
    DEEP = {"not": DEEP}


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
        ({"above": 5}, "5.1"),
        ({"below": "1 GiB"}, "512M"),
        ({"above": [0, 1]}, "1 2"),
        ({"contains": "TLSv1.3"}, "TLSv1.2 TLSv1.3"),
        ({"contains": ["b", "a"]}, "a, b"),
        ({"contains": 443}, ["80", "443"]),
        ({"contains": ["b", 1]}, [1, "a", "b"]),
        ({"contains": "8 GiB"}, "at 8 GiB"),
        ({"contains": True}, [True]),
        ({"length": {"at_least": 3}}, "abc"),
        ({"length": 2}, ["a", "b"]),
        ({"length": 0}, ""),
        ({"version": "1.18"}, "1.18.0"),
        ({"version": {"at_least": "1.18", "below": 2}}, "1.22.1"),
        ({"version": {"at_least": "1.18", "below": "2~", "scheme": "dpkg"}}, "1.22.1-9+deb12u1"),
        ({"version": {"below": "1.0", "scheme": "semver"}}, "1.0.0-rc.1"),
        ({"version": {"above": "7"}}, 8),
        ({"not": "disable"}, "require"),
        ({"not": {"one_of": ["a", "b"]}}, None),
        ({"not": {"contains": "x"}}, ["a"]),
        ({"not": {"not": {"at_least": 5}}}, 5),
        ({"any": ["a", {"at_least": 5}]}, "7"),
        ({"all": [{"contains": "a"}, {"not": {"contains": "b"}}]}, "cat"),
        ({"all": [{"at_least": 1}, {"at_most": 3}], "not": 2}, 3),
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
        ({"above": 5}, 5),
        ({"below": 5}, "5"),
        ({"above": 5}, "many"),
        ({"contains": "a"}, None),
        ({"contains": None}, "None"),
        ({"contains": ["a", "b"]}, ["a"]),
        ({"contains": 443}, ["4433"]),
        ({"length": 3}, 123),
        ({"length": {"at_least": 1}}, None),
        ({"version": "1.1"}, 1.1),  # it may have been 1.10
        ({"version": {"at_least": "1"}}, "unknown"),
        ({"version": {"at_least": "1"}}, True),
        ({"version": {"at_least": "1", "scheme": "dpkg"}}, "1_0"),
        ({"not": "disable"}, "disable"),
        ({"any": ["a", {"at_least": 5}]}, "4"),
        ({"all": [{"contains": "a"}, {"contains": "b"}]}, "a"),
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
        ({"contains": []}, "what has to be in it"),
        ({"contains": ""}, "in every text"),
        ({"contains": {"a": 1}}, "not dict"),
        ({"not": [1]}, "a list is no condition"),
        ({"all": {"at_least": 1}}, "a list of conditions"),
        ({"any": []}, "a list of conditions"),
        ({"any": [{"at_leats": 1}]}, "unknown condition 'at_leats'"),
        ({"length": {"at_least": "x"}}, "expected a number"),
        ({"version": {}}, "write one of equals, at_least"),
        ({"version": {"scheme": "rpm"}}, "write one of equals, at_least"),
        ({"version": {"at_least": "1", "scheme": "nuget"}}, "it is one of plain, semver"),
        ({"version": {"least": "1"}}, "unknown condition 'least' of a version"),
        ({"version": {"at_least": 1.1}}, 'in quotes: "1.1"'),
        ({"version": {"at_least": "one"}}, "no version by the rules of plain"),
        ({"version": {"at_least": [1]}}, "expected a version in quotes"),
        ({"version": {"at_least": "1_0", "scheme": "dpkg"}}, "no version by the rules of dpkg"),
        (DEEP, "more than 10 deep"),
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
        ({"contains": ["b", "a", "a"]}, {"contains": ["a", "b"]}),
        ({"contains": ["a"]}, {"contains": "a"}),
        ({"not": 5}, {"not": {"equals": 5.0}}),
        ({"not": {"not": 5}}, 5),
        ({"any": [1, 2, 1]}, {"any": [2, 1]}),
        ({"any": [{"at_least": 1}]}, {"at_least": 1}),
        ({"version": "1.2"}, {"version": {"equals": "1.2.0", "scheme": "plain"}}),
        ({"version": {"at_least": 2}}, {"version": {"at_least": "2.0"}}),
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


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"above": "1 GiB", "below": 5}, "above 1 GiB and below 5"),
        ({"contains": ["b", "a"]}, "containing a and b"),
        ({"length": {"at_least": 8}}, "length at least 8"),
        ({"not": "disable"}, "not disable"),
        ({"not": {"one_of": ["a", "b"]}}, "not one of a, b"),
        ({"not": {"at_least": 1, "at_most": 2}}, "not (at least 1 and at most 2)"),
        ({"any": ["on", {"at_least": 1, "below": 9}]}, "(at least 1 and below 9) or on"),
        ({"all": [{"contains": "a"}, {"not": "b"}]}, "containing a and not b"),
        ({"not": {"any": [1, 2]}}, "not (1 or 2)"),
        ({"version": "1.2"}, "version 1.2"),
        (
            {"version": {"at_least": "1.18", "below": "2", "scheme": "dpkg"}},
            "version at least 1.18 and below 2 (dpkg)",
        ),
    ],
)
def test_the_other_conditions_read_as_a_sentence_too(condition: Any, said: str) -> None:
    assert str(read_matcher(condition)) == said


@pytest.mark.parametrize(
    "condition",
    [
        {"at_least": 5},
        {"matches": "a"},
        {"length": 1},
        {"version": {"at_least": "1"}},
        {"contains": "a"},
        {"all": [{"at_least": 5}, {"matches": "x"}]},
    ],
)
def test_a_value_that_cannot_be_compared_meets_neither_a_condition_nor_its_opposite(condition: Any) -> None:
    assert not holds(condition, None)
    assert not holds({"not": condition}, None)


def test_what_decides_alone_decides_beside_what_cannot_be_compared() -> None:
    assert holds({"any": [{"at_least": 5}, "many"]}, "many")
    assert holds({"not": {"all": [{"at_least": 5}, "few"]}}, "many")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("at_least: 1\nat_most: much\n", 2),
        ("at_least: 1\nany:\n  - 5\n  - at_most: much\n", 4),
        ("not:\n  length:\n    at_least: 1\n    least: 1\n", 4),
        ("version:\n  at_least: 1.1\n", 2),
    ],
)
def test_a_wrong_condition_is_refused_where_it_stands(text: str, line: int) -> None:
    with pytest.raises(BadProfile) as refused:
        read_value(Matcher, load_text(text, "the profile"))
    assert refused.value.line == line


def test_conditions_that_were_known_before_are_written_as_before() -> None:
    """Their canonical forms are in the rules of findings that are open."""
    for condition, canonical in (
        ({"at_least": "8 GiB", "at_most": 2.50}, {"at_least": "8589934592 B", "at_most": 2.5}),
        ({"one_of": ["b", 1]}, {"one_of": ["b", 1]}),
        ({"matches": "^a$"}, {"matches": "^a$"}),
        ("on", {"equals": "on"}),
    ):
        assert read_matcher(condition).canonical() == canonical
        assert list(read_matcher(condition).canonical()) == sorted(canonical)


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
relations = st.sampled_from(["equals", "at_least", "at_most", "above", "below"])
versions = st.dictionaries(
    relations | st.just("scheme"), st.sampled_from([1, "1.2", "2~1", "semver", "dpkg", "rpm"]), max_size=2
)
conditions = st.recursive(
    scalars,
    lambda inner: st.dictionaries(
        st.sampled_from(NAMES), st.one_of(inner, st.lists(inner, max_size=3), versions), max_size=3
    ),
    max_leaves=8,
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
