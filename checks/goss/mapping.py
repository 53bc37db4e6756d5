"""Each attribute of a goss resource as an item of ours, so that the results are those that goss counts.

Where we have no words for an attribute, it becomes an item that is always an error and says why: nothing is
dropped. What a resource type has, and what goss does with it, is that of the Goss manual, gossfile.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from checks.goss.attributes import Attributes, Failed
from checks.goss.conditions import Unmapped
from checks.goss.loading import TYPES, Resource
from checks.goss.resources import MAPPERS
from checks.nearest import did_you_mean
from checks.yamlfile import Node, wrap

SHOWN: Final = 60


class Piece(msgspec.Struct, frozen=True):
    """One item: its check and parameters as plain data, from which attribute of which resource.

    `unmapped` says why there is none; `title` and `meta` are those of the resource.
    """

    id: str
    check: str
    parameters: dict[str, Any]
    type: str
    name: str
    attribute: str
    where: str
    line: int | None
    title: str = ""
    meta: str = ""
    unmapped: str = ""


def pieces(resource: Resource, secrets: dict[str, str]) -> Iterator[Piece]:
    """The items of a resource, at least one."""
    attributes = Attributes(resource)
    title, meta = _remarks(attributes)
    resource = Resource(resource.type, _showable(resource.id, secrets), resource.node)

    def piece(name: str, check: str, parameters: dict[str, Any], node: Node | None, why: str = "") -> Piece:
        at = node if node is not None and node.line is not None else resource.node
        return Piece(
            id=_id(resource, name),
            check=check,
            parameters={key: _plainest(value) for key, value in parameters.items()},
            type=resource.type,
            name=resource.id,
            attribute=name,
            where=at.where,
            line=at.line,
            title=title,
            meta=meta,
            unmapped=why,
        )

    def left(name: str, why: str, node: Node | None = None) -> Piece:
        what = f"{resource.type} {resource.id}".strip()[:SHOWN] + (f": {name}" if name else "")
        reason = f"{why} ({resource.type} {resource.id[:SHOWN]}{f', {name}' if name else ''})"
        return piece(name, "goss.matching", {"what": what, "unmapped": reason}, node, why)

    if resource.type == "unknown":
        said = f"goss has no type of resource {resource.id!r:.60}{did_you_mean(resource.id, TYPES)}"
        yield left("", said, resource.node)
        return
    if not isinstance(resource.node.value, dict):
        yield left("", "a resource holds its attributes by name", resource.node)
        return
    skip = attributes.given.get("skip")
    if skip is not None and skip.value is True:
        what = f"{resource.type} {resource.id}"[:SHOWN]
        yield piece("", "goss.matching", {"what": what, "skipped": "the goss file skips it"}, resource.node)
        return
    mapper = MAPPERS.get(resource.type)
    if mapper is None:
        yield left("", f"{resource.type} is none of what can be told here", resource.node)
        return
    made = False
    try:
        for each in mapper(attributes):
            made = True
            if isinstance(each, Failed):
                yield left(each.attribute, each.reason, each.node or attributes.given.get(each.attribute))
                continue
            name, check, parameters = each
            node = attributes.given.get(name)
            secret = _secret_in(node, secrets) or _secret_in(wrap(parameters), secrets, named=True)
            if secret:
                yield left(name, f"it would carry {secret} into plans and reports", node)
            else:
                yield piece(name, check, parameters, node)
    except Unmapped as problem:
        yield left("", problem.reason, problem.node or resource.node)
        return
    for name, node in attributes.given.items():
        if name not in attributes.taken and not (name == "skip" and skip is not None):
            made = True
            yield left(
                name, f"goss has no attribute {name!r:.60} of {resource.type} that is known here", node
            )
    if not made:
        yield left("", "it asks for nothing", resource.node)


def _plainest(value: Any) -> Any:
    """A condition as a profile writes it shortest: a single value means `equals`."""
    if isinstance(value, dict) and [*value] == ["equals"] and not isinstance(value["equals"], list):
        return value["equals"]
    return value


def _secret_in(node: Node | None, secrets: dict[str, str], *, named: bool = False) -> str:
    """What secret stands in an attribute; parameters that name a secret (`env:NAME`) are right."""
    if node is None:
        return ""
    for text in _texts(node):
        for value, name in secrets.items():
            if value in text:
                return f"the secret variable {name}"
        found = re.search(r"env:([A-Za-z_]\w*)", text)
        if found and not named:
            from checks.facts.secrets import names_a_secret

            if names_a_secret(found[1]):
                return f"the secret {found[1]} of the environment"
    return ""


def _showable(id: str, secrets: dict[str, str]) -> str:
    """The name of a resource, or a word in its place where it holds a secret, as commands may."""
    from checks.argv import secret_word
    from checks.facts.secrets import masked

    parts = [tuple(part.split()) for part in re.split(r"[;&|\n()`]+", id)]
    hidden = masked(id) != id or any(value in id for value in secrets)
    if hidden or any(secret_word(words) or secret_word(("sh", *words)) for words in parts if words):
        return f"withheld.{hashlib.sha256(id.encode('utf-8', 'replace')).hexdigest()[:6]}"
    return id


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node.value, dict):
        for key, part in node.value.items():
            yield str(key)
            yield from _texts(part)
    elif isinstance(node.value, list):
        for part in node.value:
            yield from _texts(part)
    elif isinstance(node.value, str):
        yield node.value


def _remarks(attributes: Attributes) -> tuple[str, str]:
    title, meta = attributes.given.get("title"), attributes.given.get("meta")
    said = " ".join(str(title.raw or "").split()) if title is not None else ""
    more = meta.plain() if meta is not None else None
    from checks.facts.secrets import masked

    return masked(said)[:300], masked(msgspec.json.encode(more).decode())[:500] if more else ""


def _id(resource: Resource, attribute: str) -> str:
    """``goss.file.etc-passwd.mode``: the same for the same resource, whatever else stands in the file.

    What cannot be told from the letters of a name (its case apart) is told by a digest at its end.
    """
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", resource.id).strip("-.")
    written = r"[A-Za-z0-9._-]+|/?[A-Za-z0-9._]+((/|:|://)[A-Za-z0-9._]+)*"
    lossless = re.fullmatch(written, resource.id)
    name = plain[:80]
    if not lossless or name != plain or not name:
        digest = hashlib.sha256(resource.id.encode("utf-8", "replace")).hexdigest()[:6]
        name = f"{plain[:SHOWN].rstrip('-.')}-{digest}".lstrip("-")
    kind = re.sub(r"[^A-Za-z0-9-]+", "-", resource.type)
    end = re.sub(r"[^A-Za-z0-9._-]+", "-", attribute)[:40].strip("-.")
    return f"goss.{kind}.{name}" + (f".{end}" if end else "")
