"""What a version has to be, as the condition `version` says it: pairs of a relation and a version."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec


class Versions(msgspec.Struct, frozen=True):
    """What a version has to be, by the rules of `scheme`: pairs of a relation and a version."""

    scheme: str
    tests: tuple[tuple[str, str], ...]


_RELATIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "equals": operator.eq,
    "at_least": operator.ge,
    "at_most": operator.le,
    "above": operator.gt,
    "below": operator.lt,
}


def read_versions(value: object) -> Versions:
    """The bound of a `version` condition; raises `ValueError` that says what would be right."""
    from checks.versions import DEFAULT, SCHEMES, key

    given = dict(value) if isinstance(value, Mapping) else {"equals": value}
    scheme = given.pop("scheme", DEFAULT)
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r:.40}; it is one of {', '.join(SCHEMES)}")
    if not given:
        raise ValueError(f"an empty condition; write one of {', '.join(_RELATIONS)}")
    tests = {}
    for name, version in given.items():
        if name not in _RELATIONS:
            said = f"unknown condition {name!r:.60} of a version"
            raise ValueError(f"{said}; it is one of {', '.join((*_RELATIONS, 'scheme'))}")
        if isinstance(version, float):
            raise ValueError(f'write the version in quotes: "{version}"; without them 1.10 is 1.1')
        if not isinstance(version, str | int) or isinstance(version, bool):
            raise ValueError(f"expected a version in quotes, not {type(version).__name__}")
        tests[name] = str(version).strip()
        made = key(tests[name], scheme)
        if scheme == DEFAULT:
            tests[name] = ".".join(map(str, made))
    return Versions(scheme, tuple(sorted(tests.items())))


def holds(value: object, bound: Versions) -> bool | None:
    """Whether a value is a version within the bound; None for what is none.

    A number with a fraction is no version any more: whether it was 1.1 or 1.10 is lost.
    """
    from checks.versions import compare

    if not isinstance(value, str | int) or isinstance(value, bool):
        return None
    try:
        return all(
            _RELATIONS[name](compare(str(value), version, bound.scheme), 0) for name, version in bound.tests
        )
    except ValueError:
        return None
