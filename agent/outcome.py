"""The exit code of a run: what a pipeline or a scheduler learns from it without reading the report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from checks.model import PlanItem, Result, Severity, Status

if TYPE_CHECKING:
    from agent.ship import Shipment

NEVER = "never"


def counts_as_finding(result: Result, warned: frozenset[tuple[str, str]]) -> bool:
    """A fail; and a warning where the item itself says that a warning opens a finding."""
    if result.status is Status.WARN:
        return (result.target, result.item) in warned
    return result.status is Status.FAIL


def outcome(
    results: Iterable[Result],
    plan: Iterable[PlanItem],
    *,
    fail_on: str,
    partial: bool,
    shipment: Shipment | None,
    severities: Mapping[str, Severity] | None = None,
) -> int:
    """1 for a finding of severity `fail_on` or worse, 3 if something could not be checked or stored, 4 if
    the collector refused, else 0; the first that applies. `fail_on` is a severity or ``never``.

    `severities` are those that root causes take from what they explain, by result key.
    """
    taken = severities or {}
    results = list(results)
    warned = frozenset((item.target, item.item) for item in plan if item.opens_on == "warn")
    if fail_on != NEVER:
        limit = Severity(fail_on)
        if any(
            min(result.severity, taken.get(result.key, result.severity)) <= limit
            and counts_as_finding(result, warned)
            for result in results
        ):
            return 1
    if partial or any(result.status is Status.ERROR for result in results):
        return 3
    if shipment is not None and shipment.outcome == "failed":
        return 3
    if shipment is not None and shipment.outcome == "refused":
        return 4
    return 0
