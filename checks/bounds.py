"""What conditions hold a value against: numbers with and without units, texts, truth values, rows of them.

Both sides may be numbers or texts with a number in them: a configuration file's ``"262144"`` is at least
262144, its ``512M`` is at least ``256 MiB``. Each comparison says True, False, or None where a value cannot
be compared at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
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


def read_bound(value: object) -> Bound:
    """A scalar, a quantity (from text with a unit) or a row of them."""
    if isinstance(value, list | tuple) and not isinstance(value, Quantity):
        return tuple(read_bound(part) for part in value)
    if isinstance(value, str):
        return _settled(parse_quantity(value) or value)
    if value is None or isinstance(value, bool | int | float | Quantity):
        return _settled(value)
    raise ValueError(f"expected text, a number or a list of those, not {type(value).__name__}")


def read_number(value: object) -> Bound:
    """A number with or without unit, or a row of numbers (a list, or text such as ``250 32000 100 128``)."""
    if isinstance(value, list | tuple) and not isinstance(value, Quantity):
        row = tuple(read_number(part) for part in value)
        if row and not any(isinstance(part, tuple) and not isinstance(part, Quantity) for part in row):
            return row
    elif isinstance(value, str):
        one = parse_number(value) if parse_number(value) is not None else parse_quantity(value)
        if one is not None:
            return _settled(one)
        if len(value.split()) > 1:
            return tuple(read_number(part) for part in value.split())
    elif isinstance(value, int | float | Quantity) and not isinstance(value, bool):
        return read_bound(value)
    raise ValueError("expected a number, with a unit where it has one: 65536, 8 GiB, 15 %, 30 d")


def read_choices(value: object) -> Bound:
    """A list of scalars, sorted and each once."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("expected a list of values that are right: {one_of: [a, b]}")
    choices = [read_bound(part) for part in value]
    unique = [part for at, part in enumerate(choices) if part not in choices[:at]]
    return tuple(sorted(unique, key=lambda part: msgspec.json.encode(plain(part))))


def read_contents(value: object) -> Bound:
    """One text or number, or several in any order; units mean nothing here."""
    if not isinstance(value, list | tuple):
        return _entry(value)
    unique = {msgspec.json.encode(entry): entry for entry in map(_entry, value)}
    if not unique:
        raise ValueError("expected what has to be in it: {contains: a} or {contains: [a, b]}")
    entries = tuple(unique[written] for written in sorted(unique))
    return entries if len(entries) > 1 else entries[0]


def _entry(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | bool):
        if value == "":
            raise ValueError("an empty text is in every text")
        return value
    if isinstance(value, int | float):
        settled = _settled(value)
        assert isinstance(settled, int | float)
        return settled
    raise ValueError(f"expected text or a number, not {type(value).__name__}")


def read_pattern(value: object) -> Bound:
    """A regular expression that compiles and cannot run for ever."""
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


def equals(value: object, bound: Any) -> bool:
    """The same text (runs of white space count as one space), number, truth value or row of them."""
    if isinstance(bound, Quantity) or (isinstance(bound, int | float) and not isinstance(bound, bool)):
        number = _measured(value, bound)
        return number is not None and number == _amount(bound)
    if isinstance(bound, tuple):
        return (
            isinstance(value, list | tuple)
            and len(value) == len(bound)
            and all(equals(one, other) for one, other in zip(value, bound, strict=True))
        )
    if isinstance(bound, bool) or isinstance(value, bool):
        return _truth(bound) is not None and _truth(value) is _truth(bound)
    if bound is None or value is None:
        return value is bound
    if isinstance(value, int | float):
        return parse_number(bound) == value
    return isinstance(value, str) and value.split() == bound.split()


def ordered(value: object, bound: Any, holds: Callable[[float, float], bool]) -> bool | None:
    """Whether a number, or each of a row, stands to its bound as `holds` says; None: not comparable."""
    if isinstance(bound, tuple) and not isinstance(bound, Quantity):
        parts: Sequence[object] = value.split() if isinstance(value, str) else _row(value)
        if len(parts) != len(bound):
            return None
        said = [ordered(one, limit, holds) for one, limit in zip(parts, bound, strict=True)]
        return None if None in said else all(said)
    number = _measured(value, bound)
    return None if number is None else holds(number, _amount(bound))


def one_of(value: object, bound: Any) -> bool:
    """Equal to one of several."""
    return any(equals(value, choice) for choice in bound)


def matches(value: object, bound: Any) -> bool | None:
    """Whether a pattern is found in a text; None for what is no text."""
    if value is None or isinstance(value, list | tuple | dict):
        return None
    return re.search(bound, _text(value)[:MATCHED_LENGTH]) is not None


def contains(value: object, bound: Any) -> bool | None:
    """Whether a text has a text in it, or a list an entry; of several all have to be there."""
    wanted = bound if isinstance(bound, tuple) else (bound,)
    if isinstance(value, list | tuple):
        return all(any(equals(entry, each) for entry in value) for each in wanted)
    if value is None or isinstance(value, dict) or None in wanted:
        return None
    return all(_text(each) in _text(value) for each in wanted)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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


def plain(bound: Any) -> Any:
    """JSON shapes that read back as the same bound."""
    if isinstance(bound, Quantity):
        return f"{_digits(bound.number)} {_BASE_UNITS[bound.dimension]}"
    return [plain(part) for part in bound] if isinstance(bound, tuple) else bound


def _digits(number: float) -> str:
    """Decimal digits without an exponent, so that the text can be read again as a quantity."""
    return str(number) if isinstance(number, int) else f"{number:.6f}".rstrip("0").rstrip(".")


def shown(bound: Any) -> str:
    """A bound for people."""
    if isinstance(bound, Quantity):
        show = {"size": size_text, "percent": percent_text, "span": span_text}[bound.dimension]
        return show(bound.number)
    if isinstance(bound, tuple):
        return ", ".join(shown(part) for part in bound) or "an empty list"
    if bound is None or isinstance(bound, bool):
        return {None: "nothing", True: "true", False: "false"}[bound]
    return str(bound).strip() or "empty"
