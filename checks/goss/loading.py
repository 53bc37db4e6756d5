"""Goss files: their templates filled, their includes followed, their resources with file and line.

What makes a file unreadable raises `BadProfile` (exit 2); what is readable but cannot be said here is left
to `checks.goss.mapping`.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from checks.errors import BadProfile
from checks.goss.template import fill
from checks.goss.template_functions import environment
from checks.goss.template_words import TemplateError
from checks.yamlfile import MAX_BYTES, Node, load_text

TYPES: Final = (
    "addr", "command", "dns", "file", "gossfile", "group", "http", "interface", "kernel-param", "matching",
    "mount", "package", "port", "process", "registry", "service", "user",
)  # fmt: skip
"""The resource types of goss 0.4; ``registry`` is that of Windows."""

MAX_FILES: Final = 2000
MAX_CHAIN: Final = 20

_PAIR: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as written: `id` is its key, `node` its attributes."""

    type: str
    id: str
    node: Node


@dataclass(slots=True)
class Loaded:
    """What goss files say. `notes` are sentences about what was put aside, each with file and line.

    `secrets` are values of variables whose name looks secret, by value: they must not enter an item.
    """

    resources: list[Resource] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)


def load(path: Path, variables: Mapping[str, Any]) -> Loaded:
    """The resources of a goss file and all that it includes. Raises `BadProfile`."""
    loaded = Loaded(secrets=_secrets(variables))
    found: dict[tuple[str, str], Resource] = {}
    _Files({"Vars": dict(variables), "Env": environment()}, loaded, found).add(path, ())
    loaded.resources = list(found.values())
    return loaded


def load_variables(files: Sequence[Path], inline: str = "") -> dict[str, Any]:
    """The variables of YAML or JSON files, and of a text that comes after them; a later one wins.

    Raises `BadProfile`.
    """
    variables: dict[str, Any] = {}
    nodes = [_tree(_text(path), str(path)) for path in files]
    if inline:
        nodes.append(load_text(inline, "--vars-inline").anywhere())
    for node in nodes:
        if node.value is None:
            continue
        if not isinstance(node.value, dict):
            raise node.wrong("variables are a mapping: {os: debian}")
        variables |= node.plain()
    return variables


class _Files:
    """Reads a file and what it includes, each once on its way."""

    def __init__(self, data: dict[str, Any], loaded: Loaded, found: dict[tuple[str, str], Resource]) -> None:
        self.data, self.loaded, self.found, self.read = data, loaded, found, 0

    def add(self, path: Path, above: tuple[Path, ...], asked: Node | None = None) -> None:
        """Add the resources of a file; `asked` is where it is included."""
        chain = _chain(path, above, asked)
        self.read += 1
        if self.read > MAX_FILES:
            raise BadProfile(str(path), None, f"is included with more than {MAX_FILES} others")
        root = self._tree(path)
        if root.value is None:
            return
        if not isinstance(root.value, dict):
            raise root.wrong("a goss file holds resources by type: {file: {/etc/hosts: {exists: true}}}")
        for type, resources in root.value.items():
            if type.startswith("x-"):
                continue  # where YAML's anchors are kept, as in other tools
            if type not in TYPES:
                self._unknown(type, resources)
                continue
            if resources.value is None:
                continue
            if not isinstance(resources.value, dict):
                raise resources.wrong(f"{type} holds resources by name")
            for id, node in resources.value.items():
                if type != "gossfile":
                    self._keep(Resource(type, id, node))
        includes = root.value.get("gossfile")
        if includes is not None and includes.value:
            self._include(path, includes.value, chain)

    def _unknown(self, type: str, resources: Node) -> None:
        """A type of resource that is not known is a result of its own, so that nobody misses it."""
        self._keep(Resource("unknown", type, resources))

    def _keep(self, resource: Resource) -> None:
        key = (resource.type, resource.id)
        earlier = self.found.get(key)
        if earlier is not None:
            what = f"{resource.type} {resource.id!r:.100}"
            self.loaded.notes.append(
                f"{earlier.node.where}:{earlier.node.line}: {what} is said anew "
                f"in {resource.node.where}:{resource.node.line}, which counts, as in goss"
            )
        self.found[key] = resource

    def _include(self, path: Path, includes: Mapping[str, Node], chain: tuple[Path, ...]) -> None:
        asked: dict[str, Node] = {}
        skipped: dict[Path, Node] = {}
        for name, node in includes.items():
            file, skip = _included(name, node)
            if skip:
                skipped |= dict.fromkeys(_files(path, file), node)
            else:
                asked[file] = node
        for file, node in asked.items():
            paths = _files(path, file)
            if not paths:
                raise node.wrong(f"includes {file!r:.200}, but there is no such file beside {path}")
            for each in paths:
                if each not in skipped:
                    self.add(each, chain, node)
        for left_out, node in skipped.items():
            self.loaded.notes.append(f"{node.where}:{node.line}: {left_out} is left out (skip: true)")

    def _tree(self, path: Path) -> Node:
        text, where = _text(path), str(path)
        if "{{" not in text:
            return _tree(text, where)
        try:
            filled = fill(text, self.data)
        except TemplateError as problem:
            raise BadProfile(where, problem.line, problem.problem) from None
        try:
            return _placed(_tree(filled.text, where), filled.lines)
        except BadProfile as problem:
            line = problem.line and filled.lines[min(problem.line, len(filled.lines)) - 1]
            raise BadProfile(where, line, f"{problem.problem} (in the filled template)") from None


