"""Checks of the agent itself: whether what it finds arrives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from checks.fact import Unavailable
from checks.facts.deliveries import AgentDeliveries
from checks.facts.memory import Deliveries
from checks.model import Scalar, Severity, Verdict
from checks.registry import check
from checks.units import Span, span_text
from checks.verdicts import error, fail, msg, passed, skip, warn

_HOUR: Final = 3600.0
_DAY: Final = 86400.0
_WARN_TIMES, _FAIL_TIMES = 2, 7


def _in_order(arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    first, last = arguments["warn_after"], arguments["fail_after"]
    if first is not None and last is not None and last < first:
        return "fail_after", f"{span_text(last)} is shorter than warn_after, {span_text(first)}"
    return None


@check(
    "agent.upload",
    severity=Severity.P2,
    about="system",
    owner="customer-it",
    sent=AgentDeliveries(),
    refuse=_in_order,
)
def last_upload(
    sent: Deliveries | Unavailable,
    now: datetime,
    warn_after: Span | None = None,
    fail_after: Span | None = None,
) -> Verdict:
    """What is found here arrives at the collector.

    The newest acknowledged run is younger than `warn_after` and `fail_after`. Left out, these are 2 and 7
    times the interval in which the collector expects runs: a day where it expects none, and an hour at
    least, so that a collector which is being upgraded is not worth a line. Nothing is lost meanwhile: runs
    wait on this machine. Does not apply where the machine is not enrolled, or is read over SSH.

    Remedy: `firstlight doctor` says what stands between here and the collector, and what to type.
    Source: our judgement: one missing run is a network that was down for a night, seven are a collector that
    nobody reaches any more.
    """
    if isinstance(sent, Unavailable):
        if sent.cause == "unsupported":
            return skip("this is about the machine that the agent runs on", cause="elsewhere")
        return error(msg("it could not be read: {reason}", reason=sent.reason), cause=sent.cause)
    if not sent.enrolled:
        return skip("this machine is not enrolled, so nothing is to arrive", cause="not-enrolled")
    evidence: dict[str, Scalar] = {"waiting": sent.waiting, "held": sent.held, "refused": sent.refused}
    begun = sent.newest or sent.since
    if begun is None:
        return error("it is not known when a run last arrived", cause="unknown", evidence=evidence)
    age = (now - begun).total_seconds()
    evidence |= {"last": begun.isoformat(), "age": round(age)}
    if age < -_HOUR:
        say = msg(
            "the last run arrived at {at}, which is yet to come: the clock was set back", at=begun.isoformat()
        )
        return warn(say, cause="clock", evidence=evidence)
    told: dict[str, Scalar] = {"age": span_text(max(0, round(age)))}
    template = (
        "the last run arrived {age} ago" if sent.newest else "enrolled {age} ago, and no run has arrived"
    )
    if sent.waiting:
        template, told["waiting"] = template + "; {waiting} wait", sent.waiting
    first, last = bounds(sent, warn_after, fail_after)
    if age <= first:
        return passed(msg(template, **told), evidence=evidence)
    if sent.reason:
        template, told["reason"] = template + ": {reason}", sent.reason
    verdict = fail if age > last else warn
    return verdict(msg(template, **told), cause="refused" if sent.held else "late", evidence=evidence)


def bounds(sent: Deliveries, warn_after: float | None, fail_after: float | None) -> tuple[float, float]:
    """Seconds after which it warns and fails; what is not given keeps to what is."""
    interval = max(_HOUR, sent.interval_s or _DAY)
    if warn_after is None:
        warn_after = _WARN_TIMES * interval if fail_after is None else min(_WARN_TIMES * interval, fail_after)
    if fail_after is None:
        fail_after = max(_FAIL_TIMES * interval, warn_after)
    return warn_after, fail_after
