"""Matchers of goss as conditions of ours: what they are made into, and that they say what goss says."""

from __future__ import annotations

from typing import Any

import pytest

from checks.goss.conditions import Kind, Unmapped, condition
from checks.matchers import read_matcher
from checks.yamlfile import load_text

# matcher, kind, what meets it, what does not: as the Goss manual describes each.
TABLE: list[tuple[str, Kind, list[Any], list[Any]]] = [
    ("foo", "text", ["foo"], ["foobar", "", None]),
    ("'55'", "text", ["55", 55], ["56", "055"]),
    ("42", "text", ["42", 42, 42.0, " 42 "], ["43", "x"]),
    ("true", "text", [True], [False]),
    ("foo", "list", [["foo"]], [["foo", "bar"], []]),
    ("1.5", "list", [["1.5"]], [["2"]]),
    ("[foo, bar]", "list", [["bar", "foo", "moo"]], [["foo"], []]),
    ("[group2, group2]", "list", [["group2", "group2"]], [["group1", "group2"]]),
    ("[{have-prefix: r}, b]", "list", [["root", "b"]], [["root"], ["b"]]),
    ("[]", "list", [["a"], []], []),
    ("have-prefix: pre", "text", ["prefix"], ["a pre"]),
    ("have-suffix: '2'", "text", [42], [41]),
    ("have-prefix: a", "list", [["ab", "c"]], [["c", "ab"]]),
    ("match-regexp: '^\\d{2}$'", "text", ["42", 42], ["420"]),
    ("match-regexp: 'a$'", "text", ["a"], ["a\n"]),
    ("contain-substring: '2'", "text", ["a2b", 42], ["a"]),
    ("contain-substring: ''", "text", ["", "a"], []),
    ("gt: 40", "text", ["42", 42], ["40", 40, "x"]),
    ("ge: 40", "text", [40], [39]),
    ("lt: 40", "text", ["39.9"], ["40"]),
    ("le: 40", "text", [40], [41]),
    ("gt: 4", "list", [["5"]], [["4"]]),
    ("contain-element: {have-prefix: b}", "list", [["a", "bar"]], [["a"]]),
    ("contain-element: a", "list", [["a"]], [["ab"]]),
    ("contain-elements: [foo, {have-suffix: r}]", "list", [["foo", "bar"]], [["foo"]]),
    ("equal: [foo, bar]", "list", [["foo", "bar"]], [["bar", "foo"]]),
    ("equal: foo", "text", ["foo"], ["bar"]),
    ("consist-of: [foo, {have-prefix: m}, bar]", "list", [["bar", "moo", "foo"]], [["bar", "foo"]]),
    ("consist-of: [127.0.0.1]", "list", [["127.0.0.1"]], [["127.0.0.1", "::1"]]),
    ("equal-ignoring-order: [b, a]", "list", [["a", "b"]], [["a"]]),
    ("have-len: 3", "list", [["a", "b", "c"]], [["a"]]),
    ("have-len: 3", "text", ["abc"], ["ab"]),
    ("not: FAIL", "text", ["OK"], ["FAIL"]),
    ("not: {contain-element: a}", "list", [["b"]], [["a"]]),
    ("and: [{gt: 0}, {lt: 25}]", "text", ["24"], ["25", "0"]),
    ("or: ['0600', '0640']", "text", ["0640"], ["0644"]),
    ("semver-constraint: '>1.0.0 <2.0.0 !=1.5.0'", "list", [["1.0.1", "1.9.9"]], [["1.0.1", "1.5.0"], []]),
    ("semver-constraint: '>5.0.0 || < 1.5.0'", "text", ["1.0.1", "6.0.0"], ["1.5.0", "5.0.0"]),
    ("semver-constraint: '1.2.3'", "text", ["1.2.3"], ["1.2.4", "not a version"]),
    ("gjson: {moo.nested: cow, count: {le: 25}}", "text", ['{"moo": {"nested": "cow"}, "count": "15"}'],
     ['{"moo": {"nested": "cow"}, "count": 26}', '{"count": 1}', "no JSON"]),
    ("gjson: {'@this': {have-key: foo}}", "text", ['{"foo": 1}'], ['{"bar": 1}']),
    ("gjson: {moo: {not: {have-key: x}}}", "text", ['{"moo": {"y": 1}}'], ['{"moo": {"x": 1}}', "{}"]),
    ("have-key: baz", "text", [{"baz": 1}], [{"foo": 1}]),
    ("have-key-with-value: {foo: bar}", "text", [{"foo": "bar"}], [{"foo": "x"}, {}]),
    ("have-patterns: [a, '!b', '/^c/']", "text", ["xa\ncx"], ["a\nb\nc", "a"]),
    ("[foo]", "lines", ["a foo\n"], ["bar\n", ""]),
    ("['!foo']", "lines", ["bar", ""], ["a foo"]),
    ("['\\!foo']", "lines", ["a foo"], ["bar"]),
    ("['/[Rr]egex/']", "lines", ["x\na Regex"], ["rege"]),
    ("['!/[Rr]egex/']", "lines", ["x"], ["x\nregex"]),
    ("['/^b$/', '!/^c$/']", "lines", ["a\nb\n"], ["a\nb\nc\n", "ab\n"]),
    ("['']", "lines", ["", "x"], []),
    ("[]", "lines", ["", "x"], []),
    ("have-prefix: a", "lines", ["a\nb"], ["b\na"]),
    ("contain-element: {match-regexp: '^b'}", "lines", ["a\nbc\n"], ["a b"]),
    ("and: [{contain-element: foo}, {not: {contain-element: bar}}]", "lines", ["foo\n"], ["foo\nbar\n"]),
    ("consist-of: ['1', '2', '']", "lines", ["2\n1\n"], ["1\n"]),
    ("contain-elements: ['1', {have-prefix: '2'}]", "lines", ["1\n22\n"], ["1\n"]),
    ("match-regexp: 'foo.*bar'", "lines", ["x\nfoo a bar\n"], ["foo\nbar\n"]),
    ("match-regexp: '(?s)foo.*bar'", "lines", ["foo\nbar\n"], ["foo\n"]),
    ("contain-substring: \"b\\nc\"", "lines", ["a\nb\nc"], ["b c"]),
    ("gt: 3", "lines", ["4\n"], ["3\n"]),
    ("'4'", "lines", ["4\n"], ["5\n"]),
]  # fmt: skip


