"""Expressions of YAML checks: what they give, what is refused, and that nothing else can ever happen."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.authoring.comparing import MAX_TEXT
from checks.authoring.expression import read_expression
from checks.authoring.functions import FUNCTIONS, Unfit
from checks.matchers import read_matcher


class Licence(msgspec.Struct, frozen=True):
    found: bool
    value: Any = None
    names: tuple[str, ...] = ()
    more: dict[str, Any] = {}


NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCOPE: dict[str, Any] = {
    "licence": Licence(True, "12", ("a", "b"), {"ends": "2026-01-31", "x y": 1}),
    "gone": Licence(False),
    "seats": 10,
    "text": "Oracle 19.10 on prod",
    "wanted": read_matcher({"at_least": 5}),
    "pattern": r"^Oracle \d+",
    "now": NOW,
}
KNOWN = {name: type(value) if isinstance(value, Licence) else None for name, value in SCOPE.items()}


def value(text: str) -> Any:
    return read_expression(text, KNOWN).value(SCOPE)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("licence.found and licence.value >= seats", True),
        ("licence.value < 9", False),  # as numbers; as texts "12" would come before "9"
        ("'9' < '12'", True),
        ("'b' > 'a'", True),
        ("5 < licence.value <= 12", True),
        ("licence.value == 12", True),
        ("licence.value == '12'", True),
        ("licence.value != 12.0", False),
        ("true == 1", False),
        ("gone.value == none", True),
        ("gone.value is none", True),
        ("gone.value is not none", False),
        ("not gone.found or gone.value >= 3", True),  # what is decided is not looked at any further
        ("'prod' in text", True),
        ("'a' in licence.names", True),
        ("seats in [10, 20]", True),
        ("licence.value in [10, 12]", True),
        ("'c' not in licence.names", True),
        ("licence.names[0] + licence.names[-1]", "ab"),
        ("licence.more['x y']", 1),
        ("licence.more.ends", "2026-01-31"),
        ("'ends' in licence.more", True),
        ("seats * 2 + 1", 21),
        ("licence.value * 2", 24),
        ("-seats // 3", -4),
        ("seats % 3", 1),
        ("seats / 4", 2.5),
        ("+seats", 10),
        ("'a' + 'b'", "ab"),
        ("len(licence.names) + len('abc')", 5),
        ("lower(text)", "oracle 19.10 on prod"),
        ("number(' 12 ')", 12),
        ("size('512M') == size('512 MiB')", True),
        ("size(4096)", 4096),
        (r"matches(text, r'\bprod$')", True),
        (r"matches(text, '^\d')", False),
        ("matches(text, pattern)", True),
        ("meets(licence.value, wanted)", True),
        ("meets(4, wanted)", False),
        ("days_until(licence.more.ends)", 30.0),
        ("days_until('2026-01-02T12:00:00+00:00')", 1.5),
        ("days_since('2025-12-31')", 1.0),
        ("days_until(1767225600)", 0.0),
        ("days_until(now)", 0.0),
    ],
)
def test_an_expression_gives(text: str, wanted: object) -> None:
    found = value(text)
    assert (found, type(found)) == (wanted, type(wanted))


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ("'1.10', '1.9'", True),
        ("'1.9', '1.10'", False),
        ("'2', '2.0'", True),
        ("'2.0', '2'", True),
        ("'v19.3', '19.2'", True),
        ("'15.3 (Debian 15.3-1)', 15", True),
        ("'2.0.0-rc1', '2.0.0', 'semver'", False),
        ("'2.0~rc1-1', '2.0-1', 'dpkg'", False),
        ("'2.0-1', '2.0~rc1-1', 'dpkg'", True),
    ],
)
def test_versions_are_compared_by_their_rules(given: str, holds: bool) -> None:
    assert value(f"version_at_least({given})") is holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("licence.fuond", "licence has no field 'fuond'; did you mean found?"),
        ("licenze.found", "nothing is named 'licenze'; did you mean licence?"),
        ("licence.__class__", "out of reach"),
        ("''.format(licence)", "no function ''.format"),
        ("seats ** 9", "seats ** 9 is not possible here"),
        ("seats << 9", "seats << 9 is not possible here"),
        ("~seats", "~seats is not possible here"),
        ("(lambda: 1)()", "no function"),
        ("[x for x in licence.names]", "not possible here"),
        ("{'a': 1}", "not possible here"),
        ("1 if seats else 2", "not possible here"),
        ("f'{seats}'", "not possible here"),
        ("(x := 1)", "not possible here"),
        ("b'x'", "not possible here"),
        ("1j", "not possible here"),
        ("licence.names[0:1]", "not possible here"),
        ("eval('1')", "no function eval"),
        ("__import__('os')", "no function"),
        ("lenn(text)", "no function lenn; did you mean len?"),
        ("len()", "len takes 1 values"),
        ("matches(text)", "matches takes 2 values"),
        ("len(*licence.names)", "not possible here"),
        ("len(x=text)", "without names"),
        ("matches(text, '(a+)+')", "repeats a repeat"),
        ("matches(text, '\\bprod')", "an r before the quotes"),
        ("matches(text, licence.value)", "a text in quotes, or a parameter"),
        ("seats >=", "is no expression"),
        ("", "is no expression"),
        ("seats; seats", "is no expression"),
        ("a\0b", "is no expression"),
        ("\ud800", "is no expression"),
        ("(" * 300, "is no expression"),
        ("-" * 900 + "1", "too large"),
        ("+".join(["1"] * 150), "too large"),
        ("[" + "1," * 250 + "1] == seats", "too large"),
        ("1" * 1001, "more than 1000 characters"),
        ("9" * 30, "too large a number"),
    ],
)
def test_what_is_not_of_the_language_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_expression(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("gone.value >= seats", "nothing where a number is needed"),
        ("text > 3", "the text 'Oracle 19.10 on prod' where a number is needed"),
        ("seats / 0", "division by zero"),
        ("seats % 0", "division by zero"),
        ("'a' * 3", "the text 'a' where a number is needed"),
        ("'a' + 1", "where a number is needed"),
        ("9000000000000000000 * 9000000000000000000", "too large a number"),
        ("1.5e300 * 1.5e300", "too large a number"),
        ("licence.names[7]", "has no 7"),
        ("licence.names[2]", "has no 2"),
        ("licence.names[-3]", "has no -3"),
        ("licence.names[true]", "has no True"),
        ("licence.more['z']", "has no 'z'"),
        ("text.upper", "has no field 'upper'"),
        ("licence.names.count", "has no field 'count'"),
        ("3 in seats", "nothing can be in the number 10"),
        ("3 in text", "cannot be part of a text"),
        ("seats and true", "neither true nor false"),
        ("not seats", "neither true nor false"),
        ("len(seats)", "has no length"),
        ("size('5 d')", "is none"),
        ("number('x')", "is none"),
        ("number('5" + " " * 200 + "x')", "is none"),
        ("1 < '5" + " " * 200 + "x'", "where a number is needed"),
        ("days_until('soon')", "is no date"),
        ("version_at_least('x', '1')", "is no version"),
        ("meets(1, 2)", "type condition"),
        ("licence < gone", "a reading where a number is needed"),
    ],
)
def test_values_that_do_not_fit_are_told(text: str, said: str) -> None:
    with pytest.raises(Unfit) as unfit:
        value(text)
    assert said in str(unfit.value)


def test_what_is_neither_true_nor_false_decides_nothing() -> None:
    with pytest.raises(Unfit, match="seats: is the number 10, neither true nor false"):
        read_expression("seats", KNOWN).holds(SCOPE)


def test_texts_stay_bounded() -> None:
    scope = {"text": "x" * (MAX_TEXT // 2 + 1)}
    with pytest.raises(Unfit, match="more than 10000 characters"):
        read_expression("text + text", {"text": None}).value(scope)


WORDS = [
    *SCOPE, *FUNCTIONS, "and", "or", "not", "in", "is", "true", "none", "(", ")", "[", "]", ".", ",", "+",
    "-", "*", "**", "/", "//", "%", "<", "<=", "==", "!=", "'a'", "r'^a'", "0", "7", "1.5", "9" * 18,
    ".value", ".names", ".more", ".found", "['ends']", "[0]", "if", "else", "lambda", "__class__",
    "\n", "{", "}", "'",
]  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=40).map("".join),
)


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
def test_any_text_is_evaluated_or_refused_and_nothing_else(text: str) -> None:
    try:
        found = value(text)
    except ValueError:  # a refusal; Unfit is one
        return
    assert len(str(found)) < 3 * MAX_TEXT


GROWING = ("text + text", "(text + text) + (text + text)", "len(text) * len(text)", "[text, text, text]")


@pytest.mark.parametrize("step", GROWING)
def test_nothing_grows_without_bound(step: str) -> None:
    """Each name stands for the step before it, as often as an expression can hold it."""
    text = step
    while len(grown := text.replace("text", f"({step})")) <= 1000:
        text = grown
    before = time.process_time()
    try:
        found = value(text)
        assert len(str(found)) < 20 * MAX_TEXT
    except ValueError:
        pass
    assert time.process_time() - before < 5


def test_every_function_says_what_it_gives() -> None:
    assert all(function.line for function in FUNCTIONS.values())
