"""Matchers: what a profile says a value has to be: ``{at_least: 8 GiB}``, ``{one_of: [on, local]}``.

How a value is held against a bound is in `checks.bounds`, what is in it in `checks.entries`, how versions are
in `checks.versions`. Equal meaning has one canonical form, which enters the rule.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from checks import bounds, entries, versionbounds
from checks.bounds import MATCHED_LENGTH
from checks.versionbounds import Versions

__all__ = ["MATCHED_LENGTH", "NAMES", "NESTED", "Matcher", "read_matcher"]

MAX_DEPTH: Final = 10
"""Conditions within conditions: bounds what holding a value against them can cost."""


class Matcher(msgspec.Struct, frozen=True):
    """Conditions that must all hold. Made by `read_matcher`; `tests` pairs a condition's name with its bound.

    equals   the same text (runs of white space count as one space), number, or truth value
    at_least, at_most, above, below   as numbers, with units; a row of numbers is compared one by one
    one_of   equals one of a list
    matches  a regular expression found anywhere in the text; anchor it with ``^`` and ``$``
    contains a text is in the text, a value in the list; of several all of them, in any order
    starts_with, ends_with  as a text
    some     a condition that an entry of the list, or a line of the text, meets
    includes, consists_of  conditions of which each is met by an entry (line) of its own; in the second
             nothing is left over
    joined   a condition on a list as one text, its entries on a line each
    json     conditions by place (``checks[0].status``), of a text that is JSON; keys: a condition on its keys
    length   of a text in characters, of a list or mapping in entries
    version  compared as versions (`checks.versions`)
    not, all, any   of other conditions
    """

    tests: tuple[tuple[str, Any], ...]

    def holds(self, value: object) -> bool:
        """Whether a value (text, number, truth value, None or a list of those) meets every condition.

        A value that cannot be compared with the bound does not meet it, nor the opposite of it.
        """
        return self.judge(value) is True

    def judge(self, value: object) -> bool | None:
        """The same, where None says that the value cannot be compared (the logic of Kleene)."""
        return _all([_TESTS[name](value, bound) for name, bound in self.tests])

    def canonical(self) -> dict[str, Any]:
        """JSON shapes that mean the same, equal for equal meaning: ``8 GiB`` and ``8192 MiB`` are one."""
        return {name: _plain(bound) for name, bound in self.tests}

    def __str__(self) -> str:
        """For people: ``at least 8 GiB and at most 16 GiB``."""
        return " and ".join(_said(name, bound) for name, bound in self.tests)


def read_matcher(given: object) -> Matcher:
    """A matcher from a profile's plain value; a bare scalar means `equals`.

    Raises `ValueError` that says what would be right.
    """
    return _read(given, MAX_DEPTH)


def _read(given: object, depth: int) -> Matcher:
    if isinstance(given, Matcher):
        return given
    if depth < 0:
        raise ValueError(f"conditions stand more than {MAX_DEPTH} deep in each other")
    if not isinstance(given, Mapping):
        if isinstance(given, list | tuple):
            raise ValueError("a list is no condition; write {one_of: [...]} or {equals: [...]}")
        return Matcher((("equals", bounds.read_bound(given)),))
    if not given:
        raise ValueError(f"an empty condition; write one of {', '.join(NAMES)}")
    tests: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _READERS:
            raise ValueError(f"unknown condition {name!r:.60}; it is one of {', '.join(NAMES)}")
        tests[name] = _READERS[name](value, depth - 1)
    return _simplest(Matcher(tuple(sorted(tests.items(), key=lambda test: test[0]))))


def _simplest(matcher: Matcher) -> Matcher:
    """Without what adds nothing: a list of one condition, the opposite of an opposite."""
    if len(matcher.tests) != 1:
        return matcher
    ((name, bound),) = matcher.tests
    if name in ("all", "any") and len(bound) == 1:
        only: Matcher = bound[0]
        return only
    if name == "not" and len(bound.tests) == 1 and bound.tests[0][0] == "not":
        inner: Matcher = bound.tests[0][1]
        return inner
    return matcher


def _several(value: object, depth: int) -> tuple[Matcher, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("expected a list of conditions: [{at_least: 1}, {equals: 0}]")
    unique = {msgspec.json.encode(each.canonical()): each for each in (_read(part, depth) for part in value)}
    return tuple(unique[written] for written in sorted(unique))


def _length_holds(value: object, bound: Matcher) -> bool | None:
    return bound.judge(len(value)) if isinstance(value, str | list | tuple | Mapping) else None


def _each_kept(value: object, depth: int) -> tuple[Matcher, ...]:
    """Conditions in any order of which two may be the same."""
    if not isinstance(value, list | tuple):
        raise ValueError("expected a list of conditions: [a, {starts_with: b}]")
    read = [_read(part, depth) for part in value]
    return tuple(sorted(read, key=lambda part: msgspec.json.encode(part.canonical())))


def _places(value: object, depth: int) -> tuple[tuple[str, Matcher], ...]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("expected conditions by place: {json: {status: ok}}")
    return tuple(sorted((entries.read_path(path), _read(part, depth)) for path, part in value.items()))


def _json_holds(value: object, bound: tuple[tuple[str, Matcher], ...]) -> bool | None:
    """Nothing can be said of a place that is not there, nor of a text that is not JSON."""
    found = [(entries.at(value, path), wanted) for path, wanted in bound]
    return _all([None if part is entries.MISSING else wanted.judge(part) for part, wanted in found])


def _affix(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text: {starts_with: v}")
    return value


def _keys_hold(value: object, bound: Matcher) -> bool | None:
    found = entries.keys(value)
    return None if found is None else bound.judge(found)


def _not(said: bool | None) -> bool | None:
    return None if said is None else not said


def _all(said: list[bool | None]) -> bool | None:
    return False if False in said else None if None in said else True


def _any(said: list[bool | None]) -> bool | None:
    return True if True in said else None if None in said else False


def _plain(bound: Any) -> Any:
    if isinstance(bound, Matcher):
        return bound.canonical()
    if isinstance(bound, Versions):
        from checks.versions import DEFAULT

        scheme = {} if bound.scheme == DEFAULT else {"scheme": bound.scheme}
        return dict(bound.tests) | scheme
    if isinstance(bound, tuple) and bound and isinstance(bound[0], Matcher):
        return [each.canonical() for each in bound]
    if isinstance(bound, tuple) and bound and isinstance(bound[0], tuple) and _is_place(bound[0]):
        return {path: wanted.canonical() for path, wanted in bound}
    return bounds.plain(bound)


def _is_place(part: tuple[Any, ...]) -> bool:
    return len(part) == 2 and isinstance(part[1], Matcher)


def _said(name: str, bound: Any) -> str:
    if isinstance(bound, Versions):
        tests = " and ".join(f"{_SAYS[name]} {version}".lstrip() for name, version in bound.tests)
        from checks.versions import DEFAULT

        return f"version {tests}" + (f" ({bound.scheme})" if bound.scheme != DEFAULT else "")
    if name in ("all", "any"):
        joint = " and " if name == "all" else " or "
        return joint.join(f"({each})" if len(each.tests) > 1 else str(each) for each in bound)
    if name in ("includes", "consists_of"):
        return f"{_SAYS[name]} {', '.join(f'({each})' for each in bound) or 'nothing'}"
    if name == "json":
        return " and ".join(f"{path} ({wanted})" for path, wanted in bound)
    if name == "contains" and isinstance(bound, tuple):
        return "containing " + " and ".join(map(bounds.shown, bound))
    if isinstance(bound, Matcher):
        several = len(bound.tests) > 1 or bound.tests[0][0] in ("all", "any")
        return f"{_SAYS[name]} ({bound})" if several else f"{_SAYS[name]} {bound}"
    return f"{_SAYS[name]} {bounds.shown(bound)}".lstrip()


def _reader(read: Callable[[object], Any]) -> Callable[[object, int], Any]:
    return lambda value, depth: read(value)


_READERS: Final[dict[str, Callable[[object, int], Any]]] = {
    "equals": _reader(bounds.read_bound),
    "at_least": _reader(bounds.read_number),
    "at_most": _reader(bounds.read_number),
    "above": _reader(bounds.read_number),
    "below": _reader(bounds.read_number),
    "one_of": _reader(bounds.read_choices),
    "matches": _reader(bounds.read_pattern),
    "contains": _reader(bounds.read_contents),
    "starts_with": _reader(_affix),
    "ends_with": _reader(_affix),
    "some": _read,
    "includes": _each_kept,
    "consists_of": _each_kept,
    "joined": _read,
    "json": _places,
    "keys": _read,
    "length": _read,
    "version": _reader(versionbounds.read_versions),
    "not": _read,
    "all": _several,
    "any": _several,
}
_TESTS: Final[dict[str, Callable[[object, Any], bool | None]]] = {
    "equals": bounds.equals,
    "at_least": lambda value, bound: bounds.ordered(value, bound, operator.ge),
    "at_most": lambda value, bound: bounds.ordered(value, bound, operator.le),
    "above": lambda value, bound: bounds.ordered(value, bound, operator.gt),
    "below": lambda value, bound: bounds.ordered(value, bound, operator.lt),
    "one_of": bounds.one_of,
    "matches": bounds.matches,
    "contains": bounds.contains,
    "starts_with": entries.starts_with,
    "ends_with": entries.ends_with,
    "some": lambda value, bound: entries.some(value, bound.judge),
    "includes": lambda value, bound: entries.includes(value, [each.judge for each in bound]),
    "consists_of": lambda value, bound: entries.consists_of(value, [each.judge for each in bound]),
    "joined": lambda value, bound: bound.judge(entries.joined(value)),
    "json": _json_holds,
    "keys": _keys_hold,
    "length": _length_holds,
    "version": versionbounds.holds,
    "not": lambda value, bound: _not(bound.judge(value)),
    "all": lambda value, bound: _all([each.judge(value) for each in bound]),
    "any": lambda value, bound: _any([each.judge(value) for each in bound]),
}
_SAYS: Final = {
    "equals": "",
    "at_least": "at least",
    "at_most": "at most",
    "above": "above",
    "below": "below",
    "one_of": "one of",
    "matches": "matching",
    "contains": "containing",
    "starts_with": "starting with",
    "ends_with": "ending with",
    "some": "with an entry",
    "includes": "with entries",
    "consists_of": "made of",
    "joined": "as one text",
    "keys": "keys",
    "length": "length",
    "not": "not",
}
NAMES: Final = tuple(_READERS)
NESTED: Final = ("length", "some", "joined", "keys", "not", "all", "any")
"""Those whose bound is a condition itself, or a list of them."""
