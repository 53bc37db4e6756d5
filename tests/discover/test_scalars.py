"""What is written is read back as it was, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.discover.scalars import scalar
from agent.discover.seen import Written
from checks.yamlfile import load_text

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
PLAIN = st.recursive(
    st.one_of(st.booleans(), st.integers(-(10**9), 10**9), TEXTS.filter(lambda text: "${" not in text)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"\A[a-z_]{1,9}\Z"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_a_value_comes_back(value: Any) -> None:
    text = scalar(value)
    assert "\n" not in text
    assert load_text(f"x: {text}\n", "x.yaml").value["x"].plain() == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("root", "root"),
        ("/etc/a b.conf", "/etc/a b.conf"),
        ("0644", '"0644"'),
        ("1.10", '"1.10"'),
        ("true", '"true"'),
        ("no", '"no"'),
        ("", '""'),
        ("a: b", '"a: b"'),
        (r"^\s+it's$", r"'^\s+it''s$'"),
        ("a${b}", '"a$${b}"'),
        (Written("${address}:443"), '"${address}:443"'),
        ([1, "x"], "[1, x]"),
        ({"one_of": ["a", "2"]}, '{one_of: [a, "2"]}'),
        ("\u2028", '"\\u2028"'),
    ],
)
def test_how_it_is_written(value: Any, text: str) -> None:
    assert scalar(value) == text
