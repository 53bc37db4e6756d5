"""Whether two items about one thing can both be met; and which parameters say what is demanded of it.

It is decided by the values where it can be; where it cannot, demands that differ count as a contradiction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import msgspec

from checks.matchers import Matcher
from checks.parameters import Parameter
from checks.placeholders import PLACEHOLDER
from checks.profile import Item

HOW: Final = frozenset(
    ("format", "include", "timeout", "encoding", "shell", "environment", "secret_environment", "secret_stdin",
     "login", "password", "passphrase", "bearer", "http.ok.user", "ca", "proxy", "tunnel", "starttls",
     "follow", "depth", "ignore", "date_format", "file", "log", "timer", "kinds", "how", "evidence")
)  # fmt: skip
"""Parameters (those of one check with its id) that say how to look, not what to find."""

SUBJECTS: Final = frozenset(
    ("key", "json", "header", "method", "body", "query", "command", "reaches", "net.proxy.process",
     "tls.expiry.name", "tls.verify.name",
     "stream", "algorithm", "family", "http.text.part")
)  # fmt: skip
"""Parameters that say, within the object, what is looked at; so does every pattern."""

LAX: Final = frozenset(
    ("optional", "allow", "world_writable", "verify", "reverse", "fixed_heap", "heap_dump")
)
"""What only lets something pass, or asks for more: who allows and who does not can both be content."""

ADDED_UP: Final = frozenset(
    ("required", "contains", "groups", "headers", "forbidden", "internal", "expected", "to", "ports", "text")
)
"""Of these everything has to be met: two of them can be met together, unless one forbids the other."""

_BOUND_ENDS: Final = ("_below", "_above", "_at_least", "_at_most", "_within", "_outside", "_from")
_BOUNDS: Final = frozenset(("soft", "hard", "at_least", "at_most", "above", "below", "protocol"))
_TRUE: Final = ("true", "yes", "on", "1", True)
_FALSE: Final = ("false", "no", "off", "0", False)
_RANGE: Final = frozenset(("at_least", "above", "at_most", "below"))


def subject_of(item: Item) -> bytes:
    """What within its thing an item looks at; equal for what can be compared."""
    looked_at = {
        name: item.parameters.get(name)
        for name, parameter in item.declared.parameters.items()
        if _is_of(name, item, SUBJECTS) or _marked(parameter.hint, "pattern")
    }
    return msgspec.json.encode(looked_at, order="deterministic") if looked_at else b""


def demand_of(item: Item) -> dict[str, Any]:
    """The parameters that demand something of the thing, as JSON shapes."""
    named = {*PLACEHOLDER.findall(item.declared.object)}
    return {
        name: value
        for name, value in item.parameters.items()
        if name not in named and not _is_of(name, item, HOW)
    }


def differing(one: Item, other: Item) -> list[str]:
    """The parameters that demand something, and not the same; of one item in two profiles all that differ."""
    same = one.id == other.id
    first, second = (one.parameters, other.parameters) if same else (demand_of(one), demand_of(other))
    return [name for name in one.declared.parameters if first.get(name) != second.get(name)]


def _is_of(name: str, item: Item, names: Collection[str]) -> bool:
    return name in names or f"{item.check}.{name}" in names


def contradict(one: Item, other: Item) -> bool:
    """Whether no state of the thing can please both."""
    parameters = one.declared.parameters
    if any(
        not _compatible(name, parameters[name], one.arguments[name], other.arguments[name])
        for name in differing(one, other)
    ):
        return True
    return _crossing(one.arguments, other.arguments) or _crossing(other.arguments, one.arguments)


def _compatible(name: str, parameter: Parameter, one: Any, other: Any) -> bool:
    if _says_nothing(one) or _says_nothing(other) or name in ADDED_UP or name in LAX:
        return True
    if isinstance(one, Matcher) and isinstance(other, Matcher):
        return both_hold(one, other)
    if isinstance(one, bool) or isinstance(other, bool):
        # What is false unless somebody asks for it demands something only where it is true.
        return parameter.default is False
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(
            both_hold(one[key], other[key]) if isinstance(one[key], Matcher) else one[key] == other[key]
            for key in one
            if key in other
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return any(part in other for part in one)
    bound = name in _BOUNDS or name.endswith(_BOUND_ENDS) or name.startswith(("min_", "max_"))
    unit = any(_marked(parameter.hint, mark) for mark in ("size", "percent", "span"))
    return one == other or bound or unit


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def _crossing(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether the one demands what is outside of what the other allows."""
    for name, least in one.items():
        most = other.get(f"max_{name.removeprefix('min_')}") if name.startswith("min_") else None
        if _is_number(least) and _is_number(most) and least > most:
            return True
    if {*(one.get("required") or ())} & {*(other.get("forbidden") or ())}:
        return True
    mode, most = one.get("mode"), other.get("mode_at_most")
    bits = [int(each, 8) for each in (mode, most) if isinstance(each, str) and _is_mode(each)]
    return len(bits) == 2 and bool(bits[0] & ~bits[1])


