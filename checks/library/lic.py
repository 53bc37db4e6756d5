"""Checks of licences."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import floor
from typing import Any, Final

from checks.facts.licence import Licence, LicenceDate
from checks.model import Scalar, Severity, Verdict
from checks.paths import AbsolutePath
from checks.patterns import Pattern
from checks.registry import check
from checks.units import Span
from checks.verdicts import fail, msg, passed, warn

_DAY: Final = 86400.0


def _no_form(given: Mapping[str, Any]) -> tuple[str, str] | None:
    form = given["date_format"]
    example = datetime(2031, 7, 13, tzinfo=UTC)
    try:
        year = datetime.strptime(example.strftime(form), form).year if form else example.year  # noqa: DTZ007
    except (ValueError, OverflowError, re.error):
        return "date_format", f"{form!r:.60} is no form of strptime such as %d/%m/%Y"
    if year != example.year:
        return "date_format", f"{form!r:.60} holds no year (%Y)"
    return None


@check(
    "lic.expiry",
    severity=Severity.P1,
    about="path",
    owner="vendor",
    refuse=_no_form,
    licence=LicenceDate("{path}", "{key}", "{pattern}", "{date_format}"),
)
def licence_expiry(
    licence: Licence,
    now: datetime,
    path: AbsolutePath,
    key: str = "",
    pattern: Pattern = "",
    date_format: str = "",
    warn_within: Span = 30 * _DAY,
    fail_within: Span = 7 * _DAY,
) -> Verdict:
    """A licence holds for a while yet.

    The date is what `key` of the file holds (dotted, as in `cfg.value`), or what the lines that `pattern`
    finds have in its first group or behind it; without both, lines with words such as "expires", "valid
    until" or 有效期. Of several the earliest counts. Dates are understood as ISO 8601, 31.12.2026,
    31-Dec-2026, 2026年12月31日, seconds since 1970 and the like; one such as 03/04/2026 is refused until
    `date_format` (strptime: ``%d/%m/%Y``) says how it is meant. A date without a time holds until that day's
    end, in UTC. Of the file only the date enters the report.

    Remedy: order the renewal from the vendor now, with the licence's number and this host's id where it is
    bound to one; put the new file in place of {path} and restart what reads it, in a window that is agreed.
    Source: our judgement; 30 and 7 days are those for certificates.
    """
    if not licence.found:
        return fail("it names no date until which it holds", cause="no-date")
    if licence.until is None:
        return passed("it never expires", evidence={"line": licence.line})
    left = (licence.until - now).total_seconds()
    evidence: dict[str, Scalar] = {"until": licence.until.isoformat(), "seconds_left": round(left)}
    evidence["line"] = licence.line
    last = licence.until if licence.until.time() != datetime.min.time() else _day_before(licence.until)
    days = floor(abs(left) / _DAY)
    seen: dict[str, Scalar] = {"date": f"{last.astimezone(UTC):%Y-%m-%d}", "days": days}
    if left <= 0:
        return fail(msg("it expired on {date}, {days} days ago", **seen), cause="expired", evidence=evidence)
    said = msg("it expires on {date}, in {days} days", **seen)
    if left < fail_within:
        return fail(said, cause="expiring", evidence=evidence)
    if left < warn_within:
        return warn(said, cause="expiring", evidence=evidence)
    return passed(said, evidence=evidence)


def _day_before(midnight: datetime) -> datetime:
    """The last day on which it holds, where it ends at midnight."""
    from datetime import timedelta

    return midnight - timedelta(seconds=1)