def _included(name: str, node: Node) -> tuple[str, bool]:
    given = node.value if isinstance(node.value, dict) else {}
    for key, part in given.items():
        if key not in ("file", "skip", "title", "meta"):
            raise part.wrong(f"gossfile {name!r:.100} has no {key!r:.60}; it has file and skip")
    file = given["file"].value if "file" in given else name
    if not isinstance(file, str) or not file or "\0" in file:
        raise node.wrong(f"gossfile {name!r:.100}: `file` is a path")
    return file, "skip" in given and given["skip"].value is True


def _files(path: Path, name: str) -> list[Path]:
    """The files that a name or pattern means, seen from the folder of the including file."""
    pattern = Path(name)
    at = pattern if pattern.is_absolute() else path.parent / pattern
    if any(sign in name for sign in "*?["):
        base = glob.escape(str(path.parent))
        found = glob.glob(name if pattern.is_absolute() else f"{base}/{name}")  # noqa: PTH207 - either
        return [Path(each) for each in sorted(found)[: MAX_FILES + 1]]
    try:
        return [at] if at.is_file() else []
    except OSError:
        return []


def _chain(path: Path, above: tuple[Path, ...], asked: Node | None) -> tuple[Path, ...]:
    try:
        here = path.resolve()
    except (OSError, RuntimeError, ValueError) as problem:
        raise BadProfile(str(path), None, f"cannot be read: {problem}") from None
    if asked is not None and (here in above or len(above) >= MAX_CHAIN):
        raise asked.wrong(f"includes {path}, which leads back to this file")
    return (*above, here)


def _text(path: Path) -> str:
    where = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise BadProfile(where, None, f"cannot be read: {problem.strerror}") from problem
    except ValueError as problem:
        raise BadProfile(where, None, f"cannot be read: {problem}") from problem
    if len(data) > MAX_BYTES:
        raise BadProfile(where, None, "is larger than 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise BadProfile(where, data[: problem.start].count(b"\n") + 1, "is not UTF-8") from None


def _tree(text: str, where: str) -> Node:
    """YAML, or JSON, where tabs may indent."""
    if text.lstrip()[:1] in ("{", "["):
        text = _PAIR.sub(_one_sign, text.replace("\t", " "))
    return _merged(load_text(text, where))


def _merged(node: Node) -> Node:
    """The same with ``<<`` done: what it refers to is taken in, but for what stands there itself."""
    if isinstance(node.value, list):
        return msgspec.structs.replace(node, value=[_merged(part) for part in node.value])
    if not isinstance(node.value, dict):
        return node
    own = {key: _merged(part) for key, part in node.value.items() if key != "<<"}
    if "<<" in node.value:
        merged = _merged(node.value["<<"])
        for each in merged.value if isinstance(merged.value, list) else [merged]:
            if not isinstance(each.value, dict):
                raise merged.wrong("<< takes in a mapping, or a list of them")
            own = {**each.value, **own}
    return msgspec.structs.replace(node, value=own)


def _one_sign(pair: re.Match[str]) -> str:
    """What JSON writes as two surrogates, in one escape of YAML."""
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _placed(node: Node, lines: tuple[int, ...]) -> Node:
    """The same with the lines of the template in place of those of the filled text."""
    value: Any = node.value
    if isinstance(value, dict):
        value = {key: _placed(part, lines) for key, part in value.items()}
    elif isinstance(value, list):
        value = [_placed(part, lines) for part in value]
    line = node.line
    if line is not None:
        line = lines[min(line, len(lines)) - 1]
    return msgspec.structs.replace(node, value=value, line=line)


def _secrets(variables: Mapping[str, Any], name: str = "") -> dict[str, str]:
    """Values of variables whose name looks secret, and the name of each."""
    from checks.facts.secrets import names_a_secret

    found: dict[str, str] = {}
    pairs: Iterable[tuple[str, Any]] = variables.items()
    for key, value in pairs:
        path = f"{name}.{key}" if name else str(key)
        if isinstance(value, Mapping):
            found |= _secrets(value, path)
        elif isinstance(value, str) and len(value) >= 4 and names_a_secret(str(key)):
            found |= {} if value.startswith(("env:", "file:/")) else {value: path}
    return found
