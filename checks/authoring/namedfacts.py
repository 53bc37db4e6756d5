"""A fact from its name and fields in YAML: ``{ConfigValue: {path: "{path}", format: ini, key: seats}}``."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_type_hints

import msgspec

from checks.errors import BadInput
from checks.fact import FACTS, Fact
from checks.nearest import did_you_mean
from checks.nodes import shown
from checks.placeholders import PLACEHOLDER
from checks.yamlfile import Node


def read_fact(node: Node) -> Fact:
    """The fact at a place, with placeholders left in; raises `BadProfile`."""
    if not isinstance(node.value, dict) or len(node.value) != 1:
        raise node.wrong(
            f"a fact is its name with its fields, {{FileStat: {{path: /etc/hosts}}}}, not {shown(node)}"
        )
    ((name, fields),) = node.value.items()
    kind = fact_class(name)
    if kind is None:
        raise fields.wrong(f"no fact is named {name!r:.60}{did_you_mean(name, FACTS)}")
    if fields.value is not None and not isinstance(fields.value, dict):
        raise fields.wrong(f"the fields of {name} are a mapping: {{path: /etc/hosts}}")
    return _made(kind, fields, fields.value or {})


def fact_class(name: str) -> type[Fact] | None:
    """The class of that name: built-in, of a folder that is in use, or of an installed distribution."""
    if name not in FACTS:
        import checks.facts

        for module in iter_modules(checks.facts.__path__):
            import_module(f"checks.facts.{module.name}")
            if name in FACTS:
                break
    if name not in FACTS:
        from checks.authoring import plugins

        plugins.load_all()
    return FACTS.get(name)


def _made(kind: type[Fact], node: Node, given: Mapping[str, Node]) -> Fact:
    known = {field.name: field for field in msgspec.structs.fields(kind)}
    for name, part in given.items():
        if name not in known:
            raise part.wrong(f"{kind.__name__} has no field {name!r:.60}{did_you_mean(name, known)}")
    for name, field in known.items():
        if field.required and name not in given:
            raise node.wrong(f"{kind.__name__} lacks the field {name}")
    hints = get_type_hints(kind, localns={"Any": Any})
    try:
        return kind(**{name: _field(hints[name], name, part) for name, part in given.items()})
    except BadInput as problem:
        raise node.wrong(str(problem)) from None
    except (TypeError, ValueError) as problem:
        raise node.wrong(f"{kind.__name__}: {problem}") from None


def _field(hint: Any, name: str, node: Node) -> Any:
    """A field's value in its type; a placeholder may stand for one of any type."""
    if isinstance(node.value, str) and PLACEHOLDER.search(node.value):
        return node.value
    plain = node.raw if hint is str and node.raw is not None and node.value is not None else node.plain()
    try:
        return msgspec.convert(plain, hint)
    except msgspec.ValidationError as problem:
        raise node.wrong(f"{name}: {problem}") from None
