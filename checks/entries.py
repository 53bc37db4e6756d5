"""Conditions on what is in a value: entries of a list, lines of a text, keys and places of JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Judge = Callable[[object], bool | None]
"""How a condition holds of one entry; None: the entry cannot be compared."""

MISSING: Final = object()
_DEPTH: Final = 50
_STEP: Final = r"(?:[^.\\\[\]]|\\.)+|\[\d{1,9}\]"
_PATH: Final = rf"(?:@this|{_STEP})(?:\.(?:[^.\\\[\]]|\\.)+|\[\d{{1,9}}\])*"


def entries_of(value: object) -> Sequence[object] | None:
    """A list's entries, or the lines of a text (what follows the last line end is one too); None: neither."""
    if isinstance(value, str):
        return value.split("\n")
    return value if isinstance(value, list | tuple) else None


def joined(value: object) -> object:
    """A list as one text, its entries on a line each; anything else as it is."""
    if not isinstance(value, list | tuple):
        return value
    return "\n".join(str(part).lower() if isinstance(part, bool) else str(part) for part in value)


def some(value: object, holds: Judge) -> bool | None:
    """Whether an entry meets a condition."""
    found = entries_of(value)
    if found is None:
        return None
    unsure = False
    for entry in found:
        said = holds(entry)
        if said:
            return True
        unsure = unsure or said is None
    return None if unsure else False


def includes(value: object, conditions: Sequence[Judge]) -> bool | None:
    """Whether each condition is met by an entry of its own."""
    found = entries_of(value)
    return None if found is None else _matched(found, conditions)


def consists_of(value: object, conditions: Sequence[Judge]) -> bool | None:
    """The same, where no entry is left over."""
    found = entries_of(value)
    if found is None:
        return None
    return len(found) == len(conditions) and _matched(found, conditions)


def starts_with(value: object, bound: str) -> bool | None:
    """Whether a text begins with another; None for what is no text or number."""
    return None if _text(value) is None else str(_text(value)).startswith(bound)


def ends_with(value: object, bound: str) -> bool | None:
    """Whether a text ends with another; None for what is no text or number."""
    return None if _text(value) is None else str(_text(value)).endswith(bound)


def keys(value: object) -> list[str] | None:
    """The keys of a mapping, or of the JSON in a text."""
    found = as_json(value)
    return [str(key) for key in found] if isinstance(found, Mapping) else None


def read_path(path: object) -> str:
    """A place in JSON as people write it: ``checks[0].status``, ``checks.0.status``, ``@this``."""
    if not isinstance(path, str) or not re.fullmatch(_PATH, path) or len(path) > 1000:
        raise ValueError(f"{path!r:.60} is no place in JSON; write it like checks[0].status")
    return path


def at(value: object, path: str) -> Any:
    """What stands at a place of JSON (a value, or a text that is JSON); `MISSING` where nothing does."""
    found = as_json(value)
    for step in [] if path == "@this" else re.findall(_STEP, path):
        name = re.sub(r"\\(.)", r"\1", step)
        if isinstance(found, Mapping) and step[0] != "[":
            found = found.get(name, MISSING)
        elif isinstance(found, list | tuple) and name.strip("[]").isdecimal() and len(name) < 12:
            place = int(name.strip("[]"))
            found = found[place] if place < len(found) else MISSING
        else:
            return MISSING
    return found


def as_json(value: object) -> Any:
    """The value of a text that is JSON, `MISSING` where it is none; anything but a text as it is."""
    if not isinstance(value, str):
        return value
    import json

    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return MISSING


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def _matched(found: Sequence[object], conditions: Sequence[Judge]) -> bool:
    """Whether every condition can have an entry of its own (a matching in a bipartite graph, after Kuhn)."""
    fits: list[list[int]] = []
    for holds in conditions:
        mine: list[int] = []
        for place, entry in enumerate(found):
            if holds(entry):
                mine.append(place)
            # With as many choices as there are conditions one is always left; looking on changes nothing.
            if len(mine) == len(conditions) and len(found) != len(conditions):
                break
        if not mine:
            return False
        fits.append(mine)
    taken: dict[int, int] = {}

    def place_for(condition: int, tried: set[int]) -> bool:
        for place in fits[condition]:
            if place not in tried:
                tried.add(place)
                if place not in taken or place_for(taken[place], tried):
                    taken[place] = condition
                    return True
        return False

    return all(place_for(condition, set()) for condition in range(len(conditions)))
