"""The functions that expressions in YAML checks may call (`expression.py` beside this): pure, and bounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from checks import versions
from checks.matchers import MATCHED_LENGTH, Matcher
from checks.patterns import compile_pattern
from checks.units import DAY, parse_number, parse_quantity


class Unfit(ValueError):
    """The values that were read do not suit the expression; the text says which and why."""


class Function(msgspec.Struct, frozen=True):
    """A function of the language: how many values it takes (least, most), and its line for the page."""

    counts: tuple[int, int]
    run: Callable[..., Any]
    line: str
    wants_now: bool = False


def call(name: str, given: Sequence[Any], now: datetime | None) -> Any:
    """What a function of `FUNCTIONS` gives; raises `Unfit`. `now` is the snapshot's moment, aware."""
    function = FUNCTIONS[name]
    if not function.wants_now:
        return function.run(*given)
    if now is None:
        raise Unfit(f"{name}: what time it is is not known")
    return function.run(now, *given)


def kind_of(value: Any) -> str:
    """What a value is, for people: ``nothing``, ``the text 'abc'``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value:.10g}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, list | tuple | set | frozenset):
        return "a list"
    return "a moment" if isinstance(value, datetime) else "a reading"


def _len(value: Any) -> int:
    if isinstance(value, str | list | tuple | Mapping | set | frozenset):
        return len(value)
    raise Unfit(f"len: {kind_of(value)} has no length")


def _lower(value: Any) -> str:
    return _text(value, "lower").lower()


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    found = parse_number(_text(value, "number"))
    if found is None:
        raise Unfit(f"number: {kind_of(value)} is none")
    return found


def _size(value: Any) -> float:
    """Bytes, read as generously as the programs do that own such files: ``512M`` is 512 MiB."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = _text(value, "size")
    number, quantity = parse_number(text), parse_quantity(text, bare="size")
    if number is not None:
        return number
    if quantity is None or quantity.dimension != "size":
        raise Unfit(f"size: {kind_of(value)} is none")
    return quantity.number


def _matches(value: Any, pattern: Any) -> bool:
    try:
        compiled = compile_pattern(pattern)
    except ValueError as problem:
        raise Unfit(f"matches: {problem}") from None
    return compiled.search(_text(value, "matches")[:MATCHED_LENGTH]) is not None


def _meets(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Matcher):
        raise Unfit("meets: the second value has to be a parameter of the type condition")
    return condition.holds(value)


def _days_until(now: datetime, moment: Any) -> float:
    return (_moment(moment, "days_until") - now).total_seconds() / DAY


def _days_since(now: datetime, moment: Any) -> float:
    return (now - _moment(moment, "days_since")).total_seconds() / DAY


def _moment(value: Any, name: str) -> datetime:
    """A moment from a moment, from ISO text (without a zone it is UTC), or from Unix seconds."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = (
            value if isinstance(value, datetime) else datetime.fromisoformat(_text(value, name)[:40].strip())
        )
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise Unfit(f"{name}: {kind_of(value)} is no date; it has to be such as 2027-12-31") from None


def _version_at_least(value: Any, wanted: Any, scheme: Any = versions.DEFAULT) -> bool:
    """By the rules of whoever numbers them; 1.10 is later than 1.9, and 2.0 the same as 2."""
    given = (_text(value, "version_at_least"), _text(wanted, "version_at_least"), _text(scheme, "scheme"))
    try:
        return versions.compare(*given) >= 0
    except ValueError as problem:
        raise Unfit(f"version_at_least: {problem}") from None


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.15g}" if isinstance(value, float) else str(value)
    raise Unfit(f"{name}: {kind_of(value)} where a text is needed")


FUNCTIONS: Final[dict[str, Function]] = {
    "len": Function((1, 1), _len, "how many characters, entries or keys"),
    "lower": Function((1, 1), _lower, "the text in small letters"),
    "number": Function((1, 1), _number, "the number that a text is"),
    "size": Function((1, 1), _size, "bytes of a text such as `8 GiB` or `512M`"),
    "matches": Function((2, 2), _matches, "whether a regular expression is found in the text"),
    "meets": Function((2, 2), _meets, "whether a value meets a parameter of the type condition"),
    "days_until": Function(
        (1, 1), _days_until, "days from the run to a date, negative once it is past", True
    ),
    "days_since": Function((1, 1), _days_since, "days from a date to the run", True),
    "version_at_least": Function(
        (2, 3), _version_at_least, "whether a version is that one or a later one: 1.10 is later than 1.9"
    ),
}

PATTERNS: Final = frozenset({"matches"})
"""The functions whose second value is a regular expression."""
