"""The exit code of a run: what a pipeline or a scheduler learns from it without reading the report."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import click

from checks.errors import FirstlightError
from checks.model import PlanItem, Result, Severity, Status

if TYPE_CHECKING:
    from agent.ship import Shipment
    from reports.run.nagios import State

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
    waived: Collection[str] = (),
) -> int:
    """1 for a finding of severity `fail_on` or worse, 3 if something could not be checked or stored, 4 if
    the collector refused, else 0; the first that applies. `fail_on` is a severity or ``never``.

    `severities` are those that root causes take from what they explain, by result key. What a waiver in force
    covers (`waived`, by result key) is no finding here.
    """
    results = [result for result in results if result.key not in waived]
    if _found(results, plan, fail_on, severities or {}):
        return 1
    if partial or any(result.status is Status.ERROR for result in results):
        return 3
    if shipment is not None and shipment.outcome == "failed":
        return 3
    if shipment is not None and shipment.outcome == "refused":
        return 4
    return 0


def service_state(
    results: Iterable[Result],
    plan: Iterable[PlanItem],
    *,
    fail_on: str,
    partial: bool,
    severities: Mapping[str, Severity] | None = None,
    waived: Collection[str] = (),
) -> State:
    """The run as the state of a monitored service; what became of its delivery is not part of it.

    Critical for what `outcome` ends with 1 for; unknown where something could not be told, or nothing was
    checked; a warning for the other fails and for warnings; else fine. What a waiver covers is no reason.
    """
    from reports.run.nagios import State

    every = list(results)
    results = [result for result in every if result.key not in waived]
    if _found(results, plan, fail_on, severities or {}):
        return State.CRITICAL
    if partial or not every or any(result.status is Status.ERROR for result in results):
        return State.UNKNOWN
    if any(result.status in (Status.FAIL, Status.WARN) for result in results):
        return State.WARNING
    return State.OK


def _found(
    results: Iterable[Result], plan: Iterable[PlanItem], fail_on: str, taken: Mapping[str, Severity]
) -> bool:
    """Whether there is a finding of severity `fail_on` or worse."""
    if fail_on == NEVER:
        return False
    limit = Severity(fail_on)
    warned = frozenset((item.target, item.item) for item in plan if item.opens_on == "warn")
    return any(
        min(result.severity, taken.get(result.key, result.severity)) <= limit
        and counts_as_finding(result, warned)
        for result in results
    )


class PluginCommand(click.Command):
    """A command that may be run as a monitoring plugin: what stops it is UNKNOWN then, never our exit code.

    Our 2 (the input is wrong) would be read as CRITICAL, and 1 as WARNING.
    """

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except FirstlightError as error:
            if ctx.params.get("form") != "nagios":
                raise
            from reports.run.nagios import State, unknown

            sys.stdout.buffer.write(unknown(str(error)))
            sys.stdout.buffer.flush()
            raise SystemExit(int(State.UNKNOWN)) from error
