"""``{parameter}`` in facts, labels and texts, filled with an item's arguments.

Only names that are known are filled: a ``{2}`` in a regular expression, or a ``{print}`` of awk, stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from checks.fact import Fact

F = TypeVar("F", bound=Fact)

PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def fill_text(template: str, arguments: Mapping[str, Any]) -> str:
    """The text with every known placeholder replaced, once: what is filled in is not looked at again."""
    if "{" not in template:
        return template

    def filled(found: re.Match[str]) -> str:
        if found[1] not in arguments:
            return found[0]
        value = arguments[found[1]]
        if value is None:
            return ""
        return f"{value:.10g}" if isinstance(value, float) else str(value)

    return PLACEHOLDER.sub(filled, template)


def fill_fact(fact: F, arguments: Mapping[str, Any]) -> F:
    """The fact with its placeholders replaced; a field that is one placeholder takes the value's own type."""
    changed: dict[str, Any] = {}
    for name in fact.__struct_fields__:
        field = getattr(fact, name)
        if not isinstance(field, str) or "{" not in field:
            continue
        whole = PLACEHOLDER.fullmatch(field)
        if whole and whole[1] in arguments:
            value = arguments[whole[1]]
            changed[name] = tuple(value) if isinstance(value, list) else value
        else:
            changed[name] = fill_text(field, arguments)
    return msgspec.structs.replace(fact, **changed) if changed else fact


def names_in(fact: Fact) -> set[str]:
    """The names of all placeholders in a fact."""
    fields = (getattr(fact, name) for name in fact.__struct_fields__)
    return {name for field in fields if isinstance(field, str) for name in PLACEHOLDER.findall(field)}
