"""Failures that are known and borne until a day: reported as they are, and without an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from checks.model import Result, Status
from checks.rules import Waiver

if TYPE_CHECKING:
    from agent.paths import State


def waived(state: State, site: str, results: Iterable[Result], now: datetime) -> dict[str, str]:
    """By key, what is to be said of the failing results that a waiver in force covers."""
    if not site or not state.rules_file.exists():
        return {}
    from agent.rules.held import in_force

    rules = in_force(state)
    if rules is None or rules.site != site:
        return {}
    current = [each for each in rules.waivers if each.expires > now]
    return _covered(current, results) if current else {}


def _covered(waivers: Sequence[Waiver], results: Iterable[Result]) -> dict[str, str]:
    said = {}
    for result in results:
        if result.status not in (Status.FAIL, Status.WARN):
            continue
        fitting = [each for each in waivers if _covers(each, result)]
        if fitting:
            longest = max(fitting, key=lambda each: each.expires)
            until = f"{longest.expires.astimezone(UTC):%Y-%m-%d}"
            reason = " ".join(longest.reason.split())
            said[result.key] = f"waived until {until} by {longest.approved_by}: {reason}"
    return said


def _covers(waiver: Waiver, result: Result) -> bool:
    return (
        waiver.item == result.item
        and waiver.target in ("", result.target)
        and waiver.object in ("", result.object)
    )