def made(text: str, kind: Kind) -> Any:
    return condition(load_text(text, "goss.yaml"), kind)


@pytest.mark.parametrize(("text", "kind", "meets", "fails"), TABLE)
def test_a_matcher_says_what_goss_says(text: str, kind: Kind, meets: list[Any], fails: list[Any]) -> None:
    matcher = read_matcher(made(text, kind))
    assert [value for value in meets if not matcher.holds(value)] == []
    assert [value for value in fails if matcher.holds(value)] == []


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("have-nothing: 1", "text", "goss has no matcher 'have-nothing'"),
        ("{gt: 1, lt: 2}", "text", "goss allows one matcher at a level"),
        ("{}", "text", "goss allows one matcher at a level"),
        ("null", "text", "goss needs a value here"),
        ("[root]", "text", "goss holds a list against lists only"),
        ("gt: x", "text", "goss expects a number here"),
        ("have-len: x", "list", "goss expects a number here"),
        ("have-prefix: 1", "text", "goss expects a text here"),
        ("consist-of: a", "list", "goss expects a list here"),
        ("and: []", "text", "there is nothing in this list"),
        ("equal: {a: 1}", "text", "a mapping is not compared as a whole"),
        ("equal: [[a]]", "list", "lists within a list are not compared"),
        ("semver-constraint: 1.x", "text", "is no range of versions"),
        ("semver-constraint: ''", "text", "an empty range of versions"),
        ("gjson: {'a.#': 1}", "text", "only names and dots are known here"),
        ("gjson: 1", "text", "gjson holds matchers by path"),
        ("match-regexp: '(?=a)'", "text", "which Go does not know"),
        ("match-regexp: '(a+)+'", "text", "repeats a repeat"),
        ("match-regexp: '\\p{Greek}'", "text", "is not known here"),
        ("[5]", "lines", "goss expects patterns in quotes, and 5 is none"),
        ("[{have-prefix: a}]", "lines", "not matchers; use contain-element"),
        ("['/(/']", "lines", "has a \\( without its \\)"),
        ("['a\n\n  b']", "lines", "a pattern is held against single lines"),
        ("have-key-with-value: a", "text", "holds matchers by key"),
    ],
)
def test_what_cannot_be_said_here_is_told_with_its_reason(text: str, kind: Kind, reason: str) -> None:
    with pytest.raises(Unmapped, match=reason):
        made(text, kind)