def both_hold(one: Matcher, other: Matcher) -> bool:
    """Whether some value meets both conditions; false also where that cannot be told."""
    for first, second in ((one, other), (other, one)):
        if [name for name, _ in first.tests] == ["any"]:
            return any(both_hold(choice, second) for choice in first.tests[0][1])
    tests = [[*_flat(each)] for each in (one, other)]
    candidates = [value for part in tests for value in _candidates(part)]
    if candidates:
        return any(one.holds(value) and other.holds(value) for value in candidates)
    apart = [test for test in (*tests[0], *tests[1]) if (test in tests[0]) is not (test in tests[1])]
    kinds = {"range" if name in _RANGE else name for name, _ in apart}
    every = [*tests[0], *tests[1]]
    if kinds == {"range"}:
        return not _empty([test for test in every if test[0] in _RANGE], _beyond)
    if kinds == {"version"}:
        return _versions_meet([bound for name, bound in every if name == "version"])
    if kinds == {"length"}:
        first, second, *more = [bound for name, bound in every if name == "length"]
        return not more and both_hold(first, second)
    if kinds == {"not"}:  # there is always another value than some that are named
        return all(name in ("equals", "one_of") for _, inner in apart for name, _ in inner.tests)
    return kinds <= {"contains"}


def _flat(matcher: Matcher) -> Iterator[tuple[str, Any]]:
    """The conditions that all have to hold, those within `all` among them."""
    for name, bound in matcher.tests:
        if name == "all":
            for part in bound:
                yield from _flat(part)
        else:
            yield name, bound


def _empty(tests: Sequence[tuple[str, Any]], beyond: Callable[[Any, Any], int]) -> bool:
    """Whether no value lies above all lower bounds and below all upper ones."""
    for low, least in tests:
        for high, most in tests:
            if low in ("at_least", "above") and high in ("at_most", "below"):
                order = beyond(least, most)
                if order > 0 or (order == 0 and (low == "above" or high == "below")):
                    return True
    return False


def _versions_meet(bounds: Sequence[Any]) -> bool:
    from checks.versions import compare

    (scheme, *others) = {bound.scheme for bound in bounds}
    tests = [test for bound in bounds for test in bound.tests]
    return not others and not _empty(tests, lambda one, other: compare(one, other, scheme))


def _candidates(tests: Sequence[tuple[str, Any]]) -> Iterator[Any]:
    """The values that conditions name one by one, in the forms that files and programs give them."""
    for name, bound in tests:
        if name == "equals":
            yield from _spelt(bound)
        elif name == "one_of":
            for each in bound:
                yield from _spelt(each)
        elif name == "version":
            yield from (version for relation, version in bound.tests if relation == "equals")


def _spelt(bound: Any) -> Iterator[Any]:
    if hasattr(bound, "dimension"):
        yield bound.number
    elif isinstance(bound, tuple):
        yield list(bound)
        yield " ".join(str(part) for part in bound)
    elif str(bound).lower() in _TRUE:
        yield from _TRUE
    elif str(bound).lower() in _FALSE:
        yield from _FALSE
    else:
        yield bound


def _beyond(least: Any, most: Any) -> int:
    """1 where a lower bound lies above an upper one (of rows: in one place), 0 where they meet, else -1."""
    if isinstance(least, tuple) and isinstance(most, tuple) and not hasattr(least, "dimension"):
        if len(least) != len(most):
            return 1
        return max(map(_beyond, least, most), default=-1)
    one, other = getattr(least, "number", least), getattr(most, "number", most)
    if not (_is_number(one) and _is_number(other)):
        return 1
    return int(one > other) - int(one < other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_mode(text: str) -> bool:
    return 3 <= len(text) <= 5 and all(digit in "01234567" for digit in text)


def _marked(hint: Any, mark: str) -> bool:
    if get_origin(hint) is Annotated:
        return mark in hint.__metadata__
    return get_origin(hint) is not Literal and any(_marked(part, mark) for part in get_args(hint))
