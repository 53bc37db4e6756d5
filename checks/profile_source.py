"""The text of a profile, with what it extends merged in; values stay unread, with file and line.

A later profile wins over what it extends: an item with the same id is changed key by key, `remove` takes
items out, variables are replaced. The shape is checked here, parameters are not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from checks.compiled import load as load_file
from checks.errors import BadInput
from checks.extending import Base, joined, read_bases, words
from checks.logs import LogSource, read_logs
from checks.model import Severity
from checks.nearest import did_you_mean
from checks.nodes import NAME, choice, entries, line, mapping, name, texts
from checks.settlement import Settlement, read_settlements
from checks.yamlfile import Node

BUILT_IN_FOLDER: Final = Path(__file__).with_name("profiles")

VARIABLE: Final = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_-]{0,99})\}")
"""``${name}``, or the escaped ``$${``, which has no group 1."""

_PROFILE_KEYS: Final = (
    "profile", "version", "title", "extends", "variables", "items", "remove", "settle", "logs",
)  # fmt: skip
_ITEM_KEYS: Final = ("id", "check", "severity", "stage", "opens_on", "on", "needs", "with")
_MAX_CHAIN = 20


class ItemSource(msgspec.Struct):
    """An item before its parameters are read; `named` says that it was given an id of its own.

    `profile` and `node` say which profile wrote it last, and where. `placed` are the keys (`on`, `stage`)
    that it did not say itself, but that a profile said which extends its own.
    """

    id: str
    check: Node
    node: Node
    named: bool
    severity: Severity | None = None
    opens_on: str = "fail"
    stages: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    needs: tuple[Node, ...] = ()
    parameters: dict[str, Node] = {}
    profile: str = ""
    placed: frozenset[str] = frozenset()


class Source(msgspec.Struct):
    """A profile and all it extends as one; `from_file` says that a path was asked for, not a name.

    `replaced` are items of a base that a later base has otherwise, and of which the profile itself says
    nothing. `settlements` are by their thing, `logs` by what they are about.
    """

    where: str
    id: str
    version: str
    title: str
    from_file: bool
    variables: dict[str, Node] = {}
    items: dict[str, ItemSource] = {}
    replaced: list[ItemSource] = []
    settlements: dict[str, Settlement] = {}
    logs: dict[str, LogSource] = {}


def profile_names() -> list[str]:
    """The names of the built-in profiles."""
    return sorted(path.stem for path in BUILT_IN_FOLDER.glob("*.yaml"))


def is_shipped(name: str) -> bool:
    """Whether a built-in profile has this name."""
    return NAME.fullmatch(name) is not None and (BUILT_IN_FOLDER / f"{name}.yaml").is_file()


def is_path(name: str) -> bool:
    """Whether a profile is named by its file: with a ``/``, or an ending of YAML."""
    return "/" in name or os.sep in name or name.endswith((".yaml", ".yml"))


def load_source(name_or_path: str) -> Source:
    """The merged source of a profile; raises `BadProfile`, or `BadInput` for an unknown name."""
    path, from_file = _locate(name_or_path, Path())
    if path is None:
        raise BadInput(
            f"no profile {name_or_path!r:.100}{did_you_mean(name_or_path, profile_names())} "
            "(a file is named with its path, such as ./mine.yaml)"
        )
    source = _load(path, ())
    source.from_file = from_file
    return source


def _locate(name: str, beside: Path) -> tuple[Path | None, bool]:
    """The file of a profile and whether it was named by path; None for an unknown name."""
    if "\0" in name:
        return None, False
    if is_path(name):
        return beside / name, True
    return (BUILT_IN_FOLDER / f"{name}.yaml" if is_shipped(name) else None), False


def _load(path: Path, above: tuple[Path, ...]) -> Source:
    return merged(load_file(path), str(path), lambda entry: _base(entry, path, above))


def merged(root: Node, where: str, base_of: Callable[[Base], Source]) -> Source:
    """The source of a profile's tree; `base_of` loads what an entry of `extends` names."""
    keys = mapping(root, _PROFILE_KEYS, "a profile")
    for required in ("profile", "items" if "extends" not in keys else "profile"):
        if required not in keys:
            raise root.wrong(f"lacks the key {required}: a profile has profile, version, title and items")
    source = Source(where, name(keys["profile"], NAME), "1", "", False)
    for entry in read_bases(keys.get("extends")):
        base = base_of(entry)
        for item in (*base.items.values(), *base.replaced):
            _place(item, entry)
        for log in base.logs.values():
            if entry.roles and not log.roles:
                log.roles, log.placed = entry.roles, True
        _merge(source, base)
    source.version = line(keys["version"], 100) if "version" in keys else source.version
    source.title = line(keys["title"], 300) if "title" in keys else source.title
    source.variables |= read_variables(keys.get("variables"))
    for removed in texts(keys.get("remove")):
        if removed.value not in source.items:
            near = did_you_mean(str(removed.value), source.items)
            raise removed.wrong(f"removes the item {removed.value!r:.100}, which it does not extend{near}")
        del source.items[removed.value]
    seen: dict[str, Node] = {}
    for node in entries(keys.get("items"), "items"):
        _add_item(source, node, seen)
    source.replaced = [item for item in source.replaced if not _decided(source, item, seen.get(item.id))]
    source.settlements |= read_settlements(keys.get("settle"))
    source.logs |= read_logs(keys.get("logs"))
    return source


def _decided(source: Source, replaced: ItemSource, own: Node | None) -> bool:
    """Whether the profile itself says what is to be where two bases differ: all of that, or no such item."""
    item = source.items.get(replaced.id)
    if item is None or item.check.value != replaced.check.value:
        return True
    said = own.value["with"].value if own is not None and "with" in own.value else None
    return {*_unlike(item, replaced)} <= {*(said or {})}


def _unlike(one: ItemSource, other: ItemSource) -> list[str]:
    """The parameters that two items do not write alike."""
    nothing = Node(None)
    return [
        name
        for name in (one.parameters | other.parameters)
        if one.parameters.get(name, nothing).plain() != other.parameters.get(name, nothing).plain()
    ]


def _base(entry: Base, path: Path, above: tuple[Path, ...]) -> Source:
    name = entry.profile
    base, _ = _locate(name.value, path.parent)
    if base is None:
        raise name.wrong(f"extends {name.value!r:.100}, unknown{did_you_mean(name.value, profile_names())}")
    try:
        chain, found, here = (*above, path.resolve()), base.is_file(), base.resolve()
    except (OSError, RuntimeError) as problem:  # too long a name, a loop of links
        raise name.wrong(f"extends {name.value!r:.100}, which cannot be read: {problem}") from problem
    if not found:
        raise name.wrong(f"extends {name.value!r:.100}, but there is no file {base}")
    if here in chain:
        raise name.wrong(f"extends {name.value!r:.100}, which leads back to this file")
    if len(chain) > _MAX_CHAIN:
        raise name.wrong(f"extends {name.value!r:.100}: more than {_MAX_CHAIN} profiles extend each other")
    return _load(base, chain)


def _place(item: ItemSource, entry: Base) -> None:
    """Give an item the roles and stages of an entry where it has none of its own."""
    if entry.roles and not item.roles:
        item.roles, item.placed = entry.roles, item.placed | {"on"}
    if entry.stages and not item.stages:
        item.stages, item.placed = entry.stages, item.placed | {"stage"}


def _merge(source: Source, base: Source) -> None:
    source.variables |= base.variables
    source.settlements |= base.settlements
    source.replaced += base.replaced
    for about, log in base.logs.items():
        other = source.logs.get(about)
        if other is not None and (other.placed or log.placed):
            log.roles, log.placed = joined(other.roles, log.roles), True
        source.logs[about] = log
    for id, item in base.items.items():
        mine = source.items.get(id)
        if mine is not None and mine.check.value != item.check.value:
            raise item.node.wrong(
                f"item {id} is a {item.check.value} here but a {mine.check.value} in {mine.node.where}"
            )
        if mine is not None and _unlike(mine, item):
            source.replaced.append(mine)
        source.items[id] = item if mine is None else _together(mine, item)


def _together(one: ItemSource, other: ItemSource) -> ItemSource:
    """The other item, for the roles and stages of both where an entry of `extends` gave some to either.

    Two roles that build on one base both keep what it holds; an item for all targets stays one for all.
    """
    placed = one.placed | other.placed
    if not placed:
        return other
    other = msgspec.structs.replace(other, placed=placed)
    if "on" in placed:
        other.roles = joined(one.roles, other.roles)
    if "stage" in placed:
        other.stages = joined(one.stages, other.stages)
    return other


def _add_item(source: Source, node: Node, seen: dict[str, Node]) -> None:
    """Add an item, or change the inherited one of the same id."""
    keys = mapping(node, _ITEM_KEYS, "an item")
    if "check" not in keys and "id" not in keys:
        raise node.wrong("an item names its check: {check: disk.free}")
    id = name(keys["id"], NAME) if "id" in keys else name(keys["check"], NAME)
    if id in seen:
        raise node.wrong(f"item {id} is given twice; the first is in line {seen[id].line}")
    seen[id] = node
    inherited = source.items.get(id)
    if inherited is None:
        if "check" not in keys:
            raise node.wrong(f"item {id} names no check{did_you_mean(id, source.items)}")
        check = msgspec.structs.replace(keys["check"], value=name(keys["check"], NAME))
        item = ItemSource(id, check, node, "id" in keys)
    else:
        if "check" in keys and keys["check"].raw != inherited.check.value:
            raise keys["check"].wrong(
                f"item {id} is a {inherited.check.value} in {inherited.node.where}; "
                "remove it there first, or take another id"
            )
        item = msgspec.structs.replace(inherited, node=node, parameters=dict(inherited.parameters))
    item.profile = source.id
    if "severity" in keys:
        item.severity = Severity(choice(keys["severity"], [str(each) for each in Severity]))
    if "opens_on" in keys:
        item.opens_on = choice(keys["opens_on"], ["fail", "warn"])
    if "stage" in keys:
        item.stages, item.placed = words(keys["stage"]), item.placed - {"stage"}
    if "on" in keys:
        item.roles, item.placed = words(keys["on"]), item.placed - {"on"}
    if "needs" in keys:
        item.needs = tuple(texts(keys["needs"]))
    if "with" in keys and keys["with"].value is not None:
        if not isinstance(keys["with"].value, dict):
            raise keys["with"].wrong("`with` holds parameters: {with: {warn_below: 20 %}}")
        item.parameters |= keys["with"].value
    source.items[id] = item


def read_variables(node: Node | None) -> dict[str, Node]:
    """A mapping of variables; none is made of another."""
    if node is None or node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise node.wrong("variables are a mapping: {variables: {port: 8080}}")
    for key, value in node.value.items():
        if not VARIABLE.fullmatch("${%s}" % key):  # noqa: UP031  # braces in braces are unreadable
            raise value.wrong(f"{key!r:.100} is no name for a variable; use letters, digits and _")
        if "${" in str(value.plain()):
            raise value.wrong("a variable cannot be made of other variables")
    return node.value


def variables_in(source: Source) -> set[str]:
    """The names that the profile defines or uses."""
    nodes = [node for item in source.items.values() for node in item.parameters.values()]
    nodes += [node for log in source.logs.values() for node in log.keys.values()]
    used = {found[1] for node in nodes for found in VARIABLE.finditer(str(node.plain())) if found[1]}
    return used | set(source.variables)
