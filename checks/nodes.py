"""Reading the shapes that people's YAML may have: each mistake is named with its file and line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from checks.nearest import did_you_mean
from checks.yamlfile import Node

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def mapping(node: Node, known: Sequence[str], what: str) -> dict[str, Node]:
    """A mapping with these keys only."""
    if not isinstance(node.value, dict):
        raise node.wrong(f"{what} is a mapping with the keys {', '.join(known)}")
    for key, value in node.value.items():
        if key not in known:
            raise value.wrong(f"{what} has no key {key!r:.100}{did_you_mean(key, known)}")
    return node.value


def entries(node: Node | None, what: str) -> list[Node]:
    """A list, empty where nothing is given."""
    if node is None or node.value is None:
        return []
    if not isinstance(node.value, list):
        raise node.wrong(f"{what} is a list; begin each entry with a dash")
    return node.value


def texts(node: Node | None) -> list[Node]:
    """A list of words, or one word."""
    if node is None or node.value is None:
        return []
    words = node.value if isinstance(node.value, list) else [node]
    for word in words:
        if not isinstance(word.value, str):
            raise word.wrong("expected a word or a list of words")
    return words


def name(node: Node, form: re.Pattern[str]) -> str:
    """A word of that form."""
    if isinstance(node.value, dict | list) or not node.raw or not form.fullmatch(node.raw):
        raise node.wrong(f"{shown(node)} is no name; use letters, digits, dots, _ and -")
    return node.raw


def line(node: Node, limit: int) -> str:
    """A text on one line."""
    if isinstance(node.value, dict | list) or not node.raw or len(node.raw) > limit:
        raise node.wrong(f"expected a text of at most {limit} characters")
    return " ".join(node.raw.split())


def choice(node: Node, choices: Sequence[str]) -> str:
    """One of several words."""
    if isinstance(node.value, str) and node.value in choices:
        return node.value
    raise node.wrong(f"{shown(node)} is not right here{did_you_mean(str(node.raw), choices)}")


def shown(node: Node) -> Any:
    """The value in an error message."""
    return "a list" if isinstance(node.value, list) else f"{node.raw or 'nothing'!r:.60}"
