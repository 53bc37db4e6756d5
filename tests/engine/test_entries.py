"""Conditions on what is in a value: entries, lines, keys, places of JSON."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks import entries
from checks.matchers import read_matcher

CASES: list[tuple[Any, Any, bool | None]] = [
    ({"starts_with": "1."}, "1.2", True),
    ({"starts_with": "1."}, 1.2, True),
    ({"starts_with": "tr"}, True, True),
    ({"starts_with": "2"}, "1.2", False),
    ({"starts_with": "a"}, ["a"], None),
    ({"ends_with": "sh"}, "/bin/bash", True),
    ({"ends_with": "sh"}, "/bin/false", False),
    ({"ends_with": "x"}, None, None),
    ({"some": {"above": 2}}, [1, 3], True),
    ({"some": {"above": 3}}, [1, 3], False),
    ({"some": {"above": 3}}, ["a"], None),
    ({"some": {"above": 3}}, ["a", 4], True),
    ({"some": {"equals": "b"}}, "a\nb", True),
    ({"some": {"equals": ""}}, "a\n", True),
    ({"some": {"equals": "b"}}, 5, None),
    ({"not": {"some": {"equals": "b"}}}, "a\nc", True),
    ({"includes": ["a", {"starts_with": "a"}]}, ["ab", "a"], True),
    ({"includes": ["a", {"starts_with": "a"}]}, ["a", "b"], False),
    ({"includes": ["a", "a"]}, ["a", "b"], False),
    ({"includes": []}, ["a"], True),
    ({"includes": ["a"]}, 5, None),
    ({"consists_of": ["b", "a"]}, ["a", "b"], True),
    ({"consists_of": ["a"]}, ["a", "b"], False),
    ({"consists_of": ["a", {"starts_with": "a"}]}, ["ab", "a"], True),
    ({"consists_of": []}, [], True),
    ({"consists_of": ["a", ""]}, "a\n", True),
    ({"joined": {"starts_with": "a"}}, ["ab", "c"], True),
    ({"joined": "a\nb"}, ["a", "b"], True),
    ({"joined": {"above": 4}}, ["5"], True),
    ({"joined": "true"}, [True], True),
    ({"joined": "a"}, "a", True),
    ({"json": {"a.b": 1}}, '{"a": {"b": 1}}', True),
    ({"json": {"a[1].b": {"at_least": 2}}}, {"a": [{}, {"b": 2}]}, True),
    ({"json": {"a.1.b": {"at_least": 3}}}, {"a": [{}, {"b": 2}]}, False),
    ({"json": {"a.b": 1}}, "{}", None),
    ({"not": {"json": {"a.b": 1}}}, "{}", None),
    ({"json": {"a": 1}}, "no JSON", None),
    ({"json": {r"a\.b": 1}}, {"a.b": 1}, True),
    ({"json": {"@this": {"length": 2}}}, "[1, 2]", True),
    ({"json": {"a": 1, "b": 2}}, {"a": 1, "b": 3}, False),
    ({"keys": {"contains": "a"}}, {"a": 1}, True),
    ({"keys": {"some": {"starts_with": "b"}}}, '{"a": 1}', False),
    ({"keys": {"length": 1}}, [1], None),
    ({"length": 2}, {"a": 1, "b": 2}, True),
]


@pytest.mark.parametrize(("condition", "value", "said"), CASES)
def test_a_condition_on_what_is_in_a_value(condition: Any, value: Any, said: bool | None) -> None:
    assert read_matcher(condition).judge(value) is said


@pytest.mark.parametrize(("condition", "value", "said"), CASES)
def test_what_it_means_can_be_written_down_and_read_again(
    condition: Any, value: Any, said: bool | None
) -> None:
    matcher = read_matcher(condition)
    assert read_matcher(matcher.canonical()) == matcher
    assert str(matcher)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({"starts_with": ""}, "expected a text"),
        ({"ends_with": 5}, "expected a text"),
        ({"includes": "a"}, "expected a list of conditions"),
        ({"json": {}}, "expected conditions by place"),
        ({"json": {"a..b": 1}}, "is no place in JSON"),
        ({"json": {"": 1}}, "is no place in JSON"),
        ({"some": {}}, "an empty condition"),
    ],
)
def test_what_is_no_such_condition_is_refused(condition: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_matcher(condition)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"some": {"starts_with": "a"}}, "with an entry starting with a"),
        ({"includes": ["a", {"ends_with": "b"}]}, "with entries (ending with b), (a)"),
        ({"consists_of": []}, "made of nothing"),
        ({"json": {"a": {"above": 1}, "b": 2}}, "a (above 1) and b (2)"),
        ({"keys": {"contains": "a"}}, "keys containing a"),
        ({"joined": {"starts_with": "a"}}, "as one text starting with a"),
    ],
)
def test_it_is_said_in_words(condition: Any, words: str) -> None:
    assert str(read_matcher(condition)) == words


SETS = st.lists(st.frozensets(st.integers(0, 3), max_size=3), max_size=4)


@given(st.lists(st.integers(0, 3), max_size=5), SETS)
def test_each_has_an_entry_of_its_own_exactly_where_some_order_shows_it(
    values: list[int], wanted: list[frozenset[int]]
) -> None:
    judges = [each.__contains__ for each in wanted]
    orders = itertools.permutations(range(len(values)), len(wanted))
    possible = any(
        all(values[at] in each for at, each in zip(order, wanted, strict=True)) for order in orders
    )
    assert entries.includes(values, judges) is possible
    assert entries.consists_of(values, judges) is (possible and len(values) == len(wanted))


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_place_of_any_text_is_there_or_not(text: str, path: str) -> None:
    try:
        place = entries.read_path(path)
    except ValueError:
        return
    entries.at(text, place)
    entries.at([text, {"a": text}], place)
