"""The results as a table for spreadsheets: RFC 4180 with a byte order mark, one row a result.

Excel takes UTF-8 for the system's code page unless the mark is there. The columns are described in
docs/report-formats.md; new ones are added at the end.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from checks.model import Result
from reports.run.plain import cut, plain
from reports.run.view import RunView, by_urgency

COLUMNS: Final = (
    "captured", "site", "profile", "profile_version", "target", "status", "severity", "item", "object",
    "title", "message", "cause", "owner", "remedy", "evidence", "check", "check_version", "duration_ms",
    "changed_since_acceptance", "under", "key", "rule", "run", "plan_digest", "partial",
)  # fmt: skip

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet calculate a cell, full-width forms included (OWASP, CSV injection)."""

CELL: Final = 32_000
"""Characters of a cell; Excel holds 32,767."""


def render(view: RunView) -> bytes:
    """The table, most urgent first, with lines that end in CR LF."""
    under = {key: root.key or f"target:{root.target}" for root in view.roots for key in root.under}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for result in by_urgency(view.results):
        row = _row(view, result, under.get(result.key, ""))
        writer.writerow([_cell(value) for value in row])
    return text.getvalue().encode("utf-8-sig")


def _row(view: RunView, result: Result, under: str) -> tuple[str, ...]:
    return (
        f"{view.captured.isoformat(timespec='seconds')}",
        view.site,
        view.profile.id,
        view.profile.version,
        result.target,
        result.status.value,
        result.severity.value,
        result.item,
        result.object,
        result.title,
        str(result.message),
        result.cause,
        result.owner,
        result.remedy,
        "; ".join(f"{name}={_shown(value)}" for name, value in result.evidence.items()),
        result.check,
        str(result.check_version),
        f"{result.duration_ms:.3f}",
        view.changes.get(result.key, ""),
        under,
        result.key,
        result.rule,
        view.run,
        view.plan_digest,
        "yes" if view.partial else "no",
    )


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _cell(text: str) -> str:
    safe = cut(plain(text), CELL)
    # Blanks before the sign do not stop every program from calculating.
    return "'" + safe if safe.startswith(FORMULA) or safe.lstrip().startswith(FORMULA) else safe
