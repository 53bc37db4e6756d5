"""No file can break a parser: whatever the bytes are, there is a value or `NotReadable`, and soon.

Real files, cut and mixed, are the seeds. Time is kept by the tests' own limit: one that blows up does not
come to its end within it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.fact import NotReadable
from checks.facts.config import ConfigValue
from checks.facts.files import text_of
from checks.facts.formats import FORMATS, MISSING, look_up
from checks.facts.localhost import LocalHost
from checks.facts.permitted import Permitted

RECORDED = Path(__file__).parent / "recorded/config"
SEEDS = [path.read_text() for path in sorted(RECORDED.rglob("*")) if path.is_file()]
KEYS = [
    "a",
    "a.b",
    "a[]",
    "a[0].b",
    "http.server[2].listen",
    "http.server[server_name=_].listen[]",
    "Server/Service/Connector[2]/@port",
    "a[b=c]/d",
    "mysqld.port",
    "Service.ExecStart[]",
    "Port",
    "shared_buffers",
    "[",
    "/@",
    "",
]
PIECES = [
    *("\n", "\\", "'", '"', "{", "}", "[", "]", "#", "=", "<a>", "</a>", "<!DOCTYPE a [", "&b;", "\\u", "$("),
    *(
        "include ",
        "!include ",
        "Include ",
        "include_dir ",
        "\x0c",
        "\x85",
        "\u2028",
        "\ufeff",
        "${",
    ),
    *(
        "_by_lua_block {",
        "Match ",
        "`",
        ";",
        "\t",
        "<![CDATA[",
        "[[a]]",
        "- ",
        ": ",
        "*x",
        "&x ",
        "!!binary ",
    ),
]


def is_answer(value: Any) -> bool:
    scalar = str | int | float | bool | None
    if isinstance(value, list):
        return all(isinstance(part, scalar) for part in value)
    return value is MISSING or isinstance(value, scalar)


def check_text(text: str, format: str, key: str) -> None:
    try:
        value = look_up(text, format, key, "/etc/app/file")
    except NotReadable as problem:
        assert problem.cause in ("parse", "unsupported", "too-large")
        assert "/etc/app/file" in str(problem)
    else:
        assert is_answer(value)


@given(st.text(max_size=300), st.sampled_from(FORMATS), st.sampled_from(KEYS) | st.text(max_size=20))
def test_any_text_gives_a_value_or_says_why_not(text: str, format: str, key: str) -> None:
    check_text(text, format, key)


@given(
    st.lists(st.sampled_from(PIECES) | st.text("ab=1 ", max_size=3), max_size=40).map("".join),
    st.sampled_from(FORMATS),
    st.sampled_from(KEYS),
)
def test_any_mix_of_signs_that_mean_something_does_as_well(text: str, format: str, key: str) -> None:
    check_text(text, format, key)


@given(st.data(), st.sampled_from(FORMATS), st.sampled_from(KEYS))
@settings(max_examples=300)
def test_a_spoilt_real_file_does_as_well(data: st.DataObject, format: str, key: str) -> None:
    text = data.draw(st.sampled_from(SEEDS))[:4000]
    for _ in range(data.draw(st.integers(0, 4))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.sampled_from([0, 0, 1, 5, 100]))
        text = text[:at] + data.draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[at + length :]
    check_text(text, format, key)


@given(st.binary(max_size=300) | st.sampled_from(SEEDS).map(str.encode), st.sampled_from(FORMATS))
def test_any_bytes_are_a_text_or_refused(data: bytes, format: str) -> None:
    try:
        text = text_of("/etc/app/file", data)
    except NotReadable as problem:
        assert problem.cause == "binary"
    else:
        check_text(text, format, "a.b")


@given(st.data(), st.sampled_from(["nginx.conf", "postgresql.conf", "my.cnf", "sshd_config", "a.service"]))
@settings(max_examples=50, deadline=None)
def test_any_includes_end(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, name: str) -> None:
    root = tmp_path_factory.mktemp("root")
    (root / "app/d").mkdir(parents=True)
    line = st.sampled_from(
        [
            *("include *;", "include d/*;", "include d/[ab]?;", "include 'd/a'", "include_dir 'd'"),
            "Include */a",
            "!include /app/d/a",
            "!includedir /app/d",
            "[a]",
            "b = 1",
            "b c;",
            "include_if_exists 'x'",
            "Include *",
        ]
    )
    for each in (name, "d/a", "d/ab", "d/c.conf", "d/c.cnf"):
        (root / "app" / each).write_text("\n".join(data.draw(st.lists(line, max_size=4))))
    fact = ConfigValue(f"/app/{name}", "auto", "b")
    try:
        fact.read(Permitted(LocalHost(str(root)), fact))
    except NotReadable as problem:
        assert problem.cause in ("parse", "unsupported", "too-large", "failed", "not-approved")


LARGE = 100_000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "piece",
    [
        *(
            "a",
            " ",
            "\\",
            "'",
            '"',
            "{",
            "[",
            "(",
            "$(",
            "${",
            "`",
            "a ",
            "a.",
            "a{",
            "<a>",
            "[a]\n",
            "a=b\n",
        ),
        *(
            "a b;\n",
            "export ",
            "a\\\n",
            "'a'",
            '"a"',
            "a={",
            "a=[",
            "&a ",
            "- ",
            "x_by_lua_block{}",
            "<a b='c'>",
        ),
        *(
            "# \n",
            "''",
            "a '",
            "a 'b",
            "a = b c\n",
            "a={b=",
            "[[a.b]]\n",
            "a.b.c.d = 1\n",
            "=",
            ":",
            "a=$(\n",
        ),
    ],
)
def test_a_large_file_of_one_thing_ends_soon(format: str, piece: str) -> None:
    text = piece * (LARGE // len(piece))
    for whole in (text, text + "\n\0", "a = '" + text, "[a]\nb " + text, "<a>" + text):
        check_text(whole, format, "a.b")


def test_nesting_is_bounded() -> None:
    for format, text in (
        ("xml", "<a>" * 200_000),
        ("nginx", "a {" * 200_000),
        ("toml", "a = " + "[" * 200_000),
    ):
        with pytest.raises(NotReadable) as refused:
            look_up(text, format, "a", "/etc/app/file")
        assert refused.value.cause == "parse"
