"""YAML as people write it: strict where it protects them, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import BadProfile
from checks.yamlfile import load_file, load_text


def plain(text: str) -> Any:
    return load_text(text, "f").plain()


def refused(text: str) -> str:
    with pytest.raises(BadProfile) as problem:
        load_text(text, "f")
    return str(problem.value)


def test_words_that_old_yaml_takes_for_truth_values_stay_words() -> None:
    assert plain("[yes, no, on, off, y, NO]") == ["yes", "no", "on", "off", "y", "NO"]


def test_truth_values_nothing_and_numbers_are_themselves() -> None:
    assert plain("[true, False, null, ~, 5, -1, 1.5, 2e, 1.0e3]") == [
        True, False, None, None, 5, -1, 1.5, "2e", 1000.0,
    ]  # fmt: skip


def test_what_only_looks_like_a_number_stays_text() -> None:
    assert plain("[0644, 1_000, 12:30:45, 0x1F, 2026-01-01, '5', .inf, .nan]") == [
        "0644", "1_000", "12:30:45", "0x1F", "2026-01-01", "5", ".inf", ".nan",
    ]  # fmt: skip


def test_the_written_form_of_a_number_is_kept_beside_it() -> None:
    node = load_text("version: 1.10", "f").value["version"]
    assert (node.value, node.raw, node.line) == (1.1, "1.10", 1)


def test_a_key_given_twice_is_refused_with_both_lines() -> None:
    assert refused("a: 1\nb: 2\na: 3\n") == "f:3: 'a' is given twice; the first is in line 1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\tb: 1", "f:2: a tab; YAML is indented with spaces"),
        ("a: b: c", "f:1: a colon where none may stand"),
        ("a: [1, 2", "f:1: is not YAML"),
        ("a: 1\n---\nb: 2", "f:2: a second document begins here"),
        ("? [a, b]\n: 1", "f:1: a key has to be a plain word"),
        ("a: *nowhere", "f:1: *nowhere stands for nothing"),
        ("a: &a [*a]", "f:1: *a stands for nothing that ended before it"),
        ("[" * 60 + "]" * 60, "is nested more than 40 deep"),
        ("a: \x01", "is not YAML"),
        ("a: \ud800", "holds characters that are no text"),
    ],
)
def test_a_mistake_is_one_clear_line_with_its_place(text: str, said: str) -> None:
    assert said in refused(text)


def test_an_alias_stands_for_its_anchor() -> None:
    assert plain("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_bomb_of_aliases_is_refused_before_it_goes_off() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "more than 50000 values, aliases expanded" in refused("\n".join(rows))


def test_a_file_may_begin_with_a_byte_order_mark_and_be_empty(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1")
    assert load_file(file).plain() == {"a": 1}
    file.write_bytes(b"")
    assert load_file(file).plain() is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb: \xff", ":2: is not UTF-8"),
        (b"#" * (1 << 20) + b"\n", "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_short_text_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(content)
    with pytest.raises(BadProfile, match=said):
        load_file(file)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="No such file"):
        load_file(tmp_path / "none.yaml")
    with pytest.raises(BadProfile, match="Is a directory"):
        load_file(tmp_path)
    with pytest.raises(BadProfile, match="cannot be read"):
        load_file(Path("nul\0byte"))


@given(st.one_of(st.text(max_size=60), st.text(alphabet="ab:-[]{}&*!|>'\"#%@`? \n\t,~", max_size=60)))
def test_any_text_is_a_tree_or_a_bad_profile(text: str) -> None:
    try:
        load_text(text, "f").plain()
    except BadProfile as problem:
        assert str(problem).startswith("f") and "\n" not in str(problem)
