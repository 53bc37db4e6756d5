"""The attributes of one goss resource, taken one by one, and the ways in which most of them become items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from checks.goss.conditions import Kind, Unmapped, condition
from checks.goss.loading import Resource
from checks.yamlfile import Node

GENERAL: Final = ("title", "meta", "skip")
"""What every resource may have."""


class Attributes:
    """The attributes of a resource, taken one by one; what nobody took is unmapped."""

    def __init__(self, resource: Resource) -> None:
        value = resource.node.value
        self.resource, self.node = resource, resource.node
        self.given: dict[str, Node] = dict(value) if isinstance(value, dict) else {}
        self.taken: set[str] = set(GENERAL)

    def take(self, name: str) -> Node | None:
        self.taken.add(name)
        return self.given.get(name)

    def text(self, name: str, otherwise: str) -> str:
        """A text, or a number as it was written."""
        node = self.take(name)
        if node is None or node.value is None:
            return otherwise
        if isinstance(node.value, str) or node.raw:
            return node.value if isinstance(node.value, str) else str(node.raw)
        raise Unmapped(f"{name} has to be a text", node)

    def flag(self, name: str, otherwise: bool = False) -> bool:
        node = self.take(name)
        if node is None or node.value is None:
            return otherwise
        if isinstance(node.value, bool):
            return node.value
        raise Unmapped(f"{name} is true or false; matchers are not known here", node)

    def seconds(self, name: str, otherwise: float) -> float:
        """A time that goss gives in milliseconds."""
        node = self.take(name)
        if node is None or node.value is None:
            return otherwise
        if isinstance(node.value, bool) or not isinstance(node.value, int | float) or node.value < 0:
            raise Unmapped(f"{name} is a number of milliseconds", node)
        return node.value / 1000 if node.value else otherwise

    def texts(self, name: str) -> list[str]:
        node = self.take(name)
        if node is None or node.value is None:
            return []
        if isinstance(node.value, list) and all(isinstance(part.value, str) for part in node.value):
            return [part.value for part in node.value]
        raise Unmapped(f"{name} is a list of texts", node)


Said = tuple[str, str, dict[str, Any]]
"""An attribute's name, the check, and its parameters."""

Mapper = Callable[[Attributes], Iterator["Said | Failed"]]


class Failed(msgspec.Struct, frozen=True):
    """An attribute that cannot be said, and why."""

    attribute: str
    reason: str
    node: Node | None = None


def matched(
    attributes: Attributes, name: str, kind: Kind, *names: str
) -> Iterator[tuple[Any, Failed | None]]:
    """The condition of an attribute where it is given, or why there is none; `names` are older names."""
    node = next((found for each in (name, *names) if (found := attributes.take(each)) is not None), None)
    if node is None or node.value is None:
        return
    try:
        yield condition(node, kind), None
    except Unmapped as problem:
        yield None, Failed(name, problem.reason, problem.node or node)


def one_condition(
    attributes: Attributes, name: str, kind: Kind, check: str, base: dict[str, Any], parameter: str
) -> Iterator[Said | Failed]:
    """An attribute that is one parameter with a condition."""
    for said, failed in matched(attributes, name, kind):
        yield failed or (name, check, base | {parameter: said})


def presence(
    attributes: Attributes, check: str, base: dict[str, Any], name: str = "exists", parameter: str = "exists"
) -> Iterator[Said | Failed]:
    """Whether the thing is there. Only true and false are known, which is all that goss files say."""
    node = attributes.take(name)
    if node is None:
        return
    if isinstance(node.value, bool):
        yield name, check, base | {parameter: node.value}
    else:
        yield Failed(name, f"{name} is true or false; other matchers are not known here", node)


def given_empty(attributes: Attributes, name: str) -> bool:
    """Whether an attribute is an empty list, which asks for nothing; it is taken then."""
    node = attributes.given.get(name)
    if node is None or node.value != []:
        return False
    attributes.take(name)
    return True
