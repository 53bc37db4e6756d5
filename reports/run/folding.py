"""Root causes in a report: the cause is shown once, with the worst severity of what stands under it.

A target that was lost has no result of its own; it is shown as one that could not be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from checks.causes import Root
from checks.model import Message, Result, Status

NAMES_SHOWN: Final = 6


def explained(roots: Iterable[Root]) -> frozenset[str]:
    """The keys of the results that stand under a cause."""
    return frozenset(key for root in roots for key in root.under)


def shown(results: Iterable[Result], roots: Sequence[Root]) -> list[Result]:
    """The lost targets, and the results that stand for themselves."""
    return [as_result(root) for root in roots if not root.key] + standing(results, roots)


def standing(results: Iterable[Result], roots: Sequence[Root]) -> list[Result]:
    """The results that stand for themselves, causes with the severity they take."""
    under = explained(roots)
    severities = {root.key: root.severity for root in roots if root.key}
    return [
        msgspec.structs.replace(each, severity=severities[each.key]) if each.key in severities else each
        for each in results
        if each.key not in under
    ]


def as_result(root: Root) -> Result:
    """A lost target, in the shape of what a report lists."""
    return Result(
        key=f"lost:{root.target}",
        target=root.target,
        item="target",
        check="target",
        check_version=1,
        object="",
        status=Status.ERROR,
        severity=root.severity,
        cause=root.cause,
        rule="",
        title="The target can be reached",
        message=Message(
            "{target} could not be read: {reason}", {"target": root.target, "reason": root.reason}
        ),
        evidence={},
        remedy="",
        owner="",
        duration_ms=0.0,
    )


def beneath(key: str, results: Iterable[Result], roots: Iterable[Root]) -> str:
    """What stands under a shown result, as a sentence; empty where nothing does."""
    root = next((each for each in roots if key == (each.key or f"lost:{each.target}")), None)
    if root is None:
        return ""
    under = frozenset(root.under)
    names = list(dict.fromkeys(each.item for each in results if each.key in under))
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    count = len(root.under)
    stand = "1 result stands" if count == 1 else f"{count} results stand"
    return f"{stand} under this: {', '.join(names[:NAMES_SHOWN])}{more}"
