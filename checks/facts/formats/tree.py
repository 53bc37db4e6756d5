"""Files that are trees: json, yaml, toml. A key is a path; names that hold dots are found too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from checks.fact import NotReadable
from checks.facts.formats.found import MISSING, Plain, wants_all

MAX_DEPTH: Final = 100
TOML_LIMIT: Final = 1024 * 1024
"""Characters of a toml file: its reader is written in Python."""

_INDEX = re.compile(r"\[(\d+)\]")
_LONG_PATH = re.compile(r"(?:[^.\n]*\.){100}")
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = " (at end of document)"


def look_up_tree(text: str, format: str, key: str, path: str) -> Any:
    """The value at a dotted path with list indexes from 0: ``servers[0].port`` or ``servers.0.port``."""
    bare, everything = wants_all(key)
    parts = _INDEX.sub(r".\1", bare).strip(".").split(".")
    if format == "yaml":
        found = _yaml(text, parts, bare, path)
    else:
        tree = _json(text, path) if format == "json" else _toml(text, path)
        found = _listed(_walk(tree, parts, _json_child), bare, path)
    return [found] if everything and found is not MISSING and not isinstance(found, list) else found


def _toml(text: str, path: str) -> Any:
    import tomllib

    if len(text) > TOML_LIMIT:
        raise NotReadable(f"{path} is larger than {TOML_LIMIT // 1048576} MiB", "too-large")
    # Tables within tables cost the square of their depth.
    for number, row in enumerate(text.splitlines(), 1):
        if row.count(".") >= 100 and _LONG_PATH.match(row) and not re.search("[\"']", row):
            raise NotReadable(f"{path}:{number}: nested more than {MAX_DEPTH} deep", "parse")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        said = str(problem)
        at = _AT_LINE.search(said)
        line = int(at[1]) if at else text.count("\n") + 1
        what = said[: at.start()] if at else said.removesuffix(_AT_END)
        # The message may quote one character of the file, which tells nothing of it.
        raise NotReadable(f"{path}:{line}: {what}", "parse") from None
    except (RecursionError, ValueError):
        raise NotReadable(f"{path}: not TOML, or nested too deep", "parse") from None


def _json(text: str, path: str) -> Any:
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        raise NotReadable(f"{path}:{problem.lineno}: {problem.msg}", "parse") from None
    except (RecursionError, ValueError) as problem:
        raise NotReadable(f"{path}: {problem}", "parse") from None


def _json_child(at: Any, name: str) -> Any:
    if isinstance(at, dict):
        return at.get(name, MISSING)
    if isinstance(at, list) and name.isdecimal() and int(name) < len(at):
        return at[int(name)]
    return MISSING


def _yaml(text: str, parts: list[str], key: str, path: str) -> Any:
    """The key in the first document that has it. Only its own node becomes a value; other tags do no harm."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        depth = 0
        # libyaml's composer recurses in C: some ten thousand brackets would end the whole process.
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise NotReadable(f"{path}: nested more than {MAX_DEPTH} deep", "parse")
        for document in yaml.compose_all(text, Loader=loader):
            found = _walk(document, parts, _yaml_child)
            if found is not MISSING:
                return _listed(_yaml_value(found), key, path)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        what = getattr(problem, "problem", None) or "not YAML"
        where = f"{path}:{mark.line + 1}" if mark else path
        raise NotReadable(f"{where}: {what}", "parse") from None
    return MISSING


def _yaml_child(at: Any, name: str, merges: int = 10) -> Any:
    """A mapping's value or a list's entry; `merges` bounds ``<<``, which may name its own mapping."""
    import yaml

    if isinstance(at, yaml.SequenceNode):
        return at.value[int(name)] if name.isdecimal() and int(name) < len(at.value) else MISSING
    if not isinstance(at, yaml.MappingNode):
        return MISSING
    for key, value in reversed(at.value):
        if isinstance(key, yaml.ScalarNode) and key.value == name:
            return value
    for key, value in at.value:
        if isinstance(key, yaml.ScalarNode) and key.value == "<<" and merges:
            for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(one, yaml.MappingNode):
                    found = _yaml_child(one, name, merges - 1)
                    if found is not MISSING:
                        return found
    return MISSING


def _yaml_value(node: Any) -> Any:
    import yaml

    if isinstance(node, yaml.SequenceNode):
        scalars = [part for part in node.value if isinstance(part, yaml.ScalarNode)]
        return [_yaml_value(part) for part in scalars] if len(scalars) == len(node.value) else {}
    if not isinstance(node, yaml.ScalarNode):
        return {}
    kind = node.tag.rpartition(":")[2]
    if kind not in ("int", "float", "bool", "null"):
        return node.value
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (ValueError, yaml.YAMLError):
        return node.value


def _walk(at: Any, parts: list[str], child: Callable[[Any, str], Any]) -> Any:
    """What the parts lead to; names that hold dots themselves are tried from the longest."""
    if not parts:
        return at
    for length in range(len(parts), 0, -1):
        step = child(at, ".".join(parts[:length]))
        if step is not MISSING:
            found = _walk(step, parts[length:], child)
            if found is not MISSING:
                return found
    return MISSING


def _listed(value: Any, key: str, path: str) -> Any:
    """A scalar or a list of scalars in shapes that JSON has."""
    if value is MISSING:
        return value
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return [_jsonable(part) for part in value]
    if isinstance(value, list | dict):
        raise NotReadable(f"{key} in {path} is a section, not a value", "unsupported")
    return _jsonable(value)


def _jsonable(value: Any) -> Plain:
    if not isinstance(value, Plain):
        return str(value)  # a date or time of TOML, as ISO 8601 has it
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    if isinstance(value, str) and not value.isascii():
        # JSON can write half of a sign beyond 16 bits, which nothing could be written with.
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value
