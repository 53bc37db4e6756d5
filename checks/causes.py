"""Root causes: where one thing being down explains many results, the one is shown and the rest under it.

A target that could not be reached explains the errors of all that was to be read there. An item that fails
explains the troubles of the items that say they need it. This is about what people are shown, told and woken
by; it changes no result, no finding and no figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from checks.evaluate import Evaluation
from checks.model import Result, Severity, Status
from checks.plan import Plan
from checks.snapshot import Readings, Snapshot

_TROUBLES: Final = frozenset({Status.FAIL, Status.WARN, Status.ERROR})
"""The statuses that a root cause may explain."""

_MAX_STEPS: Final = 50

_QUOTED: Final = 200
"""Characters of a reason that a message quotes at the least."""


class Root(msgspec.Struct, frozen=True):
    """A cause and what stands under it.

    `item` and `key` are those of the failing result, empty where it is the target itself that is lost.
    `severity` is the worst of the cause's own and of all that is folded under it; `under` are result keys.
    """

    target: str
    item: str
    key: str
    reason: str
    cause: str
    severity: Severity
    under: tuple[str, ...]


def roots_of(plan: Plan, snapshot: Snapshot, evaluation: Evaluation) -> tuple[Root, ...]:
    """The root causes in a run, those that explain something only, lost targets first."""
    lost = {each.target.name: each for each in snapshot.targets if each.lost is not None}
    results = {result.key: result for result in evaluation.results}
    under_target = _under_targets(lost, evaluation)
    needs = {(unit.target, unit.item.id): unit.item.needs for unit in plan.units if unit.item.needs}
    under_item = _under_items(results, needs, skip=under_target)
    roots = []
    for name, keys in _grouped(under_target).items():
        why = lost[name].lost
        assert why is not None
        severity = min(results[key].severity for key in keys)
        roots.append(Root(name, "", "", why.reason, why.cause, severity, keys))
    for key, keys in _grouped(under_item).items():
        own = results[key]
        severity = min(own.severity, *(results[each].severity for each in keys))
        roots.append(Root(own.target, own.item, key, str(own.message), own.cause, severity, keys))
    return tuple(roots)


def _under_targets(lost: Mapping[str, Readings], evaluation: Evaluation) -> dict[str, str]:
    """Result key → the lost target that explains it: one of its readings is what was said of that target.

    Of a check across targets each result is judged on all of them, so it has to quote the reason as well.
    """
    found: dict[str, str] = {}
    for result in evaluation.results if lost else ():
        if result.status is not Status.ERROR:
            continue
        basis = evaluation.basis.get(result.key, ())
        several = len({target for target, _ in basis}) > 1
        for target, fact in basis:
            readings = lost.get(target)
            if readings is None or readings.lost is None or readings.values.get(fact) != readings.lost:
                continue
            if not several or readings.lost.reason[:_QUOTED] in str(result.message):
                found[result.key] = target
                break
    return found


def _under_items(
    results: Mapping[str, Result],
    needs: Mapping[tuple[str, str], tuple[str, ...]],
    skip: Mapping[str, str],
) -> dict[str, str]:
    """Result key → key of the failing result that explains it, followed to the first cause."""
    failing: dict[str, list[Result]] = {}
    placed: dict[str, set[str]] = {}
    for result in results.values():
        placed.setdefault(result.item, set()).add(result.target)
        if result.status is Status.FAIL:
            failing.setdefault(result.item, []).append(result)
    direct: dict[str, str] = {}
    for result in results.values():
        if result.status not in _TROUBLES or result.key in skip:
            continue
        for item in needs.get((result.target, result.item), ()):
            # What an item needs is looked for where it is itself, and elsewhere only if it is not there.
            here = result.target in placed.get(item, ())
            causes = [each for each in failing.get(item, ()) if not here or each.target == result.target]
            if causes:
                direct[result.key] = min(
                    causes, key=lambda each: (each.severity, each.target, each.object)
                ).key
                break
    return {key: _first(key, direct) for key in direct}


def _first(key: str, direct: Mapping[str, str]) -> str:
    at = direct[key]
    for _ in range(_MAX_STEPS):
        if at not in direct:
            break
        at = direct[at]
    return at


def _grouped(pairs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Cause → what it explains, in the order of the results."""
    found: dict[str, list[str]] = {}
    for key, cause in pairs.items():
        found.setdefault(cause, []).append(key)
    return {cause: tuple(keys) for cause, keys in found.items()}
