"""Checks of what programs write to their logs."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from checks.fact import Unavailable
from checks.facts.loglines import LogGrowth, NewLogLines
from checks.model import Scalar, Severity, Verdict
from checks.paths import AbsolutePath
from checks.patterns import Pattern
from checks.registry import check
from checks.units import GiB, Size, size_text, span_text
from checks.verdicts import error, fail, msg, passed, skip, warn

_HOUR: Final = 3600.0


@check(
    "log.errors",
    severity=Severity.P2,
    about="path",
    owner="vendor",
    log=NewLogLines("{path}", "{pattern}", "{ignore}"),
)
def log_errors(
    log: LogGrowth | Unavailable,
    now: datetime,
    path: AbsolutePath,
    pattern: Pattern = r"\b(ERROR|FATAL|CRITICAL|SEVERE|PANIC)\b",
    ignore: tuple[Pattern, ...] = (),
    max_per_hour: float | None = None,
    max_size: Size = 2 * GiB,
    optional: bool = False,
) -> Verdict:
    """A log does not fill with errors, and is rotated.

    Counted are lines that have `pattern` and none of `ignore`, from where the last run stopped, over the runs
    of at least the last hour; more than `max_per_hour` fails, and without it the rate is only shown. The
    first run only notes where the log ends. A rotation in between is followed into the file before
    (`app.log.1`, `app.log-20261125`) while that is not compressed. 4 MiB are read in a run: of more, the
    newest. One matching line is shown, but not where it looks like it holds a secret.

    Remedy: look at the lines with `grep -nE '<pattern>' {path} | tail`, and put right what they name; what is
    known to be harmless goes into `ignore`. A log that only grows: a file in /etc/logrotate.d for it
    (`weekly`, `rotate 8`, `compress`, `copytruncate` for programs that keep it open).
    Source: our judgement; how many are too many is the profile's. 2 GiB is where programs of 32 bits stop.
    """
    if isinstance(log, Unavailable):
        if optional and log.cause == "absent":
            return skip("there is no such log", cause="absent")
        return error(msg("it could not be read: {reason}", reason=log.reason), cause=log.cause)
    evidence: dict[str, Scalar] = {"size": log.size, "lines": log.lines, "matches": log.matches}
    if log.size > max_size:
        said = msg(
            "it is {size} large, wanted: at most {most}; it is not rotated",
            size=size_text(log.size),
            most=size_text(max_size),
        )
        too_large = warn(said, cause="unrotated", evidence=evidence)
    else:
        too_large = None
    if not log.looks:
        first = skip("the first look: from here on lines are counted", cause="first-look", evidence=evidence)
        return too_large or first
    count, span = _counted(log, now)
    rate = count / max(1.0, span / _HOUR)
    evidence |= {"per_hour": round(rate, 2), "span": round(span), "skipped": log.skipped}
    if log.sample:
        evidence["sample"] = log.sample
    notes = ""
    if log.skipped:
        notes += "; {skipped} were too many to look at"
    if log.lost:
        notes += "; what was written before its rotation is not there any more"
    seen: dict[str, Scalar] = {"count": count, "span": span_text(span), "skipped": size_text(log.skipped)}
    if max_per_hour is not None and rate > max_per_hour:
        template = "{count} lines match in {span}, wanted: at most {most} an hour" + notes
        said = msg(template, most=f"{max_per_hour:g}", **seen)
        return fail(said, cause="errors", evidence=evidence)
    return too_large or passed(msg("{count} lines match in {span}" + notes, **seen), evidence=evidence)


def _counted(log: LogGrowth, now: datetime) -> tuple[int, float]:
    """Matching lines over the newest looks that cover an hour, as far as there are, and their seconds.

    What a look counted was written between it and the look before.
    """
    count, begins = log.matches, log.looks[-1].at
    for look, before in zip(reversed(log.looks), reversed(log.looks[:-1]), strict=False):
        if (now - begins).total_seconds() >= _HOUR:
            break
        count, begins = count + look.matches, before.at
    return count, max(0.0, (now - begins).total_seconds())
