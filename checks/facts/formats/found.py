"""What is found of a key: nothing, one value, or all that it was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

Plain = str | int | float | bool | None

MISSING: Final = object()


def wants_all(key: str) -> tuple[str, bool]:
    """The key without a ``[]`` at its end, and whether it had one."""
    return (key[:-2], True) if key.endswith("[]") else (key, False)


def all_or_last(values: Sequence[str], everything: bool) -> Any:
    """All values as a list, or the last one, which most programs go by."""
    if not values:
        return MISSING
    return list(values) if everything else values[-1]


def all_or_one(values: Sequence[str], everything: bool) -> Any:
    """All values as a list, and a single one by itself unless a list was asked for."""
    if not values:
        return MISSING
    return list(values) if everything or len(values) > 1 else values[0]
