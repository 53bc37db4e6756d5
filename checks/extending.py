"""The entries of a profile's key `extends`: a name, or a name with the roles and stages its items are for."""

from __future__ import annotations

from typing import Final

import msgspec

from checks.nodes import WORD, mapping, name, texts
from checks.yamlfile import Node

KEYS: Final = ("profile", "on", "stage")


class Base(msgspec.Struct, frozen=True):
    """One entry. `roles` and `stages` are for the items of `profile` that have none of their own."""

    profile: Node
    roles: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()


def read_bases(node: Node | None) -> list[Base]:
    """The entries in their order; raises `BadProfile` with file and line."""
    if node is None or node.value is None:
        return []
    return [_base(entry) for entry in (node.value if isinstance(node.value, list) else [node])]


def _base(entry: Node) -> Base:
    if not isinstance(entry.value, dict):
        return Base(_named(entry))
    keys = mapping(entry, KEYS, "an entry of extends")
    if "profile" not in keys:
        raise entry.wrong("an entry of extends names its profile: {profile: linux-server, on: web}")
    return Base(_named(keys["profile"]), words(keys.get("on")), words(keys.get("stage")))


def _named(node: Node) -> Node:
    if not isinstance(node.value, str):
        raise node.wrong("expected the name or the path of a profile")
    return node


def words(node: Node | None) -> tuple[str, ...]:
    """The words of `on` or `stage`."""
    return tuple(name(word, WORD) for word in texts(node))


def joined(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """The roles or stages of both; none means all, and stays all."""
    return tuple(dict.fromkeys(one + other)) if one and other else ()
