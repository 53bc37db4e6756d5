"""YAML as a tree that remembers file and line, for input that people write.

Stricter than YAML 1.1 where that protects the writer: duplicate keys are refused, ``yes``, ``no``, ``on``
and ``off`` stay words, a number with a leading zero (``0644``) stays text, tags mean nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import msgspec

from checks.errors import BadProfile

MAX_BYTES: Final = 1 << 20
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 40

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,30})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,2})?")
_WORDS: Final = {"": None, "~": None} | {
    spelt: meant
    for word, meant in (("null", None), ("true", True), ("false", False))
    for spelt in (word, word.title(), word.upper())
}


class Node(msgspec.Struct):
    """A value and where it stands: a scalar, a list of nodes, or a dict of nodes by key.

    `raw` is the text of a scalar as it was written, so that a version ``1.10`` need not become 1.1. In a
    mapping `line` is that of the key.
    """

    value: Any
    where: str = ""
    line: int | None = None
    raw: str | None = None
    size: int = 1

    def wrong(self, problem: str) -> BadProfile:
        """The exception to raise for a mistake at this place."""
        return BadProfile(self.where, self.line, problem)

    def anywhere(self) -> Node:
        """The same without line numbers, for a text that is no file."""
        value = self.value
        if isinstance(value, dict):
            value = {key: node.anywhere() for key, node in value.items()}
        elif isinstance(value, list):
            value = [node.anywhere() for node in value]
        return Node(value, self.where, None, self.raw, self.size)

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


def wrap(value: Any, where: str = "") -> Node:
    """A node around a value that comes from code."""
    if isinstance(value, dict):
        return Node({str(key): wrap(part, where) for key, part in value.items()}, where)
    if isinstance(value, list | tuple):
        return Node([wrap(part, where) for part in value], where)
    return Node(value, where, raw=value if isinstance(value, str) else None)


def load_file(path: Path) -> Node:
    """The tree of a file; raises `BadProfile` with file and line."""
    return load_data(read_data(path), str(path))


def read_data(path: Path) -> bytes:
    """The bytes of a file that people write; raises `BadProfile` where they cannot be had or are too many."""
    where = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise BadProfile(where, None, f"cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise BadProfile(where, None, f"cannot be read: {problem}") from problem
    if len(data) > MAX_BYTES:
        raise BadProfile(where, None, "is larger than 1 MiB; this is meant to be a short text")
    return data


def load_data(data: bytes, where: str) -> Node:
    """The tree of a file's bytes; raises `BadProfile` with `where` and the line."""
    try:
        return load_text(data.decode("utf-8-sig"), where)
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        raise BadProfile(where, line, "is not UTF-8; save it as UTF-8") from None


def load_text(text: str, where: str) -> Node:
    """The tree of a text; raises `BadProfile` with `where` and the line."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _Builder(where, yaml.parse(text, Loader=loader)).document()
    except UnicodeError:
        raise BadProfile(where, None, "holds characters that are no text") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = min(mark.line + 1, max(1, len(text.splitlines()))) if mark else None
        raise BadProfile(where, line, _explained(problem, text, line)) from None


def scalar(text: str) -> Any:
    """What an unquoted word means: nothing, a truth value, a number, or itself."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


class _Builder:
    """Turns a stream of YAML events into nodes, within bounds of depth and of size with aliases expanded."""

    def __init__(self, where: str, events: Any) -> None:
        self.where, self.events = where, events
        self.anchors: dict[str, Node] = {}
        self.made = 0

    def document(self) -> Node:
        next(self.events)  # the stream's start
        event = next(self.events)
        if type(event).__name__ == "StreamEndEvent":
            return Node(None, self.where, 1)
        root = self.node(next(self.events), 0)
        next(self.events)  # the document's end
        after = next(self.events)
        if type(after).__name__ != "StreamEndEvent":
            raise self.wrong(after, "a second document begins here; a file holds one")
        return root

    def wrong(self, event: Any, problem: str) -> BadProfile:
        return BadProfile(self.where, event.start_mark.line + 1, problem)

    def node(self, event: Any, depth: int) -> Node:
        line, kind = event.start_mark.line + 1, type(event).__name__
        if depth > MAX_DEPTH:
            raise self.wrong(event, f"is nested more than {MAX_DEPTH} deep")
        if kind == "AliasEvent":
            target = self.anchors.get(event.anchor)
            if target is None:
                raise self.wrong(event, f"*{event.anchor} stands for nothing that ended before it")
            node = Node(target.value, self.where, line, target.raw, target.size)
            self.count(event, target.size)
            return node
        self.count(event, 1)
        if kind == "ScalarEvent":
            quoted = event.style not in (None, "")
            node = Node(event.value if quoted else scalar(event.value), self.where, line, event.value)
        elif kind == "SequenceStartEvent":
            node = self.sequence(line, depth)
        else:
            node = self.mapping(line, depth)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def count(self, event: Any, nodes: int) -> None:
        self.made += nodes
        if self.made > MAX_NODES:
            raise self.wrong(
                event, f"more than {MAX_NODES} values, aliases expanded; this is meant to be a short text"
            )

    def sequence(self, line: int, depth: int) -> Node:
        parts: list[Node] = []
        while type(event := next(self.events)).__name__ != "SequenceEndEvent":
            parts.append(self.node(event, depth + 1))
        return Node(parts, self.where, line, size=1 + sum(part.size for part in parts))

    def mapping(self, line: int, depth: int) -> Node:
        parts: dict[str, Node] = {}
        lines: dict[str, int] = {}
        while type(event := next(self.events)).__name__ != "MappingEndEvent":
            if type(event).__name__ != "ScalarEvent":
                raise self.wrong(event, "a key has to be a plain word")
            key, at = event.value, event.start_mark.line + 1
            if key in parts:
                raise self.wrong(event, f"{key!r:.100} is given twice; the first is in line {lines[key]}")
            node = self.node(next(self.events), depth + 1)
            parts[key] = Node(node.value, self.where, at, node.raw, node.size)
            lines[key] = at
        return Node(parts, self.where, line, size=1 + sum(part.size for part in parts.values()))


def _explained(problem: Exception, text: str, line: int | None) -> str:
    """PyYAML's complaint in a user's words."""
    said = str(getattr(problem, "problem", None) or getattr(problem, "reason", None) or problem)
    said = " ".join(said.split())[:200]
    rows = text.splitlines()
    row = rows[line - 1] if line is not None and line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())] or "'\\t'" in said:
        return "a tab; YAML is indented with spaces"
    if "mapping values are not allowed" in said:
        return "a colon where none may stand; put the text in quotes, or check the indentation"
    return f"is not YAML: {said}"
