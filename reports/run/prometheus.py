"""The results in Prometheus's text format, for the textfile collector of node_exporter.

One series a result, its status as a number: alerts compare it (``== 2``). Every series names the profile, so
that the files of two profiles on one machine do not meet. docs/report-formats.md describes the metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from checks.model import Result, Severity, Status
from reports.run.plain import plain
from reports.run.view import RunView, by_urgency, counts

CODES: Final = {
    Status.PASS: 0,
    Status.WARN: 1,
    Status.FAIL: 2,
    Status.ERROR: 3,
    Status.SKIP: 4,
    Status.MANUAL: 5,
}
"""Fixed: rules of alerts are written against these."""


def render(view: RunView) -> bytes:
    """The metrics, each with its help and type; all are gauges without a timestamp of their own."""
    run = {"site": view.site, "profile": view.profile.id}
    tally = counts(view.results)
    fails = [result.severity for result in view.results if result.status is Status.FAIL]
    info = {**run, "profile_version": view.profile.version, "plan_digest": view.plan_digest}
    parts = [
        _metric(
            "firstlight_check_status",
            "Status of one result: 0 pass, 1 warn, 2 fail, 3 error (could not be told), 4 skip, 5 manual.",
            _statuses(view, run),
        ),
        _metric(
            "firstlight_results",
            "Results of the last run by status.",
            {_labels(run | {"status": status.value}): count for status, count in tally.items()},
        ),
        _metric(
            "firstlight_failing_checks",
            "Failing results of the last run by severity.",
            {_labels(run | {"severity": each.value}): fails.count(each) for each in Severity},
        ),
        _metric(
            "firstlight_run_timestamp_seconds",
            "When the readings of the last run were made.",
            {_labels(run): view.captured.timestamp()},
        ),
        _metric(
            "firstlight_run_duration_seconds",
            "How long the last run took.",
            {_labels(run): max((view.ended - view.started).total_seconds(), 0.0)},
        ),
        _metric(
            "firstlight_run_partial",
            "1 if the last run was interrupted, else 0.",
            {_labels(run): int(view.partial)},
        ),
        _metric(
            "firstlight_run_info",
            "What was run, always 1.",
            {_labels(info | {"version": view.version}): 1},
        ),
    ]
    return "".join(parts).encode()


def _statuses(view: RunView, run: Mapping[str, str]) -> dict[str, int]:
    """Series by labels; of two that would be the same the more urgent one stands."""
    found: dict[str, int] = {}
    for result in by_urgency(view.results):
        found.setdefault(_labels({**run, **_names(result)}), CODES[result.status])
    return dict(sorted(found.items()))


def _names(result: Result) -> dict[str, str]:
    return {
        "target": result.target,
        "item": result.item,
        "check": result.check,
        "object": result.object,
        "severity": result.severity.value,
    }


def _metric(name: str, help: str, series: Mapping[str, float]) -> str:
    lines: Iterable[str] = (f"{name}{labels} {_number(value)}\n" for labels, value in series.items())
    return f"# HELP {name} {help}\n# TYPE {name} gauge\n" + "".join(lines)


def _labels(names: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in names.items()) + "}"


def _escaped(value: str) -> str:
    return plain(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3f}"
