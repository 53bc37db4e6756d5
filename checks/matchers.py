"""Matchers: what a profile says a value has to be: ``{at_least: 8 GiB}``, ``{one_of: [on, local]}``.

Both sides may be numbers or texts with a number in them: a configuration file's ``"262144"`` is at least
262144, its ``512M`` is at least ``256 MiB``. Equal meaning has one canonical form, which enters the rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from checks.patterns import compile_pattern
from checks.units import Quantity, parse_number, parse_quantity, percent_text, size_text, span_text

MATCHED_LENGTH: Final = 4096
"""Characters of a value that a pattern sees: bounds what a slow pattern can cost."""

_WORDS: Final = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}

Bound = str | int | float | bool | None | Quantity | tuple["Bound", ...]


class Matcher(msgspec.Struct, frozen=True):
    """Conditions that must all hold. Made by `read_matcher`; `tests` pairs a condition's name with its bound.

    equals   the same text (runs of white space count as one space), number, or truth value
    at_least, at_most   as numbers, with units; a row of numbers is compared one by one
    one_of   equals one of a list
    matches  a regular expression found anywhere in the text; anchor it with ``^`` and ``$``
    """

    tests: tuple[tuple[str, Bound], ...]

    def holds(self, value: object) -> bool:
        """Whether a value (text, number, truth value, None or a list of those) meets every condition.

        A value that cannot be compared with the bound does not meet it.
        """
        return all(_TESTS[name](value, bound) for name, bound in self.tests)

    def canonical(self) -> dict[str, Any]:
        """JSON shapes that mean the same, equal for equal meaning: ``8 GiB`` and ``8192 MiB`` are one."""
        return {name: _plain(bound) for name, bound in self.tests}

    def __str__(self) -> str:
        """For people: ``at least 8 GiB and at most 16 GiB``."""
        return " and ".join(f"{_SAYS[name]} {_shown(bound)}".lstrip() for name, bound in self.tests)


def read_matcher(given: object) -> Matcher:
    """A matcher from a profile's plain value; a bare scalar means `equals`.

    Raises `ValueError` that says what would be right.
    """
    if isinstance(given, Matcher):
        return given
    if not isinstance(given, Mapping):
        if isinstance(given, list | tuple):
            raise ValueError("a list is no condition; write {one_of: [...]} or {equals: [...]}")
        return Matcher((("equals", _bound(given)),))
    if not given:
        raise ValueError(f"an empty condition; write one of {', '.join(NAMES)}")
    tests: dict[str, Bound] = {}
    for name, value in given.items():
        if name not in _READERS:
            raise ValueError(f"unknown condition {name!r:.60}; it is one of {', '.join(NAMES)}")
        tests[name] = _READERS[name](value)
    return Matcher(tuple(sorted(tests.items(), key=lambda test: test[0])))


def _bound(value: object) -> Bound:
    """A scalar, a quantity (from text with a unit) or a row of them."""
    if isinstance(value, list | tuple) and not isinstance(value, Quantity):
        return tuple(_bound(part) for part in value)
    if isinstance(value, str):
        return _settled(parse_quantity(value) or value)
    if value is None or isinstance(value, bool | int | float | Quantity):
        return _settled(value)
    raise ValueError(f"expected text, a number or a list of those, not {type(value).__name__}")


def _number(value: object) -> Bound:
    """A number with or without unit, or a row of numbers (a list, or text such as ``250 32000 100 128``)."""
    if isinstance(value, list | tuple) and not isinstance(value, Quantity):
        row = tuple(_number(part) for part in value)
        if row and not any(isinstance(part, tuple) and not isinstance(part, Quantity) for part in row):
            return row
    elif isinstance(value, str):
        one = parse_number(value) if parse_number(value) is not None else parse_quantity(value)
        if one is not None:
            return _settled(one)
        if len(value.split()) > 1:
            return tuple(_number(part) for part in value.split())
    elif isinstance(value, int | float | Quantity) and not isinstance(value, bool):
        return _bound(value)
    raise ValueError("expected a number, with a unit where it has one: 65536, 8 GiB, 15 %, 30 d")


def _choices(value: object) -> Bound:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("expected a list of values that are right: {one_of: [a, b]}")
    choices = [_bound(part) for part in value]
    unique = [part for at, part in enumerate(choices) if part not in choices[:at]]
    return tuple(sorted(unique, key=lambda part: msgspec.json.encode(_plain(part))))


def _pattern(value: object) -> Bound:
    compile_pattern(value)
    return str(value)


def _settled(bound: Bound) -> Bound:
    """One form for equal bounds: 8.0 is 8, a quantity has at most six decimals; refused beyond 64 bits."""
    if isinstance(bound, Quantity):
        number = _settled(round(bound.number, 6))
        if not isinstance(number, int | float) or abs(number) >= 2**63:
            raise ValueError(f"{bound.number:.3g} is too large a number")
        return Quantity(number, bound.dimension)
    if isinstance(bound, float) and not abs(bound) < float("inf"):
        raise ValueError(f"{bound} cannot be compared with")
    if isinstance(bound, int) and abs(bound) >= 2**63:
        raise ValueError(f"{str(bound)[:40]} is too large a number")
    if isinstance(bound, float) and bound.is_integer() and abs(bound) < 2**53:
        return int(bound)
    return bound


def _equal(value: object, bound: Any) -> bool:
    if isinstance(bound, Quantity) or (isinstance(bound, int | float) and not isinstance(bound, bool)):
        number = _measured(value, bound)
        return number is not None and number == _amount(bound)
    if isinstance(bound, tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(bound)
            and all(_equal(one, other) for one, other in zip(value, bound, strict=True))
        )
    if isinstance(bound, bool) or isinstance(value, bool):
        return _truth(bound) is not None and _truth(value) is _truth(bound)
    if bound is None or value is None:
        return value is bound
    if isinstance(value, int | float):
        return parse_number(bound) == value
    return isinstance(value, str) and value.split() == bound.split()


def _at_least(value: object, bound: Any) -> bool:
    return _ordered(value, bound, lambda number, limit: number >= limit)


def _at_most(value: object, bound: Any) -> bool:
    return _ordered(value, bound, lambda number, limit: number <= limit)


def _one_of(value: object, bound: Any) -> bool:
    return any(_equal(value, choice) for choice in bound)


def _matches(value: object, bound: Any) -> bool:
    if value is None or isinstance(value, list | tuple | dict):
        return False
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.search(bound, text[:MATCHED_LENGTH]) is not None


def _ordered(value: object, bound: Any, holds: Callable[[float, float], bool]) -> bool:
    if isinstance(bound, tuple) and not isinstance(bound, Quantity):
        parts: Sequence[object] = value.split() if isinstance(value, str) else _row(value)
        return len(parts) == len(bound) and all(
            _ordered(one, limit, holds) for one, limit in zip(parts, bound, strict=True)
        )
    number = _measured(value, bound)
    return number is not None and holds(number, _amount(bound))


def _row(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else (value,)


def _amount(bound: Any) -> float:
    return float(bound.number) if isinstance(bound, Quantity) else bound


def _measured(value: object, bound: Any) -> float | None:
    """The value as a number in the bound's dimension, or None where it has none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value if abs(value) < float("inf") else None
    if not isinstance(value, str):
        return None
    number = parse_number(value)
    if number is not None:
        return number
    dimension = bound.dimension if isinstance(bound, Quantity) else ""
    quantity = parse_quantity(value, bare=dimension)
    return quantity.number if quantity and dimension in ("", quantity.dimension) else None


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return _WORDS.get(str(value).strip().lower()) if isinstance(value, str | int) else None


