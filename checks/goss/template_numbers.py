"""Sprig's functions of numbers: they take texts as well, and 0 for what is no number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from checks.goss.template_values import MAX_ENTRIES, Refused, as_real, as_whole


def _until(*ends: Any) -> list[int]:
    first, last, step = (0, ends[0], 1) if len(ends) == 1 else ends
    first, last, step = as_whole(first), as_whole(last), as_whole(step)
    if len(ends) == 1 and last < 0:
        step = -1
    if not step:
        return []
    found = range(first, last, step)
    if len(found) > MAX_ENTRIES:
        raise Refused(f"more than {MAX_ENTRIES} rounds")
    return list(found)


def _seq(*given: Any) -> str:
    ends = [as_whole(each) for each in given]
    if not ends or len(ends) > 3:
        return ""
    first, last = (1, ends[0]) if len(ends) == 1 else (ends[0], ends[-1])
    step = ends[1] if len(ends) == 3 else 1 if last >= first else -1
    if not step or (last - first) * step < 0:
        return ""
    found = range(first, last + (1 if step > 0 else -1), step)
    if len(found) > MAX_ENTRIES:
        raise Refused(f"more than {MAX_ENTRIES} rounds")
    return " ".join(map(str, found))


def _sum(*values: Any) -> int:
    return as_whole(sum(map(as_whole, values)))


def _product(*values: Any) -> int:
    made = 1
    for each in values:
        made = as_whole(made * as_whole(each))
    return made


def _divided(one: Any, other: Any) -> int:
    """Towards 0, as Go divides."""
    by = as_whole(other)
    if not by:
        raise Refused("a division by 0")
    whole = abs(as_whole(one)) // abs(by)
    return whole if (as_whole(one) < 0) == (by < 0) else -whole


NUMBERS: Final[dict[str, Callable[..., Any]]] = {
    "until": _until,
    "untilStep": _until,
    "seq": _seq,
    "add": _sum,
    "add1": lambda value: as_whole(as_whole(value) + 1),
    "sub": lambda one, other: as_whole(as_whole(one) - as_whole(other)),
    "mul": _product,
    "div": _divided,
    "mod": lambda one, other: as_whole(one) - as_whole(other) * _divided(one, other),
    "max": lambda *values: max(map(as_whole, values)),
    "min": lambda *values: min(map(as_whole, values)),
    "floor": lambda value: float(math.floor(as_real(value))),
    "ceil": lambda value: float(math.ceil(as_real(value))),
    "int": as_whole,
    "int64": as_whole,
    "float64": as_real,
    "atoi": as_whole,
}
