"""Finding one key in the text of an ini, yaml or json file. Nothing else of the file is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

from checks.fact import NotReadable

Format = Literal["ini", "yaml", "json"]
Plain = str | int | float | bool | None

MAX_DEPTH: Final = 100
MISSING: Final = object()

_EXTENSIONS: Final[dict[str, Format]] = {"json": "json", "yaml": "yaml", "yml": "yaml"}
_INDEX = re.compile(r"\[(\d+)\]")
_HEADER = re.compile(r"\[(.+)\]\s*(?:[#;].*)?")
_OPTION = re.compile(r"([^=:]+?)\s*(?:[=:]\s*(.*))?")


def format_of(path: str) -> Format:
    """The format that a file's extension tells; ini for all others (``.conf``, ``.cnf``, ``.cfg``)."""
    return _EXTENSIONS.get(path.rpartition(".")[2].lower(), "ini")


def look_up(text: str, format: str, key: str, path: str) -> Any:
    """The value of `key`: a scalar, a list of scalars, or `MISSING`.

    `key` is ``section.key`` in an ini file (``key`` before the first section), a dotted path with list
    indexes (``servers[0].port`` or ``servers.0.port``) elsewhere; names that hold dots are found too. Raises
    `NotReadable` with cause ``parse`` and the line of the mistake, or ``unsupported`` where the key names a
    section and not a value.
    """
    if format == "ini":
        return _ini(text, key, path)
    parts = _INDEX.sub(r".\1", key).strip(".").split(".")
    if format == "json":
        return _listed(_walk(_json(text, path), parts, _json_child), key, path)
    if format == "yaml":
        return _yaml(text, parts, key, path)
    raise NotReadable(f"{format!r} is not a format of {path}: ini, yaml or json", "unsupported")


def _ini(text: str, key: str, path: str) -> Any:
    """The last value given, as most programs read it; option names in any case, sections may come twice."""
    value: Any = MISSING
    for name, option, given in _options(text, path):
        if (f"{name}.{option.lower()}" if name else option.lower()) == _lower_option(key, name):
            value = given
    return value


def _options(text: str, path: str) -> Iterator[tuple[str, str, str]]:
    """Section, option and value, in the file's order; deeper indented lines go on with the value before."""
    section, option, indent = "", "", 0
    lines: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not bare or bare[0] in "#;":
            continue
        depth = len(line) - len(line.lstrip())
        if option and depth > indent:
            lines.append(bare)
            continue
        if option:
            yield section, option, _unquoted("\n".join(lines))
            option = ""
        header = _HEADER.fullmatch(bare)
        if header:
            section = header[1].strip()
            continue
        found = _OPTION.fullmatch(bare)
        if found is None or bare[0] == "[":
            raise NotReadable(f"{path}:{number}: neither a [section] nor a key = value", "parse")
        option, indent, lines = found[1], depth, [found[2] or ""]
    if option:
        yield section, option, _unquoted("\n".join(lines))


def _lower_option(key: str, section: str) -> str:
    """The key with its option in lower case; sections keep theirs."""
    return f"{section}.{key[len(section) + 1 :].lower()}" if key.startswith(section + ".") else key.lower()


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


def _jsonable(value: Plain) -> Plain:
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    return str(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value