_BASE_UNITS: Final = {"size": "B", "percent": "%", "span": "s"}


def _plain(bound: Any) -> Any:
    if isinstance(bound, Quantity):
        return f"{_digits(bound.number)} {_BASE_UNITS[bound.dimension]}"
    return [_plain(part) for part in bound] if isinstance(bound, tuple) else bound


def _digits(number: float) -> str:
    """Decimal digits without an exponent, so that the text can be read again as a quantity."""
    return str(number) if isinstance(number, int) else f"{number:.6f}".rstrip("0").rstrip(".")


def _shown(bound: Any) -> str:
    if isinstance(bound, Quantity):
        show = {"size": size_text, "percent": percent_text, "span": span_text}[bound.dimension]
        return show(bound.number)
    if isinstance(bound, tuple):
        return ", ".join(_shown(part) for part in bound) or "an empty list"
    if bound is None or isinstance(bound, bool):
        return {None: "nothing", True: "true", False: "false"}[bound]
    return str(bound).strip() or "empty"


_READERS: Final[dict[str, Callable[[object], Bound]]] = {
    "equals": _bound,
    "at_least": _number,
    "at_most": _number,
    "one_of": _choices,
    "matches": _pattern,
}
_TESTS: Final[dict[str, Callable[[object, Any], bool]]] = {
    "equals": _equal,
    "at_least": _at_least,
    "at_most": _at_most,
    "one_of": _one_of,
    "matches": _matches,
}
_SAYS: Final = {
    "equals": "",
    "at_least": "at least",
    "at_most": "at most",
    "one_of": "one of",
    "matches": "matching",
}
NAMES: Final = tuple(_READERS)
