"""Checks of what an application writes down about what was done in it."""

from __future__ import annotations

from checks.facts.auditlog import LoggedKeys, LogKeys
from checks.facts.database import Rows
from checks.facts.dbfacts import QueryRows
from checks.library.db import Tls
from checks.model import Scalar, Severity, Verdict
from checks.patterns import Pattern
from checks.registry import check, when
from checks.units import Span
from checks.verdicts import error, fail, msg, passed, skip


@check(
    "audit.log_complete",
    severity=Severity.P1,
    about="url",
    owner="vendor",
    done=QueryRows("{url}", "{password}", "{tls}", "{ca}", "{timeout}", "{operations}", "{sample}"),
    told=when("entries", QueryRows("{url}", "{password}", "{tls}", "{ca}", "{timeout}", "{entries}", 10_000)),
    logged=when("log", LogKeys("{log}", "{pattern}")),
)
def complete_audit_log(
    done: Rows,
    told: Rows | None,
    logged: LoggedKeys | None,
    url: str,
    operations: str,
    entries: str = "",
    log: str = "",
    pattern: Pattern = "",
    sample: int = 1000,
    missing_at_most: int = 0,
    password: str = "",
    tls: Tls = "auto",
    ca: str = "",
    timeout: Span = 5,
) -> Verdict:
    """Every sampled operation has its entry in the audit log.

    `operations` is a query whose first column is the key of each operation to look for, such as the numbers
    of yesterday's payments, `sample` of them at most. Where the entries are in the same database, `entries`
    is a query whose first column is the key of the operation that an entry is about. Where they are in a file
    on the target, `log` is its path (of which the last 4 MiB are read) and `pattern` a regular expression
    whose first group is the key. An entry without an operation is no problem. Both queries only read. Choose
    keys that may stand in a report: no names, no account numbers.

    Remedy: find what does an operation without writing an entry (imports, jobs, direct changes of the
    database) and have the application write it in the same transaction; report what is missing to whoever
    answers for the audit.
    Source: our judgement for finance: a log that is not complete proves nothing.
    """
    if told is None and logged is None:
        return error(
            "name the entries with `entries`, or the file with `log` and `pattern`", cause="unsupported"
        )
    keys = [str(row[0]) for row in done.rows if row and row[0] is not None]
    if not keys:
        return skip("there was no operation to look for", cause="none")
    held: set[str] = set()
    cut = False
    if told is not None:
        held |= {str(row[0]) for row in told.rows if row}
        cut = told.cut
    if logged is not None:
        held |= set(logged.keys)
        cut = cut or logged.cut
    missing = list(dict.fromkeys(key for key in keys if key not in held))
    count = len(dict.fromkeys(keys))
    evidence: dict[str, Scalar] = {
        "operations": count,
        "missing": len(missing),
        "examples": ", ".join(missing[:10]),
        "sampled": done.cut,
    }
    if len(missing) <= missing_at_most:
        say = msg("{count} operations, all but {missing} with their entry", count=count, missing=len(missing))
        if not missing:
            say = msg("{count} operations, all with their entry", count=count)
        return passed(say, evidence=evidence)
    if cut:
        say = msg("{missing} have no entry in the part of the log that was read", missing=len(missing))
        return error(say, cause="too-large", evidence=evidence)
    say = msg(
        "{missing} of {count} operations have no entry: {examples}",
        missing=len(missing),
        count=count,
        examples=", ".join(missing[:5]),
    )
    return fail(say, cause="missing", evidence=evidence)
