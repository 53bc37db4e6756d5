"""Templates and regular expressions, held against what Go itself makes of the same.

That stands in go.json; go/main.go makes it anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.goss import template_functions
from checks.goss.re2 import translate
from checks.goss.template import fill
from checks.goss.template_words import TemplateError
from checks.patterns import compile_pattern

GO: dict[str, Any] = json.loads((Path(__file__).parent / "go.json").read_text())

LEFT_OUT = {
    '{{define "T"}}x{{end}}': "goss template action define is not known here",
    '{{block "b" .}}x{{end}}': "goss template action block is not known here",
    "{{randAlpha 5 | len}}": "goss template function randAlpha is not known here",
    "{{sub 1 2 | mul 3}} {{max 1}} {{floor 1.5}} {{round 1.55 1}}": (
        "goss template function round is not known here"
    ),
    "{{ .Vars.os | }}": "a pipeline lacks a value",
}
"""What Go takes and we say no to, with our words."""

UNSAYABLE = {
    r"\p{Greek}": "is not known here",
    r"\pN": "is not known here",
    "(?U)a+": "turns repeats round",
    "(?P<n>a)(?P<n>b)": "redefinition of group name",
}


def filled(text: str) -> str:
    return fill(text, {"Vars": GO["vars"], "Env": GO["env"]}).text


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_functions, "environment", lambda: GO["env"])


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("text", "made"), GO["templates"])
def test_a_template_is_filled_as_go_fills_it(text: str, made: Any) -> None:
    if text in LEFT_OUT:
        with pytest.raises(TemplateError, match=LEFT_OUT[text]):
            filled(text)
    elif isinstance(made, dict):
        with pytest.raises(TemplateError):
            filled(text)
    else:
        assert filled(text) == made


@pytest.mark.parametrize(("pattern", "found"), GO["patterns"])
def test_a_pattern_finds_what_it_finds_in_go(pattern: str, found: str | None) -> None:
    if pattern in UNSAYABLE:
        with pytest.raises(ValueError, match=UNSAYABLE[pattern]):
            compile_pattern(translate(pattern))
    elif found is None:
        with pytest.raises(ValueError, match=r"."):
            compile_pattern(translate(pattern))
    else:
        made = compile_pattern(translate(pattern))
        assert "".join("x" if made.search(text) else "." for text in GO["texts"]) == found


def test_each_line_knows_the_line_of_the_template_that_made_it() -> None:
    text = "one\n{{range .Vars.list}}\n- {{.}}\n{{end}}\nlast"
    made = fill(text, {"Vars": {"list": ["a", "b"]}})
    lines = dict(zip(made.text.split("\n"), made.lines, strict=True))
    assert lines == {"one": 1, "": 4, "- a": 3, "- b": 3, "last": 5}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a\n{{ nosuch 1 }}", 2, "goss template function nosuch is not known here"),
        ("a\n\n{{ .Vars.nosuch }}", 3, "nothing is given for nosuch: --vars says what it is"),
        ("{{ if true }}\nx", 1, "if without an end"),
        ("x\n{{ end }}", 2, "end without anything that it belongs to"),
        ('{{ readFile "/etc/shadow" }}', 1, "readFile: files are not read by templates here"),
        ("{{ now }}", 1, "now: a file has to mean the same tomorrow"),
        ("{{ range until 10001 }}{{ end }}", 1, "until: more than 10000 rounds"),
        ('{{ repeat 2000000 "x" }}', 1, "repeat: the result is larger than 1 MiB"),
        ("{{ range until 9999 }}{{ range until 9999 }}{{ end }}{{ end }}", 1, "more than 200000 steps"),
        ('{{ range until 99 }}{{ repeat 99999 "x" }}{{ end }}', 1, "is larger than 1 MiB"),
        ("{{ range 999999 }}{{ end }}", 1, "a range of 999999 rounds is too long"),
        ("{{ if 1 }}" * 41 + "{{ end }}" * 41, 1, "actions stand more than 40 deep"),
        ("{{ " + "(" * 50 + "1" + ")" * 50 + " }}", 1, "parentheses stand more than 40 deep"),
        ("{{ if 0 }}" + "{{ else if 0 }}" * 200 + "{{ end }}", 1, "more than 100 actions stand open"),
        ("{{ regexMatch `(a+)+` `a` }}", 1, "regexMatch: .* repeats a repeat"),
        ("{{ mul 9223372036854775807 2 }}", 1, "mul: the number is too large"),
        ("{{ upper 5 }}", 1, "upper: expected a text, not 5"),
        ("{{ .Vars.m | len | upper }}", 1, "nothing is given for m"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(TemplateError, match=problem) as told:
        fill(text, {"Vars": {}, "Env": {}})
    assert told.value.line == line


def test_secrets_of_the_environment_come_as_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLT_PASSWORD", "hunter2")
    monkeypatch.setenv("FLT_OS", "debian")
    seen = template_functions.environment()
    assert (seen["FLT_PASSWORD"], seen["FLT_OS"]) == ("env:FLT_PASSWORD", "debian")
    assert fill('{{ getEnv "FLT_PASSWORD" }}', {}).text == "env:FLT_PASSWORD"


_WORDS = (
    "{{", "}}", "{{-", "-}}", "if", "else", "end", "range", "with", ".", ".Vars", "$", "$x", ":=", "=",
    "|", "(", ")", '"a"', "`b`", "'c'", "1", "-", "1.5", "/*", "*/", "printf", "index", "len", "repeat",
    "until", "list", "é", "\x00", "\\", '"', "break", "9999999999999999999999", "\n", " ",
)  # fmt: skip
PIECES = st.sampled_from(_WORDS)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=25).map(" ".join)))
def test_any_text_is_filled_or_refused(text: str) -> None:
    try:
        made = fill(text, {"Vars": {"a": [1, "x"]}, "Env": {}})
    except TemplateError as problem:
        assert 1 <= problem.line <= text.count("\n") + 1
    else:
        assert len(made.lines) == made.text.count("\n") + 1


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(sorted({*template_functions.every()})), st.lists(VALUES, max_size=3))
def test_any_function_takes_any_values_or_refuses(name: str, values: list[Any]) -> None:
    arguments = " ".join(f"(index .Vars.v {at})" for at in range(len(values)))
    try:
        fill(f"{{{{ {name} {arguments} }}}}", {"Vars": {"v": values}, "Env": {}})
    except TemplateError as problem:
        assert problem.problem


@given(st.one_of(st.text(max_size=30), st.text(alphabet="ab\\.*+?()[]{}|^$-:<>=!iPQEpLzdsw0,1", max_size=30)))
def test_any_pattern_is_translated_into_one_that_compiles_or_refused(pattern: str) -> None:
    try:
        said = translate(pattern)
    except ValueError as problem:
        assert str(problem)
        return
    try:
        compile_pattern(said)
    except ValueError as problem:
        assert "is not a regular expression" in str(problem) or "repeat" in str(problem)
