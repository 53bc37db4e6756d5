"""Checks of jobs that run by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from checks.facts.files import FileInfo, FileStat
from checks.facts.jobs import LastStamp, Stamp, TimerRun, TimerState
from checks.model import Scalar, Severity, Verdict
from checks.paths import AbsolutePath
from checks.patterns import Pattern
from checks.registry import check, when
from checks.units import Span, span_text
from checks.verdicts import fail, msg, passed, skip, warn

_AHEAD_S: Final = 300.0
"""Seconds that a time may lie ahead of this clock before it makes no sense."""


def _not_one_source(given: Mapping[str, Any]) -> tuple[str, str] | None:
    named = [name for name in ("file", "log", "timer") if given[name]]
    if len(named) == 1:
        return None
    return "job", f"set one of file, log and timer, not {' and '.join(named) or 'none'}"


@check(
    "job.fresh",
    severity=Severity.P1,
    about="job",
    owner="vendor",
    refuse=_not_one_source,
    state=when("file", FileStat("{file}")),
    stamp=when("log", LastStamp("{log}", "{pattern}", "{date_format}")),
    run=when("timer", TimerState("{timer}")),
)
def fresh_job(
    state: FileInfo | None,
    stamp: Stamp | None,
    run: TimerRun | None,
    now: datetime,
    job: str,
    period: Span,
    grace: Span = 3600,
    file: AbsolutePath = "",
    log: AbsolutePath = "",
    timer: str = "",
    pattern: Pattern = "",
    date_format: str = "",
) -> Verdict:
    """A job's last success is not longer ago than its period.

    Where the success is told from is one of three: `file`, which the job touches when it has succeeded;
    `log`, a state file or a log whose last line with `pattern` tells a date (cron's `/var/log/syslog` with
    ``CRON.*backup[.]sh`` tells that it was started, the job's own log that it ended well); `timer`, a systemd
    timer, with the result of what it starts. It may be late by `grace`.

    Remedy: run it by hand as its own user and see what it says; `systemctl status <unit>`, `journalctl -u
    <unit>` or cron's log (`grep CRON /var/log/syslog`) tell whether it was started at all. A timer that is
    off: `systemctl enable --now <timer>`. What was missed has to be made up for.
    Source: our judgement; period and grace are as healthchecks.io has them, and the profile's.
    """
    if run is not None:
        return _of_timer(run, now, period, grace)
    if state is not None:
        if not state.exists:
            return fail(msg("it has never succeeded: {file} is not there", file=file), cause="never")
        return _judged(datetime.fromtimestamp(state.mtime, UTC), now, period, grace)
    if stamp is None or not stamp.found or stamp.at is None:
        return fail(msg("no line of {log} tells of a success", log=log), cause="never")
    return _judged(stamp.at, now, period, grace)


def _of_timer(run: TimerRun, now: datetime, period: float, grace: float) -> Verdict:
    evidence: dict[str, Scalar] = {"unit": run.unit, "result": run.result, "status": run.status}
    if not run.loaded:
        return fail("systemd knows no such timer", cause="absent")
    if not run.active:
        return fail("its timer is off", cause="inactive", evidence=evidence)
    if run.result not in ("", "success"):
        said = msg("its last run failed: {result}, status {status}", result=run.result, status=run.status)
        return fail(said, cause="failed", evidence=evidence)
    last = run.finished or run.triggered
    if last is not None:
        return _judged(last, now, period, grace)
    if run.uptime_s < period + grace:
        said = msg("it has not run since the start of this machine {up} ago", up=span_text(run.uptime_s))
        return skip(said, cause="since-boot", evidence=evidence)
    return fail("it has never run since the start of this machine", cause="never", evidence=evidence)


def _judged(last: datetime, now: datetime, period: float, grace: float) -> Verdict:
    age = (now - last).total_seconds()
    evidence: dict[str, Scalar] = {"last": last.isoformat(), "age": round(age)}
    seen: dict[str, Scalar] = {"date": f"{last.astimezone(UTC):%Y-%m-%d %H:%M} UTC", "age": span_text(age)}
    if age < -_AHEAD_S:
        said = msg("its last success is dated {date}, ahead of the clock", **seen)
        return warn(said, cause="future", evidence=evidence)
    if age > period + grace:
        said = msg(
            "last success {age} ago, on {date}, wanted: every {period}", period=span_text(period), **seen
        )
        return fail(said, cause="late", evidence=evidence)
    return passed(msg("last success {age} ago, on {date}", **seen), evidence=evidence)
